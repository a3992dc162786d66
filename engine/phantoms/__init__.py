"""Synthetic chest CT with known truth: for the demo, for training and for scoring evidence against lesion masks."""

from engine.phantoms.demo import demo_mask, demo_series, demo_truth, match_demo
from engine.phantoms.maker import Phantom, Truth, make_phantom, plan_phantom
from engine.phantoms.plans import FINDINGS
from engine.phantoms.scanner import HOSPITALS

__all__ = [
    "FINDINGS",
    "HOSPITALS",
    "Phantom",
    "Truth",
    "demo_mask",
    "demo_series",
    "demo_truth",
    "make_phantom",
    "match_demo",
    "plan_phantom",
]
