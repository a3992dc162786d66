"""Labelled sets -> few-shot episodes, and how predictions on them are scored."""

from engine.episodes.archive import Archive, open_archive
from engine.episodes.sampling import Episode, episodes, left_out
from engine.episodes.scoring import Score, score, summarise

__all__ = ["Archive", "Episode", "Score", "episodes", "left_out", "open_archive", "score", "summarise"]
