"""Say what would be taken in from files, folders or archives, without storing anything.

Prints each case with its size, spacing, grey scale and warnings, each table with what its columns are taken for, and
each refused file with its reason. With `--json FILE` (or `-` for standard output) the same as JSON, for other programs.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from engine.sentences import LANGUAGES, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", type=Path, help="a file, a folder (with sub-folders) or a zip archive")
    parser.add_argument("--json", metavar="FILE", help="write JSON there; - for standard output")
    parser.add_argument("--language", choices=LANGUAGES, default="en", help="language of the sentences")


def run(args: argparse.Namespace) -> int:
    """Print the description; a refusal is an answer too, so the exit status is 0 as long as PATH exists."""
    from engine.intake import patient_key, take_in
    from engine.settings import load_settings

    taken = take_in(args.path, None, key=patient_key(load_settings().key_file), top_is_case=True)
    described = describe(taken, args.language)
    if described["refused"]:
        add_tables(described, args.path, args.language)
    if args.json == "-":
        json.dump(described, sys.stdout, ensure_ascii=False, indent=1)
        print()
    elif args.json:
        Path(args.json).write_text(json.dumps(described, ensure_ascii=False, indent=1), "utf-8")
    else:
        _print(described)
    return 0


def describe(taken: Any, language: str) -> dict[str, Any]:
    """The JSON of this command; "hu" is the range of the values even where `is_hu` says they are not HU."""
    cases = []
    for case in taken.cases:
        stats = taken.stats[case.id]
        cases.append(
            {
                "id": case.id,
                "kind": case.kind,
                "shape": list(case.shape),
                "spacing_mm": [round(s, 6) for s in case.geometry.spacing_mm],
                "hu": {"min": stats["min"], "max": stats["max"], "mean": round(stats["mean"], 3)},
                "is_hu": case.is_hu,
                "modality": case.modality,
                "patient": case.patient,
                "files": len(taken.files[case.id]),
                "warnings": [say(note, language) for note in case.notes],
            }
        )
    return {
        "cases": cases,
        "refused": [
            {"file": r.file, "reason": say(r.note, language), "do": do(r.note, language)} for r in taken.refused
        ],
        "ignored": [{"file": r.file, "reason": say(r.note, language)} for r in taken.ignored],
        "notes": [say(note, language) for note in taken.notes],
    }


def add_tables(described: dict[str, Any], path: Path, language: str) -> None:
    """What is no case may be a table, a patient record or a list of molecules: add "tables", and take those files out
    of the refused ones. Where a table is refused for its own reason, that reason stands."""
    from engine.tables import read_tables
    from engine.tables.describing import describe_read

    read = read_tables(path)
    found = describe_read(read, language)
    better = {
        r["file"]: r
        for r, raw in zip(found["refused"], read.refused, strict=True)
        if raw.note.key != "refused.no_table"
    }
    kept = []
    for each in described["refused"]:
        name = each["file"]
        if name in read.files or any(name.startswith(f"{file}/") for file in (*read.files, *better)):
            continue  # a workbook is a zip, and its parts are no files of the person's
        kept.append(better.pop(name, each))
    described["refused"] = kept + list(better.values())
    described["tables"] = found["tables"]


def do(note: Any, language: str) -> str:
    """What to do about a refusal."""
    return say(type(note)(note.key.replace("refused.", "refused_do.", 1), note.values), language)


def _print(described: dict[str, Any]) -> None:
    for case in described["cases"]:
        unit = " HU" if case["is_hu"] else ""
        size = " x ".join(map(str, case["shape"]))
        spacing = " x ".join(f"{s:g}" for s in case["spacing_mm"])
        low, high = case["hu"]["min"], case["hu"]["max"]
        print(f"{case['id']}  {case['kind']}  {size}  {spacing} mm  {low} to {high}{unit}  ({case['files']} files)")
        for warning in case["warnings"]:
            print(f"    {warning}")
    for table in described.get("tables", []):
        _print_table(table)
    for refused in described["refused"]:
        print(f"refused  {refused['file']}: {refused['reason']} {refused['do']}")
    for ignored in described["ignored"]:
        print(f"ignored  {ignored['file']}: {ignored['reason']}")
    for note in described["notes"]:
        print(note)


def _print_table(table: dict[str, Any]) -> None:
    print(f"{table['file']}  table  {table['rows']} rows x {len(table['columns'])} columns")
    for role in ("label", "patient", "site", "date"):
        if table[role]:
            print(f"    {role}: {table[role]}")
    for column in table["columns"]:
        if column["role"] in ("leak", "identifier"):
            print(f"    {column['role']}: {column['name']} ({column['reasons'][-1]})")
    for note in table["notes"]:
        print(f"    {note}")
