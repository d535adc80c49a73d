"""A lock per run: only one process at a time works on a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from bench.errors import UserError, reason

_LOCK = ".lock"  # locked while a process works on the run; the file itself stays and has no meaning
_ours: set[Path] = set()  # the runs that this process is working on


class Busy(Exception):
    """Another process is working on this run."""


def was_deleted(folder: Path) -> bool:
    """Whether the folder of a running run was deleted. Writes recreate the folder, and this call recreates the lock
    file, so that each deletion is reported once."""
    deleted = folder in _ours and not (folder / _LOCK).exists()
    if deleted:
        with suppress(FileNotFoundError):  # deleted again: the next call reports it
            (folder / _LOCK).touch()
    return deleted


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Context manager that keeps other processes out of a run. The lock of a process that died is free. Raises Busy."""
    lock = FileLock(folder / _LOCK, timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise Busy(folder) from None
    except (OSError, NotImplementedError) as error:  # the latter if the file system has no locks
        raise UserError(f"cannot write {folder}: {reason(error)}") from error
    _ours.add(folder)
    try:
        for left_over in folder.rglob(".*.tmp"):  # left by a process that was killed while writing
            left_over.unlink(missing_ok=True)
        yield
    finally:
        _ours.discard(folder)
        lock.release()
