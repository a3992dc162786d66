"""PNG, JPEG and TIFF: decoded by Pillow with the formats named, turned upright, metadata dropped. Runs in the child."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from engine.intake.limits import Limits
from engine.intake.refusal import Refusal

FORMATS = ("PNG", "JPEG", "TIFF")
MAX_PAGES = 2_000


def look(path: Path, limits: Limits) -> dict[str, Any]:
    """{"size": [rows, columns], "pages": n, "deep": type}: from the header. `deep` is "" for 8 bits a pixel, "<u2" for
    16, "<i2" for what has to be brought to that."""
    with _open(path, limits) as image:
        columns, rows = image.size
        if image.getexif().get(0x0112) in (5, 6, 7, 8):  # EXIF Orientation: stored on its side
            rows, columns = columns, rows
        pages = min(getattr(image, "n_frames", 1) if image.format == "TIFF" else 1, MAX_PAGES + 1)
        if pages > MAX_PAGES:
            raise Refusal("too_many_frames", frames=pages, limit=MAX_PAGES)
        deep = "<u2" if image.mode.startswith("I;16") else "<i2" if image.mode.startswith(("I", "F")) else ""
        return {"size": [rows, columns], "pages": pages, "deep": deep}


def read(path: Path, page: int, plan: Mapping[str, Any], limits: Limits) -> tuple[np.ndarray, dict[str, Any]]:
    """One page as (rows, columns, 3) uint8, or (rows, columns) of type `plan["deep"]`.

    Grey pictures come out as three equal channels too; `cases` keeps one of them when all pages are grey.
    """
    with _open(path, limits) as image:
        if page:
            image.seek(page)
        if image.size[0] * image.size[1] > limits.pixels:
            raise Refusal("megapixels", limit=limits.pixels // 1_000_000)
        try:
            image.load()
        except (OSError, SyntaxError, ValueError, EOFError) as error:  # what Pillow raises on damaged data
            raise Refusal("picture_broken") from error
        if plan["deep"]:
            found = np.asarray(ImageOps.exif_transpose(image))
            return (found.astype("<u2"), {}) if plan["deep"] == "<u2" else _to_int16(found)
        upright = ImageOps.exif_transpose(image)
        if upright.has_transparency_data:
            black = Image.new("RGBA", upright.size, (0, 0, 0, 255))
            upright = Image.alpha_composite(black, upright.convert("RGBA"))
        rgb = np.asarray(upright.convert("RGB"))
    if list(rgb.shape[:2]) != list(plan["size"]):
        raise Refusal("size_disagrees", rows=plan["size"][0], columns=plan["size"][1])
    grey = bool((rgb[..., 0] == rgb[..., 1]).all() and (rgb[..., 1] == rgb[..., 2]).all())
    return rgb, {"grey": grey}


def _to_int16(values: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """32-bit or fractional greys -> int16: whole numbers that fit stay, the rest is stretched."""
    if not np.isfinite(values).all():
        raise Refusal("not_finite")
    low, high = float(values.min()), float(values.max())
    if values.dtype.kind in "iu" and low >= -32768 and high <= 32767:
        return values.astype(np.int16), {}
    scaled = (values.astype(np.float64) - low) * (32767 / max(high - low, 1e-12))
    return np.rint(scaled).astype(np.int16), {"stretched": True}


def _open(path: Path, limits: Limits) -> Image.Image:
    Image.MAX_IMAGE_PIXELS = None  # our own limit below gives the sentence
    try:
        image = Image.open(path, formats=FORMATS)
    except OSError as error:
        raise Refusal("picture_broken") from error
    if image.size[0] * image.size[1] > limits.pixels or max(image.size) > limits.side:
        image.close()
        raise Refusal("megapixels", limit=limits.pixels // 1_000_000)
    return image
