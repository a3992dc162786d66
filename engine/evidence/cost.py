"""What a piece of work costs: seconds, and the memory it needed above what was in use before."""

from __future__ import annotations

import mmap
import re
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeVar

PROBE = 32 << 20  # bytes touched once to see whether the mark follows
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
Result = TypeVar("Result")


def measured(work: Callable[[], Result]) -> tuple[Result, float, int | None]:
    """(result, seconds, peak bytes of the process above its start).

    The kernel keeps the highest resident size (VmHWM); writing 5 to clear_refs starts it anew (Linux's proc(5)).
    None where the system has no such thing. Memory that was used before and given back to the allocator is not seen:
    the smallest jobs show 0.
    """
    begun = _begin()
    started = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - started
    peak = _resident("VmHWM") if begun is not None else None
    return result, seconds, None if peak is None or begun is None else max(0, peak - begun)


def _begin() -> int | None:
    if not _counted():
        return None
    CLEAR.write_text("5")
    return _resident("VmRSS")


def kernel_counts() -> bool:
    """Whether the kernel's mark moves at all: some sandboxes take the order and never count (seen in a CI's)."""
    try:
        CLEAR.write_text("5")
    except OSError:
        return False
    begun, before = _resident("VmRSS"), _resident("VmHWM")
    with mmap.mmap(-1, PROBE) as memory:
        memory.write(b"\1" * PROBE)
        after = _resident("VmHWM")
    if begun is None or before is None or after is None:
        return False
    return before - begun < PROBE // 2 < after - begun


_counted = cache(kernel_counts)


def _resident(name: str) -> int | None:
    try:
        found = re.search(rf"^{name}:\s+(\d+) kB", STATUS.read_text(), re.MULTILINE)
    except OSError:
        return None
    return 1024 * int(found[1]) if found else None
