"""How rows of a kept table become embeddings: the plan is learned from the labelled rows alone, for a run once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from engine.encoders import tabular
from engine.encoders.tabular import Prepared
from engine.jobs.work.row_data import row_data
from engine.nouns import Case, Note

MOSTLY = 0.5  # of the labelled substances, from which on the molecule encoder is at home


@lru_cache(maxsize=4)
def prepared_rows(table_id: str, support: tuple[int, ...]) -> Prepared:
    """The table made ready by the labelled rows at these positions; kept in memory, since what-ifs ask often.

    Raises Refusal where the table is gone or no column says anything.
    """
    data = row_data(table_id)
    return tabular.prepare(data.table, data.dictionary, np.array(support, dtype=int), data.molecules or None)


def prepared_for(table_id: str, cases: Mapping[str, Case], support: Sequence[str]) -> Prepared:
    """As `prepared_rows`, for labelled cases by id."""
    return prepared_rows(table_id, tuple(position(cases[c]) for c in support))


def row_embeddings(
    table_id: str, cases: Mapping[str, Case], support: Sequence[str], asked: Sequence[str]
) -> dict[str, np.ndarray]:
    """Case id -> (e,) float32, for the labelled cases and those asked about."""
    ids = [*support, *asked]
    places = np.array([position(cases[c]) for c in ids], dtype=int)
    found = prepared_for(table_id, cases, support).embeddings(places)
    return dict(zip(ids, found, strict=True))


def position(case: Case) -> int:
    """Where a row stands in its kept table."""
    return int(case.kept["row"])


def table_notes(table_id: str, cases: Mapping[str, Case], support: Sequence[str]) -> list[Note]:
    """What a person should know of the columns: those that say nothing on the labelled rows, those left out as leaks,
    structures that could not be read, and whether the molecule encoder knows these substances."""
    data = row_data(table_id)
    leaks = data.dictionary.named("leak")
    prepared = prepared_for(table_id, cases, support)
    notes = list(prepared.plan.notes)
    if prepared.known is not None:
        word = "known_substances" if prepared.known >= MOSTLY else "new_substances"
        notes.append(Note(f"work.{word}", {"percent": round(100 * prepared.known)}))
    if leaks:
        notes.append(Note("work.leaks_left_out", {"count": len(leaks), "columns": ", ".join(leaks[:5])}))
    return notes
