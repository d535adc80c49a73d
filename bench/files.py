"""Writing files completely or not at all, and reading files that may be damaged or hostile. Imports no torch."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from bench.errors import UserError, reason

if TYPE_CHECKING:
    import numpy as np

MOST_JSON_BYTES = 1 << 24
MOST_NUMBERS = 1 << 24  # per table
SUM = "sha256_of_the_rest"


class Unreadable(Exception):
    """The content of a file is invalid; the message is one line and does not name the file."""


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Writes JSON atomically."""
    text = json.dumps(value, indent=1, sort_keys=True, allow_nan=False)
    write_atomically(path, lambda temporary: temporary.write_text(text + "\n"))


def write_sealed(path: Path, value: dict[str, Any]) -> None:
    """Writes JSON atomically, with a checksum of its own content, as in records and evaluations."""
    write_json(path, seal(value))


def seal(value: dict[str, Any]) -> dict[str, Any]:
    """The value with a checksum of its own content, which replaces an older one."""
    return value | {SUM: _sum(json.loads(json.dumps(value)))}  # in the form in which it is read again


def is_sealed(value: dict[str, Any]) -> bool:
    """Whether the checksum in a value matches its content; also True for older files, which have no checksum."""
    return SUM not in value or value[SUM] == _sum(value)


def _sum(value: dict[str, Any]) -> str:
    rest = {name: part for name, part in value.items() if name != SUM}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def write_atomically(path: Path, write: Callable[[Path], Any]) -> None:
    """Lets `write` fill a temporary file beside `path`, flushes it to disk and moves it into place atomically.

    Raises UserError if the folder cannot be written or the disk is full."""
    with writing(path):
        try:
            _write(path, write)
        except FileNotFoundError:  # the folder was deleted meanwhile
            _write(path, write)


def _write(path: Path, write: Callable[[Path], Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with _temporary(path) as temporary:
        write(temporary)
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        replace(temporary, path)


def replace(new: Path, path: Path) -> None:
    """Replaces a file durably: without flushing the folder as well, a power failure can restore the old file after
    something else has relied on the new one."""
    os.replace(new, path)
    flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Makes changes to a folder's entries survive a power failure, if the system allows opening folders."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Context manager that turns any error while writing the file into a UserError."""
    try:
        yield
    except OSError as error:
        said = os.strerror(error.errno) if error.errno else reason(error)  # pyarrow repeats itself
        raise UserError(f"cannot write {path}: {said}") from error


@contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    # Not `tempfile`: only the owner may read its files, and the finished file would keep these permissions.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.touch()
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json(path: Path, most_bytes: int = MOST_JSON_BYTES) -> Any:
    """The value in a JSON file of limited size. Raises Unreadable."""
    try:
        _check_size(path, most_bytes)
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
    except RecursionError as error:
        raise Unreadable("nested too deep") from error
    except (OSError, ValueError) as error:
        raise Unreadable(reason(error)) from error


def read_columns(path: Path) -> dict[str, np.ndarray]:
    """The numbers in a Parquet file, by column; other metadata are ignored. Raises Unreadable, also if a small file
    claims to contain too many numbers."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            if file.metadata.num_rows * file.metadata.num_columns > MOST_NUMBERS:
                raise ValueError(f"more than {MOST_NUMBERS} numbers")
            if not all(pa.types.is_integer(f.type) or pa.types.is_floating(f.type) for f in file.schema_arrow):
                raise ValueError("a column that does not hold numbers")
            table = file.read(use_threads=False)
        return {name: _numbers(table[place].combine_chunks()) for place, name in enumerate(table.column_names)}
    except (pa.ArrowException, OSError, ValueError, TypeError, LookupError, RuntimeError, ArithmeticError) as error:
        raise Unreadable(reason(error)) from error


def _numbers(column: Any) -> np.ndarray:
    """[rows] of an Arrow array of numbers, with NaN for missing ones. Arrow's own `to_numpy` imports pandas, which
    takes as long as reading a hundred records."""
    import numpy as np

    if not column.null_count:
        return np.from_dlpack(column)
    valid, values = column.buffers()
    here = slice(column.offset, column.offset + len(column))
    numbers = np.frombuffer(values, column.type.to_pandas_dtype())[here]
    return np.where(np.unpackbits(np.frombuffer(valid, np.uint8), bitorder="little")[here], numbers, np.nan)


def _check_size(path: Path, most_bytes: int) -> None:
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("not a file")
    if found.st_size > most_bytes:
        raise ValueError(f"{found.st_size} bytes, above the limit of {most_bytes}")


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number")
