"""Synthetic chest CT with known truth: for the demo, for training and for scoring evidence against lesion masks."""

from engine.phantoms.maker import Phantom, Truth, make_phantom, plan_phantom
from engine.phantoms.plans import FINDINGS
from engine.phantoms.scanner import HOSPITALS

__all__ = ["FINDINGS", "HOSPITALS", "Phantom", "Truth", "make_phantom", "plan_phantom"]
