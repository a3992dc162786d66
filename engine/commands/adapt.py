"""Learn from labelled cases or rows and predict others, with neighbours and what each answer rests on.

Of scans, SUPPORT is a folder with a sub-folder per class, and each entry in it is a case: a file, a folder of slices,
or a zip. QUERY holds the cases to predict. The folder OUT gets predictions.csv, neighbours.csv, saliency/*.png and
run.json. Of tables, both are files (CSV, Excel, Parquet, ...) and --label names the column to learn; OUT then gets
attributions.csv instead of maps.
"""

from __future__ import annotations

import argparse
import platform
import re
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.nouns import Note
from engine.sentences import LANGUAGES, Refusal, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("support", type=Path, metavar="SUPPORT", help="a folder with a folder per class, or a table")
    parser.add_argument("query", type=Path, metavar="QUERY", help="a folder of cases, or a table of rows")
    parser.add_argument("--learner", default="protonet", help="see `python -m engine learners`")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the results go")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same results")
    parser.add_argument("--steps", type=int, default=None, help="inner steps of a gradient learner")
    parser.add_argument("--saliency", help="gradcam, ig, occlusion, stages, none; rows: ig, shapley, ablation, none")
    parser.add_argument("--label", metavar="COLUMN", help="of a table: what is learned")
    parser.add_argument("--patient", metavar="COLUMN", help="of a table: whose row it is; never on both sides")
    parser.add_argument("--smiles", metavar="COLUMN", help="of a table: structures of molecules")
    parser.add_argument("--target", choices=("class", "number"), help="of a table: what the label is")
    parser.add_argument("--language", choices=LANGUAGES, default="en", help="language of warnings and errors")


@dataclass(frozen=True)
class Entry:
    """One case of the command: `name` as in its folder, its class ("" for a query), and where its voxels lie."""

    name: str
    label: str
    case: Any
    folder: Path


def run(args: argparse.Namespace) -> int:
    from engine.commands._tables import is_table

    for path in (args.support, args.query):
        if not path.exists():
            raise Refusal(Note("commands.no_path", {"path": str(path)}))
    if is_table(args.support):
        from engine.commands._adapt_table import adapt_table

        return adapt_table(args)
    from engine.commands.evaluate import named_learner
    from engine.evidence.attribution import METHODS

    args.saliency = args.saliency or "gradcam"
    method = named_learner(args.learner)
    maps = (*METHODS, "none")
    if args.saliency not in maps:
        raise Refusal(Note("commands.unknown_map", {"name": args.saliency, "names": ", ".join(maps)}))
    for folder in (args.support, args.query):
        if not folder.is_dir():
            raise Refusal(Note("commands.no_folder", {"folder": str(folder)}))
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="handful-") as store:
        return _run(args, method, Path(store))


def _run(args: argparse.Namespace, method: Any, store: Path) -> int:
    from engine.encoders import load_encoder
    from engine.settings import load_settings

    clock = Clock()
    warnings = Warnings(args.language)
    labelled = read_support(args.support, store / "support", warnings)
    asked = read_entries(args.query, "", store / "query", warnings)
    if not labelled or not asked:
        raise Refusal(Note("commands.nothing_read", {"why": " ".join(warnings)}))
    clock.stop("reading")
    encoder = load_encoder(load_settings().device)
    embeddings = {id(e): encode(encoder, e) for e in (*labelled, *asked)}
    clock.stop("encoding")
    judged, models = judge_all(method, labelled, asked, embeddings, args, warnings)
    clock.stop("adapting")
    pictures = draw_all(args, encoder, asked, models, warnings)
    clock.stop("saliency")
    write_all(args, method, encoder, labelled, asked, judged, pictures, clock, warnings)
    for warning in warnings:
        print(f"handful: {warning}", file=sys.stderr)
    return 0


class Warnings(list[str]):
    """What a person should know of the run, in one language, each sentence once."""

    def __init__(self, language: str) -> None:
        super().__init__()
        self.language = language

    def add(self, note: Note, about: str = "") -> None:
        """`about`: the file or case it is about."""
        text = f"{about}: {say(note, self.language)}" if about else say(note, self.language)
        if text not in self:
            self.append(text)


class Clock:
    """Seconds since the last stop, by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.began, self._last = datetime.now(UTC), time.perf_counter()

    def stop(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name], self._last = round(now - self._last, 3), now


def read_support(folder: Path, into: Path, warnings: Warnings) -> list[Entry]:
    """Every sub-folder is a class. Raises ValueError where there are none."""
    classes = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not classes:
        raise Refusal(Note("commands.no_classes", {"folder": str(folder)}))
    return [e for c in classes for e in read_entries(c, c.name, into / c.name, warnings)]


def read_entries(folder: Path, label: str, into: Path, warnings: Warnings) -> list[Entry]:
    """Each file, folder or zip in `folder` is a case; one that holds several gives each a number.

    All are read at once, which is fast. Where that mixes entries up (files of one series lie in two of them, or one is
    a copy of another), each is read by itself.
    """
    paths = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    taken = read(folder, into / "all", top_is_case=False)
    of: dict[str, list[Any]] = {path.name: [] for path in paths}
    refused = {r.file.split("/")[0] for r in taken.refused}
    for case in taken.cases:
        owners = {name.split("/")[0] for name in taken.files[case.id]}
        if len(owners) == 1 and owners <= set(of):
            of[owners.pop()].append((case, into / "all" / case.id))
        else:
            refused = set()  # mixed up
            break
    else:
        if all(found or name in refused for name, found in of.items()):
            return entries(of, label, [taken], warnings)
    alone = {path.name: read(path, into / str(i), top_is_case=path.is_dir()) for i, path in enumerate(paths)}
    of = {
        name: [(case, into / str(i) / case.id) for case in taken.cases] for i, (name, taken) in enumerate(alone.items())
    }
    return entries(of, label, list(alone.values()), warnings)


def read(path: Path, into: Path, top_is_case: bool) -> Any:
    from engine.intake import patient_key, take_in
    from engine.settings import load_settings

    into.mkdir(parents=True)
    key = patient_key(load_settings().key_file)
    return take_in(path, into, key=key, top_is_case=top_is_case, folders_are_cases=True)  # an entry is a case


def entries(of: dict[str, list[Any]], label: str, taken: list[Any], warnings: Warnings) -> list[Entry]:
    """Name the cases after what they were read from, and collect what there is to say of them."""
    for one in taken:
        for refused in one.refused:
            warnings.add(refused.note, refused.file)
    found = []
    for name, cases in of.items():
        for i, (case, folder) in enumerate(cases):
            for note in case.notes:
                warnings.add(note, name)
            found.append(Entry(name if len(cases) == 1 else f"{name} [{i + 1}]", label, case, folder))
    return found


def encode(encoder: Any, entry: Entry) -> Any:
    import torch

    from engine.intake import load_volume

    return torch.from_numpy(encoder.encode(load_volume(entry.folder)).embedding)


def judge_all(
    method: Any,
    labelled: list[Entry],
    asked: list[Entry],
    embeddings: dict[int, Any],
    args: argparse.Namespace,
    warnings: Warnings,
) -> tuple[dict[int, Any], dict[int, Any]]:
    """Judge every query; one whose patient is also labelled is judged without that patient's labelled cases.

    Returns by query the judgement it stands in and the adapted model. A query that can't be judged apart from its
    own patient is left out, and said.
    """
    from engine.learners import SupportError

    patients = {e.case.patient for e in labelled}
    parts: dict[str, list[Entry]] = {}
    for entry in asked:
        parts.setdefault(entry.case.patient if entry.case.patient in patients else "", []).append(entry)
    judged: dict[int, Any] = {}
    models: dict[int, Any] = {}
    for patient, queries in sorted(parts.items()):
        kept = [e for e in labelled if e.case.patient != patient]
        if patient:
            names = ", ".join(e.name for e in queries)
            warnings.add(Note("commands.patient_left_out"), names)
        try:
            judgement, adapted = judge_part(
                method, kept, queries, embeddings, args, sorted({e.label for e in labelled})
            )
        except SupportError as error:
            if not patient:
                raise
            warnings.add(Note("commands.not_predicted"), names)
            warnings.add(error.note, names)
            continue
        for entry, prediction in zip(queries, judgement.predictions, strict=True):
            judged[id(entry)], models[id(entry)] = (judgement, prediction), adapted
    return judged, models


def judge_part(
    method: Any,
    labelled: list[Entry],
    queries: list[Entry],
    embeddings: dict[int, Any],
    args: argparse.Namespace,
    classes: list[str],
) -> Any:
    import torch

    from engine.evidence import judge
    from engine.evidence.checks import facts_of
    from engine.learners import Support

    support = Support(
        torch.stack([embeddings[id(e)] for e in labelled]),
        torch.tensor([classes.index(e.label) for e in labelled]),
        tuple(classes),
        tuple(e.case.patient for e in labelled),
    )
    return judge(
        method,
        support,
        [f"{e.label}/{e.name}" for e in labelled],
        torch.stack([embeddings[id(e)] for e in queries]),
        [e.name for e in queries],
        [e.case.patient for e in queries],
        facts=facts_of([e.case for e in labelled]),
        seed=args.seed,
        steps=args.steps,
    )


def draw_all(
    args: argparse.Namespace, encoder: Any, asked: list[Entry], models: dict[int, Any], warnings: Warnings
) -> dict[int, dict[str, Any]]:
    """One picture a predicted case, of its strongest slice. Returns what run.json says about each."""
    from engine.evidence.picture import draw_png
    from engine.evidence.saliency import explain
    from engine.intake import load_volume

    if args.saliency == "none":
        return {}
    folder = args.out / "saliency"
    folder.mkdir(exist_ok=True)
    drawn: dict[int, dict[str, Any]] = {}
    names: set[str] = set()
    for entry in asked:
        if id(entry) not in models:
            continue
        volume = load_volume(entry.folder)
        saliency = explain(encoder, models[id(entry)], volume, method=args.saliency, seed=args.seed)
        stem = re.sub(r"[^\w.-]+", "_", _without_suffix(entry.name)).strip("._") or "case"
        while stem in names:
            stem += "_"
        names.add(stem)
        draw_png(folder / f"{stem}.png", volume, saliency)
        about = saliency.to_json()
        drawn[id(entry)] = {
            "file": f"saliency/{stem}.png",
            **{k: about[k] for k in ("method", "label", "convergence", "likeness", "strongest")},
            "check": about["verdict"]["key"].removeprefix("evidence.map_"),
        }
    return drawn


def _without_suffix(name: str) -> str:
    """ "a.nii.gz" -> "a", "b.zip" -> "b"; a folder's name with a dot in it stays."""
    return re.sub(r"(\.(zip|dcm|nii|nrrd|png|jpe?g|tiff?)(\.gz)?)(?=$| \[)", "", name, flags=re.IGNORECASE)


def write_all(
    args: argparse.Namespace,
    method: Any,
    encoder: Any,
    labelled: list[Entry],
    asked: list[Entry],
    judged: dict[int, Any],
    pictures: dict[int, dict[str, Any]],
    clock: Clock,
    warnings: Warnings,
) -> None:
    """predictions.csv, neighbours.csv and run.json."""
    import json

    from engine.projects.csv_writer import write_csv

    classes = sorted({e.label for e in labelled})
    rows, near = [], []
    for entry in asked:
        if id(entry) not in judged:
            continue
        _, prediction = judged[id(entry)]
        rows.append([entry.name, prediction.predicted, *prediction.probabilities])
        near += [[entry.name, i + 1, n.case, n.label, n.distance] for i, n in enumerate(prediction.neighbours)]
    write_csv(args.out / "predictions.csv", ["case", "predicted", *(f"p_{c}" for c in classes)], rows, mark=False)
    write_csv(args.out / "neighbours.csv", ["case", "rank", "neighbour", "label", "distance"], near, mark=False)
    whole = list({id(j): j for j, _ in judged.values()}.values())
    for judgement in whole:
        for note in judgement.notes:
            warnings.add(note)
    record = {
        "for": "For research and teaching. Not a medical device. Do not use for diagnosis or treatment. "
        f"It has learned from {len(labelled)} cases chosen by you.",
        "learner": method.name,
        "classes": classes,
        "seed": args.seed,
        "steps": args.steps,
        "started": clock.began.isoformat(timespec="seconds"),
        "seconds": clock.seconds,
        "device": str(encoder.device),
        "versions": versions(),
        "hashes": hashes(encoder, [*labelled, *asked], args.learner),
        "support": [{"case": e.name, "label": e.label, "patient": e.case.patient} for e in labelled],
        "tested": [
            {k: v for k, v in j.tested.to_json().items() if k in ("right", "count", "low", "high")} for j in whole
        ],
        "predictions": [
            {
                "case": entry.name,
                "predicted": p.predicted,
                "low": p.low,
                "high": p.high,
                "unlike": p.unlike,
                "unlike_anything_labelled": p.unlike_flag,
                "saliency": pictures.get(id(entry)),
            }
            for entry in asked
            if id(entry) in judged
            for _, p in [judged[id(entry)]]
        ],
        "warnings": warnings,
    }
    (args.out / "run.json").write_text(json.dumps(record, ensure_ascii=False, indent=1), "utf-8")


def versions() -> dict[str, str]:
    from importlib.metadata import version

    import engine

    packages = ("torch", "captum", "numpy", "scipy", "pydicom")
    return {"handful": engine.__version__, "python": platform.python_version(), **{p: version(p) for p in packages}}


def hashes(encoder: Any, entries: list[Entry], learner: str) -> dict[str, Any]:
    """The weights (encoder's identity, and the learner's start if it has one) and each case's voxels, SHA-256."""
    import hashlib

    from engine.learners.starts import start_file

    start = start_file(learner)
    return {
        "encoder": encoder.identity,
        "learner": hashlib.sha256(start.read_bytes()).hexdigest() if start.exists() else None,
        "cases": {
            f"{e.label}/{e.name}" if e.label else e.name: hashlib.sha256(
                (e.folder / "voxels.npy").read_bytes()
            ).hexdigest()
            for e in entries
        },
    }
