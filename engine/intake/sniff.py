"""What a file is, by its first bytes; names and extensions are only hints for the words of a refusal."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path, PurePosixPath

HEAD = 512
JUNK_NAMES = {".ds_store", "thumbs.db", "desktop.ini", "autorun.inf", "lockfile", "version", ".directory"}
NOT_ZIP_ARCHIVES = (b"Rar!\x1a\x07", b"7z\xbc\xaf\x27\x1c", b"\x1f\x9d", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")
OTHER_PICTURES = (b"GIF8", b"BM", b"\x00\x00\x00\x0cjP  ", b"\xff\x4f\xff\x51")
META_GROUP = 0x0002
IDENTIFYING_GROUP = 0x0008


def is_junk(shown: str) -> bool:
    """Files that operating systems and CD writers leave behind; `shown` is the path as uploaded."""
    path = PurePosixPath(shown)
    name = path.name.lower()
    return name in JUNK_NAMES or name.startswith("._") or "__MACOSX" in path.parts


def kind_of(path: Path) -> str:
    """One of "dicom", "bare" (DICOM without preamble), "dicomdir", "nifti", "nrrd", "picture", "zip", "archive",
    "other_picture", "analyze", "meta_image", "empty" or "unknown"."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head:
        return "empty"
    if head[128:132] == b"DICM":
        return "dicomdir" if b"1.2.840.10008.1.3.10" in head else "dicom"
    if head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "picture"
    if head.startswith(b"NRRD000"):
        return "nrrd"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return "zip"
    if head.startswith(b"\x1f\x8b"):
        inside = _inflate_start(head)
        return _nifti(inside) or "archive"
    if head.startswith(NOT_ZIP_ARCHIVES) or head[257:262] == b"ustar":
        return "archive"
    if head.startswith((b"ObjectType =", b"NDims =")):
        return "meta_image"
    if (found := _nifti(head)) is not None:
        return found
    if _looks_like_bare_dicom(head):
        return "bare"
    if head.startswith(OTHER_PICTURES) or (head.startswith(b"RIFF") and head[8:12] == b"WEBP"):
        return "other_picture"
    return "unknown"


def _inflate_start(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(head, 2 * HEAD)
    except zlib.error:
        return b""


def _nifti(head: bytes) -> str | None:
    """NIfTI-1 says 348 in its first word and "n+1" at 344, NIfTI-2 says 540 and "n+2" at 4 (nifti.nimh.nih.gov).

    A gzip member's first 512 bytes may inflate to less than 348; the first word then has to do.
    """
    if len(head) < 4:
        return None
    sizes = struct.unpack("<i", head[:4])[0], struct.unpack(">i", head[:4])[0]
    if 540 in sizes and head[4:7] == b"n+2":
        return "nifti"
    if 348 in sizes:
        return "nifti" if len(head) < 347 or head[344:347] == b"n+1" else "analyze"
    return None


def _looks_like_bare_dicom(head: bytes) -> bool:
    """A DICOM data set that starts without preamble (PS3.10 7.1 asks for one; ACR-NEMA and raw network dumps lack it):
    the first element is of group 0002 or 0008, in either byte order, with a plausible VR or length."""
    if len(head) < 16:
        return False
    for order in "<>":
        group, element, length = struct.unpack(order + "HHI", head[:8])
        if group not in (META_GROUP, IDENTIFYING_GROUP) or element > 0x0100:
            continue
        if head[4:6].isalpha() and head[4:6].isupper():
            return True
        if length <= 256:
            return True
    return False
