"""The scenes of the tour and of a presentation: which page, what is pointed at. Their words are in `tour.*.toml`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Scene:
    """`targets`: CSS selectors of what is pointed at, the first that is there. `needs_run`: only after Adapt was
    pressed. `case`: which predicted case is opened: the "surest", or the first that is "unlike" anything labelled."""

    id: str
    step: str
    targets: tuple[str, ...]
    needs_run: bool = False
    case: str = ""


_TEST = (".st-key-centre .hf-card", ".st-key-centre [data-testid=stProgress]")  # told, or still under way
SCENES = (
    Scene("studies", "label", (".st-key-left",)),
    Scene("viewer", "label", (".st-key-centre",)),
    Scene("keys", "label", ('[class*="st-key-class-0"]',)),
    Scene("split", "label", (".st-key-right .hf-card",)),
    Scene("adapt", "label", (".st-key-next",)),
    Scene("predictions", "adapt", (".hf-tiles", ".st-key-centre"), needs_run=True),
    Scene("tested", "adapt", _TEST, needs_run=True),
    Scene("looked", "evidence", (".st-key-centre",), needs_run=True, case="surest"),
    Scene("rests", "evidence", (".st-key-neighbours",), needs_run=True, case="surest"),
    Scene("unlike", "evidence", (".st-key-right .hf-note", ".st-key-right .hf-card"), needs_run=True, case="unlike"),
    Scene("disagree", "evidence", (".st-key-left",), needs_run=True),
    Scene("report", "report", (".st-key-right",), needs_run=True),
    Scene("own", "projects", (".st-key-make-project",)),
)
BY_ID = {scene.id: scene for scene in SCENES}


def in_order(ids: Sequence[str] | None) -> tuple[Scene, ...]:
    """The scenes a presenter chose, in their order; all of them where nothing (or nothing known) was chosen."""
    chosen = tuple(BY_ID[i] for i in dict.fromkeys(ids or ()) if i in BY_ID)
    return chosen or SCENES
