"""Prepared data sets on disk: writes, installs, reads and verifies them."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from bench.data.arrange import Transform, assemble
from bench.data.images import ImageClass, ImageSet, SourceClass
from bench.data.remarks import remarks
from bench.errors import UserError, reason
from bench.files import Unreadable, flush_folder, read_json, sha256, write_json
from bench.protocols.benchmarks import SPLITS

FORMAT = 1
IMAGES, MANIFEST = "images.npy", "manifest.json"
_LOCK, _ASIDE = ".lock", "replaced"  # in a temporary folder made by `workplace`
HEADER_BYTES = 128
FIELDS = {"name", "source", "classes", "counts", "shape", "digest", "sha256", "identical", "corrupt", "partial"}


class Unusable(Exception):
    """A prepared folder that cannot be trusted; the message is one line and names the file."""


def write(
    folder: Path, classes: Iterable[SourceClass], transform: Transform | None, described: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """Writes `images.npy` and `manifest.json` into an empty folder; returns the manifest. `described` is called when
    all images have been read, for the manifest's other fields."""
    with open(folder / IMAGES, "wb") as file:
        file.write(_header([0, 0, 0, 0]))
        manifest = assemble(classes, transform, lambda images: file.write(np.ascontiguousarray(images).data))
        file.seek(0)
        file.write(_header(manifest["shape"]))
        file.flush()
        os.fsync(file.fileno())
    manifest |= {"format": FORMAT, "sha256": sha256(folder / IMAGES), **described()}
    write_json(folder / MANIFEST, manifest)
    return manifest


def _header(shape: list[int]) -> bytes:
    """The header of a .npy file, with the same length for every shape, because the shape is known only at the end."""
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {tuple(shape)}, }}"
    length = (HEADER_BYTES - 10).to_bytes(2, "little")
    return b"\x93NUMPY\x01\x00" + length + text.ljust(HEADER_BYTES - 11).encode() + b"\n"


@contextmanager
def workplace(data_dir: Path, name: str) -> Iterator[Path]:
    """Context manager: an empty folder beside the place of `name`, deleted afterwards. Raises UserError if it cannot be
    written."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        recover(data_dir, name)
        with (
            tempfile.TemporaryDirectory(dir=data_dir, prefix=f".{name}.", ignore_cleanup_errors=True) as temporary,
            FileLock(Path(temporary) / _LOCK, timeout=0),
        ):
            yield Path(temporary)
    except OSError as error:
        raise UserError(
            f"cannot write {data_dir / name} ({reason(error)}): give another folder with --data-dir or BENCH_DATA"
        ) from error


def check_replaceable(folder: Path) -> None:
    """Raises UserError if a folder holds files that this module did not write, such as the user's images."""
    files = (path for path in folder.rglob("*") if not path.is_dir())
    if foreign := next((path for path in files if path.name not in (IMAGES, MANIFEST)), None):
        raise UserError(
            f"{folder} is not a prepared data set (it holds {foreign.name}) and is not changed: give another folder "
            "with --data-dir or BENCH_DATA"
        )


def install(finished: Path, target: Path) -> None:
    """Moves a finished folder into place. An earlier one is moved aside first, and moved back if this fails; if the
    process is killed in between, `recover` moves it back when the data set is next used."""
    aside = finished.with_name(_ASIDE)
    target.parent.mkdir(parents=True, exist_ok=True)
    flush_folder(finished)
    if target.exists():
        os.replace(target, aside)
    try:
        os.rename(finished, target)
    except OSError:
        if aside.exists():
            os.replace(aside, target)
        raise
    flush_folder(target.parent)
    shutil.rmtree(aside, ignore_errors=True)


def recover(data_dir: Path, name: str) -> None:
    """Deletes what killed processes left of their work on a data set, after moving back what they had moved aside."""
    for abandoned in data_dir.glob(f".{name}.*/{_LOCK}"):
        with suppress(Timeout, OSError), FileLock(abandoned, timeout=0):  # locked: running; missing: just ended
            aside = abandoned.with_name(_ASIDE)
            if aside.exists() and not (data_dir / name).exists():
                os.replace(aside, data_dir / name)
            shutil.rmtree(abandoned.parent, ignore_errors=True)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a prepared folder. Raises Unusable."""
    path = folder / MANIFEST
    try:
        manifest = read_json(path)
        newer = manifest["format"] > FORMAT
        sound = newer or (manifest.keys() >= FIELDS and _adds_up(manifest))
    except (Unreadable, KeyError, TypeError, AttributeError) as error:
        raise Unusable(f"{path}: missing or damaged ({type(error).__name__})") from error
    if newer:
        raise Unusable(
            f"{path}: written by a newer version (format {manifest['format']}; this version reads up to {FORMAT})"
        )
    if not sound:
        raise Unusable(f"{path}: damaged (its classes do not add up)")
    return manifest


def _adds_up(manifest: dict[str, Any]) -> bool:
    """Whether all values have the right types, and the classes are contiguous and fill the array."""
    classes, shape = [ImageClass(**entry) for entry in manifest["classes"]], manifest["shape"]
    numbers = [*shape, *(number for c in classes for number in (c.offset, c.count, c.distinct))]
    texts = [manifest["name"], manifest["digest"], manifest["sha256"], *(c.name for c in classes)]
    if not all(type(n) is int for n in numbers) or not all(type(text) is str for text in texts):
        return False
    *offsets, total = accumulate((c.count for c in classes), initial=0)
    return (
        [c.offset for c in classes] == offsets
        and len(shape) == 4
        and shape[0] == total
        and type(manifest["partial"]) is bool
        and all(0 < c.distinct <= c.count and c.split in SPLITS for c in classes)
    )


def read(folder: Path) -> ImageSet:
    """The prepared data set in a folder, memory-mapped: sizes are checked, the content is not. Raises Unusable."""
    manifest, path = read_manifest(folder), folder / IMAGES
    shape = manifest["shape"]
    try:
        with open(path, "rb") as file:  # the header must be the one that we write: it is not parsed
            as_written = file.read(HEADER_BYTES) == _header(shape)
        if not as_written or path.stat().st_size != HEADER_BYTES + math.prod(shape):
            raise Unusable(f"{path}: its size differs from what {MANIFEST} says")
        images = np.memmap(path, np.uint8, "r", HEADER_BYTES, tuple(shape))
    except (OSError, ValueError) as error:
        raise Unusable(f"{path}: missing, damaged or truncated") from error
    return as_set(manifest, images)


def as_set(manifest: dict[str, Any], images: np.ndarray) -> ImageSet:
    """The images, with the manifest's description."""
    classes = tuple(ImageClass(**entry) for entry in manifest["classes"])
    return ImageSet(
        manifest["name"], images, classes, manifest["digest"], partial=manifest["partial"], remarks=remarks(manifest)
    )


def verify(folder: Path) -> None:
    """Reads everything again. Raises Unusable if the array is not the one that was written, or, unless it was resized,
    if the content does not match the manifest."""
    prepared, manifest = read(folder), read_manifest(folder)
    if sha256(folder / IMAGES) != manifest["sha256"]:
        raise Unusable(f"{folder / IMAGES}: damaged (its SHA-256 differs from the recorded one)")
    if "resize" not in manifest:
        found = assemble(_as_source(prepared), None, lambda images: None)
        if wrong := [name for name in found if found[name] != manifest[name]]:
            raise Unusable(f"{folder / MANIFEST}: damaged ({', '.join(wrong)} does not match the images)")


def _as_source(prepared: ImageSet) -> list[SourceClass]:
    return [
        SourceClass(c.name, c.split, c.count, partial(prepared.images.__getitem__, slice(c.offset, c.offset + c.count)))
        for c in prepared.classes
    ]
