"""The voxel file of a case while it is being filled: a `.npy` of known size, written slice by slice. Runs in the child.

Writing at offsets instead of through a memory map keeps the child's address space small and a full disk an
ordinary error (a memory map would end in a bus error).
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


def npy_header(shape: tuple[int, ...], dtype: str) -> bytes:
    """The bytes before the voxels (numpy.lib.format, version 1.0; its length is a multiple of 64)."""
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": dtype, "fortran_order": False, "shape": shape})
    return head.getvalue()


def create(path: Path, shape: tuple[int, ...], dtype: str) -> None:
    """An empty voxel file of its full size, so that a full disk shows now and not after minutes."""
    head = npy_header(shape, dtype)
    size = len(head) + int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    with path.open("wb") as file:
        file.write(head)
        file.flush()
        os.posix_fallocate(file.fileno(), 0, size)


def write_slice(path: Path, shape: tuple[int, ...], dtype: str, index: int, values: np.ndarray) -> None:
    """Put slice `index` in its place; `values` has shape[1:]."""
    raw = np.ascontiguousarray(values, dtype=dtype)
    if raw.shape != tuple(shape[1:]):
        raise ValueError(f"a slice of {raw.shape} does not fit {shape}")
    offset = len(npy_header(shape, dtype)) + index * raw.nbytes
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(raw.data)


def facts_of(values: np.ndarray, told: Mapping[str, Any]) -> dict[str, Any]:
    """Size, range, sum and fingerprint of one slice; the fingerprint covers shape and type too.

    `told` is what the reader knows already and wins; a range in it spares another pass over the voxels.
    """
    raw = np.ascontiguousarray(values)
    mark = hashlib.sha256(f"{raw.shape}{raw.dtype.str}".encode())
    mark.update(raw.data)
    facts: dict[str, Any] = {"count": int(raw.size), "digest": mark.hexdigest()}
    if "min" not in told:
        facts |= {"min": int(raw.min()), "max": int(raw.max()), "sum": int(raw.sum(dtype=np.int64))}
    return {**facts, **told}
