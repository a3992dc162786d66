"""What people say of a case: its label, the places they point at, the region they narrow it to.

Nothing is overwritten. The newest row of a case and kind counts; an undo adds a row that repeats what stood before.
Every change is on the disk, with its line in the audit log, before the method returns.

Several readers may speak of the same case. Without a `reader` the newest word of anyone counts; with one, the newest of
theirs. In a project that is read blind (`engine.projects.blind`) an undo and an added place know that reader's alone.
"""

from __future__ import annotations

import json
import math
import sqlite3
import time
from collections.abc import Mapping, Sequence
from typing import Any

from engine.nouns import Place
from engine.projects import audit
from engine.projects.blind import BLIND
from engine.projects.cases import case_row
from engine.projects.database import Database, StoreError
from engine.projects.projects import class_names, project_row
from engine.projects.records import UNSURE, Mark

_NEWEST = """select case_id, value, reader, at from mark where id in (
    select max(id) from mark where project_id = :project and kind = :kind and (:reader is null or reader = :reader)
    and (:until is null or at <= :until) group by case_id)"""


class Marks(Database):
    """The part of the store that knows labels, places and regions."""

    def set_label(self, project: str, case: str, value: str | None, *, reader: str = "") -> None:
        """Labels a case with a class by name, UNSURE, or None to clear. Raises StoreError for an unknown class."""
        with self.write() as db:
            stored: str | None = value
            if value is not None and value != UNSURE:
                ids = {name: key for key, name in class_names(project_row(db, project)).items()}
                if value not in ids:
                    raise StoreError("store.class_unknown", name=value)
                stored = ids[value]
            _mark(db, project, case, "label", stored, reader)

    def set_number(self, project: str, case: str, value: float | None, *, reader: str = "") -> None:
        """Labels a case with a number, where the project learns one; None clears. Raises ValueError for infinity."""
        if value is not None and not math.isfinite(value):
            raise ValueError("a label is a finite number")
        with self.write() as db:
            _mark(db, project, case, "label", None if value is None else float(value), reader)

    def label_rows(self, project: str, labels: Mapping[str, str | float], *, reader: str = "") -> None:
        """Labels that came with a table, all or none: case id -> class name or number. One line in the audit log."""
        with self.write() as db:
            ids = {name: key for key, name in class_names(project_row(db, project)).items()}
            now, rows = time.time(), []
            for case, value in labels.items():
                if isinstance(value, str) and value not in ids:
                    raise StoreError("store.class_unknown", name=value)
                stored = ids[value] if isinstance(value, str) else float(value)
                rows.append((project, case, json.dumps(stored), reader, now))
            db.executemany(
                "insert into mark(project_id, case_id, kind, value, reader, at) values (?, ?, 'label', ?, ?, ?)", rows
            )
            if rows:
                audit.append(db, reader, "label.table", project, detail={"labels": len(rows)})

    def labels(
        self, project: str, *, reader: str | None = None, until: float | None = None
    ) -> dict[str, str | float | None]:
        """Case id -> class name (a number, where the project learns one), UNSURE, or None where it was cleared or its
        class removed; unseen cases are absent. `reader`: that reader's own; `until`: as they stood then (since 1970).
        """
        with self.read() as db:
            names = class_names(project_row(db, project))
            rows = db.execute(_NEWEST, _asked(project, "label", reader, until)).fetchall()
        return {row["case_id"]: _label(row["value"], names) for row in rows}

    def readers(self, project: str, *, until: float | None = None) -> dict[str, int]:
        """Reader -> how many cases they have labelled (unsure counts, cleared doesn't), the first to label first.

        "" is whoever labelled without giving a name.
        """
        with self.read() as db:
            names = [
                row[0]
                for row in db.execute(
                    "select reader from mark where project_id = ? and kind = 'label' group by reader order by min(id)",
                    (project,),
                )
            ]
            known = {row[0] for row in db.execute("select case_id from project_case where project_id = ? "
                                                  "and not removed", (project,))}  # fmt: skip
        given = {name: self.labels(project, reader=name, until=until) for name in names}
        counts = {name: sum(v is not None and c in known for c, v in said.items()) for name, said in given.items()}
        return {name: count for name, count in counts.items() if count}

    def set_place(self, project: str, case: str, place: Place, *, reader: str = "", add: bool = False) -> None:
        """Keeps where the finding is, in patient mm; `add` keeps the places that were pointed at before as well."""
        with self.write() as db:
            before = _newest(db, project, case, "place", reader if _blind(db, project) else None) if add else None
            _mark(db, project, case, "place", [*(before or []), place.to_json()], reader)

    def clear_place(self, project: str, case: str, *, reader: str = "") -> None:
        """Forgets the places of a case."""
        with self.write() as db:
            _mark(db, project, case, "place", None, reader)

    def places(self, project: str, *, reader: str | None = None) -> dict[str, tuple[Place, ...]]:
        """Case id -> the places a person pointed at (`reader`: that one); cases without one are absent."""
        return {case: tuple(map(Place.from_json, value)) for case, value in self._values(project, "place", reader)}

    def set_region(self, project: str, case: str, region: Place | None, *, reader: str = "") -> None:
        """Narrows a case to a box or sphere, or with None widens it again."""
        with self.write() as db:
            _mark(db, project, case, "region", region.to_json() if region else None, reader)

    def regions(self, project: str, *, reader: str | None = None) -> dict[str, Place]:
        """Case id -> the region it is narrowed to (by that `reader`); cases without one are absent."""
        return {case: Place.from_json(value) for case, value in self._values(project, "region", reader)}

    def undo(self, project: str, *, kinds: Sequence[str] = ("label", "place", "region"), reader: str | None = None):
        """Takes back the newest mark that is not yet taken back, again and again; None when nothing is left.

        `reader`: only that reader's marks, and only while nobody marked the same case after (read blind, others don't
        matter). Returns the Mark that now counts for the case, so that the page can go there and say what it is.
        """
        with self.write() as db:
            blind = reader is not None and _blind(db, project)
            target = _undoable(db, project, kinds, reader, blind)
            if target is None:
                return None
            before = db.execute(
                "select value from mark where project_id = ? and case_id = ? and kind = ? and id < ? "
                "and (? is null or reader = ?) order by id desc limit 1",
                (project, target["case_id"], target["kind"], target["id"], *(2 * [reader if blind else None])),
            ).fetchone()
            value = json.loads(before["value"]) if before and before["value"] is not None else None
            _mark(db, project, target["case_id"], target["kind"], value, reader or target["reader"], target["id"])
            names = class_names(project_row(db, project))
            row = db.execute("select * from mark order by id desc limit 1").fetchone()
            return _as_mark(row, names)

    def undo_label(self, project: str, *, reader: str | None = None) -> Mark | None:
        """`undo` for labels alone."""
        return self.undo(project, kinds=("label",), reader=reader)

    def label_history(self, project: str, case: str | None = None) -> list[Mark]:
        """Every label ever given, oldest first, undone ones and undos included."""
        with self.read() as db:
            names = class_names(project_row(db, project))
            where, values = (" and case_id = ?", (case,)) if case else ("", ())
            rows = db.execute(
                f"select * from mark where project_id = ? and kind = 'label'{where} order by id", (project, *values)
            ).fetchall()
        return [_as_mark(row, names) for row in rows]

    def _values(self, project: str, kind: str, reader: str | None = None) -> list[tuple[str, Any]]:
        with self.read() as db:
            rows = db.execute(_NEWEST, _asked(project, kind, reader)).fetchall()
        return [(row["case_id"], json.loads(row["value"])) for row in rows if row["value"] is not None]


def _mark(
    db: sqlite3.Connection, project: str, case: str, kind: str, value: Any, reader: str, undoes: int | None = None
) -> None:
    case_row(db, project, case)
    db.execute(
        "insert into mark(project_id, case_id, kind, value, reader, undoes, at) values (?, ?, ?, ?, ?, ?, ?)",
        (project, case, kind, None if value is None else json.dumps(value), reader, undoes, time.time()),
    )
    detail: dict[str, Any] = {"value": value} if kind == "label" else {"places": len(value) if value else 0}
    audit.append(db, reader, f"{kind}.undo" if undoes else f"{kind}.set", project, case, detail)


def _asked(project: str, kind: str, reader: str | None, until: float | None = None) -> dict[str, Any]:
    """The values of _NEWEST."""
    return {"project": project, "kind": kind, "reader": reader, "until": until}


def _blind(db: sqlite3.Connection, project: str) -> bool:
    return bool(json.loads(project_row(db, project)["settings"]).get(BLIND))


def _newest(db: sqlite3.Connection, project: str, case: str, kind: str, reader: str | None = None) -> Any:
    row = db.execute(
        "select value from mark where project_id = ? and case_id = ? and kind = ? and (? is null or reader = ?) "
        "order by id desc limit 1",
        (project, case, kind, reader, reader),
    ).fetchone()
    return json.loads(row["value"]) if row and row["value"] is not None else None


def _undoable(
    db: sqlite3.Connection, project: str, kinds: Sequence[str], reader: str | None, blind: bool
) -> sqlite3.Row | None:
    """The newest mark that is neither an undo nor undone, of a case that is still in the project."""
    marks = ",".join("?" * len(kinds))
    # With a reader: a mark that somebody else followed on the same case is theirs to take back, not this reader's.
    mine = "and m.reader = ?"
    if not blind:
        mine += (
            " and not exists (select 1 from mark l where l.project_id = m.project_id and "
            "l.case_id = m.case_id and l.kind = m.kind and l.id > m.id and l.reader != m.reader)"
        )
    return db.execute(
        f"""select m.* from mark m join project_case p on p.project_id = m.project_id and p.case_id = m.case_id
            where m.project_id = ? and m.kind in ({marks}) and m.undoes is null and not p.removed
            and not exists (select 1 from mark u where u.undoes = m.id) {mine if reader is not None else ""}
            order by m.id desc limit 1""",
        (project, *kinds, *([reader] if reader is not None else [])),
    ).fetchone()


def _label(raw: str | None, names: Mapping[str, str]) -> str | float | None:
    value = json.loads(raw) if raw is not None else None
    return value if value in (None, UNSURE) or isinstance(value, float) else names.get(value)


def _as_mark(row: sqlite3.Row, names: Mapping[str, str]) -> Mark:
    if row["kind"] == "label":
        value: Any = _label(row["value"], names)
    else:
        value = json.loads(row["value"]) if row["value"] is not None else None
    return Mark(row["id"], row["case_id"], row["kind"], value, row["reader"], row["at"], row["undoes"])
