"""All that a report says of a run, gathered once: from the store, and from nothing that computes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.projects.digest import marks_digest
from engine.projects.records import UNSURE, Project, ProjectCase, Run
from engine.projects.store import Store


@dataclass(frozen=True)
class Labelled:
    """A case that taught the run: its label (a class's name, or a number as text), who gave it and when.

    `at` is seconds since 1970, None where the project came from elsewhere without its history.
    """

    case: str
    label: str
    reader: str
    at: float | None
    pointed: bool


@dataclass(frozen=True)
class Facts:
    """`predictions`: case id -> what the run filed, the least sure first. `stale`: labels changed since.

    `audit_hash`: the newest entry of the audit log, so that whoever keeps the report can later prove the log whole.
    """

    project: Project
    run: Run
    cases: Mapping[str, ProjectCase]
    predictions: Mapping[str, Mapping[str, Any]]
    labelled: tuple[Labelled, ...]
    stale: bool
    unsure: int
    audit_hash: str

    @property
    def record(self) -> Mapping[str, Any]:
        return self.run.record

    @property
    def numeric(self) -> bool:
        """A number is predicted, not a class."""
        return self.project.settings.get("target") == "number" or any("value" in p for p in self.predictions.values())

    @property
    def classes(self) -> tuple[str, ...]:
        return () if self.numeric else tuple(self.record.get("classes") or self.project.classes)

    @property
    def unit(self) -> str:
        found = (p.get("unit") for p in self.predictions.values())
        return str(self.project.settings.get("unit") or next((u for u in found if u), "") or "")

    @property
    def taught_patients(self) -> int:
        return self.patients([each.case for each in self.labelled])

    def patients(self, case_ids: list[str]) -> int:
        """How many people these cases come from; a case without a patient's code counts as one."""
        return len({(self.cases[c].patient or c) if c in self.cases else c for c in case_ids})

    def counts(self) -> dict[str, tuple[int, int]]:
        """Class -> (labelled cases, their patients); empty where numbers are predicted."""
        groups = {name: [each.case for each in self.labelled if each.label == name] for name in self.classes}
        return {name: (len(ids), self.patients(ids)) for name, ids in groups.items()}

    def kinds(self) -> list[tuple[str, str, int]]:
        """(kind, modality, count) of all cases, the commonest first."""
        found = Counter((c.case.kind, c.case.modality if c.case.kind == "volume" else "") for c in self.cases.values())
        return [(kind, modality, count) for (kind, modality), count in found.most_common()]

    def set_of(self, case_id: str, level: str = "0.8") -> tuple[str, ...] | None:
        """The classes that can't be excluded for a case; None where too few patients are labelled to say so."""
        found = ((self.record.get("sets") or {}).get("levels") or {}).get(level)
        if not found or set(found["promises"]) != set(self.classes) or case_id not in found["cases"]:
            return None
        return tuple(found["cases"][case_id])


def gather(store: Store, run: Run) -> Facts:
    """What is known of a run and its project now. Raises StoreError where either is gone."""
    project = store.project(run.project_id)
    cases = {each.id: each for each in store.cases(project.id)}
    who = run.record.get("taught_by")  # one reader's labels alone, where it was read blind
    labels = store.labels(project.id, reader=who)
    marks = marks_digest(labels, store.places(project.id, reader=who), store.regions(project.id, reader=who))
    newest = store.audit_rows(limit=1)
    return Facts(
        project,
        run,
        cases,
        _by_sureness(store.predictions(run.id)),
        _labelled(store, run),
        "marks" in run.record and run.record["marks"] != marks,
        sum(1 for case, value in labels.items() if value == UNSURE and case in cases),
        newest[0].hash if newest else "",
    )


def _labelled(store: Store, run: Run) -> tuple[Labelled, ...]:
    """The labels as they were when Adapt was pressed, each with the newest mark that gave it."""
    given = {}
    for mark in store.label_history(run.project_id):
        mine = run.record.get("taught_by") in (None, mark.reader)
        if mine and mark.at <= run.at and mark.value is not None:
            given[mark.case_id] = mark
    found = []
    for each in run.record["support"]:
        mark = given.get(each["case"])
        known = mark is not None and mark.value == each["label"]
        reader, at = (mark.reader, mark.at) if known else ("", None)
        found.append(Labelled(each["case"], str(each["label"]), reader, at, bool(each.get("at_mm"))))
    return tuple(found)


def _by_sureness(predictions: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return dict(sorted(predictions.items(), key=lambda item: (_sureness(item[1]), item[0])))


def _sureness(raw: Mapping[str, Any]) -> tuple[bool, float]:
    """Unlike anything labelled first; then how close the best two classes are, or how wide a number's interval is."""
    if "value" in raw:
        low, high = raw.get("low"), raw.get("high")
        return (not raw.get("unlike_flag"), -(high - low) if low is not None and high is not None else 0.0)
    top = sorted(raw["probabilities"], reverse=True)
    return (not raw.get("unlike_flag"), top[0] - top[1] if len(top) > 1 else 1.0)
