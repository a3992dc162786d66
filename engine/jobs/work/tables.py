"""A table becomes rows of a project: columns as a person said, a sample, labels from a column, the others held back."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.intake import patient_key
from engine.jobs.work import rooms
from engine.jobs.work.row_data import ROW_KINDS, held_file, molecule_notes, row_data, tables_dir
from engine.nouns import Note
from engine.projects.projects import MAX_CLASSES, MAX_NAME
from engine.projects.records import UNSURE
from engine.sentences import Refusal
from engine.tables import Dictionary, Table, propose
from engine.tables.keeping import keep_table, row_case
from engine.tables.patients import patient_codes
from engine.tables.rows import texts_of
from engine.tables.sampling import sample_rows, taught_rows
from engine.tables.visits import summarise_visits

MOST_ROWS = 2000  # of a table in one project: a page lists them, and each is a person's to look at
ROWS_OFFERED = 400
TEACH = 10  # rows a class, where nothing else is said
FEWEST_ROWS = 2
OF_ONE = " = 1"


def run(args: dict[str, Any], report: Callable, cancelled: Callable[[], bool], checkpoint_dir: Path) -> dict[str, Any]:
    """args: project, draft, dictionary (JSON), label_from (column or null), teach ("all" or how many a class), most,
    reader; and, if it was corrected, target ("class" or "number").

    Result: {"cases", "table", "classes", "target", "labelled", "held_back", "notes"}. A table of visits first becomes a
    draft with one row a patient, for a person to look at: then "draft" is its id and "cases" 0.
    """
    report(0, 3, Note("work.keeping").to_json())
    store, project, reader = rooms.store(), args["project"], args.get("reader", "")
    table, proposed = store.draft_table(project, args["draft"])
    dictionary = Dictionary.from_json(args["dictionary"]) if args.get("dictionary") else proposed
    check_columns(table, dictionary)
    label = args.get("label_from") or None
    if is_long(dictionary):
        found = at_once(table, dictionary, label)
        made = store.add_draft(project, *found, reader=reader)
        store.discard_draft(args["draft"], kept=True, reader=reader)
        return {"cases": 0, "table": "", "draft": made, "classes": [], "notes": _json(found[0].notes)}
    result = file_rows(
        project, table, dictionary, label_from=label, teach=args.get("teach", TEACH), target=args.get("target"),
        most=args.get("most") or ROWS_OFFERED, reader=reader, report=report,
    )  # fmt: skip
    store.discard_draft(args["draft"], kept=True, reader=reader)
    return result


def propose_again(
    args: dict[str, Any], report: Callable, cancelled: Callable[[], bool], checkpoint_dir: Path
) -> dict[str, Any]:
    """args: project, draft, and of label, patient, smiles those columns that a person named. Result: {"dictionary"}:
    what would be proposed then, with leaks looked for anew."""
    table, _ = rooms.store().draft_table(args["project"], args["draft"])
    told = {role: args[role] for role in ("label", "patient", "smiles") if args.get(role)}
    for name in told.values():
        if name not in table.frame.columns:
            raise Refusal(Note("refused.no_column", {"table": table.name, "column": name}))
    return {"dictionary": propose(table, **told).to_json()}


def open_table(
    name: str,
    table: Table,
    dictionary: Dictionary,
    *,
    settings: Mapping[str, Any] | None = None,
    reader: str = "",
    teach: int | str = TEACH,
    most: int = ROWS_OFFERED,
    demo: bool = False,
) -> str:
    """A new project from a table whose columns are known; labels come from its label column. Returns the project's id.

    `settings` go into the project beside what the table sets ("table", "target", "unit"); "target" in them decides
    between classes and a number. Visits are summarised. Raises Refusal, and then there is no project.
    """
    label = dictionary.one("label")
    if is_long(dictionary):
        table, dictionary = at_once(table, dictionary, label)
    settings = dict(settings or {})
    project = rooms.store().create_project(name, reader=reader, demo=demo, settings=settings).id
    try:
        file_rows(project, table, dictionary, label_from=label, teach=teach, most=most, reader=reader,
                  target=settings.get("target"))  # fmt: skip
    except Exception:  # whatever it was, half a project must not stay
        rooms.store().remove_project(project, reader=reader)
        raise
    return project


def is_long(dictionary: Dictionary) -> bool:
    """Whether these are visits, one measurement a row."""
    return bool(dictionary.one("measure") and dictionary.one("value") and dictionary.one("patient"))


def at_once(table: Table, dictionary: Dictionary, label: str | None) -> tuple[Table, Dictionary]:
    """A table of visits as one row a patient, with the columns proposed anew."""
    patient = dictionary.one("patient")
    wide = summarise_visits(table, dictionary)
    known = {"label": label, "patient": patient}
    return wide, propose(wide, **{role: name for role, name in known.items() if name in wide.columns})


def check_columns(table: Table, dictionary: Dictionary) -> None:
    """Raises Refusal where the dictionary is not this table's."""
    strangers = [entry.name for entry in dictionary if entry.name not in table.frame.columns]
    if strangers:
        raise Refusal(Note("refused.no_column", {"table": table.name, "column": strangers[0]}))


def file_rows(
    project: str,
    table: Table,
    dictionary: Dictionary,
    *,
    label_from: str | None,
    teach: int | str,
    most: int,
    reader: str,
    target: str | None = None,
    report: Callable[..., None] = lambda *_: None,
) -> dict[str, Any]:
    """Keep a sample of the table's rows as cases of a project. Raises Refusal; nothing is kept then."""
    _check_project(project)
    dictionary = learnable(table, dictionary, label_from)
    numeric = bool(label_from) and is_number(dictionary, label_from, target)
    labels, notes = labels_of(table, label_from, numeric, MAX_CLASSES)
    key = patient_key(rooms.settings().key_file)
    rows = _sampled(table, dictionary, labels, numeric, min(most, MOST_ROWS), key)
    if len(rows) < len(table):
        notes.append(Note("work.sampled", {"count": len(rows), "total": len(table)}))
    report(1, 3, Note("work.keeping").to_json())
    table_id = keep_table(table.take(rows), dictionary, tables_dir(), key)
    row_data.cache_clear()
    data = row_data(table_id)
    notes += molecule_notes(data)
    report(2, 3, Note("work.keeping").to_json())
    cases = _cases(table_id, data, len(rows))
    given = {case.id: labels[row] for case, row in zip(cases, rows, strict=True) if labels[row] != ""}
    taught = _taught(cases, given, teach, numeric)
    rooms.store().add_rows(project, cases, table=table_id, reader=reader)
    settings: dict[str, Any] = {"table": table_id, "target": "number" if numeric else "class"}
    if numeric:
        settings["unit"] = dictionary[label_from].unit
    rooms.store().set_project_settings(project, **settings)
    _file_labels(project, table_id, given, taught, numeric, reader)
    return {
        "cases": len(cases), "table": table_id, "classes": list(rooms.store().project(project).classes),
        "target": settings["target"], "labelled": len(taught), "held_back": len(given) - len(taught),
        "notes": _json([*table.notes, *notes]),
    }  # fmt: skip


def learnable(table: Table, dictionary: Dictionary, label_from: str | None) -> Dictionary:
    """The columns with `label_from` as the label. Raises Refusal where it is not there or nothing can be learned."""
    if label_from:
        if label_from not in table.frame.columns:
            raise Refusal(Note("refused.no_column", {"table": table.name, "column": label_from}))
        dictionary = dictionary.change(label_from, role="label")
    if not len(table):
        raise Refusal(Note("refused.table_empty"))
    if not any(entry.role in ("feature", "molecule") for entry in dictionary):
        raise Refusal(Note("refused.no_feature", {"table": table.name}))
    return dictionary


def _sampled(
    table: Table, dictionary: Dictionary, labels: list[str | float | None], numeric: bool, most: int, key: bytes
) -> np.ndarray:
    """Positions of at most so many rows, patients whole, every class with its share."""
    wanted = np.array([i for i, label in enumerate(labels) if label is not None])
    strata = ["" if labels[i] == "" else "number" if numeric else str(labels[i]) for i in wanted]
    return wanted[sample_rows(strata, patient_codes(table.take(wanted), dictionary, key), most)]


def _file_labels(
    project: str, table_id: str, given: Mapping[str, Any], taught: set[str], numeric: bool, reader: str
) -> None:
    """Classes where labels are classes, the labels that teach, and the others aside."""
    store = rooms.store()
    if not numeric:
        have = store.project(project).classes
        for name in sorted(set(given.values()) - set(have), key=_natural):
            store.add_class(project, name, reader=reader)
    held_file(table_id, project).write_text(
        json.dumps({case: label for case, label in given.items() if case not in taught}, ensure_ascii=False), "utf-8"
    )
    store.label_rows(project, {case: given[case] for case in taught}, reader=reader)


def is_number(dictionary: Dictionary, label: str, target: str | None = None) -> bool:
    """Whether a label column is learned as a number: as told, else a number with more values than keys for classes."""
    entry = dictionary[label]
    if target in ("class", "number"):
        return target == "number"
    return entry.kind == "number" and entry.distinct > MAX_CLASSES


def labels_of(
    table: Table, column: str | None, numeric: bool, most_classes: int
) -> tuple[list[str | float | None], list[Note]]:
    """A label a row: a class name or number, "" where there is none, None for a row of a class that does not fit in.

    Raises Refusal where there is nothing to tell apart or a number is text.
    """
    if column is None:
        return [""] * len(table), []
    values = table.frame[column]
    if numeric:
        if values.dtype.kind != "f":
            raise Refusal(Note("refused.label_not_number", {"column": column}))
        if values.nunique() < FEWEST_ROWS:
            raise Refusal(Note("refused.label_one_value", {"column": column}))
        return ["" if value != value else float(value) for value in values], []
    names = [class_name(text) for text in texts_of(values)]
    if {name for name in names if name} == {"0", "1"}:  # beside a row "1" says nothing; a person may rename it
        names = [f"{class_name(column)[: MAX_NAME - len(OF_ONE)]}{OF_ONE[:-1]}{name}" if name else "" for name in names]
    spelled: dict[str, str] = {}
    names = [spelled.setdefault(name.casefold(), name) if name else "" for name in names]
    counts = Counter(name for name in names if name)
    if len(counts) < 2:
        raise Refusal(Note("refused.label_one_value", {"column": column}))
    kept = {name for name, _ in counts.most_common(most_classes)}
    notes = []
    if len(kept) < len(counts):
        left = sum(count for name, count in counts.items() if name not in kept)
        values = {"column": column, "classes": len(counts), "limit": most_classes, "count": left}
        notes.append(Note("work.many_classes", values))
    alone = [name for name in sorted(kept) if counts[name] == 1]
    for name in alone:
        line = int(table.lines[names.index(name)])
        notes.append(Note("table.class_of_one", {"column": column, "label": name, "row": line}))
    return [name if not name or name in kept else None for name in names], notes


def class_name(text: object) -> str:
    """A cell as the name of a class: one line, not too long, none that is reserved; "" for an empty cell."""
    if not isinstance(text, str):
        return ""
    name = " ".join("".join(c if c.isprintable() else " " for c in text).split())[:MAX_NAME].strip()
    return f"{name}." if name.casefold() == UNSURE else name


def _check_project(project: str) -> None:
    """A project is about one table, or about scans; a second table would mix columns. Raises Refusal."""
    here = rooms.store().cases(project)
    if any(each.case.kind not in ROW_KINDS for each in here):
        raise Refusal(Note("refused.project_of_scans"))
    if here:
        raise Refusal(Note("refused.project_has_table"))


def _cases(table_id: str, data: Any, count: int) -> list:
    """A case of each row of the kept table."""
    kind = "molecule" if data.molecules else "record"
    columns = sum(entry.role in ("feature", "molecule") for entry in data.dictionary)
    return [_case(table_id, row, data, kind, columns) for row in range(count)]


def _case(table_id: str, row: int, data: Any, kind: str, columns: int) -> Any:
    case = row_case(table_id, row, data.patients[row], data.sites[row], kind=kind, columns=columns)
    line = int(data.table.lines[row])
    kept = {**case.kept, "line": line, "title": f"Row {line}"}
    if data.table.facts.get("synthetic"):
        kept["synthetic"] = True
    return replace(case, name=str(line), kept=kept)


def _taught(cases: list, given: Mapping[str, Any], teach: int | str, numeric: bool) -> set[str]:
    """The cases whose label is given at once."""
    if teach == "all":
        return set(given)
    labels = ["number" if numeric and c.id in given else str(given.get(c.id, "")) for c in cases]
    rows = taught_rows(labels, [c.patient for c in cases], int(teach))
    return {cases[i].id for i in rows}


def _natural(name: str) -> tuple[int, float, str]:
    try:
        return (0, float(name), name)
    except ValueError:
        return (1, 0.0, name)


def _json(notes: Any) -> list[dict[str, Any]]:
    return [note.to_json() for note in notes]
