"""Reading blind: several readers label the same cases, and none sees what another said until the reading is over.

While it lasts, each reader's page shows their own labels and Adapt learns from them alone. Lifting it is for good as
far as the comparison goes: what the readers are compared by are their labels as they stood at that moment, not as they
stood after they had talked.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.projects.records import Project
    from engine.projects.store import Store

BLIND = "blind"  # project setting: true while the reading is blind
LIFTED = "blind_lifted"  # project setting: when it was lifted (seconds since 1970), None before


def is_blind(settings: Mapping[str, Any]) -> bool:
    return bool(settings.get(BLIND))


def lifted(settings: Mapping[str, Any]) -> float | None:
    """When the blind reading ended; None where it goes on or there was none."""
    return settings.get(LIFTED)


def begin(store: Store, project: str, *, reader: str = "") -> Project:
    """From now on each reader sees only their own labels."""
    store.log("readers.blind", reader=reader, project=project)
    return store.set_project_settings(project, **{BLIND: True, LIFTED: None})


def lift(store: Store, project: str, *, reader: str = "") -> Project:
    """From now on everybody sees everything, and the newest label of a case counts for all."""
    store.log("readers.lifted", reader=reader, project=project)
    return store.set_project_settings(project, **{BLIND: False, LIFTED: time.time()})
