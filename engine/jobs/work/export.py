"""What leaves the house: predictions as CSV, maps as pictures, the project as one file."""

from __future__ import annotations

import re
import secrets
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.jobs.work import rooms
from engine.jobs.work.adapt import taught_by
from engine.nouns import Note
from engine.projects.csv_writer import write_csv
from engine.projects.database import StoreError
from engine.projects.records import Run


def run(args: dict[str, Any], report: Callable, cancelled: Callable[[], bool], checkpoint_dir: Path) -> dict[str, Any]:
    """args: project, what ("csv", "comparison", "png", "project"), reader. Result: where the page finds the file."""
    report(0, 1, Note("work.exporting").to_json())
    store, project = rooms.store(), args["project"]
    token = secrets.token_hex(8)
    folder = rooms.settings().data_dir / "downloads" / token
    folder.mkdir(parents=True)
    stem = re.sub(r"[^A-Za-z0-9]+", "-", store.project(project).name).strip("-").lower() or "project"
    if args["what"] == "project":
        name = f"{stem}.handful.zip"
        store.export_project(project, folder / name, rooms.settings().cases_dir, reader=args.get("reader", ""))
    else:
        run = store.latest_run(project, taught_by=taught_by(args))
        if run is None:
            raise StoreError("store.no_run")
        if args["what"] == "csv":
            name = f"{stem}-predictions.csv"
            predictions_csv(folder / name, run)
        elif args["what"] == "comparison":
            name = f"{stem}-methods.csv"
            methods_csv(folder / name, newest_comparison(project))
        else:
            name = f"{stem}-maps.zip"
            maps_zip(folder / name, run)
        store.log("export", reader=args.get("reader", ""), project=project, detail={"what": args["what"]})
    return {"download": token, "name": name}


def predictions_csv(path: Path, run: Run) -> None:
    """One row a case: what was predicted, each class's probability and likely range, whether it is unlike the rest."""
    store, classes = rooms.store(), run.record.get("classes", [])
    numbers = {c.id: c.number for c in store.cases(run.project_id)}
    if run.record.get("target") == "number":
        head = ["case", "id", "value", "low", "high", "unit", "unlike_anything_labelled"]
        write_csv(path, head, [
            [numbers.get(case_id, ""), case_id, *(p[k] for k in ("value", "low", "high", "unit", "unlike_flag"))]
            for case_id, p in store.predictions(run.id).items()
        ])  # fmt: skip
        return
    head = ["case", "id", "predicted", *(f"p_{c}" for c in classes)]
    head += [f"{end}_{c}" for c in classes for end in ("low", "high")] + ["unlike_anything_labelled"]
    rows = []
    for case_id, p in store.predictions(run.id).items():
        ranges = [v for pair in zip(p["low"], p["high"], strict=True) for v in pair]
        number = numbers.get(case_id, "")
        rows.append([number, case_id, p["predicted"], *p["probabilities"], *ranges, p["unlike_flag"]])
    write_csv(path, head, rows)


def newest_comparison(project: str) -> dict[str, Any]:
    """All methods compared, of the newest run that has it. Raises StoreError where nobody compared."""
    for run in rooms.store().runs(project):
        if "comparison" in run.record:
            return run.record["comparison"]
    raise StoreError("store.no_comparison")


def methods_csv(path: Path, comparison: dict[str, Any]) -> None:
    """One row a method: the test on one's own cases, its cost, and how often it agrees with each other method."""
    if comparison.get("target") == "number":
        head = ["method", "tested", "mae", "mean_mae", "r2", "seconds", "recommended"]
        write_csv(path, head, [
            [row["name"], *(row.get(k) for k in ("count", "mae", "mean_mae", "r2", "seconds")),
             row["name"] == comparison["recommended"]]
            for row in comparison["methods"]
        ])  # fmt: skip
        return
    able = comparison["agreement"]["methods"]
    head = ["method", "right", "tested", "low_95", "high_95", "log_loss", "seconds", "peak_bytes", "recommended"]
    head += [f"agrees_labelled_{name}" for name in able] + [f"agrees_asked_{name}" for name in able]
    rows = []
    for row in comparison["methods"]:
        tested, agrees = row["tested"], [None] * (2 * len(able))
        if row["name"] in able:
            at = able.index(row["name"])
            agrees = [*comparison["agreement"]["labelled"][at], *comparison["agreement"]["asked"][at]]
        counts = [tested["right"], tested["count"], tested["low"], tested["high"]]
        cost = [row["log_loss"], row["seconds"], row["peak_bytes"], row["name"] == comparison["recommended"]]
        rows.append([row["name"], *counts, *cost, *agrees])
    write_csv(path, head, rows)


def maps_zip(path: Path, run: Run) -> None:
    """The maps drawn so far for a run, each over its slice, as PNG."""
    drawn = rooms.settings().data_dir / "overlays"
    numbers = {c.id: c.number for c in rooms.store().cases(run.project_id)}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for picture in sorted(drawn.glob(f"{run.id}-*.png")):
            _, case_id, method = picture.stem.rsplit("-", 2)
            archive.write(picture, f"case-{numbers.get(case_id, 0):02d}-{method}.png")
