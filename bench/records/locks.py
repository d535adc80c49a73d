"""One process at a time works on a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from bench.errors import UserError, reason

_LOCK = ".lock"  # held while somebody works on a run; the file itself stays, and means nothing
_ours: set[Path] = set()  # the runs that this process works on


class Busy(Exception):
    """Another process works on this run."""


def was_deleted(folder: Path) -> bool:
    """Whether a run's folder was deleted while it went on: every write makes it anew, and this its lock, so that it is
    noticed once."""
    deleted = folder in _ours and not (folder / _LOCK).exists()
    if deleted:
        with suppress(FileNotFoundError):  # it was deleted again: the next look notices it
            (folder / _LOCK).touch()
    return deleted


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keeps a second process out; the lock of a process that died is free. Raises Busy."""
    lock = FileLock(folder / _LOCK, timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise Busy(folder) from None
    except (OSError, NotImplementedError) as error:  # the latter where a file system has no locks
        raise UserError(f"cannot write {folder}: {reason(error)}") from error
    _ours.add(folder)
    try:
        for left_over in folder.rglob(".*.tmp"):  # of a process that was killed while it wrote
            left_over.unlink(missing_ok=True)
        yield
    finally:
        _ours.discard(folder)
        lock.release()
