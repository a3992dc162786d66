"""How much one upload may ask of the machine. Each number says where it comes from."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True)
class Limits:
    """Bounds on what comes in.

    The zip bounds and the picture bound are those of the safety study (5,000 files, 2 GiB, 200 MiB a file, ratio 100;
    40 megapixels). A loose file may be larger than a zip member: an enhanced CT of 600 slices is one file of 315 MB.
    `depth` is how deep DICOM sequences may nest; real files stay under 10, and a 20 kB file nested 1,000 deep holds a
    naive reader for more than 20 s. `memory` is the address space of the child process that parses (RLIMIT_AS).
    """

    files: int = 20_000
    file_bytes: int = 1 * GIB
    zip_files: int = 5_000
    zip_bytes: int = 2 * GIB
    zip_member_bytes: int = 200 * MIB
    zip_ratio: int = 100
    pixels: int = 40_000_000
    side: int = 16_384
    volume_bytes: int = 1536 * MIB
    slices: int = 5_000
    depth: int = 32
    header_seconds: float = 5.0
    memory: int = 2 * GIB

    def decode_seconds(self, size: int) -> float:
        """Time allowed to decode `size` bytes of voxels: the slowest decoder measured (JPEG 2000, 32 ms for 512 kB)
        runs at 16 MB/s; 2 MB/s leaves room for a slow machine."""
        return self.header_seconds + size / (2 * MIB)
