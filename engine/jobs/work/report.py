"""A run on paper: the maps that are still missing are drawn, then PDF, HTML, JSON and the model card are written."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from engine.evidence.saliency import Saliency
from engine.intake import load_volume
from engine.jobs.queue import Cancelled
from engine.jobs.work import explain, explain_row, rooms
from engine.jobs.work.row_data import ROW_KINDS
from engine.learners import learners
from engine.learners.starts import WEIGHTS
from engine.nouns import Note, Volume
from engine.projects.database import StoreError
from engine.projects.records import Run
from engine.reports import gather, report_json, write_card, write_html, write_markdown, write_pdf, write_report
from engine.reports.case_blocks import NEAR
from engine.reports.facts import Facts
from engine.reports.pictures import Shown, map_picture, near_picture
from engine.sentences import Refusal

# Cases with a block of their own, the least sure first: four pages. A map takes a second or two on a processor.
MOST_CASES = 12
METHOD = "gradcam"
PICTURED = ("volume", "image")


def run(args: dict[str, Any], report: Callable, cancelled: Callable[[], bool], checkpoint_dir: Path) -> dict[str, Any]:
    """args: project, language, reader, and optionally run (default: the newest).

    Result: {"run", "files": [{"what": "pdf" | "html" | "json" | "card", "download", "name"}]}. Raises StoreError
    where there is no run.
    """
    store, language = rooms.store(), args["language"]
    found = store.run(args["run"]) if args.get("run") else store.latest_run(args["project"])
    if found is None:
        raise StoreError("store.no_run")
    facts = gather(store, found)
    chosen = list(facts.predictions)[:MOST_CASES]
    shown = {}
    for done, case in enumerate(chosen):
        if cancelled():
            raise Cancelled
        report(done, len(chosen) + 1, Note("work.report_case", {"done": done + 1, "total": len(chosen)}).to_json())
        shown[case] = show(facts, case)
    report(len(chosen), len(chosen) + 1, Note("work.report_writing").to_json())
    files = _write(facts, shown, language)
    store.log("report", reader=args.get("reader", ""), project=found.project_id, detail={"run": found.id})
    return {"run": found.id, "files": files}


def show(facts: Facts, case: str) -> Shown:
    """What is drawn of one predicted case; an empty one where it has no picture."""
    if case in facts.cases and facts.cases[case].case.kind in ROW_KINDS:
        return _row(facts.run, case)
    if case not in facts.cases or facts.cases[case].case.kind not in PICTURED:
        return Shown()
    prediction = facts.predictions[case]
    volume = load_volume(rooms.case_dir(case))
    saliency = map_of(facts.run, case, volume)
    places = prediction.get("places") or ()
    place = places[0]["centre_mm"] if places else None
    picture, at = map_picture(volume, saliency, place)
    closer = near_picture(volume, place, saliency) if place else None
    return Shown(
        picture, at, volume.voxels.shape[0], saliency.method, saliency.verdict, closer, _near(facts, prediction)
    )


def _row(run: Run, case: str) -> Shown:
    """What each column of a row adds to the answer and which labelled rows are most like it; nothing where the run
    can't be asked any more."""
    try:
        found = explain_row.run({"run": run.id, "case": case}, lambda *_: None, lambda: False, Path())
    except Refusal:
        return Shown()
    return Shown(columns=tuple(found["columns"]), beside=tuple(found["neighbours"]))


def map_of(run: Run, case: str, volume: Volume) -> Saliency:
    """The map of a predicted case as the page shows it; drawn and kept now if nobody has looked at it yet."""
    path = rooms.settings().data_dir / "overlays" / f"{run.id}-{case}-{METHOD}.npz"
    if not path.exists():
        explain.run({"run": run.id, "case": case, "method": METHOD}, lambda *_: None, lambda: False, path.parent)
    return Saliency.load(path)


def _near(facts: Facts, prediction: Mapping[str, Any]) -> tuple[bytes | None, ...]:
    near = prediction["neighbours"][:NEAR]
    at = prediction.get("neighbours_at_mm") or [None] * len(near)
    found = []
    for each, at_mm in zip(near, at, strict=False):
        known = each["case"] in facts.cases and facts.cases[each["case"]].case.kind in PICTURED
        found.append(near_picture(load_volume(rooms.case_dir(each["case"])), at_mm) if known else None)
    return tuple(found)


def _write(facts: Facts, shown: Mapping[str, Shown], language: str) -> list[dict[str, str]]:
    """Each file in a download folder of its own, since a download is one file."""
    stem = re.sub(r"[^A-Za-z0-9]+", "-", facts.project.name).strip("-").lower() or "project"
    hashes = weights_hashes(facts.record["learner"])
    files, paths = [], {}
    for what, suffix in (("json", "report.json"), ("pdf", "report.pdf"), ("html", "report.html"), ("card", "card.md")):
        token = secrets.token_hex(8)
        folder = rooms.settings().data_dir / "downloads" / token
        folder.mkdir(parents=True)
        paths[what] = folder / f"{stem}-{suffix}"
        files.append({"what": what, "download": token, "name": paths[what].name})
    raw = json.dumps(report_json(facts, language, hashes), ensure_ascii=False, indent=1).encode()
    paths["json"].write_bytes(raw)
    document = write_report(facts, shown, language, {**hashes, paths["json"].name: hashlib.sha256(raw).hexdigest()})
    write_pdf(paths["pdf"], document)
    write_html(paths["html"], document)
    write_markdown(paths["card"], write_card(facts, language, hashes))
    return sorted(files, key=lambda each: ("pdf", "html", "json", "card").index(each["what"]))


def weights_hashes(learner: str) -> dict[str, str]:
    """File name -> SHA-256 of the shipped weights that a run with this method uses."""
    others = {each.name for each in learners("classes")} - {learner}
    files = sorted(path for path in WEIGHTS.glob("*.safetensors") if path.stem not in others)
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
