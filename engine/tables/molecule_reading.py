"""The page's and the worker's side of molecules: ask the bounded process, name invalid rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import numpy as np

from engine.nouns import Note
from engine.sentences import Refusal
from engine.tables.cells import listed
from engine.tables.limits import TableLimits
from engine.tables.molecules import BITS, COUNTS, DESCRIPTORS, Molecules
from engine.tables.nouns import Table
from engine.tables.reading import reader

BATCH = 500  # molecules asked for at once: a cancel waits for one batch
SECONDS_A_MOLECULE = 0.2  # measured 2.5 ms for drug-like ones; large peptides take 100


def read_molecules(
    smiles: Sequence[str | None],
    *,
    limits: TableLimits = TableLimits(),  # noqa: B008  (frozen, without state)
    report: Callable[[int, int, str], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Molecules:
    """Fingerprints and descriptors of (n,) SMILES; invalid ones are named in `problems` and left at zero. A batch that
    ends the reader is asked again one by one, so that one hostile text costs itself only. Raises Cancelled."""
    parts: list[Molecules] = []
    with reader(limits, cancelled) as (child, drafts):

        def ask(texts: list[str | None]) -> Molecules:
            (drafts / "smiles.json").write_text(json.dumps(texts), "utf-8")
            seconds = limits.header_seconds + SECONDS_A_MOLECULE * len(texts)
            answer = child.ask("molecules", path=str(drafts / "smiles.json"), out=str(drafts), seconds=seconds)
            if "refused" not in answer:
                load = lambda name: np.load(drafts / f"{name}.npy", allow_pickle=False)  # noqa: E731
                problems = {int(k): v for k, v in answer["problems"].items()}
                return Molecules(load("counts"), load("descriptors"), tuple(answer["keys"]), problems)
            if len(texts) == 1:
                return Molecules(
                    np.zeros((1, COUNTS), np.uint8),
                    np.full((1, len(DESCRIPTORS)), np.nan, np.float32),
                    ("",),
                    {0: "chemistry"},
                )
            return joined([ask([each]) for each in texts])

        for start in range(0, len(smiles), BATCH):
            if report:
                report(start, len(smiles), "")
            parts.append(ask(list(smiles[start : start + BATCH])))
    return joined(parts)


def joined(parts: list[Molecules]) -> Molecules:
    """Several batches as one, positions counted on."""
    problems, offset = {}, 0
    for part in parts:
        problems |= {offset + i: why for i, why in part.problems.items()}
        offset += len(part.keys)
    if not parts:
        return Molecules(np.zeros((0, COUNTS), np.uint8), np.zeros((0, len(DESCRIPTORS)), np.float32), (), {})
    counts, descriptors = np.concatenate([p.counts for p in parts]), np.concatenate([p.descriptors for p in parts])
    return Molecules(counts, descriptors, tuple(key for p in parts for key in p.keys), problems)


def invalid_rows(table: Table, column: str, molecules: Molecules) -> list[Note]:
    """Sentences that name, by row of the file, what is no molecule; one for each reason."""
    notes = []
    for why in sorted(set(molecules.problems.values())):
        rows = np.sort(table.lines[[i for i, each in molecules.problems.items() if each == why]])
        notes.append(Note(f"table.smiles_{why}", {"column": column, "count": len(rows), "rows": listed(rows)}))
    return notes


def fragments_of(smiles: str) -> list[list[list[int]]]:
    """By fingerprint bit the atoms of each place of its fragment; see `engine.tables.molecules.fragments`. Raises
    Refusal for what is no molecule."""
    limits = TableLimits()
    with reader(limits) as (child, _):
        answer = child.ask("fragments", smiles=smiles[: limits.molecule_characters + 1], seconds=limits.header_seconds)
    if "refused" in answer:
        raise Refusal(Note.from_json(answer["refused"]))
    return [answer["fragments"].get(str(bit), []) for bit in range(BITS)]


def draw_molecule(smiles: str, **options) -> str:
    """An SVG of one structure; see `engine.tables.molecules.draw`. Raises Refusal for what is no molecule."""
    limits = TableLimits()
    with reader(limits) as (child, _):
        answer = child.ask(
            "draw", smiles=smiles[: limits.molecule_characters + 1], options=options, seconds=limits.header_seconds
        )
    if "refused" in answer:
        raise Refusal(Note.from_json(answer["refused"]))
    return answer["svg"]
