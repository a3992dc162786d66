"""Small grey pictures as text, for results that are JSON."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image


def png(grey: np.ndarray) -> str:
    """uint8 (rows, columns) or (rows, columns, 3) -> the address of a PNG with the picture in it."""
    out = io.BytesIO()
    Image.fromarray(grey).save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode("ascii")
