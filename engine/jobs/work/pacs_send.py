"""A run's results -> DICOM objects -> the PACS: under the original identifiers where they were kept, else codes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset

from engine.intake import load_volume
from engine.jobs.queue import Cancelled
from engine.jobs.work import rooms
from engine.jobs.work.report import METHOD, PICTURED, map_of
from engine.nouns import Note
from engine.pacs import objects
from engine.pacs.address import read_address, ways
from engine.pacs.identity import Identity, coded_identity
from engine.pacs.sending import send
from engine.pacs.sources import source_slices
from engine.pacs.vault import Vault
from engine.projects.records import ProjectCase, Run
from engine.reports.words import Words
from engine.sentences import Refusal


def run(args: dict[str, Any], report: Callable, cancelled: Callable[[], bool], checkpoint_dir: Path) -> dict[str, Any]:
    """args: project, run, cases (ids, or None for all that were predicted), reader.

    Result: {"cases", "objects", "coded": cases sent under coded identifiers, "left_out": without a picture}.
    """
    store, vault = rooms.store(), Vault(rooms.settings())
    address = read_address(store, vault)
    if not ways(address):
        raise Refusal(Note("pacs.no_address"))
    found = store.run(args["run"])
    cases = {each.id: each for each in store.cases(found.project_id)}
    predictions = store.predictions(found.id)
    wanted = [c for c in (args.get("cases") or predictions) if c in predictions and c in cases]
    result = {"cases": 0, "objects": 0, "coded": 0, "left_out": 0}
    for done, case_id in enumerate(wanted):
        if cancelled():
            raise Cancelled
        report(done, len(wanted), Note("pacs.sending", {"done": done + 1, "total": len(wanted)}).to_json())
        if cases[case_id].case.kind not in PICTURED or "value" in predictions[case_id]:
            result["left_out"] += 1
            continue
        identity = identity_for(cases[case_id], vault)
        made = make_objects(found, cases[case_id], predictions[case_id], identity)
        send(address, made, identity.study["StudyInstanceUID"], ways(address)[0])
        result["cases"] += 1
        result["objects"] += len(made)
        result["coded"] += not identity.kept
    detail = {"run": found.id, "cases": result["cases"], "coded": result["coded"]}
    store.log("pacs.send", reader=args.get("reader", ""), project=found.project_id, detail=detail)
    return result


def identity_for(case: ProjectCase, vault: Vault) -> Identity:
    """The original identity where a person asked for it to be kept, else the coded one."""
    kept = vault.get(case.id)
    return Identity.from_json(kept) if kept else coded_identity(case.case)


def make_objects(run: Run, each: ProjectCase, prediction: dict[str, Any], identity: Identity) -> list[Dataset]:
    """Structured report, secondary capture, and for scans with a geometry the parametric map."""
    case = each.case
    source = source_slices(case, identity)
    if not source:
        raise Refusal(Note("pacs.slices_unknown", {"case": f"{each.number:02d}"}))
    saliency = map_of(run, case.id, load_volume(rooms.case_dir(case.id)))
    drawn = rooms.settings().data_dir / "overlays" / f"{run.id}-{case.id}-{METHOD}.png"
    picture = objects.capture(source[0], np.asarray(Image.open(drawn).convert("RGB")))
    words = Words("en", {})
    key = saliency.strongest[0] if saliency.strongest else None
    title, method = words("case", number=each.number), words.method(run.record["learner"])
    made = [objects.report(source, picture, case, title, prediction, method, run.id, key), picture]
    if case.geometry.measured and case.kind == "volume":
        made.append(objects.saliency_map(source, case, saliency))
    return made
