"""Whether a run still speaks of the labels as they are: one digest over all that a person said in a project."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from engine.nouns import Place


def marks_digest(
    labels: Mapping[str, str | float | None], places: Mapping[str, Sequence[Place]], regions: Mapping[str, Place]
) -> str:
    """The same for the same labels, places and regions, whatever order they were given in; 16 hex digits."""
    said = {
        "labels": {case: value for case, value in labels.items() if value is not None},
        "places": {case: [p.to_json() for p in each] for case, each in places.items() if each},
        "regions": {case: each.to_json() for case, each in regions.items() if each},
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]
