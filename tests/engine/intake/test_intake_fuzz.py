"""20,000 damaged inputs through the real child: nothing raised, no hang, bounded memory, nothing lost.

Bases are small DICOM files that pydicom ships, in the common syntaxes, zips of them, and a few NIfTI, NRRD and picture
files; a mutation flips bits, overwrites lengths and value
representations, repeats or deletes stretches, or cuts the file short, mostly in the header, where structure is.
HANDFUL_FUZZ_INPUTS raises the number (the safety study asks for 2,000,000 before a release) and HANDFUL_FUZZ_SEED
walks elsewhere.
"""

from __future__ import annotations

import io
import os
import random
import resource
import zipfile
from pathlib import Path

import nibabel
import nrrd
import numpy as np
import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from engine.intake import take_in
from tests.engine.intake.made_series import KEY

INPUTS = int(os.environ.get("HANDFUL_FUZZ_INPUTS", "20000"))
SEED = int(os.environ.get("HANDFUL_FUZZ_SEED", "0"))
ROUNDS = 4
ZIP_SHARE = 0.15
OTHER_SHARE = 0.05
MEMORY_KB = 2 << 20
HEADER_BYTES = 3000
NAMES = """
MR_small.dcm MR_small_RLE.dcm JPEG2000.dcm image_dfl.dcm ExplVR_BigEnd.dcm rtplan.dcm SC_rgb_small_odd.dcm JPEG-
lossy.dcm SC_rgb_jpeg_gdcm.dcm DICOMDIR MR_small_jp2klossless.dcm MR_small_jpeg_ls_lossless.dcm no_meta.dcm
"""
LENGTHS = [b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\x01\0\0\0"]
REPRESENTATIONS = [b"SQ", b"UN", b"OB", b"OW", b"UI", b"DS", b"US", b"\xfe\xff", b"\x00\xe0"]


def mutate(raw: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.15:
        return raw[: rng.randrange(len(raw))]
    data = bytearray(raw)
    for _ in range(rng.choice([1, 1, 2, 4, 16])):
        if len(data) < 200:
            break
        at = rng.randrange(min(HEADER_BYTES, len(data)) if rng.random() < 0.8 else len(data))
        kind = rng.random()
        if kind < 0.4:
            data[at] ^= 1 << rng.randrange(8)
        elif kind < 0.6:
            data[at : at + 4] = rng.choice(LENGTHS)
        elif kind < 0.75:
            data[at : at + 2] = rng.choice(REPRESENTATIONS)
        elif kind < 0.9:
            start = rng.randrange(len(data))
            data[at:at] = data[start : start + rng.randrange(1, 200)]
        else:
            del data[at : at + rng.randrange(1, 200)]
    return bytes(data)


def packed(members: list[bytes], rng: random.Random) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as archive:
        for n, member in enumerate(members):
            archive.writestr(f"{n}.dcm", member)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def bases() -> list[bytes]:
    found = [get_testdata_file(name, download=False) for name in NAMES.split()]
    small = [Path(f).read_bytes() for f in found if f and Path(f).stat().st_size < 60_000]
    assert len(small) >= 10
    return small


@pytest.fixture(scope="module")
def others(tmp_path_factory) -> list[bytes]:
    """NIfTI, NRRD and pictures, a few hundred bytes each."""
    home = tmp_path_factory.mktemp("others")
    array = (np.arange(5 * 6 * 7).reshape(5, 6, 7) * 5 - 900).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), home / "a.nii")
    nibabel.save(nibabel.Nifti2Image(array.astype(float), np.eye(4)), home / "b.nii.gz")
    nrrd.write(str(home / "a.nrrd"), array)
    nrrd.write(str(home / "b.nrrd"), array, {"encoding": "raw", "space": "LPS", "space directions": np.eye(3)})
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype(np.uint8))
    for name in ("a.png", "a.jpg", "a.tif"):
        picture.save(home / name)
    return [path.read_bytes() for path in sorted(home.iterdir())]


@pytest.mark.parametrize("turn", range(ROUNDS))
def test_no_mutation_hangs_crashes_eats_memory_or_is_lost(bases, others, tmp_path, turn):
    rng = random.Random(f"{SEED} {turn}")
    tiny = [raw for raw in bases if len(raw) < 6_000]
    for n in range(INPUTS // ROUNDS):
        kind = rng.random()
        if kind < ZIP_SHARE:
            content = mutate(packed(rng.choices(tiny, k=2), rng), rng)
        else:
            content = mutate(rng.choice(others if kind < ZIP_SHARE + OTHER_SHARE else bases), rng)
        (tmp_path / f"{n:05d}").write_bytes(content)
    taken = take_in(tmp_path, None, key=KEY)
    named = [f for files in taken.files.values() for f in files]
    named += [r.file for r in (*taken.refused, *taken.ignored)]
    assert len(named) == len(set(named))
    whole = {name for name in named if "/" not in name} | {name.split("/")[0] for name in named}
    assert len(whole) == INPUTS // ROUNDS
    reasons = {r.note.key for r in taken.refused}
    assert not reasons & {"refused.too_slow", "refused.memory"}
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < MEMORY_KB
