"""All that was said of a project's cases, by every reader, as JSON that travels in its file.

    [{"case", "kind", "value", "reader", "at", "undoes"}, ...]      oldest first

`value` of a label is the name of its class, "unsure", a number, or null; of a place or region as `Place.to_json`.
`undoes` is the position in this list of the mark that was taken back. So elsewhere readers are compared as here, also
as they stood when a blind reading ended, and the newest word on each case is the same.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from engine.nouns import Place
from engine.projects import audit
from engine.projects.database import Database
from engine.projects.projects import class_names, project_row
from engine.projects.records import UNSURE

KINDS = ("label", "place", "region")
MAX_READER = 80  # letters of a reader's name; the page takes 40


def all_marks(store: Database, project: str) -> list[dict[str, Any]]:
    """Every mark on the project's cases, oldest first."""
    with store.read() as db:
        names = class_names(project_row(db, project))
        rows = db.execute(
            "select m.* from mark m join project_case p on p.project_id = m.project_id and p.case_id = m.case_id "
            "where m.project_id = ? and not p.removed order by m.id",
            (project,),
        ).fetchall()
    position = {row["id"]: at for at, row in enumerate(rows)}
    return [
        {
            "case": row["case_id"],
            "kind": row["kind"],
            "value": _told(row, names),
            "reader": row["reader"],
            "at": row["at"],
            "undoes": position.get(row["undoes"]),
        }
        for row in rows
    ]


def file_marks(
    store: Database, project: str, marks: Sequence[Mapping[str, Any]], cases: Collection[str], *, reader: str = ""
) -> None:
    """Files marks as they were, in one transaction with one line in the audit log; `reader` is who opens the file.

    Raises ValueError, TypeError or LookupError for what `all_marks` cannot have written.
    """
    with store.write() as db:
        ids = {name: key for key, name in class_names(project_row(db, project)).items()}
        filed: dict[int, int] = {}
        for at, mark in enumerate(marks):
            if mark["case"] not in cases:
                continue
            undoes = mark["undoes"]
            if undoes is not None and not (isinstance(undoes, int) and undoes in filed):
                raise ValueError("a mark takes back one that is not before it")
            row = (project, mark["case"], _kind(mark["kind"]), _stored(mark, ids), _reader(mark["reader"]),
                   filed.get(undoes), _time(mark["at"]))  # fmt: skip
            filed[at] = db.execute(
                "insert into mark(project_id, case_id, kind, value, reader, undoes, at) values (?, ?, ?, ?, ?, ?, ?)",
                row,
            ).lastrowid
        audit.append(db, reader, "marks.import", project, detail={"marks": len(filed)})


def _told(row: sqlite3.Row, names: Mapping[str, str]) -> Any:
    """A mark's value with the name of its class in place of its id; a class that was removed says nothing more."""
    value = json.loads(row["value"]) if row["value"] is not None else None
    if row["kind"] == "label" and isinstance(value, str) and value != UNSURE:
        return names.get(value)
    return value


def _stored(mark: Mapping[str, Any], ids: Mapping[str, str]) -> str | None:
    """The JSON under which the store keeps a value."""
    value = mark["value"]
    if value is None:
        return None
    if mark["kind"] == "place":
        return json.dumps([Place.from_json(each).to_json() for each in value])
    if mark["kind"] == "region":
        return json.dumps(Place.from_json(value).to_json())
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise ValueError("a label is a finite number")
        return json.dumps(float(value))
    return json.dumps(UNSURE if value == UNSURE else ids[value])


def _kind(kind: Any) -> str:
    if kind not in KINDS:
        raise ValueError("a mark is a label, a place or a region")
    return kind


def _reader(name: Any) -> str:
    """A reader's name in one line; ValueError for what is none."""
    if not isinstance(name, str) or len(name) > MAX_READER or not all(c.isprintable() for c in name):
        raise ValueError("a reader's name is a short line")
    return name


def _time(at: Any) -> float:
    if not isinstance(at, (int, float)) or not math.isfinite(at):
        raise ValueError("a mark has a time")
    return float(at)
