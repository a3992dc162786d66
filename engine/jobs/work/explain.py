"""What a prediction rests on, drawn: the map of one case, from the very model of its run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.encoders.finder import settled
from engine.encoders.places import beside
from engine.evidence.picture import draw_png
from engine.evidence.saliency import Saliency
from engine.evidence.saliency import explain as draw
from engine.intake import load_volume
from engine.jobs.work import looks, rooms
from engine.jobs.work.adapt import Outdated, kept_cases
from engine.jobs.work.weights import other_weights, same_encoder
from engine.learners import Adapted, learner
from engine.nouns import Note, Place
from engine.projects.records import Run


def run(args: dict[str, Any], report: Callable, cancelled: Callable[[], bool], checkpoint_dir: Path) -> dict[str, Any]:
    """args: run, case, method. Writes the overlay, its description and a picture; the result describes it."""
    report(0, 1, Note("work.map").to_json())
    run, case_id, method = rooms.store().run(args["run"]), args["case"], args["method"]
    if not same_encoder(run):
        raise Outdated(Note("work.other_encoder"))
    adapted, region, predicted = model_at(run, case_id)
    volume = load_volume(rooms.case_dir(case_id))
    saliency = draw(
        rooms.encoder(),
        adapted,
        volume,
        target=adapted.classes.index(predicted),
        method=method,
        region=region,
        seed=run.record["seed"],
    )
    name = f"{run.id}-{case_id}-{method}"
    keep(name, saliency, volume)
    notes = list(other_weights(run))
    if saliency.outweighed:
        notes.append(Note("evidence.map_against", {"label": saliency.label}))
    return {**saliency.to_json(), "overlay": name, "notes": [note.to_json() for note in notes]}


def model_at(run: Run, case_id: str) -> tuple[Adapted, Place | None, str]:
    """The run's model as a function of one case's pictures, what part of the case it looked at, and its answer."""
    adapted = adapted_of(run.id, run.record["learner"], run.record["seed"], run.record["temperature"])
    prediction = rooms.store().predictions(run.id)[case_id]
    region = looked_at(run, case_id, prediction["places"])
    if run.record["look"] == "place" and region is not None:
        adapted = at_place(adapted, torch.from_numpy(beside(looks.dense(case_id), region)))
    return adapted, region, prediction["predicted"]


def adapted_of(run_id: str, name: str, seed: int, temperature: float) -> Adapted:
    """The run's adapted model again: the same labelled cases and seed give the same model."""
    return learner(name).adapt(kept_cases(run_id).support, seed=seed).with_temperature(temperature)


def looked_at(run: Run, case_id: str, places: list[dict[str, Any]]) -> Place | None:
    """What part of the case was embedded: the found place, the person's region, or (None) all of it."""
    if run.record["look"] == "place":
        return Place(settled(looks.dense(case_id), Place.from_json(places[0])).centre_mm) if places else None
    return rooms.store().regions(run.project_id, reader=run.record.get("taught_by")).get(case_id)


def at_place(adapted: Adapted, words: Tensor) -> Adapted:
    """The model as a function of the picture alone: what the proposer says of the place stays as it is."""

    def whole(pictures: Tensor) -> Tensor:
        return torch.cat([pictures, words.expand(len(pictures), -1).to(pictures)], dim=1)

    return replace(adapted, score=lambda e: adapted.score(whole(e)), space=lambda e: adapted.space(whole(e)))


def keep(name: str, saliency: Saliency, volume) -> None:
    """Write `<name>.u8` for the viewer, its description, the map itself, and a picture to take along; whole or not."""
    folder = rooms.settings().data_dir / "overlays"
    folder.mkdir(parents=True, exist_ok=True)
    draw_png(folder / f"{name}.png", volume, saliency)
    saliency.save(folder / f"{name}.npz")
    for suffix, content in ((".u8", np.ascontiguousarray(saliency.page()).tobytes()), (".json", _described(saliency))):
        part = folder / f"{name}{suffix}.part"
        part.write_bytes(content)
        part.replace(folder / f"{name}{suffix}")


def _described(saliency: Saliency) -> bytes:
    return json.dumps(saliency.to_json()).encode()
