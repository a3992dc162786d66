"""Does removing what a map marks change the answer? The question that a map can fail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.evidence.deletion import deletion_curve
from engine.evidence.saliency import Saliency
from engine.intake import load_volume
from engine.jobs.queue import Cancelled
from engine.jobs.work import rooms
from engine.jobs.work.adapt import Outdated
from engine.jobs.work.explain import model_at
from engine.nouns import Note


def run(args: dict[str, Any], report: Callable, cancelled: Callable[[], bool], checkpoint_dir: Path) -> dict[str, Any]:
    """args: run, case, method, as of a finished map. Result: {"shares", "marked", "random": lists, "verdict": note}."""
    run, case_id = rooms.store().run(args["run"]), args["case"]
    path = rooms.settings().data_dir / "overlays" / f"{run.id}-{case_id}-{args['method']}.npz"
    if not path.exists():
        raise Outdated(Note("work.map_gone"))

    def tick(done: int, total: int) -> None:
        if cancelled():
            raise Cancelled
        report(done, total, Note("work.deletion").to_json())

    tick(0, 1)
    adapted, region, _ = model_at(run, case_id)
    volume = load_volume(rooms.case_dir(case_id))
    curve = deletion_curve(
        rooms.encoder(), adapted, volume, Saliency.load(path), region, seed=run.record["seed"], tick=tick
    )
    return {**curve.to_json(), "verdict": curve.verdict.to_json()}
