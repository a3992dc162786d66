"""A project of rows travels as one file, its exports are safe to open, and what names people is swept."""

from __future__ import annotations

import csv
import json
import time
import zipfile

import numpy as np
import pytest

from engine.jobs import Queue
from engine.jobs.housekeeping import tidy
from engine.jobs.work import rooms
from engine.jobs.work.row_data import held_back
from engine.projects import Store, StoreError
from engine.tables import propose
from tests.engine.jobs.made_home import Home
from tests.engine.jobs.made_tables_of_jobs import table_of_frame
from tests.engine.jobs.test_row_runs import opened, records, stays


def saved(home: Home, project: str):
    made = home.run("export", project=project, what="project")
    return home.data / "downloads" / made["download"] / made["name"]


@pytest.mark.parametrize(("frame", "label"), [(records(), "outcome"), (stays(), "target (days)")])
def test_a_project_of_rows_opens_elsewhere_with_its_table_labels_and_held_back_labels(home, frame, label):
    project = opened(frame, label)
    file = saved(home, project)
    here = home.store
    there = Store(home.folder / "elsewhere" / "handful.db")
    copy = there.import_project(file, home.folder / "elsewhere" / "cases")
    assert there.labels(copy) == here.labels(project) and there.split(copy).query == here.split(project).query
    table = here.project(project).settings["table"]
    folder = home.folder / "elsewhere" / "tables" / table
    assert (folder / "rows.parquet").read_bytes() == (home.data / "tables" / table / "rows.parquet").read_bytes()
    assert json.loads((folder / f"held-{copy}.json").read_text("utf-8")) == held_back(table, project)
    again = here.import_project(file, rooms.settings().cases_dir)
    assert held_back(table, again) == held_back(table, project)


@pytest.mark.parametrize("change", ["rows", "escape", "gone"])
def test_a_project_file_whose_table_was_changed_opens_nothing(home, change):
    file = saved(home, opened(records()))
    broken = home.folder / "broken.zip"
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(broken, "w") as new:
        about = json.loads(old.read("project.json"))
        for name in old.namelist():
            content = old.read(name)
            if name == "project.json":
                if change == "escape":
                    about["settings"]["table"] = "../../cases"
                if change == "gone":
                    about["files"] = {k: v for k, v in about["files"].items() if not k.endswith("parquet")}
                content = json.dumps(about).encode()
            elif name.endswith("rows.parquet") and change == "rows":
                content = content[:-100] + bytes(100)
            new.writestr(name, content)
    before = [p.id for p in home.store.projects()]
    with pytest.raises(StoreError):
        home.store.import_project(broken, rooms.settings().cases_dir)
    assert [p.id for p in home.store.projects()] == before


def test_exports_of_rows_run_no_formula_and_numbers_stay_numbers(home):
    frame = records()
    frame["outcome"] = np.where(frame["outcome"] == "ill", "=1+1", "@well")
    project = opened(frame, teach=6)
    home.run("adapt", project=project, learner="nearest", seed=0)
    made = home.run("export", project=project, what="csv")
    text = (home.data / "downloads" / made["download"] / made["name"]).read_text("utf-8-sig")
    cells = [cell for row in csv.reader(text.splitlines()) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "@"))] and "'=1+1" in cells
    project = opened(stays(), "target (days)")
    home.run("adapt", project=project, learner="ridge", seed=0)
    made = home.run("export", project=project, what="csv")
    rows = list(csv.DictReader((home.data / "downloads" / made["download"] / made["name"]).open(encoding="utf-8-sig")))
    assert all(float(r["low"]) <= float(r["value"]) <= float(r["high"]) and r["unit"] == "days" for r in rows)


def test_a_draft_is_swept_after_a_day_and_a_table_once_no_project_uses_it(home):
    project = opened(records())
    table = home.store.project(project).settings["table"]
    frame = table_of_frame(records(1))
    home.store.add_draft(project, frame, propose(frame))
    settings, queue = rooms.settings(), Queue(home.data)
    assert tidy(settings, home.store, queue)["drafts"] == 0 and home.store.drafts(project)
    swept = tidy(settings, home.store, queue, now=time.time() + 25 * 3600)
    assert swept["drafts"] == 1 and not home.store.drafts(project) and not list((home.data / "drafts").iterdir())
    assert (home.data / "tables" / table).is_dir()
    home.store.remove_project(project)
    tidy(settings, home.store, queue, now=time.time() + 3600)
    assert not (home.data / "tables" / table).exists()


def test_reading_keeping_labelling_and_exporting_stand_in_the_audit_log(home):
    project = opened(records())
    home.run("adapt", project=project, learner="nearest", seed=0)
    saved(home, project)
    rows = home.store.audit_rows(project)
    assert {"table.import", "label.table", "adapt", "project.export"} <= {row.what for row in rows}
    assert home.store.verify_audit().whole
    assert not [row for row in rows if "hospital" in json.dumps(row.detail) or "marker" in json.dumps(row.detail)]
