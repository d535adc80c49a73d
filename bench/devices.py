"""The device of a run, and the switches that make it repeatable."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from bench.errors import UserError, counted

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of glibc's malloc.h


def device(name: str) -> torch.device:
    """The device that `auto`, `cpu`, `cuda` or `cuda:n` names. Raises UserError where it is not there."""
    if name == "auto":
        return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    if name == "cpu":
        return torch.device("cpu")
    kind, _, index = name.partition(":")
    if kind != "cuda" or not (index.isdecimal() or index == ""):
        raise UserError(f"unknown device {name!r}: use auto, cpu, cuda or cuda:n")
    if not torch.cuda.is_available():
        raise UserError(f"--device {name}: torch {torch.__version__} finds no CUDA GPU here; use --device cpu")
    if int(index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"--device {name}: this machine has {counted(torch.cuda.device_count(), 'GPU')}, numbered from 0"
        )
    return torch.device("cuda", int(index or 0))


def make_repeatable(threads: int | None, fast: bool = False) -> None:
    """Deterministic algorithms, no TF32, a fixed number of threads: equal execution then gives equal bits.

    `fast`: whichever algorithms are the fastest, and no bits are promised. TF32 stays off: it is of the protocol."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
    torch.use_deterministic_algorithms(not fast)
    setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # noqa: B010 (no type has it)  costs a tenth; nothing here reads such memory
    torch.backends.cudnn.benchmark = fast
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    if threads is not None:
        torch.set_num_threads(threads)


def has_tf32(where: torch.device) -> bool:
    """Whether the device has that arithmetic: NVIDIA's, from compute capability 8.0 on."""
    return where.type == "cuda" and torch.cuda.get_device_capability(where) >= (8, 0)


@contextmanager
def tf32(on: bool) -> Iterator[None]:
    """Products of float32 in TF32 or, as everywhere else, not: 10 bits of the factors' mantissas, not 23."""
    switches: tuple[Any, ...] = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [switch.allow_tf32 for switch in switches]
    try:
        for switch in switches:
            switch.allow_tf32 = on
        yield
    finally:
        for switch, old in zip(switches, before, strict=True):
            switch.allow_tf32 = old


def keep_memory() -> None:
    """Has Python's garbage collector leave out what is there already, which is all of torch: looking through it took
    a tenth of a step on miniImageNet. And has glibc keep what is freed: by default it maps every large tensor anew,
    and the kernel's clearing of those pages took more than half of such a step."""
    if not gc.get_freeze_count():  # once a process: what a run has left behind since then is garbage like any other
        gc.freeze()
    mallopt = _of_libc("mallopt")
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def _of_libc(name: str) -> Any:
    """A function of glibc, or None where there is no glibc."""
    try:
        return getattr(ctypes.CDLL("libc.so.6"), name)
    except (OSError, AttributeError):
        return None


def forget_garbage(where: torch.device) -> None:
    """Gives back what no tensor holds any more, before something smaller is tried."""
    gc.collect()
    if where.type == "cuda":
        torch.cuda.empty_cache()
    elif (trim := _of_libc("malloc_trim")) is not None:
        trim(0)


def forget_peak_memory(where: torch.device) -> None:
    """Begins to measure anew where that can be done: on CUDA."""
    if where.type == "cuda":
        torch.cuda.reset_peak_memory_stats(where)


def peak_memory_bytes(where: torch.device) -> int | None:
    """The most memory held: by the whole process so far on a CPU, by the device's allocator since
    `forget_peak_memory` on CUDA."""
    if where.type == "cuda":
        return torch.cuda.max_memory_allocated(where)
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
