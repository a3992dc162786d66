"""A project as one file that opens elsewhere: a zip of its cases, what was said of them, and its runs.

    project.json              what it is, its classes, what each reader said, its runs, and every file's SHA-256
    cases/<id>/voxels.npy, case.json, *.npz, thumb.png
    tables/<id>/...           of a project of rows; see `table_files`

A file from elsewhere is not trusted: every member is announced in project.json with size and hash, names are rebuilt
from ids, sizes are bounded before anything is written, arrays are read without pickles, and a case becomes visible
only when all of the file was sound. Patients keep their codes, so grouping by patient holds in the other place too.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.nouns import Case, Place
from engine.projects import table_files
from engine.projects.database import StoreError
from engine.projects.mark_travel import all_marks, file_marks
from engine.sentences import say

if TYPE_CHECKING:
    from engine.projects.store import Store

FORMAT = 2  # 2: with a table; a project of scans is still written as 1, which an earlier Handful opens
NOTICE = "For research and teaching. Not a medical device. Do not use for diagnosis or treatment."
NOTICE_ZH = "仅供科研与教学，不是医疗器械，不得用于诊断或治疗。"
# 200 whole-body volumes of 512 x 512 x 400 in int16.
MAX_BYTES = 50 * 1024**3
MAX_MEMBERS = 100_000
MAX_DESCRIPTION = 64 * 1024**2
_CASE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,99}")
_FILE = re.compile(r"voxels\.npy|case\.json|thumb\.png|[a-z]+-[A-Za-z0-9-]{1,100}\.npz")
_PIECE = 1024**2


def export_project(store: Store, project: str, target: Path, cases_dir: Path, *, reader: str = "") -> Path:
    """Writes the file under a temporary name and moves it to `target` when it is whole; returns `target`."""
    about = store.project(project)
    cases = store.cases(project)
    files: dict[str, dict[str, Any]] = {}
    making = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        # Voxels hardly shrink and shrinking is slow: level 1 halves CT in a tenth of the time of the best level.
        with zipfile.ZipFile(making, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as out:
            for each in cases:
                if each.case.kind in table_files.ROW_KINDS:
                    continue
                for path in sorted((cases_dir / each.id).iterdir()):
                    if _FILE.fullmatch(path.name) and path.is_file() and not path.is_symlink():
                        name = f"cases/{each.id}/{path.name}"
                        files[name] = _add(out, path, name)
            if table := table_files.table_of(about.settings):
                for name, path in table_files.files_of(tables_dir(store), table, project).items():
                    files[name] = _add(out, path, name)
            out.writestr("project.json", json.dumps(_describe(store, about.id, files), ensure_ascii=False, indent=1))
        making.replace(target)
    finally:
        making.unlink(missing_ok=True)
    store.log("project.export", reader=reader, project=project, detail={"cases": len(cases)})
    return target


def tables_dir(store: Store) -> Path:
    """Where kept tables lie: beside the store's own file."""
    return store.path.parent / "tables"


def import_project(store: Store, source: Path, cases_dir: Path, *, reader: str = "") -> str:
    """Opens such a file as a new project and returns its id; raises StoreError (`project_file.*`) and keeps nothing.

    A case that is here already is not written again; its patient's code here then stands for that patient in the
    whole file, so that one patient never counts as two.
    """
    staging = cases_dir / f".opening-{secrets.token_hex(6)}"
    try:
        with zipfile.ZipFile(source) as packed:
            about = _read_description(packed, source.name)
            cases = {raw["id"]: Case.from_json(raw) for raw in about["cases"]}
            staging.mkdir(parents=True)
            for name, expected in about["files"].items():
                _extract(packed, name, expected, staging, set(cases), source.name)
        for case in cases.values():
            if case.kind not in table_files.ROW_KINDS:
                _check_case(staging / case.id, case, source.name)
        table = table_files.table_of(about["settings"])
        if table or any(case.kind in table_files.ROW_KINDS for case in cases.values()):
            table_files.check_table(staging / "tables" / (table or "none"), cases, source.name)
        return _file(store, about, _same_patients(store, cases), staging, cases_dir, reader)
    except StoreError:
        raise
    # What a zip, or a description that somebody made up, can raise. A full disk (OSError) passes through.
    except (zipfile.BadZipFile, EOFError, RuntimeError, LookupError, TypeError, AttributeError, ValueError) as error:
        raise StoreError("project_file.not_ours", file=source.name) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _describe(store: Store, project: str, files: Mapping[str, Any]) -> dict[str, Any]:
    about = store.project(project)
    runs = [
        {"at": run.at, "record": run.record, "predictions": store.predictions(run.id)} for run in store.runs(project)
    ]
    return {
        "handful_project": FORMAT if table_files.table_of(about.settings) else 1,
        "notice": [NOTICE, NOTICE_ZH],
        "name": about.name,
        "classes": list(about.classes),
        "settings": dict(about.settings),
        "cases": [each.case.to_json() for each in store.cases(project)],
        "labels": {case: value for case, value in store.labels(project).items() if value is not None},
        "places": {case: [place.to_json() for place in each] for case, each in store.places(project).items()},
        "regions": {case: region.to_json() for case, region in store.regions(project).items()},
        "marks": all_marks(store, project),  # labels, places and regions above are its newest, for an earlier Handful
        "runs": runs[::-1],
        "files": dict(files),
    }


def _add(out: zipfile.ZipFile, path: Path, name: str) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file, out.open(name, "w", force_zip64=True) as member:
        while piece := file.read(_PIECE):
            digest.update(piece)
            size += len(piece)
            member.write(piece)
    return {"bytes": size, "sha256": digest.hexdigest()}


def _read_description(packed: zipfile.ZipFile, file: str) -> dict[str, Any]:
    members = packed.infolist()
    if len(members) > MAX_MEMBERS or packed.getinfo("project.json").file_size > MAX_DESCRIPTION:
        raise StoreError("project_file.not_ours", file=file)
    with packed.open("project.json") as member:
        about = json.loads(member.read(MAX_DESCRIPTION))
    if not isinstance(about.get("handful_project"), int):
        raise StoreError("project_file.not_ours", file=file)
    if about["handful_project"] > FORMAT:
        raise StoreError("project_file.newer", file=file)
    total = sum(int(each["bytes"]) for each in about["files"].values())
    if total > MAX_BYTES:
        limit = MAX_BYTES // 1024**3
        raise StoreError("project_file.too_large", file=file, gigabytes=round(total / 1024**3), limit=limit)
    ids = [raw["id"] for raw in about["cases"]]
    if len(set(ids)) != len(ids) or not all(_CASE_ID.fullmatch(each) for each in ids):
        raise StoreError("project_file.damaged", file=file, part="project.json")
    return about


def _extract(
    packed: zipfile.ZipFile, name: str, expected: Mapping[str, Any], staging: Path, ids: set[str], file: str
) -> None:
    """One announced member, never more bytes than announced; its path is built from what the name matched."""
    folder, _, rest = name.partition("/")
    owner, _, leaf = rest.partition("/")
    if folder == "tables" and table_files.TABLE_ID.fullmatch(owner) and leaf in table_files.TRAVEL:
        target = staging / "tables" / owner / leaf
    elif folder == "cases" and owner in ids and owner != "tables" and _FILE.fullmatch(leaf):
        target = staging / owner / leaf
    else:
        raise StoreError("project_file.damaged", file=file, part=name[:80])
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, left = hashlib.sha256(), int(expected["bytes"])
    with packed.open(name) as member, target.open("wb") as out:
        while piece := member.read(_PIECE):
            left -= len(piece)
            if left < 0:
                break
            digest.update(piece)
            out.write(piece)
    if left != 0 or digest.hexdigest() != expected["sha256"]:
        raise StoreError("project_file.damaged", file=file, part=name)


def _check_case(folder: Path, case: Case, file: str) -> None:
    """Voxels and description are there and say the same of the case."""
    try:
        voxels = np.load(folder / "voxels.npy", mmap_mode="r", allow_pickle=False)
        own = Case.from_json(json.loads((folder / "case.json").read_text("utf-8")))
        sound = bool(np.isfinite(np.linalg.inv(case.geometry.matrix())).all())
        for note in case.notes:
            say(note)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise StoreError("project_file.damaged", file=file, part=case.id) from error
    if tuple(voxels.shape) != case.shape or voxels.dtype not in (np.int16, np.uint8) or own.id != case.id or not sound:
        raise StoreError("project_file.damaged", file=file, part=case.id)


def _same_patients(store: Store, cases: Mapping[str, Case]) -> dict[str, Case]:
    """Cases with their patients' codes as they are here, where one of a patient's cases is here already."""
    here = store.patients_of(list(cases))
    codes = {case.patient: here[case.id] for case in cases.values() if case.id in here}
    return {key: replace(case, patient=codes.get(case.patient, case.patient)) for key, case in cases.items()}


def _file(
    store: Store, about: Mapping[str, Any], cases: Mapping[str, Case], staging: Path, cases_dir: Path, reader: str
) -> str:
    """Moves the cases to their place and files everything that was said of them."""
    project = store.create_project(str(about["name"]), [str(c) for c in about["classes"]], reader=reader,
                                   settings=dict(about["settings"]))  # fmt: skip
    try:
        if table := table_files.table_of(about["settings"]):
            table_files.place_table(staging / "tables" / table, tables_dir(store), project.id)
        for case in cases.values():
            if case.kind not in table_files.ROW_KINDS and not (cases_dir / case.id).exists():
                (staging / case.id / "case.json").write_text(json.dumps(case.to_json(), ensure_ascii=False), "utf-8")
                (staging / case.id).replace(cases_dir / case.id)
            store.add_case(project.id, case, reader=reader)
        if "marks" in about:
            file_marks(store, project.id, about["marks"], cases, reader=reader)
        else:
            _file_newest(store, project.id, about, cases, reader)
        for run in about["runs"]:
            store.file_run(project.id, run["record"], dict(_known(run["predictions"], cases)), reader=reader)
    except Exception:  # whatever it was, half a project must not stay
        for orphan in store.remove_project(project.id, reader=reader):
            shutil.rmtree(cases_dir / orphan, ignore_errors=True)
        raise
    store.log("project.import", reader=reader, project=project.id, detail={"cases": len(cases)})
    return project.id


def _file_newest(store: Store, project: str, about: Mapping[str, Any], cases: Mapping[str, Case], reader: str) -> None:
    """What a file of an earlier Handful tells: the newest word on each case, whoever said it."""
    for case, value in _known(about["labels"], cases):
        if isinstance(value, float):
            store.set_number(project, case, value, reader=reader)
        else:
            store.set_label(project, case, str(value), reader=reader)
    for case, places in _known(about["places"], cases):
        for place in places:
            store.set_place(project, case, Place.from_json(place), reader=reader, add=True)
    for case, region in _known(about["regions"], cases):
        store.set_region(project, case, Place.from_json(region), reader=reader)


def _known(said: Mapping[str, Any], cases: Mapping[str, Case]) -> Iterator[tuple[str, Any]]:
    return ((case, value) for case, value in said.items() if case in cases)
