"""Adds a user's copy of a data set: checks it, prepares it, and replaces an earlier copy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bench.data import catalogue, prepared, sources
from bench.data.arrange import NoImages, provenance
from bench.data.catalogue import DataSet
from bench.data.images import DataSetCopy
from bench.data.prepared import Unusable
from bench.data.readers.probes import check_photographs
from bench.data.readers.recognised import check_other
from bench.data.splits import (
    check_belongs,
    check_not_too_many,
    check_once,
    lost_images,
    missing,
    read_split,
    some,
    too_few,
)
from bench.errors import UserError
from bench.protocols.benchmarks import SPLITS


def add(source: str, path: Path, data_dir: Path | None = None, partial: bool = False) -> dict[str, Any]:
    """Prepares a user's copy. Returns its manifest with `known_as`, `where`, `status` ("added", "kept" if the same data
    were here, "mended", or "replaced") and the digest that was `replaced`. Raises UserError, and then leaves everything
    as it was."""
    return add_as(source, catalogue.get(source), path, data_dir, partial)


def add_as(
    source: str, data_set: DataSet, path: Path, data_dir: Path | None = None, partial: bool = False
) -> dict[str, Any]:
    """Prepares a user's copy like `add`, of a data set that need not be known, such as a user's own
    (`catalogue.own`)."""
    found = _open_copy(source, data_set, Path(path).expanduser(), partial)
    lacking = _lacking(source, data_set, found, partial)
    folder = sources.data_dir(data_dir) / source
    prepared.check_replaceable(folder)
    with prepared.workplace(folder.parent, source) as temporary:
        try:
            manifest = _write_forms(temporary / "new", source, data_set, found, lacking)
        except NoImages as error:
            raise _none_decoded_error(found.path, found.corrupt) if found.corrupt else error from None
        if manifest["corrupt"] and not partial:
            raise _undecoded_error(found.path, manifest["corrupt"])
        if source in catalogue.PHOTOGRAPHS:
            check_photographs(prepared.read(temporary / "new"), str(found.path))
        if data_set.split is None and not data_set.counts:
            _check_splits(found.path, manifest["counts"])
        status, replaced = _status(folder, data_set, manifest["digest"])
        if status != "kept":
            prepared.install(temporary / "new", folder)
    known_as = sources.COPIES.get(manifest["digest"])
    return manifest | {"known_as": known_as, "where": str(folder), "status": status, "replaced": replaced}


def _open_copy(source: str, data_set: DataSet, path: Path, partial: bool) -> DataSetCopy:
    if not path.exists():
        raise UserError(f"{path}: no such file or folder: use {sources.command(source)} with the PATH of your copy")
    return data_set.open_source(path, partial)


def _lacking(source: str, data_set: DataSet, found: DataSetCopy, partial: bool) -> list[str]:
    """What is missing from the copy. Raises UserError if that, or anything else, prevents adding it."""
    classes, where = found.classes, str(found.path)
    if data_set.split is None:
        lacking = too_few(classes, data_set.counts)
    else:
        expected = read_split(data_set.split)
        check_other([c.name for c in classes], source, found.path)
        check_belongs(classes, expected, data_set.per_class, where)
        lacking = missing(classes, expected, data_set.per_class)
    check_once(classes, where)
    check_not_too_many(classes, data_set.counts, data_set.totals, where)
    lacking += lost_images(classes, data_set.totals)
    if lacking and not partial:
        raise UserError(f"{where}: missing {' and '.join(lacking)}{_notes(found)}: {_how_to_complete(found)}")
    return lacking


def _notes(found: DataSetCopy) -> str:
    return f" ({'; '.join(found.notes)})" if found.notes else ""


def _how_to_complete(found: DataSetCopy) -> str:
    """What to do about an incomplete copy: it can be used as a part only if every split has a class."""
    lost = [split for split in SPLITS if not any(c.split == split and c.count for c in found.classes)]
    if lost:
        return f"complete it: without {' and '.join(lost)} classes no benchmark could run on it"
    return "complete it, or add what it has with --partial"


def _check_splits(path: Path, counts: Mapping[str, int]) -> None:
    """Raises UserError if a split of a user's own data has lost all its classes."""
    if lost := [split for split, count in counts.items() if not count]:
        raise UserError(f"{path}: no readable image in any {' or '.join(lost)} class: repair some")


def _undecoded_error(path: Path, corrupt: Sequence[str]) -> UserError:
    files = f"{len(corrupt)} image file{'s' * (len(corrupt) > 1)}"
    return UserError(
        f"{path}: {files} cannot be decoded ({some(corrupt)}): repair or remove them, or skip them with --partial"
    )


def _none_decoded_error(path: Path, corrupt: Sequence[str]) -> UserError:
    return UserError(
        f"{path}: no image can be decoded ({some(corrupt)}): save them as PNG or JPEG with 8 bits per channel"
    )


def _write_forms(
    folder: Path, source: str, data_set: DataSet, found: DataSetCopy, lacking: list[str]
) -> dict[str, Any]:
    """Prepares every form of a data set below `folder`; returns the manifest of the first one."""
    manifests = []
    for form, transform in data_set.forms.items():
        (folder / form).mkdir(parents=True, exist_ok=True)
        about = partial(provenance, found, source, form, lacking)
        manifests.append(prepared.write(folder / form, found.classes, transform, about))
    return manifests[0]


def _status(folder: Path, data_set: DataSet, digest: str) -> tuple[str, str | None]:
    """What adding a data set with this digest does to the folder, and the digest that it replaces."""
    if not folder.exists():
        return "added", None
    try:
        old = {prepared.read_manifest(folder / form)["digest"] for form in data_set.forms}
        if old != {digest}:
            return "replaced", ", ".join(sorted(old))
        for form in data_set.forms:
            prepared.verify(folder / form)
    except Unusable:
        return "mended", None
    return "kept", None
