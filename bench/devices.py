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

from bench.errors import UserError, quantity

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # from glibc's malloc.h


def device(name: str) -> torch.device:
    """The device named `auto`, `cpu`, `cuda` or `cuda:n`. Raises UserError if it does not exist."""
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
            f"--device {name}: this machine has {quantity(torch.cuda.device_count(), 'GPU')}, numbered from 0"
        )
    return torch.device("cuda", int(index or 0))


def make_repeatable(threads: int | None, fast: bool = False) -> None:
    """Selects deterministic algorithms, no TF32, and a fixed number of threads, so that equal execution gives equal
    bits. `fast`: the fastest algorithms instead, without that promise. TF32 stays off in any case, because it is a
    setting of the protocol."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
    torch.use_deterministic_algorithms(not fast)
    setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # noqa: B010 (no type has it)  costs a tenth; nothing here reads such memory
    torch.backends.cudnn.benchmark = fast
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    if threads is not None:
        torch.set_num_threads(threads)


def has_tf32(where: torch.device) -> bool:
    """Whether the device has TF32: NVIDIA GPUs from compute capability 8.0 on."""
    return where.type == "cuda" and torch.cuda.get_device_capability(where) >= (8, 0)


@contextmanager
def tf32(on: bool) -> Iterator[None]:
    """Context manager: float32 products use TF32 if `on`, with 10 instead of 23 bits for the factors' mantissas."""
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
    """Saves time in memory management. Excludes all existing objects, including torch's, from garbage collection, which
    took a tenth of a step on miniImageNet. Makes glibc keep freed memory: by default it maps every large tensor anew,
    and clearing those pages in the kernel took more than half of such a step."""
    if not gc.get_freeze_count():  # once per process: objects that runs leave later are collected as usual
        gc.freeze()
    mallopt = _of_libc("mallopt")
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def _of_libc(name: str) -> Any:
    """A function of glibc, or None if there is no glibc."""
    try:
        return getattr(ctypes.CDLL("libc.so.6"), name)
    except (OSError, AttributeError):
        return None


def forget_garbage(where: torch.device) -> None:
    """Frees memory that no tensor uses any more, before a smaller chunk is tried."""
    gc.collect()
    if where.type == "cuda":
        torch.cuda.empty_cache()
    elif (trim := _of_libc("malloc_trim")) is not None:
        trim(0)


def forget_peak_memory(where: torch.device) -> None:
    """Restarts the measurement of peak memory, on CUDA only."""
    if where.type == "cuda":
        torch.cuda.reset_peak_memory_stats(where)


def peak_memory_bytes(where: torch.device) -> int | None:
    """The peak memory: on a CPU, of the whole process so far; on CUDA, of the device's allocator since
    `forget_peak_memory`."""
    if where.type == "cuda":
        return torch.cuda.max_memory_allocated(where)
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
