"""Molecules drawn for the page: asked of the bounded process that reads them, which is started once and kept."""

from __future__ import annotations

import atexit
import re
from collections.abc import Sequence
from functools import lru_cache
from threading import Lock

from engine.intake.bounded import Bounded
from engine.tables.drawing import INK, INK_DARK
from engine.tables.limits import TableLimits
from engine.tables.reading import READERS

THICK = 2.6  # of 160: 0.8 pixels in a thumbnail of 52
KEPT = 2000  # drawings of about 2 kB


class Pen:
    """Draws structures. The process starts with the first drawing (1.5 s); each further one takes 2 ms."""

    def __init__(self) -> None:
        self._limits, self._lock, self._child = TableLimits(), Lock(), None
        atexit.register(self.close)
        self._drawn = lru_cache(maxsize=KEPT)(self._ask)

    def draw(
        self, smiles: str, weights: Sequence[float] | None = None, width: int = 320, height: int = 240, *, dark: bool
    ) -> str:
        """An SVG, "" for what is no molecule. `weights` (atoms,) in -1..1: orange halos above zero, blue ones below."""
        made = self._drawn(smiles, tuple(weights) if weights else None, width, height)
        return made.replace(INK, INK_DARK) if dark else made

    def _ask(self, smiles: str, weights: tuple[float, ...] | None, width: int, height: int) -> str:
        options = {"width": width, "height": height} | ({"weights": list(weights)} if weights else {})
        with self._lock:
            if self._child is None:
                self._child = Bounded(self._limits, readers=READERS)
            asked = smiles[: self._limits.molecule_characters + 1]
            answer = self._child.ask("draw", smiles=asked, options=options, seconds=self._limits.header_seconds)
        return answer.get("svg", "")

    def close(self) -> None:
        """End the process; the next drawing starts another."""
        with self._lock:
            if self._child is not None:
                self._child.__exit__(None, None, None)
                self._child = None


PEN = Pen()


def small(svg: str) -> str:
    """A drawing for a thumbnail, with lines that are seen at 50 pixels. Its margin stays: letters stand in it."""
    return re.sub(r'stroke-width="[\d.]+"', f'stroke-width="{THICK}"', svg, count=1)
