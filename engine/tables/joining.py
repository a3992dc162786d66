"""Labels (or anything else) that come in a file of their own, joined to rows by patient."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from engine.nouns import Note
from engine.sentences import Refusal
from engine.tables.cells import listed
from engine.tables.nouns import Table
from engine.tables.patients import plain_id

ENOUGH = 0.5  # of the rows must find a partner; with fewer the two files are not about the same patients


def joined(table: Table, other: Table, on: str, other_on: str | None = None) -> Table:
    """`table` with the columns of `other` beside each row of the same patient. `on`, `other_on`: the columns that say
    whose row it is. Columns that both have stay the table's own. Rows without a partner are named.

    Raises Refusal where `other` says two things about one patient, or where too few rows find a partner.
    """
    other_on = other_on or on
    left = table.frame[on].astype("object").map(plain_id, na_action="ignore")
    right = other.frame[other_on].astype("object").map(plain_id, na_action="ignore")
    twice = right[right.duplicated(keep=False) & right.notna()]
    if len(twice):
        raise Refusal(Note("refused.join_twice", {"column": other_on, "rows": listed(other.lines[twice.index])}))
    place = {who: position for position, who in enumerate(right) if not pd.isna(who)}
    position = left.map(place).astype("float64")
    found = position.notna().to_numpy()
    if found.mean() < ENOUGH:
        raise Refusal(Note("refused.join_apart", {"count": int(found.sum()), "total": len(table), "column": on}))
    extra = other.frame.drop(columns=[c for c in other.columns if c == other_on or c in table.columns])
    taken = extra.reindex(position.fillna(-1).astype(int).to_numpy()).reset_index(drop=True)
    notes = list(table.notes)
    if not found.all():
        notes.append(Note("table.join_alone", {"count": int((~found).sum()), "rows": listed(table.lines[~found])}))
    frame = pd.concat([table.frame.reset_index(drop=True), taken], axis=1)
    return replace(table, frame=frame, units={**other.units, **table.units}, notes=tuple(notes))
