"""Labelled sets -> few-shot episodes, and how predictions on them are scored."""

from engine.episodes.archive import Archive, open_archive
from engine.episodes.sampling import Episode, episodes
from engine.episodes.scoring import Score, score, summarise

__all__ = ["Archive", "Episode", "Score", "episodes", "open_archive", "score", "summarise"]
