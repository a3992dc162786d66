"""Seconds, memory and the least a machine could need: how the speed benchmarks measure.

CPU seconds of one thread, not wall seconds: other work on the machine then disturbs less. Contestants take turns, so
that a slow minute hits all of them, and the fastest turn of each counts: what slows a turn down is never the program.
Memory is measured in a forked child, as the growth of its peak over what it began with (Linux).
"""

from __future__ import annotations

import ctypes
import multiprocessing
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

Work = Callable[[], object]
PRODUCT = 1024  # side of the matrices whose product says how fast a core can be


def take_turns(contestants: dict[str, Work], rounds: int) -> dict[str, float]:
    """CPU seconds of each in its fastest round, after one to warm up."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + 1):
        for name, work in contestants.items():
            began = time.process_time()
            work()
            if turn:
                times[name].append(time.process_time() - began)
    return {name: min(each) for name, each in times.items()}


def peak_megabytes(work: Work) -> float:
    """Growth of the peak memory while `work` runs, in a child that first gives back what it inherited unused."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)

    def inside() -> None:
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here (proc(5))
        began = _status("VmRSS")
        work()
        there.send(_status("VmHWM") - began)

    child = context.Process(target=inside)
    child.start()
    there.close()  # so that a child that breaks off is noticed
    grown = here.recv()
    child.join()
    return grown


def _status(name: str) -> float:
    """Megabytes under this name in /proc/self/status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def operations(work: Work) -> float:
    """Floating-point operations of matrix products and convolutions, forward, backward and second order."""
    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())


def operations_a_second() -> float:
    """What one thread reaches in a product of matrices: no program can be faster than its operations at this rate."""
    a, b = torch.randn(PRODUCT, PRODUCT), torch.randn(PRODUCT, PRODUCT)
    seconds = take_turns({"product": lambda: a @ b}, 9)["product"]
    return 2 * PRODUCT**3 / seconds


def processor() -> str:
    """Kind of processor, and whether it computes in bf16 by itself."""
    info = Path("/proc/cpuinfo")
    text = info.read_text() if info.exists() else ""
    names = [line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name")]
    bf16 = "with" if has_bf16() else "without"
    return (
        f"{names[0] if names else platform.machine()}, {bf16} bf16 instructions, torch {torch.__version__}, one thread"
    )


def has_bf16() -> bool:
    info = Path("/proc/cpuinfo")
    return info.exists() and any(flag in info.read_text() for flag in ("avx512_bf16", "amx_bf16", "bf16 "))
