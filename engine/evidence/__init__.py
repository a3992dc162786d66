"""Adapted model -> why: probabilities with their range, neighbours, maps, checks. `judge` does one press of Adapt."""

from engine.evidence.judging import judge
from engine.evidence.nouns import Judgement, MapPoint, Neighbour, Prediction, Tested, Typical

__all__ = ["Judgement", "MapPoint", "Neighbour", "Prediction", "Tested", "Typical", "judge"]
