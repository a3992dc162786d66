"""Run few-shot episodes over labelled pictures or a table and print accuracy, AUROC and calibration error.

FILE is an npz with `images` (N, H, W[, 3] uint8), `label` and perhaps `group`, a zip of pictures with labels.csv, or a
table (CSV, Excel, Parquet, ...) with a label column. For a number: R2, mean absolute error, coverage of the intervals;
the shots are then the labelled rows in all. What shares a group (a patient) is never on both sides of an episode.
Intervals are 95 %, by resampling episodes.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from engine.commands._tables import is_table
from engine.nouns import Note
from engine.sentences import LANGUAGES, Refusal, say

MEASURES = ("accuracy", "auroc", "ece", "r2", "mae", "coverage")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="the archive or table")
    parser.add_argument("--learner", default="protonet", help="see `python -m engine learners`")
    parser.add_argument("--shots", type=int, default=5, help="labelled cases a class")
    parser.add_argument("--queries", type=int, default=15, help="cases to predict a class, at most")
    parser.add_argument("--episodes", type=int, default=200, help="how many episodes to draw")
    parser.add_argument("--ways", type=int, default=5, help="classes an episode, at most")
    parser.add_argument("--steps", type=int, default=None, help="inner steps of a gradient learner")
    parser.add_argument("--seed", type=int, default=0, help="the same seed draws the same episodes")
    parser.add_argument(
        "--label", metavar="COLUMN", help="of a table: what is to be learned (default: __y, or proposed)"
    )
    parser.add_argument(
        "--group", metavar="COLUMN", help="of a table: whose row it is (default: __group, or the patient)"
    )
    parser.add_argument("--smiles", metavar="COLUMN", help="of a table: structures of molecules")
    parser.add_argument("--target", choices=("class", "number"), help="of a table: what the label is")
    parser.add_argument("--json", metavar="FILE", help="write JSON there; - for standard output")
    parser.add_argument("--language", choices=LANGUAGES, default="en", help="language of warnings and errors")


def run(args: argparse.Namespace) -> int:
    result = evaluate(args)
    for warning in result["warnings"]:
        print(f"handful: {warning}", file=sys.stderr)
    if args.json == "-":
        json.dump(result, sys.stdout, indent=1)
        print()
    elif args.json:
        Path(args.json).write_text(json.dumps(result, indent=1), "utf-8")
    else:
        for name in MEASURES:
            number = result.get(name)
            if number is None:
                continue
            print(f"{name:9s} {number['mean']:.3f}  ({number['low']:.3f} to {number['high']:.3f})")
        print(f"{result['episodes']} episodes, {result['groups']} groups, {result['learner']}")
    return 0


def evaluate(args: argparse.Namespace) -> dict[str, Any]:
    """The JSON of this command. Raises ValueError in a sentence for an archive or numbers that can't be used."""
    if is_table(args.file):
        from engine.commands._evaluate_table import evaluate_table

        return evaluate_table(args)
    import numpy as np
    import torch

    from engine.encoders import load_encoder
    from engine.episodes import episodes, left_out, open_archive, score, summarise
    from engine.learners import Support
    from engine.settings import load_settings

    method = named_learner(args.learner)
    archive = open_archive(args.file)
    drawn = list(episodes(archive, args.ways, args.shots, args.queries, args.episodes, args.seed))
    encoder = load_encoder(load_settings().device)
    started = time.perf_counter()
    embeddings = embed(encoder, archive.images)
    embedded = time.perf_counter()
    scores, used = [], set()
    notes = [
        Note("episodes.left_out", {"name": name, "count": count, "shots": args.shots})
        for name, count in left_out(archive, args.shots).items()
    ]
    for episode in drawn:
        support = Support(
            embeddings[episode.support],
            torch.from_numpy(episode.support_targets).long(),
            episode.classes,
            tuple(archive.groups[episode.support].tolist()),
        )
        adapted = method.adapt(support, steps=args.steps, seed=args.seed)
        notes += [note for note in adapted.notes if note not in notes]
        with torch.no_grad():
            probabilities = adapted.probabilities(embeddings[episode.query]).numpy()
        scores.append(score(probabilities, episode.query_targets))
        used.update(archive.groups[np.concatenate([episode.support, episode.query])].tolist())
    return {
        **summarise(scores, seed=args.seed),
        "episodes": len(drawn),
        "groups": len(used),
        "archive": archive.name,
        "learner": method.name,
        "ways": len(drawn[0].classes),
        "shots": args.shots,
        "queries": args.queries,
        "seed": args.seed,
        "encoder": encoder.identity,
        "warnings": [say(note, args.language) for note in notes],
        "seconds": {"embedding": embedded - started, "episodes": time.perf_counter() - embedded},
    }


def named_learner(name: str) -> Any:
    """The learner of that name that learns classes. Raises Refusal with the names there are."""
    from engine.learners import learner, learners

    names = [each.name for each in learners("classes")]
    if name not in names:
        raise Refusal(Note("commands.unknown_learner", {"name": name, "names": ", ".join(names)}))
    return learner(name)


def embed(encoder: Any, images: Any) -> Any:
    """(n, d) embeddings of plain pictures, each by itself as a case would be."""
    import torch

    from engine.nouns import Geometry, Volume

    batch = 32
    parts, views = [], []
    with torch.inference_mode():
        for picture in images:
            views.append(encoder.views(Volume(picture[None], Geometry(measured=False), False)))
            if len(views) == batch:
                parts.append(encoder.pool(encoder.embed_views(torch.cat(views))[:, None]).cpu())
                views = []
        if views:
            parts.append(encoder.pool(encoder.embed_views(torch.cat(views))[:, None]).cpu())
    return torch.cat(parts).clone()
