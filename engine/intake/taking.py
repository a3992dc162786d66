"""The way in: files, folders and archives -> cases, a table of refusals, and nothing lost in between."""

from __future__ import annotations

import re
import shutil
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from engine.intake import cases, sniff
from engine.intake.alike import one_scan
from engine.intake.bounded import Bounded, Cancelled, NoSpace
from engine.intake.case_making import Making, make
from engine.intake.codes import code
from engine.intake.dicom_cases import take_dicom
from engine.intake.header import Header
from engine.intake.limits import Limits
from engine.intake.upload import TOP, Found, Taken, Upload, drafts_in, unzip, walk
from engine.nouns import Geometry, Note

MOST_CLASSES = 9  # of a project: as many as there are digit keys
FEWEST_OF_A_CLASS = 5  # pictures: a class of fewer teaches next to nothing, a patient of as few is usual


def take_in(
    source: Path,
    into: Path | None,
    *,
    key: bytes,
    limits: Limits = Limits(),  # noqa: B008  (frozen, without state)
    report: Callable[[int, int, str], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    top_is_case: bool = False,
    folders_are_cases: bool = False,
) -> Taken:
    """Take in what lies at `source`: a folder of uploaded files (with sub-folders), one file, or one zip.

    Each case is written whole into its own folder under `into` as soon as it is ready; with `into` None the files are
    only described. `report(done, total, name)` is called as files are looked at and read, `cancelled()` is asked
    several times a second; what was finished by then stays. `top_is_case`: pictures lying directly in `source` are one
    case (a folder of slices), instead of one case each (an upload of loose pictures). `folders_are_cases`: so are those
    of any folder, whatever they look like, where the folders were laid out for that.

    Parsing happens in a child process bounded in time and memory. Raises FileNotFoundError if there is no `source`;
    nothing that a file holds raises.
    """
    if not source.exists():
        raise FileNotFoundError(f"There is nothing at {source}.")
    with drafts_in(into) as drafts, Bounded(limits, cancelled) as child:
        upload = Upload(source, drafts, into, key, limits, child, report)
        try:
            walk(upload, top_is_case=top_is_case)
            looked = _look_at_all(upload)
            take_dicom(upload, looked.headers)
            _take_whole(upload, looked.whole)
            _take_pictures(upload, looked.pictures, believed=folders_are_cases)
            _compare_with_directories(upload, looked.directories)
        except Cancelled:
            upload.taken.cancelled = True
        except NoSpace:
            _refuse_rest(upload, Note("refused.no_space"))
        if not upload.taken.cancelled:
            _refuse_rest(upload, Note("refused.crashed"))
    return upload.taken


class _Looked:
    """What the files of an upload turned out to be, by index."""

    def __init__(self) -> None:
        self.headers: dict[int, Header] = {}
        self.whole: list[tuple[Found, str]] = []
        self.pictures: list[tuple[Found, dict[str, Any]]] = []
        self.directories: list[tuple[Found, list[str]]] = []


def _look_at_all(upload: Upload) -> _Looked:
    """Look at each file's first bytes and header; archives at the top are unpacked, archives in archives refused."""
    looked = _Looked()
    archives = _look_at(upload, list(upload.files), looked)
    for archive in archives:
        for nested in _look_at(upload, unzip(upload, archive), looked):
            upload.refuse(nested.index, Note("refused.zip_nested"))
    return looked


def _look_at(upload: Upload, files: list[Found], looked: _Looked) -> list[Found]:
    """Sort files by what they are into `looked`; returns the zip archives among them."""
    archives: list[Found] = []
    for found in files:
        if sniff.is_junk(found.shown):
            upload.ignore(found.index, "junk")
    files = [found for found in files if not upload.is_done(found.index)]
    requests = [(upload.limits.header_seconds, {"op": "look", "path": str(found.path)}) for found in files]
    for found, answer in zip(files, upload.child.ask_all(requests, spread=True), strict=True):
        kind = answer.get("kind", "")
        upload.busy_with(found.index)
        if "refused" in answer:
            upload.refuse(found.index, answer["refused"])
        elif kind == "dicom":
            looked.headers[found.index] = Header.from_json(answer["header"])
        elif kind == "dicomdir":
            looked.directories.append((found, answer["listed"]))
            upload.ignore(found.index, "directory")
        elif kind == "picture":
            looked.pictures.append((found, answer))
        elif kind in ("nifti", "nrrd"):
            looked.whole.append((found, kind))
        elif kind == "zip":
            archives.append(found)
        else:
            upload.refuse(found.index, Note(f"refused.{kind}"))
    return archives


def _take_whole(upload: Upload, whole: list[tuple[Found, str]]) -> None:
    """NIfTI and NRRD: one file, one case."""
    for found, kind in whole:
        draft = upload.draft()
        seconds = upload.limits.decode_seconds(20 * found.size)
        out = str(draft / cases.VOXELS) if draft else None
        answer = upload.child.ask("whole", path=str(found.path), kind=kind, out=out, seconds=seconds)
        if "refused" in answer:
            upload.refuse(found.index, answer["refused"])
            continue
        facts = answer["facts"]
        facts[0] |= answer["told"]  # what is true of the whole file
        notes = [Note("warning.hu_guessed" if answer["is_hu"] else "warning.grey_scale_unknown")]
        make(
            upload,
            Making(
                "volume", tuple(answer["shape"]), Geometry.from_json(answer["geometry"]), facts, draft,
                [found.index], is_hu=answer["is_hu"], notes=notes,
            ),
        )  # fmt: skip


def natural(shown: str) -> list[tuple[int, int, str]]:
    """Sort key under which "slice 9" comes before "slice 10"."""
    parts = re.split(r"([0-9]+)", shown.lower())
    digits = re.compile(r"[0-9]+").fullmatch  # by length, then text: a name may hold more digits than int() takes
    return [(0, len(p.lstrip("0")), p.lstrip("0")) if digits(p) else (1, 0, p) for p in parts if p]


def _take_pictures(upload: Upload, pictures: list[tuple[Found, dict[str, Any]]], *, believed: bool) -> None:
    """A folder whose pictures share one size and look like neighbouring slices is one case in natural order; other
    pictures are a case each. Such folders, where they are more than a project can have classes or all small, are
    people's rather than classes': then the folder is the patient, so that nobody's pictures teach and test at once."""
    folders: dict[str, list[tuple[Found, dict[str, Any]]]] = defaultdict(list)
    for found, about in pictures:
        folders[found.folder or f"loose {found.index}"].append((found, about))
    several = [len(members) for members in folders.values() if len(members) > 1]
    people = len(several) > MOST_CLASSES or max(several, default=0) < FEWEST_OF_A_CLASS
    apart: dict[str, int] = {}  # pictures of each folder that was no scan
    for folder, members in folders.items():
        patient = code(upload.key, "patient-folder", folder.encode()) if people and folder != TOP else ""
        alike = len({(tuple(about["size"]), about["deep"]) for _, about in members}) == 1
        members.sort(key=lambda m: natural(m[0].shown))
        for batch in [members] if alike else [[m] for m in members]:
            notes = [] if alike else [Note("warning.sizes_differ")]
            while batch:
                by_itself = patient if len(batch) == 1 < len(members) else ""
                broken = _take_stack_of_pictures(upload, batch, notes, by_itself, believed=believed)
                if broken is None:
                    apart[folder] = len(batch)
                    for one in batch:
                        _take_stack_of_pictures(upload, [one], notes, patient)
                batch = [m for m in batch if m[0].index not in broken] if broken else []
    if apart:
        said = "warning.folders_are_patients" if people else "warning.pictures_apart"
        upload.taken.notes.append(Note(said, {"count": sum(apart.values()), "folders": len(apart)}))
    if apart and not people:
        for case, shown in upload.taken.files.items():
            above = PurePosixPath(shown[0]).parent
            if len(shown) == 1 and above.as_posix() in apart:
                upload.taken.folders[case] = above.name.removesuffix(".zip")


def _take_stack_of_pictures(
    upload: Upload,
    members: list[tuple[Found, dict[str, Any]]],
    notes: list[Note],
    patient: str,
    *,
    believed: bool = False,
) -> set[int] | None:
    """One case of pictures; returns the files that could not be read (then there is no case yet), None where the
    pictures are no slices of one scan (nor then). Who names a folder as the case is believed."""
    about = members[0][1]
    pages = [(found, page) for found, a in members for page in range(a["pages"])]
    deep = about["deep"]
    shape = (len(pages), *about["size"], *(() if deep else (3,)))
    if shape[0] * shape[1] * shape[2] * 3 > upload.limits.volume_bytes:
        for found, _ in members:
            upload.refuse(found.index, Note("refused.volume_too_large", {"limit_mb": upload.limits.volume_bytes >> 20}))
        return set()
    plan = {"deep": deep, "dtype": deep or "|u1", "size": about["size"]}
    draft = upload.draft()
    out = str(draft / cases.VOXELS) if draft else None
    if out:
        upload.child.ask("create", out=out, shape=shape, dtype=plan["dtype"], seconds=upload.limits.decode_seconds(0))
    seconds = [upload.limits.decode_seconds(found.size + 3 * shape[1] * shape[2]) for found, _ in pages]
    requests = [
        {"op": "picture", "path": str(found.path), "frame": page, "plan": plan, "index": i, "shape": shape, "out": out}
        for i, (found, page) in enumerate(pages)
    ]
    facts, broken = [], set()
    answers = upload.child.ask_all(list(zip(seconds, requests, strict=True)), spread=True)
    for (found, _), answer in zip(pages, answers, strict=True):
        if "refused" in answer:
            upload.refuse(found.index, answer["refused"])
            broken.add(found.index)
        facts.append(answer)
    if broken:
        return broken
    small = [fact.pop("small") for fact in facts]
    if len(members) > 1 and not believed and members[0][0].folder != TOP:
        if not one_scan(small):
            if draft:
                shutil.rmtree(draft, ignore_errors=True)
            return None
        notes = [*notes, Note("warning.read_as_scan", {"count": len(members)})]
    grey = not deep and all(f["grey"] for f in facts)
    kind = "volume" if len(pages) > 1 else "image"
    make(
        upload,
        Making(
            kind, shape, Geometry(measured=False), facts, draft, [f.index for f, _ in members],
            patient=patient, grey=grey, notes=notes,
        ),
    )  # fmt: skip
    return set()


def _compare_with_directories(upload: Upload, directories: list[tuple[Found, list[str]]]) -> None:
    """A DICOMDIR may list files that did not come along: say how many."""
    here = {found.shown.lower() for found in upload.files}
    for found, listed in directories:
        home = PurePosixPath(found.shown).parent
        missing = [name for name in listed if (home / name).as_posix().lower() not in here]
        if missing:
            upload.taken.notes.append(
                Note("warning.directory_lists_more", {"missing": len(missing), "listed": len(listed)})
            )


def _refuse_rest(upload: Upload, note: Note) -> None:
    for found in upload.files:
        if not upload.is_done(found.index):
            upload.refuse(found.index, note)
