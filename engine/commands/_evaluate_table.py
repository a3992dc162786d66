"""Few-shot episodes over a table: rows of labelled patients teach, rows of others are asked."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from engine.commands._tables import InFile, Source, named_learner, read_source, sentences, unreadable_structures
from engine.nouns import Note
from engine.sentences import Refusal, say

ATTEMPTS = 50  # draws before a table is called too small


def evaluate_table(args: argparse.Namespace) -> dict[str, Any]:
    """The JSON of `evaluate` for a table. Raises ValueError in a sentence."""
    from engine.encoders import tabular

    started = time.perf_counter()
    source = read_source(args.file, label=args.label, group=args.group, smiles=args.smiles, target=args.target,
                         language=args.language)  # fmt: skip
    method = named_learner(args.learner, source)
    read = time.perf_counter()
    try:
        measured = _numbers(args, source, method) if source.numeric else _classes(args, source, method)
    except Refusal as error:
        raise InFile(source.file, error.note, args.language, unreadable_structures(source)) from error
    notes = measured.pop("notes")
    return {
        **measured,
        "table": args.file.name,
        "label": source.label,
        "target": "number" if source.numeric else "class",
        "learner": method.name,
        "shots": args.shots,
        "queries": args.queries,
        "seed": args.seed,
        "encoder": tabular.identity(),
        "warnings": sentences(source.notes, args.language, source.file) + sentences(notes, args.language),
        "seconds": {"reading": read - started, "episodes": time.perf_counter() - read},
    }


def _classes(args: argparse.Namespace, source: Source, method: Any) -> dict[str, Any]:
    """Accuracy, AUROC and calibration over episodes of up to `ways` classes, `shots` rows each."""
    import torch

    from engine.episodes import episodes, left_out, score, summarise
    from engine.episodes.archive import Archive
    from engine.learners import Support

    there = source.labelled
    labels = np.array([source.classes[t] for t in source.targets[there]])
    thin = [note for note in source.notes if note.key == "table.class_of_one"]
    if len(source.classes) - len(thin) < 2:
        rows = [say(Note("commands.row", {"row": note.values["row"]}), args.language).lower() for note in thin]
        alone = ", ".join(f"{note.values['label']} ({row})" for note, row in zip(thin, rows, strict=True))
        raise Refusal(Note("refused.few_in_class", {"column": source.label, "classes": alone}))
    archive = Archive(source.file, (), labels, source.groups[there].astype(str))
    drawn = list(episodes(archive, args.ways, args.shots, args.queries, args.episodes, args.seed))
    notes = [
        Note("episodes.left_out", {"name": name, "count": count, "shots": args.shots})
        for name, count in left_out(archive, args.shots).items()
    ]
    scores, used = [], set()
    for episode in drawn:
        known, asked = embedded(source, there[episode.support], there[episode.query])
        groups = tuple(archive.groups[episode.support].tolist())
        support = Support(known, torch.from_numpy(episode.support_targets).long(), episode.classes, groups)
        adapted = method.adapt(support, steps=args.steps, seed=args.seed)
        notes += [note for note in adapted.notes if note not in notes]
        with torch.no_grad():
            scores.append(score(adapted.probabilities(asked).numpy(), episode.query_targets))
        used.update(archive.groups[np.concatenate([episode.support, episode.query])].tolist())
    summary = summarise(scores, seed=args.seed)
    counts = {"episodes": len(drawn), "groups": len(used), "ways": len(drawn[0].classes)}
    return {**summary, **counts, "notes": notes}


def _numbers(args: argparse.Namespace, source: Source, method: Any) -> dict[str, Any]:
    """R2, mean absolute error and coverage of the intervals over episodes of `shots` labelled rows in all."""
    import torch

    from engine.episodes.numbers import NumberScore, summarise_numbers
    from engine.learners import NumberSupport, adapt_number
    from engine.learners.numbers import LEVEL

    scores, used, notes = [], set(), []
    for known_rows, asked_rows in number_episodes(args, source):
        known, asked = embedded(source, known_rows, asked_rows)
        truth = torch.from_numpy(source.targets[asked_rows])
        targets = torch.from_numpy(source.targets[known_rows]).float()
        support = NumberSupport(known, targets, source.unit, tuple(source.groups[known_rows].tolist()))
        adapted = adapt_number(method, support, steps=args.steps, seed=args.seed)
        notes += [note for note in adapted.notes if note not in notes]
        with torch.no_grad():
            said = adapted.mean(asked).double()
        interval = adapted.interval(asked, LEVEL)
        inside = None
        if interval is not None:
            inside = ((truth >= interval[0].double()) & (truth <= interval[1].double())).numpy()
        scores.append(NumberScore(truth.numpy(), said.numpy(), inside))
        used.update(source.groups[np.concatenate([known_rows, asked_rows])].tolist())
    if any(each.inside is None for each in scores):
        notes.append(Note("episodes.no_interval", {"level": round(100 * LEVEL)}))
    summary = summarise_numbers(scores, seed=args.seed)
    return {
        **summary,
        "level": LEVEL,
        "unit": source.unit,
        "episodes": len(scores),
        "groups": len(used),
        "notes": notes,
    }


def number_episodes(args: argparse.Namespace, source: Source) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(labelled, asked) positions: `shots` rows teach, each of another group as far as groups go, and up to `queries`
    rows of other groups are asked. Raises Refusal where there are too few rows or groups."""
    for name, value in (("shots", args.shots - 1), ("queries", args.queries), ("episodes", args.episodes)):
        if value < 1:
            key = "episodes.two_numbers" if name == "shots" else "episodes.at_least_one"
            raise Refusal(Note(key, {} if name == "shots" else {"name": name}))
    there = source.labelled
    names = np.unique(source.groups[there].astype(str))
    if len(names) < 2 or len(there) <= args.shots:
        raise Refusal(Note("episodes.too_few_numbers", {"table": source.file, "rows": len(there), "shots": args.shots}))
    rng = np.random.default_rng(args.seed)
    for _ in range(args.episodes):
        yield draw_numbers(source, there, args.shots, args.queries, rng)


def draw_numbers(
    source: Source, there: np.ndarray, shots: int, queries: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """One episode. Groups are taken in random order, a row of each, then more rows of the same groups; at most half of
    the groups teach."""
    groups = source.groups[there].astype(str)
    for _ in range(ATTEMPTS):
        order = rng.permutation(np.unique(groups))
        taught = set(order[: max(1, min(shots, len(order) // 2))])
        rows = rng.permutation(np.flatnonzero([g in taught for g in groups]))
        first = [int(np.flatnonzero(groups[rows] == g)[0]) for g in sorted(taught)]
        picked = [*rows[first], *np.delete(rows, first)][:shots]
        asked = rng.permutation(np.flatnonzero([g not in taught for g in groups]))[:queries]
        if len(picked) == shots and len(np.unique(source.targets[there[picked]])) > 1:
            return there[np.array(picked)], there[asked]
    raise Refusal(Note("episodes.too_few_numbers", {"table": source.file, "rows": len(there), "shots": shots}))


def embedded(source: Source, known: np.ndarray, asked: np.ndarray) -> tuple[Any, Any]:
    """Embeddings of both sides, scaled by the labelled rows alone."""
    import torch

    from engine.encoders import tabular

    prepared = tabular.prepare(source.table, source.dictionary, known, source.molecules or None)
    both = torch.from_numpy(prepared.embeddings(np.concatenate([known, asked])))
    return both[: len(known)], both[len(known) :]
