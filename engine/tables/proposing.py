"""What each column is for: a proposal with reasons, which a person corrects.

Nothing here is decided by a name alone where the values can contradict it: a label has few values or is a number, a
patient column repeats or numbers the rows, a site has some rows for each value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pandas as pd

from engine.nouns import Note
from engine.tables import names
from engine.tables.kinds import describe
from engine.tables.leaks import flag_leaks
from engine.tables.nouns import Dictionary, Entry, Table

MOST_CLASSES = 20
MOST_UNNAMED = 10  # classes of a label that is proposed for its place alone
MOST_SITES = 200
CODED = ("__y", "__group")  # the names that Handful's own benchmark tables use


def propose(
    table: Table, *, label: str | None = None, patient: str | None = None, smiles: str | None = None
) -> Dictionary:
    """The column dictionary of a table. Columns that are named are taken as told and not guessed.

    Raises KeyError for a named column that is not there.
    """
    for name in (label, patient, smiles):
        if name is not None and name not in table.frame.columns:
            raise KeyError(name)
    entries = {name: describe(name, table.frame[name], table.units.get(name, "")) for name in table.columns}
    found = _Proposal(table, entries)
    found.roles_of_kinds()
    if smiles:
        found.set(smiles, "molecule", "table.because_told", kind="molecule")
    found.one("patient", patient, found.patient_score)
    visits = found.visits()
    found.one("label", label, found.label_score)
    if not visits:
        found.one("site", None, found.site_score)
    found.dates()
    dictionary = Dictionary(tuple(found.entries.values()), tuple(found.notes))
    return flag_leaks(table, dictionary) if dictionary.one("label") else dictionary


class _Proposal:
    """The dictionary in the making."""

    def __init__(self, table: Table, entries: dict[str, Entry]) -> None:
        self.table, self.entries = table, entries
        self.notes: list[Note] = []
        self.said = {name: names.words(name) if names.short(name) else set() for name in entries}

    def set(self, name: str, role: str, reason: str, **changes) -> None:
        entry = self.entries[name]
        changes.setdefault("reasons", (*entry.reasons, Note(reason)))
        self.entries[name] = replace(entry, role=role, **changes)

    def roles_of_kinds(self) -> None:
        """What follows from the kind alone: what names people goes, free text and empty columns are left out."""
        for name, entry in self.entries.items():
            if entry.kind == "identifier":
                self.set(name, "identifier", "table.because_identifier")
            elif entry.kind == "empty":
                self.set(name, "ignored", "table.because_empty")
            elif entry.kind == "molecule":
                self.set(name, "molecule", "table.because_molecule")
            elif entry.kind == "text":
                self.set(name, "ignored", "table.because_text")
            elif entry.kind in ("category", "date", "number", "code") and self.said[name] & names.IDENTIFYING:
                self.set(name, "identifier", "table.because_name")
            elif entry.constant:
                self.set(name, "ignored", "table.because_constant")

    def one(self, role: str, told: str | None, score: Callable[[str, Entry], float]) -> None:
        """Give a role to the told column, or to the one with the highest score above zero."""
        if told is not None:
            self.set(told, role, "table.because_told", reasons=(Note("table.because_told"),))
            return
        scores = {name: score(name, entry) for name, entry in self.entries.items()}
        best = max(scores, key=scores.get, default=None)
        if best is not None and scores[best] > 0:
            self.set(best, role, f"table.because_{role}", reasons=(Note(f"table.because_{role}"),))

    def patient_score(self, name: str, entry: Entry) -> float:
        said = self.said[name]
        if entry.kind not in ("identifier", "number", "category", "text", "code") or entry.missing > 0.2 * entry.rows:
            return 0
        if entry.unit or entry.distinct < 2:
            return 0
        if said & names.PATIENT:
            per = not (said & {"per", "age", "type", "count"})
            numbered = said & names.NUMBER or said & {"mrn", "identifier"} or len(said) <= 2
            return 3 + 0.1 * len(said & names.NUMBER) if per and numbered else 0
        repeats = entry.distinct < entry.rows
        if entry.kind == "identifier" and not said & (
            names.IDENTIFYING | {"encounter", "visit", "row", "hadm", "stay", "stay_id"}
        ):
            return 1 + 0.5 * repeats if said & names.ROW_NUMBER else 0
        return 0

    def visits(self) -> bool:
        """A long table (patient, date, measure, value): name its columns."""
        if self._role("patient") is None and "time" not in set().union(*self.said.values()):
            return False
        measure = next(
            (
                n
                for n, e in self.entries.items()
                if self.said[n] & names.MEASURE and e.kind in ("category", "text", "code", "yes_no")
            ),
            None,
        )
        value = next(
            (
                n
                for n, e in self.entries.items()
                if self.said[n] & names.VALUE and n != measure and e.kind in ("number", "category", "text", "yes_no")
            ),
            None,
        )
        if measure is None or value is None:
            return False
        self.set(measure, "measure", "table.because_measure", reasons=(Note("table.because_measure"),))
        self.set(value, "value", "table.because_value", reasons=(Note("table.because_value"),))
        self.notes.append(Note("table.long"))
        return True

    def label_score(self, name: str, entry: Entry) -> float:
        if name == "__y":
            return 100
        if entry.role != "feature" or entry.kind not in ("yes_no", "category", "number") or entry.distinct < 2:
            return 0
        said, places = self.said[name], list(self.entries)
        classes = entry.kind != "number" or entry.distinct <= MOST_CLASSES
        if not classes and not said & {"target", "y", "outcome", "label"}:
            return 0
        if entry.distinct > MOST_CLASSES and entry.kind == "category":
            return 0
        score = 3.0 * bool(said & names.LABEL) + 2.0 * bool(
            said & {"label", "target", "outcome", "class", "y", "结局", "类别", "标签"}
        )
        score += 1.0 * (name == places[-1]) + 0.4 * (name == places[0]) - 1.5 * bool(said & names.SITE)
        score += 0.5 * bool(said & {"expert", "flag", "type"} and said & names.LABEL) - 4.0 * bool(
            said & names.NOT_LABEL
        )
        if not said & names.LABEL and (entry.distinct > MOST_UNNAMED or entry.distinct * 3 > entry.rows):
            return 0  # its place alone speaks for it
        return score if score >= 1 and entry.missing < 0.9 * entry.rows else 0

    def site_score(self, name: str, entry: Entry) -> float:
        if name == "__group":
            return 100
        said = self.said[name]
        if (
            entry.role not in ("feature", "identifier")
            or not said & names.SITE
            or said & names.NOT_SITE
            or not 2 <= entry.distinct <= MOST_SITES
        ):
            return 0
        if (
            entry.kind not in ("category", "number", "text", "identifier")
            or entry.distinct > 0.5 * entry.rows
            or entry.unit
        ):
            return 0
        if entry.kind == "number" and not said & (names.SITE - {"group", "unit", "region"}):
            return 0
        plain = 2.0 * bool(
            said & {"hospital", "site", "center", "centre", "institution", "inst", "医院", "中心", "klinik"}
        )
        return (
            1
            + plain
            - 0.5 * (entry.missing > 0.3 * entry.rows)
            - 0.9 * bool(said & {"admission", "source", "location"})
        )

    def dates(self) -> None:
        """The date of a row is its first date column, or a day counted from the start; others are kept as features."""
        for name, entry in self.entries.items():
            known = entry.role == "feature" and (entry.kind == "date" or self._counts_time(name, entry))
            if known and self._role("date") is None and not self.said[name] & names.AFTERWARDS:
                self.set(name, "date", "table.because_date", reasons=(Note("table.because_date"),))

    def _counts_time(self, name: str, entry: Entry) -> bool:
        return (
            self._role("measure") is not None
            and bool(self.said[name] & names.VISIT_TIME)
            and entry.kind in ("number", "category")
        )

    def _role(self, role: str) -> str | None:
        return next((n for n, e in self.entries.items() if e.role == role), None)


def label_of(table: Table, dictionary: Dictionary) -> pd.Series:
    """The label column: class names as text, or float64 for a numeric target. Raises KeyError without one."""
    name = dictionary.one("label")
    if name is None:
        raise KeyError("label")
    return table.frame[name]
