"""Small grey pictures as text, for results that are JSON."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from engine.evidence.picture import OPACITY, QUIET, WARM


def png(grey: np.ndarray) -> str:
    """uint8 (rows, columns) or (rows, columns, 3) -> the address of a PNG with the picture in it."""
    out = io.BytesIO()
    Image.fromarray(grey).save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode("ascii")


def warm(grey: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """A map over a picture: uint8 (n, n) and marks (k, k), of which what speaks for the class is painted -> (n, n, 3).

    Colours as on the page's other maps (`engine.evidence.picture`).
    """
    top = float(marks.max())
    share = np.clip(marks / top, 0, 1) if top > 0 else np.zeros_like(marks)
    grown = Image.fromarray(share.astype(np.float32)).resize(grey.shape[::-1], Image.Resampling.BICUBIC)
    strength = np.clip((np.asarray(grown) - QUIET) / (1 - QUIET), 0, 1)
    places = np.linspace(0, 1, len(WARM))
    colours = np.stack([np.interp(strength, places, WARM[:, i]) for i in range(3)], -1)
    alpha = (OPACITY * np.sqrt(strength))[..., None]
    return np.round(grey[..., None] * (1 - alpha) + colours * alpha).clip(0, 255).astype(np.uint8)
