"""Make synthetic chest CTs (a DICOM series, the demo set, a montage) or hospital tables, with known truth."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from engine.phantoms import FINDINGS, HOSPITALS, make_phantom
from engine.phantoms.demo import write_demo
from engine.phantoms.dicom import write_series
from engine.phantoms.picture import write_montage
from engine.phantoms.tables.writing import write_tables


def add_arguments(sub: argparse.ArgumentParser) -> None:
    what = sub.add_mutually_exclusive_group(required=True)
    what.add_argument("--demo", type=Path, metavar="FOLDER", help="write the demo set: 24 patients of two hospitals")
    what.add_argument("--picture", type=Path, metavar="FILE", help="write a montage of all findings (PNG or JPEG)")
    what.add_argument("--out", type=Path, metavar="FOLDER", help="write one series with its truth.json")
    what.add_argument("--tables", type=Path, metavar="FOLDER", help="write the synthetic hospital tables as CSV")
    sub.add_argument("--seed", type=int, default=1, help="which patient (default 1)")
    sub.add_argument("--finding", choices=FINDINGS, default="normal")
    sub.add_argument("--hospital", choices=HOSPITALS, default="A")
    sub.add_argument("--size", type=int, default=256, help="rows and columns (default 256)")
    sub.add_argument("--slices", type=int, default=48, help="number of slices (default 48)")
    sub.add_argument("--cover-mm", type=float, default=240, help="height covered by the slices (default 240)")
    sub.add_argument("--around-finding", action="store_true", help="put the slices round the finding")


def run(args: argparse.Namespace) -> int:
    if args.demo:
        write_demo(args.demo, report=_print_progress)
        return 0
    if args.picture:
        write_montage(args.picture)
        return 0
    if args.tables:
        files = write_tables(args.tables, args.seed, report=_print_progress)
        print(f"{len(files)} files of synthetic tables in {args.tables}")
        return 0
    if args.size < 32 or args.slices < 1 or args.cover_mm <= 0:
        raise ValueError("A phantom needs at least 32 rows, one slice and a height above 0 mm.")
    phantom = make_phantom(
        args.seed,
        args.finding,
        args.hospital,
        size=args.size,
        slices=args.slices,
        cover_mm=args.cover_mm,
        around_finding=args.around_finding,
    )
    files = write_series(phantom, args.out, number=args.seed)
    (args.out / "truth.json").write_text(json.dumps(phantom.truth.to_json(), indent=1) + "\n", "utf-8")
    print(f"{len(files)} slices of a synthetic chest ({args.finding}, hospital {args.hospital}) in {args.out}")
    return 0


def _print_progress(done: int, total: int, name: str) -> None:
    print(f"{done}/{total} {name}", file=sys.stderr)
