"""What the commands do with tables: read one, say what its columns are, refuse in a sentence that names the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.nouns import Note
from engine.sentences import Refusal, say
from engine.tables import Dictionary, Table
from engine.tables.molecules import Molecules

NPZ, ZIP = b"\x93NUMPY", b"PK\x03\x04"
OWN_LABEL, OWN_GROUP = "__y", "__group"  # of Handful's own benchmark tables
MOST_UNTOLD_CLASSES = 20  # a label of numbers with more values is a number, where nobody says what it is
ROWS_NAMED = 5


@dataclass(frozen=True)
class Source:
    """A table with its labels. `targets` (n,): class numbers, -1 without a label; or float64, NaN without one.
    `classes`: () for a number. `groups` (n,): whose row it is, never on both sides. `notes` are for a person."""

    file: str
    table: Table
    dictionary: Dictionary
    targets: np.ndarray
    classes: tuple[str, ...]
    groups: np.ndarray
    molecules: dict[str, Molecules]
    notes: tuple[Note, ...]
    taught_by: Dictionary  # the columns as they stand in the file: of visits, before they are summarised

    @property
    def numeric(self) -> bool:
        return not self.classes

    @property
    def label(self) -> str:
        return self.dictionary.one("label") or ""

    @property
    def unit(self) -> str:
        return self.dictionary[self.label].unit

    @property
    def labelled(self) -> np.ndarray:
        """Positions of the rows with a label."""
        return np.flatnonzero(np.isfinite(self.targets) if self.numeric else self.targets >= 0)


class InFile(ValueError):
    """A refusal that names its file. `language` is that of the command; `before` explains it and stands in front."""

    def __init__(self, file: str, note: Note, language: str, before: Sequence[Note] = ()) -> None:
        from engine.tables.reading import what_to_do

        between = "" if language == "zh" else " "
        said = between.join(say(each, language) for each in (*before, note))
        do = between + say(what_to_do(note), language) if note.key.startswith("refused.") else ""
        super().__init__(f"{said if file in said else f'{file}: {said}'}{do}")


def is_table(path: Path) -> bool:
    """Whether a path is a table rather than pictures: a file that is no npz and no zip with a labels.csv (the archives
    of pictures), nor an array. A folder is never a table."""
    import zipfile

    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(8)
    if not head.startswith(ZIP):
        return not head.startswith(NPZ)
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    return not ("labels.csv" in names or any(name.endswith(".npy") for name in names))


def read_source(
    path: Path,
    *,
    label: str | None,
    language: str,
    patient: str | None = None,
    group: str | None = None,
    smiles: str | None = None,
    target: str | None = None,
) -> Source:
    """Read a table and find its labels. Raises InFile, naming the file, the column and rows where there are any."""
    table = _read(path, language)
    try:
        return source_of(table, path.name, label=label, patient=patient, group=group, smiles=smiles, target=target)
    except Refusal as error:
        raise InFile(path.name, error.note, language) from error


def _read(path: Path, language: str) -> Table:
    from engine.tables import first_table
    from engine.tables.reading import NoTable

    try:
        return first_table(path)
    except NoTable as error:
        raise InFile(error.file, error.why, language) from error


def source_of(
    table: Table,
    file: str,
    *,
    label: str | None,
    patient: str | None,
    group: str | None,
    smiles: str | None,
    target: str | None,
) -> Source:
    """The same from a table that is read. Raises Refusal."""
    from engine.tables import propose
    from engine.tables.rows import check_classes

    for name in (label, patient, group, smiles):
        if name is not None and name not in table.frame.columns:
            raise Refusal(Note("refused.no_column", {"table": file, "column": name}))
    label = label or (OWN_LABEL if OWN_LABEL in table.frame.columns else None)
    group = group or (OWN_GROUP if OWN_GROUP in table.frame.columns else None)
    told, dictionary = label, propose(table, label=label, patient=patient, smiles=smiles)
    if group and group != patient:
        dictionary = dictionary.change(group, role="ignored")
    taught_by = dictionary
    if dictionary.one("measure") and dictionary.one("value") and dictionary.one("patient"):
        table, dictionary = _one_row_each(table, dictionary)
    name = dictionary.one("label")
    if name is None:
        raise Refusal(Note("refused.no_label", {"table": file}))
    numeric = _is_number(table, dictionary[name], target)
    if numeric:
        check_numbers(table, name)
    targets, classes = _targets(table, dictionary, numeric)
    leaks = dictionary.named("leak")
    thin = [] if numeric else check_classes(table, dictionary, np.flatnonzero(targets >= 0))
    notes = [*table.notes, *dictionary.notes, *thin]
    if told is None:
        notes.append(Note("commands.label_taken", {"column": name, "values": _said_values(targets, classes)}))
    if leaks:
        notes.append(Note("work.leaks_left_out", {"count": len(leaks), "columns": ", ".join(leaks)}))
    molecules, said = read_structures(table, dictionary)
    groups = groups_of(table, group if group in table.frame.columns else dictionary.one("patient"))
    return Source(file, table, dictionary, targets, classes, groups, molecules, (*notes, *said), taught_by)


def read_query(path: Path, source: Source, language: str, patient: str | None = None) -> Source:
    """The rows to predict, with the columns that `source` taught; labels, where they come along, are kept aside. Raises
    InFile, naming the file."""
    from engine.tables.aligning import aligned

    table = _read(path, language)
    try:
        table = aligned(table, source.taught_by)
        dictionary = source.taught_by
        if dictionary.one("measure") and dictionary.one("value") and dictionary.one("patient"):
            from engine.tables.visits import summarise_visits

            table = aligned(summarise_visits(table, dictionary), source.dictionary)
    except Refusal as error:
        raise InFile(path.name, error.note, language) from error
    targets = known_targets(table, source)
    molecules, said = read_structures(table, source.dictionary)
    groups = groups_of(table, source.dictionary.one("patient"), "query")
    return Source(path.name, table, source.dictionary, targets, source.classes, groups, molecules,
                  (*table.notes, *said), source.taught_by)  # fmt: skip


def known_targets(table: Table, source: Source) -> np.ndarray:
    """The labels of rows to predict, as `Source.targets` of the first file; none where the column is not there."""
    from engine.tables.rows import texts_of

    if source.label not in table.frame.columns:
        return np.full(len(table), np.nan) if source.numeric else np.full(len(table), -1)
    column = table.frame[source.label]
    if source.numeric:
        return column.to_numpy(dtype=float) if column.dtype.kind == "f" else np.full(len(table), np.nan)
    place = {name: i for i, name in enumerate(source.classes)}
    return np.array([place.get(text, -1) if isinstance(text, str) else -1 for text in texts_of(column)])


def read_structures(table: Table, dictionary: Dictionary) -> tuple[dict[str, Molecules], list[Note]]:
    """The molecules of each column that holds them, and sentences that name invalid ones by row."""
    from engine.tables.molecule_reading import invalid_rows, read_molecules
    from engine.tables.rows import texts_of

    found, notes = {}, []
    for name in dictionary.named("molecule"):
        texts = texts_of(table.frame[name])
        found[name] = read_molecules([text if isinstance(text, str) else None for text in texts])
        notes += invalid_rows(table, name, found[name])
    return found, notes


def groups_of(table: Table, column: str | None, part: str = "") -> np.ndarray:
    """(n,) whose row each is; a row without a name in that column, or without a column, is its own. `part` keeps rows
    of one file apart from those of another."""
    from engine.tables.patients import plain_id

    own = np.array([f"{part} row {line}" for line in table.lines], dtype=object)
    if column is None:
        return own
    values = table.frame[column].astype("object")
    return np.array([o if v != v or v is None else plain_id(v) for v, o in zip(values, own, strict=True)], dtype=object)


def check_numbers(table: Table, column: str) -> None:
    """Raises Refusal that names the rows where text stands instead of a number."""
    from engine.tables.cells import listed
    from engine.tables.rows import texts_of

    values = table.frame[column]
    if values.dtype.kind == "f":
        return
    texts = texts_of(values)
    rows = table.lines[[isinstance(t, str) and not _reads_as_number(t) for t in texts]]
    raise Refusal(Note("refused.label_text", {"column": column, "count": len(rows), "rows": listed(rows)}))


def _reads_as_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_number(table: Table, entry: Any, target: str | None) -> bool:
    if target:
        return target == "number"
    return entry.kind == "number" and entry.distinct > MOST_UNTOLD_CLASSES


def _targets(table: Table, dictionary: Dictionary, numeric: bool) -> tuple[np.ndarray, tuple[str, ...]]:
    from engine.tables.rows import targets

    return targets(table, dictionary, number=numeric)


def _said_values(targets: np.ndarray, classes: tuple[str, ...]) -> str:
    """The classes, or the range of a number."""
    if not classes:
        return f"{np.nanmin(targets):g} – {np.nanmax(targets):g}"
    return ", ".join(classes[:ROWS_NAMED]) + (" …" if len(classes) > ROWS_NAMED else "")


def _one_row_each(table: Table, dictionary: Dictionary) -> tuple[Table, Dictionary]:
    """Visits as one row a patient, with the columns proposed anew."""
    from engine.tables import propose
    from engine.tables.visits import summarise_visits

    known = {"label": dictionary.one("label"), "patient": dictionary.one("patient")}
    wide = summarise_visits(table, dictionary)
    return wide, propose(wide, **{role: name for role, name in known.items() if name in wide.columns})


def unreadable_structures(source: Source) -> list[Note]:
    """What was said of structures that could not be read: where nothing is left to learn from, that is why."""
    return [note for note in source.notes if "smiles_" in note.key]


def named_learner(name: str, source: Source) -> Any:
    """The learner of that name for rows. Raises Refusal with the names there are, and says so where that learner
    exists and only learns something else than this label."""
    from engine.learners import learner, learners

    kind = "molecule" if source.molecules else "record"
    wanted, other = ("number", "classes") if source.numeric else ("classes", "number")
    names = [each.name for each in learners(wanted, kind)]
    if name in names:
        return learner(name)
    key = "commands.unknown_learner"
    if name in [each.name for each in learners(other, kind)]:
        key = "commands.learner_of_classes" if source.numeric else "commands.learner_of_numbers"
    raise Refusal(Note(key, {"name": name, "names": ", ".join(names), "column": source.label}))


def sentences(notes: Sequence[Note], language: str, file: str = "") -> list[str]:
    """The notes as text, each once, with their file in front."""
    said = dict.fromkeys(say(note, language) for note in notes)
    return [f"{file}: {text}" if file else text for text in said]
