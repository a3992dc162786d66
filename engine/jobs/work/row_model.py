"""The model of a run as a function of a row's own values; kept in the worker, since what-ifs ask it again and again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from engine.encoders.tabular import Prepared
from engine.jobs.work import rooms
from engine.jobs.work.adapt import Outdated, kept_cases
from engine.jobs.work.row_data import RowData, row_data
from engine.jobs.work.row_look import position, prepared_for
from engine.jobs.work.weights import same_encoder
from engine.learners import Adapted, AdaptedNumber, NumberSupport, Support, adapt_number, learner
from engine.nouns import Case, Note
from engine.projects.records import Run
from engine.sentences import Refusal
from engine.tables.molecule_reading import read_molecules
from engine.tables.rows import Plan, Rows, apply


@dataclass(frozen=True)
class RowModel:
    """`adapted` answers for embeddings that `prepared` makes of rows of `data`; `cases` by id are the project's."""

    run: Run
    data: RowData
    prepared: Prepared
    support: Support | NumberSupport
    taught: tuple[str, ...]
    adapted: Adapted | AdaptedNumber
    cases: Mapping[str, Case]

    @property
    def numeric(self) -> bool:
        return isinstance(self.adapted, AdaptedNumber)

    def probabilities(self, rows: Rows) -> Tensor:
        """(m, c) of rows as the plan makes them."""
        with torch.no_grad():
            return self.adapted.probabilities(self.embed(rows))

    def embed(self, rows: Rows) -> Tensor:
        """(m, e) embeddings of rows as the plan makes them."""
        return self.prepared.embed(torch.from_numpy(rows.values), torch.from_numpy(rows.missing))


@lru_cache(maxsize=4)
def row_model(run_id: str) -> RowModel:
    """The model of a run again: the same labelled rows and seed give the same model. Raises Outdated, Refusal."""
    run = rooms.store().run(run_id)
    if run.record["look"] != "row":
        raise Refusal(Note("work.not_rows"))
    kept = kept_cases(run_id)
    cases = {c.id: c.case for c in rooms.store().cases(run.project_id)}
    taught = tuple(each["case"] for each in run.record["support"])
    if any(c not in cases for c in taught):
        raise Outdated(Note("work.not_kept"))
    table = run.record["hashes"]["table"]
    method, seed = learner(run.record["learner"]), run.record["seed"]
    prepared, support = prepared_for(table, cases, taught), kept.support
    if not same_encoder(run):  # embeddings of two encoders do not go together: all of them are made anew
        places = np.array([position(cases[c]) for c in taught])
        support = replace(support, embeddings=torch.from_numpy(prepared.embeddings(places)))
    adapted: Adapted | AdaptedNumber
    if isinstance(support, NumberSupport):
        adapted = adapt_number(method, support, seed=seed)
    else:
        adapted = method.adapt(support, seed=seed).with_temperature(run.record["temperature"])
    return RowModel(run, row_data(table), prepared, support, taught, adapted, cases)


def case_of(model: RowModel, case_id: str) -> Case:
    """A row that the run was asked about or learned from. Raises Outdated where it is not in the project any more."""
    if case_id not in model.cases:
        raise Outdated(Note("work.not_kept"))
    return model.cases[case_id]


def changed_row(model: RowModel, case: Case, values: Mapping[str, Any]) -> Rows:
    """The numbers of one row with some of its values changed: {column: number, text, ISO date, or None for missing}.

    Raises Refusal that names a column that is not learned from, or a text where a number or date is expected.
    """
    row, plan = position(case), model.prepared.plan
    learned = {each.column for each in plan.columns}
    one = model.data.table.take(np.array([row]))
    frame = one.frame.astype({c: object for c in values if c in one.frame.columns and _is_words(one.frame[c])})
    molecules = {name: _one_molecule(found, row) for name, found in model.data.molecules.items() if name in values}
    for column, value in values.items():
        if column not in learned:
            raise Refusal(Note("work.not_learned_from", {"column": column}))
        if column in molecules:
            molecules[column] = read_molecules([None if value is None else str(value)])
        else:
            frame[column] = _typed(frame[column], column, value)
    moved = [i for i, each in enumerate(plan.columns) if each.column in values or each.since in values]
    if not moved:
        return as_is(model.run.id, row)
    part = replace(plan, columns=tuple(plan.columns[i] for i in moved))
    before = apply(part, model.data.table, np.array([row]), model.data.molecules or None)
    after = apply(part, replace(one, frame=frame), None, molecules or None)
    return _with(as_is(model.run.id, row), plan, moved, before, after)


@lru_cache(maxsize=32)
def as_is(run_id: str, row: int) -> Rows:
    """The numbers of one row of the table, as it stands; kept, since a person moves one slider after the other."""
    return row_model(run_id).prepared.rows(np.array([row]))


def _with(rows: Rows, plan: Plan, moved: list[int], before: Rows, after: Rows) -> Rows:
    """One row's numbers with those of the columns `moved` (places in the plan) put in their place."""
    places = np.repeat(np.arange(len(plan.columns)), [len(each.names) for each in plan.columns])
    here = np.isin(places, moved)
    values, missing = rows.values.copy(), rows.missing.copy()
    values[:, here], missing[:, here] = after.values, after.missing
    return replace(rows, values=values, missing=missing, unseen=rows.unseen - before.unseen + after.unseen)


def _one_molecule(found: Any, row: int) -> Any:
    problems = {0: found.problems[row]} if row in found.problems else {}
    return replace(
        found, counts=found.counts[row : row + 1], descriptors=found.descriptors[row : row + 1],
        keys=found.keys[row : row + 1], problems=problems,
    )  # fmt: skip


def _is_words(column: pd.Series) -> bool:
    return column.dtype.kind not in "fM"


def _typed(column: pd.Series, name: str, value: Any) -> pd.Series:
    """One cell in the type of its column."""
    if value is None or value == "":
        return pd.Series([None], dtype=column.dtype)
    try:
        if column.dtype.kind == "f":
            return pd.Series([float(str(value).replace(",", "."))])
        if column.dtype.kind == "M":
            return pd.Series([np.datetime64(str(value), "s")])
    except ValueError as error:
        raise Refusal(Note("work.not_that_kind", {"column": name, "value": str(value)[:40]})) from error
    return pd.Series([str(value)], dtype="object")
