"""Projects and the names of their classes.

A class has an id that its labels carry, so that renaming it changes no label and removing it only hides them.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from collections.abc import Sequence
from typing import Any

from engine.projects import audit
from engine.projects.database import Database, StoreError
from engine.projects.records import UNSURE, Project

# A class is labelled with one key, 1 to 9.
MAX_CLASSES = 9
# Long enough for a sentence, short enough for a column head.
MAX_NAME = 80


class Projects(Database):
    """The part of the store that knows projects and classes."""

    def create_project(
        self,
        name: str,
        classes: Sequence[str] = (),
        *,
        demo: bool = False,
        reader: str = "",
        settings: dict | None = None,
    ) -> Project:
        """A new, empty project. Raises StoreError for an unusable name."""
        project = secrets.token_hex(8)
        listed: list[dict[str, Any]] = []
        for each in classes:
            _add_class(listed, each)
        row = (project, _name(name), time.time(), int(demo), _json(listed), _json(settings or {}))
        with self.write() as db:
            db.execute("insert into project(id, name, created, demo, classes, settings) values (?, ?, ?, ?, ?, ?)", row)
            audit.append(db, reader, "project.create", project, detail={"classes": len(listed), "demo": demo})
        return self.project(project)

    def projects(self) -> list[Project]:
        """All projects, oldest first."""
        with self.read() as db:
            return [_project(row) for row in db.execute("select * from project where not removed order by created, id")]

    def project(self, project: str) -> Project:
        """One project; raises StoreError where it is not there."""
        with self.read() as db:
            return _project(project_row(db, project))

    def rename_project(self, project: str, name: str, *, reader: str = "") -> Project:
        """Another name for the same project."""
        with self.write() as db:
            project_row(db, project)
            db.execute("update project set name = ? where id = ?", (_name(name), project))
            audit.append(db, reader, "project.rename", project)
        return self.project(project)

    def remove_project(self, project: str, *, reader: str = "") -> list[str]:
        """Takes a project and all that was said in it out of the store for good.

        Returns the ids of cases that no other project uses: their folders are the caller's to delete.
        """
        with self.write() as db:
            project_row(db, project)
            db.execute("delete from prediction where run_id in (select id from run where project_id = ?)", (project,))
            # An undo points at the mark it undoes: they go first, so that every reference stays whole.
            db.execute("delete from mark where project_id = ? and undoes is not null", (project,))
            for table in ("mark", "run", "refused", "project_case", "draft"):
                db.execute(f"delete from {table} where project_id = ?", (project,))
            db.execute("delete from upload where project_id = ?", (project,))
            db.execute("delete from project where id = ?", (project,))
            db.execute("delete from setting where key = ?", (first_state_key(project),))
            alone = "select id from case_ where id not in (select case_id from project_case)"
            orphans = [row[0] for row in db.execute(alone)]
            db.execute(f"delete from case_ where id in ({alone})")
            audit.append(db, reader, "project.remove", project, detail={"cases": len(orphans)})
        return orphans

    def set_project_settings(self, project: str, **changed: Any) -> Project:
        """Changes some of a project's settings (learner, seed, use_places, ...) and leaves the others."""
        with self.write() as db:
            settings = {**json.loads(project_row(db, project)["settings"]), **changed}
            db.execute("update project set settings = ? where id = ?", (_json(settings), project))
        return self.project(project)

    def add_class(self, project: str, name: str, *, reader: str = "") -> Project:
        """One more class, last in the order. Raises StoreError for a name that is empty, taken or reserved."""
        with self.write() as db:
            listed = json.loads(project_row(db, project)["classes"])
            _add_class(listed, name)
            _save_classes(db, project, listed)
            audit.append(db, reader, "class.add", project, detail={"classes": len(_shown(listed))})
        return self.project(project)

    def rename_class(self, project: str, old: str, new: str, *, reader: str = "") -> Project:
        """Another name for a class; its labels stay on their cases."""
        with self.write() as db:
            listed = json.loads(project_row(db, project)["classes"])
            entry = _find_class(listed, old)
            if _class_name(new) != old:
                _check_free(listed, new)
            entry["name"] = _class_name(new)
            _save_classes(db, project, listed)
            audit.append(db, reader, "class.rename", project, detail={"class": entry["id"]})
        return self.project(project)

    def remove_class(self, project: str, name: str, *, reader: str = "") -> Project:
        """Takes a class away; its cases count as unlabelled from now on."""
        with self.write() as db:
            listed = json.loads(project_row(db, project)["classes"])
            entry = _find_class(listed, name)
            entry["removed"] = True
            _save_classes(db, project, listed)
            audit.append(db, reader, "class.remove", project, detail={"class": entry["id"]})
        return self.project(project)


def first_state_key(project: str) -> str:
    """The name under which a project's first state lies among the settings."""
    return f"first_state:{project}"


def project_row(db: sqlite3.Connection, project: str) -> sqlite3.Row:
    """The row of a project, or StoreError."""
    row = db.execute("select * from project where id = ? and not removed", (project,)).fetchone()
    if row is None:
        raise StoreError("store.no_project")
    return row


def class_names(row: sqlite3.Row) -> dict[str, str]:
    """id -> name of the classes that are there, in order."""
    return {each["id"]: each["name"] for each in _shown(json.loads(row["classes"]))}


def _project(row: sqlite3.Row) -> Project:
    settings = json.loads(row["settings"])
    names = tuple(class_names(row).values())
    return Project(row["id"], row["name"], row["created"], bool(row["demo"]), names, settings)


def _shown(listed: list[dict]) -> list[dict]:
    return [each for each in listed if not each["removed"]]


def _add_class(listed: list[dict], name: str) -> None:
    _check_free(listed, name)
    if len(_shown(listed)) >= MAX_CLASSES:
        raise StoreError("store.class_too_many", limit=MAX_CLASSES)
    listed.append({"id": f"c{len(listed) + 1}", "name": _class_name(name), "removed": False})


def _find_class(listed: list[dict], name: str) -> dict:
    for each in _shown(listed):
        if each["name"] == name:
            return each
    raise StoreError("store.class_unknown", name=name)


def _check_free(listed: list[dict], name: str) -> None:
    name = _class_name(name)
    if name.casefold() == UNSURE:
        raise StoreError("store.class_reserved", name=name)
    if any(each["name"].casefold() == name.casefold() for each in _shown(listed)):
        raise StoreError("store.class_twice", name=name)


def _class_name(name: str) -> str:
    name = _name(name)
    if not name:
        raise StoreError("store.class_empty")
    return name


def _name(name: str) -> str:
    """A name in one line without control characters; raises StoreError where it is too long."""
    name = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    if len(name) > MAX_NAME:
        raise StoreError("store.name_too_long", limit=MAX_NAME)
    return name


def _save_classes(db: sqlite3.Connection, project: str, listed: list[dict]) -> None:
    db.execute("update project set classes = ? where id = ?", (_json(listed), project))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
