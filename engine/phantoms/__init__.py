"""Synthetic chest CT with known truth: for the demo, for training and for scoring evidence against lesion masks."""

from engine.phantoms.maker import FINDINGS, HOSPITALS, Phantom, Truth, make_phantom

__all__ = ["FINDINGS", "HOSPITALS", "Phantom", "Truth", "make_phantom"]
