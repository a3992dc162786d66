"""DICOM headers of an upload -> its cases: refuse, group, stack, decode, keep."""

from __future__ import annotations

import shutil
from typing import Any

from engine.intake import cases
from engine.intake.case_making import Making, make
from engine.intake.classify import HEAD_PARTS, MAY_SHOW_TEXT, STACKED, is_hounsfield, refusal_of
from engine.intake.deidentify import patient_code, removed_of, site_code
from engine.intake.header import Header
from engine.intake.series import Group, Slice, into_groups
from engine.intake.stack import Stack, stack
from engine.intake.upload import Upload
from engine.nouns import Case, Note

INT16_MAX = 32767


def take_dicom(upload: Upload, headers: dict[int, Header]) -> None:
    """Make cases of all DICOM files of an upload; each file is accounted for."""
    slices = []
    for index, header in headers.items():
        if note := refusal_of(header, upload.limits):
            upload.refuse(index, note)
        elif len(header.frames) * header.rows * header.columns * 2 > upload.limits.volume_bytes:
            upload.refuse(index, Note("refused.volume_too_large", {"limit_mb": upload.limits.volume_bytes >> 20}))
        else:
            folder = upload.files[index].folder
            slices += [Slice(index, frame, header, folder) for frame in range(len(header.frames))]
    groups, scouts = into_groups(slices)
    for s in scouts:
        upload.refuse(s.file, Note("refused.looks_like_scout", {"rows": s.header.rows, "columns": s.header.columns}))
    for group in groups:
        take_group(upload, group)


def take_group(upload: Upload, group: Group) -> None:
    """Stack and decode one group. Slices that cannot be decoded are refused, and the rest is stacked anew."""
    stacked = stack(group)
    for s, note in stacked.left_out:
        upload.refuse(s.file, note)
    for one in stacked.stacks:
        broken = take_stack(upload, one)
        rest = [s for slot in one.slots for s in slot if s.file not in broken]
        if broken and rest:
            take_group(upload, Group(tuple(rest), group.thicknesses))


def take_stack(upload: Upload, one: Stack) -> set[int]:
    """Decode a stack and keep it as a case. Returns the files that could not be decoded (then there is no case yet)."""
    first = one.first
    header = first.header
    how = _how(one)
    shape: tuple[int, ...] = (len(one.slots), header.rows, header.columns, *((3,) if how == "colour" else ()))
    if len(one.slots) * header.rows * header.columns * (6 if how == "colour" else 2) > upload.limits.volume_bytes:
        for slot in one.slots:
            for s in slot:
                upload.refuse(s.file, Note("refused.volume_too_large", {"limit_mb": upload.limits.volume_bytes >> 20}))
        return set()
    scale = _scale(one) if how == "grey" else None
    dtype = _dtype(header, how, scale)
    draft = upload.draft()
    out = str(draft / cases.VOXELS) if draft else None
    if out:
        upload.child.ask("create", out=out, shape=shape, dtype=dtype, seconds=upload.limits.decode_seconds(0))
    wanted = [(i, s, out if s is slot[0] else None) for i, slot in enumerate(one.slots) for s in slot]
    requests = [_request(upload, s, _plan(s, how, dtype, scale), i, shape, to) for i, s, to in wanted]
    facts: dict[int, dict[str, Any]] = {}
    files: list[int] = []
    broken: set[int] = set()
    for (i, s, _), answer in zip(wanted, upload.child.ask_all(requests, spread=True), strict=True):
        if "refused" in answer:
            upload.refuse(s.file, answer["refused"])
            broken.add(s.file)
        elif i not in facts:
            facts[i] = answer
            files.append(s.file)
            upload.decoded(s.file)
        elif answer["digest"] == facts[i]["digest"]:
            upload.ignore(s.file, "double")
        else:
            upload.refuse(s.file, Note("refused.same_place"))
    if broken:
        if draft:
            shutil.rmtree(draft)
        return broken
    if out:
        _fill(upload, out, sorted(facts), len(one.slots))
    _keep(upload, one, Making(_kind(one), shape, one.geometry, [facts[i] for i in sorted(facts)], draft, files), scale)
    return set()


def _keep(upload: Upload, one: Stack, making: Making, scale: float | None) -> Case | None:
    header = one.first.header
    fallback = header.study or header.series or b"".join(bytes.fromhex(f["digest"]) for f in making.facts)
    making.patient, known = patient_code(upload.key, header.patient, fallback)
    making.site = site_code(upload.key, header.place)
    making.modality = header.modality
    making.is_hu = _how(one) == "hu"
    making.windows = _windows(one.first, scale)
    making.kept = header.kept
    making.notes = [*one.notes, *_notes(one, known)]
    elements = upload.child.ask(
        "elements", path=str(upload.files[one.first.file].path), seconds=upload.limits.header_seconds
    )
    case = make(upload, making)
    if case is not None:
        upload.taken.removed.update(removed_of(elements.get("elements", ())))
    return case


def _how(one: Stack) -> str:
    if one.first.header.samples == 3 or one.first.header.photometric == "PALETTE COLOR":
        return "colour"
    return "hu" if all(is_hounsfield(s.header, s.info) for slot in one.slots for s in slot) else "grey"


def _kind(one: Stack) -> str:
    return "volume" if len(one.slots) > 1 or one.first.header.modality in STACKED else "image"


def _scale(one: Stack) -> float | None:
    """Factor to int16 for series whose slope or intercept changes from slice to slice (PET), else None."""
    pairs = {(s.info.slope, s.info.intercept) for slot in one.slots for s in slot}
    if len(pairs) == 1 or any(slope is None or intercept is None for slope, intercept in pairs):
        return None
    header = one.first.header
    raw = (1 << (header.bits_stored - 1)) if header.signed else (1 << header.bits_stored)
    most = max(abs(slope) * raw + abs(intercept) for slope, intercept in pairs)
    return INT16_MAX / most if most > 0 else None


def _dtype(header: Header, how: str, scale: float | None) -> str:
    if how == "colour":
        return "|u1"
    if how == "hu" or scale is not None or header.signed or header.bits_stored < 16:
        small = how == "grey" and header.bits_stored <= 8 and not header.signed and header.modality not in STACKED
        return "|u1" if small else "<i2"
    return "<u2"


def _plan(s: Slice, how: str, dtype: str, scale: float | None) -> dict[str, Any]:
    header, info = s.header, s.info
    half = 1 << max(header.bits_stored - 1, 0)
    return {
        "how": how,
        "dtype": dtype,
        "size": (header.rows, header.columns),
        "slope": info.slope,
        "intercept": info.intercept,
        "padding": header.padding,
        "padding_limit": header.padding_limit,
        "invert": header.photometric == "MONOCHROME1" and how == "grey",
        "range": (-half, half - 1) if header.signed else (0, 2 * half - 1),
        "scale": scale,
    }


def _request(
    upload: Upload, s: Slice, plan: dict[str, Any], index: int, shape: tuple[int, ...], out: str | None
) -> tuple[float, dict[str, Any]]:
    found = upload.files[s.file]
    seconds = upload.limits.decode_seconds(found.size + 2 * shape[1] * shape[2])
    request = {"op": "slice", "path": str(found.path), "frame": s.frame, "plan": plan, "index": index, "shape": shape}
    return seconds, {**request, "out": out, "middle": index == shape[0] // 2}


def _fill(upload: Upload, out: str, real: list[int], count: int) -> None:
    """Missing slices become the weighted mean of their neighbours."""
    for index in sorted(set(range(count)) - set(real)):
        below, above = max(r for r in real if r < index), min(r for r in real if r > index)
        upload.child.ask(
            "fill", out=out, index=index, below=below, above=above, seconds=upload.limits.decode_seconds(1 << 24)
        )


def _windows(s: Slice, scale: float | None) -> tuple[tuple[float, float], ...]:
    """The header's windows in the units that are stored: they speak of rescaled values (PS3.3 C.11.2.1.2)."""
    header, info = s.header, s.info
    windows = header.windows
    if not is_hounsfield(header, info) and info.slope and info.intercept is not None:
        windows = tuple(
            (c * scale, w * scale) if scale else ((c - info.intercept) / info.slope, w / abs(info.slope))
            for c, w in windows
        )
    if header.photometric == "MONOCHROME1" and not is_hounsfield(header, info):
        top = -1 if header.signed else (1 << header.bits_stored) - 1
        windows = tuple((top - c, w) for c, w in windows)
    return windows


def _notes(one: Stack, patient_known: bool) -> list[Note]:
    header = one.first.header
    notes: list[Note] = []
    if header.modality == "CT" and _how(one) == "grey":
        notes.append(Note("warning.not_hounsfield"))
    scales = [(s.info.slope, s.info.intercept) for slot in one.slots for s in slot]
    if _how(one) == "hu" and len(set(scales)) > 1:
        notes.append(Note("warning.scale_differs", {"count": len(scales) - max(map(scales.count, set(scales)))}))
    if not patient_known:
        notes.append(Note("warning.patient_unknown"))
    if header.spacing_at_detector:
        notes.append(Note("warning.spacing_at_detector"))
    flags = {s.header.burned_in for slot in one.slots for s in slot}
    if "YES" in flags:
        notes.append(Note("warning.burned_in"))
    elif header.modality in MAY_SHOW_TEXT and flags != {"NO"}:
        notes.append(Note("warning.may_show_text"))
    elif "SECONDARY" in header.image_type[:2] or "DERIVED" in header.image_type[:2]:
        notes.append(Note("warning.derived"))
    part = str(header.kept.get("body_part", "")).upper()
    if header.modality in ("CT", "MR") and any(p in part for p in HEAD_PARTS):
        notes.append(Note("warning.face"))
    return notes
