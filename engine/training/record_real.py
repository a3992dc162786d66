"""Real tables made ready for training tasks: read, understood and turned into numbers once, as the product does it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from engine.tables import first_table, propose, rows
from engine.training.record_tasks import RealTable, read_tables

LINE = re.compile(r"\| `((?:tables|regression)/[^`]+)` \| ([^|]+) \|")
LABEL, GROUP = "__y", "__group"


def families(corpus: Path) -> dict[str, str]:
    """Disease family of each file of a corpus, from the tables of its MANIFEST.md (file first, then family)."""
    text = (corpus / "MANIFEST.md").read_text("utf-8")
    return {m[1]: m[2].strip() for line in text.splitlines() if (m := LINE.match(line))}


def load(
    corpus: Path, cache: Path, leave_out: tuple[str, ...], report: Callable[[int, int, str], None]
) -> list[RealTable]:
    """The corpus's tables without those of the families left out, prepared under `cache` where that isn't done yet."""
    cache.mkdir(parents=True, exist_ok=True)
    known = {file: family for file, family in families(corpus).items() if family not in leave_out}
    for i, (file, family) in enumerate(sorted(known.items())):
        kept = cache / f"{Path(file).name.split('.')[0]}.npz"
        if not kept.exists():
            prepare(corpus / file, family, kept)
            report(i + 1, len(known), f"prepared {kept.stem}")
    return read_tables(cache, leave_out)


def prepare(source: Path, family: str, kept: Path) -> None:
    """One file as numbers: every column that the product would learn from, missing as NaN, scaled over all its rows
    (tasks scale again on their labelled rows)."""
    table = first_table(source)
    dictionary = propose(table, label=LABEL)
    group = np.arange(len(table))
    if GROUP in table.columns:
        dictionary = dictionary.change(GROUP, role="site")
        group = np.unique(rows.texts_of(table.frame[GROUP]).fillna("").astype(str), return_inverse=True)[1]
    number = source.parent.name == "regression"
    label, _ = rows.targets(table, dictionary, number=number)
    made = rows.apply(rows.fit(table, dictionary, np.arange(len(table))), table)
    place = {name: i for i, name in enumerate(dict.fromkeys(made.columns))}
    np.savez(
        kept,
        x=np.where(made.missing, np.nan, made.values).astype(np.float32),
        col=np.array([place[name] for name in made.columns]),
        y=label,
        group=group,
        family=np.array(family),
        number=np.array(number),
    )
