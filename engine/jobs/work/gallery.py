"""A ready task of the gallery opens as a project: its synthetic table walks in, a few rows of two hospitals teach."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from engine.jobs.gallery import Task, task
from engine.jobs.work import rooms
from engine.jobs.work.row_data import held_file, row_data
from engine.jobs.work.tables import open_table
from engine.nouns import Note
from engine.phantoms.tables import make_table
from engine.sentences import Refusal, say
from engine.tables import Dictionary, Table, first_table, propose
from engine.tables.rows import texts_of

SEED = 1  # of the tables that the gallery shows: the same patients everywhere
TAUGHT_SITES = 2  # the labels come from two hospitals; the third is a hospital that nobody labelled


def run(args: dict[str, Any], report: Callable, cancelled: Callable[[], bool], checkpoint_dir: Path) -> dict[str, Any]:
    """args: task, reader, language. Result: {"project"}. With `project` its first labels are given anew (after a reset
    of a project that kept no first state); with `own` a project of the same question and method is made without rows,
    for a person's own table."""
    chosen = task(args["task"])
    if chosen is None:
        raise Refusal(Note("refused.no_task", {"task": args["task"]}))
    if args.get("project"):
        begin_labels(args["project"], chosen)
        rooms.store().keep_first_state(args["project"])
        return {"project": args["project"]}
    language, reader = args.get("language", "en"), args.get("reader", "")
    settings = {"gallery": chosen.id, "learner": chosen.learner, "target": chosen.target}
    title = chosen.text(language).title
    if args.get("own"):
        return {"project": rooms.store().create_project(title, reader=reader, settings=settings).id}
    report(0, 3, Note("gallery.making").to_json())
    table, dictionary = demo_table(chosen)
    report(1, 3, Note("work.keeping").to_json())
    name = say(Note("gallery.name", {"title": title}), language)
    project = open_table(
        name, table, dictionary, settings=settings, reader=reader, teach=0, most=len(table.frame), demo=True
    )
    begin_labels(project, chosen)
    rooms.store().keep_first_state(project)
    return {"project": project}


def demo_table(chosen: Task) -> tuple[Table, Dictionary]:
    """The task's synthetic table, read from a file like any other, and what its columns are for."""
    made = make_table(chosen.id, SEED)
    with tempfile.TemporaryDirectory(prefix="handful-gallery-") as folder:
        path = Path(folder) / f"synthetic-{chosen.id}.csv"
        made.frame.to_csv(path, index=False)
        table = first_table(path)
    table = Table(table.name, table.frame, table.lines, made.units, {**table.facts, "synthetic": True}, table.notes)
    dictionary = propose(table, label=made.truth.label, patient=made.patient, smiles=made.smiles)
    if dictionary[made.site].role != "site" and not made.long:  # of visits the site is found in the summary
        dictionary = dictionary.change(made.site, role="site")
    return table, dictionary


def begin_labels(project: str, chosen: Task) -> None:
    """Label the first rows of each class (of a number: simply the first) at two hospitals in turn, and keep the truth
    of all others aside."""
    store = rooms.store()
    here = store.project(project)
    data = row_data(here.settings["table"])
    label = data.dictionary.one("label")
    column = data.table.frame[label]
    truth = [float(v) for v in column] if chosen.target == "number" else [str(t) for t in texts_of(column)]
    cases = {each.case.kept["row"]: each.id for each in store.cases(project)}
    rows = taught_rows(truth, data.patients, data.sites, chosen)
    store.label_rows(project, {cases[row]: truth[row] for row in rows if row in cases}, reader="demo")
    aside = {case: truth[row] for row, case in cases.items() if row not in set(rows)}
    held_file(here.settings["table"], project).write_text(json.dumps(aside, ensure_ascii=False), "utf-8")


def taught_rows(truth: Sequence, patients: Sequence[str], sites: Sequence[str], chosen: Task) -> list[int]:
    """Positions of rows to label: `chosen.taught` a class, one a patient, the first two sites in turn."""
    first = list(dict.fromkeys(sites))[:TAUGHT_SITES]
    by_site = [[row for row, site in enumerate(sites) if site == each] for each in first]
    in_turn = [row for pair in zip(*by_site, strict=False) for row in pair]
    seen, counts, rows = set(), Counter(), []
    for row in in_turn:
        kind = "number" if chosen.target == "number" else truth[row]
        if patients[row] not in seen and counts[kind] < chosen.taught:
            seen.add(patients[row])
            counts[kind] += 1
            rows.append(row)
    return rows
