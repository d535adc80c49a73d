"""Data sets: loaded, added, listed, verified.

In the data directory, `omniglot/{nearest,lanczos}/` and the folders that are named as a source or as a data set of
the user's own are what the user added; the embedded Omniglot is prepared under `omniglot-embedded/` when it is first
used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.data import catalogue, prepared
from bench.data.arrange import Transform, assemble
from bench.data.catalogue import KNOWN, OMNIGLOT_DIGEST, DataSet, command, data_dir
from bench.data.forms import FORMS
from bench.data.images import ImageSet, Source
from bench.data.listing import available, own_shapes, verify
from bench.data.prepared import Unusable
from bench.data.readers import omniglot
from bench.data.readers.probes import check_colours
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
from bench.errors import UserError, printable, unknown
from bench.protocols import benchmarks
from bench.protocols.benchmarks import SPLITS, Benchmark

__all__ = ["add", "add_as", "available", "benchmark", "data_dir", "load", "own_shapes", "verify"]

_home = data_dir  # which the parameters of that name hide


def benchmark(name: str, data_dir: Path | None = None) -> Benchmark:
    """The benchmark of that name, on a data set that is known or, a user's own, here. Raises UserError."""
    try:
        found = benchmarks.get(name, own_shapes(data_dir))
    except UserError:
        for row in available(data_dir):
            if row["problem"] and name.startswith(f"{row['source']}-"):
                raise UserError(f"{name}: {row['problem']}") from None
        raise
    if found.form == benchmarks.IMAGES and found.ways < 2:
        raise UserError(f"{name}: with one way every answer is right and nothing is measured; take 2 ways or more")
    return found


def load(source: str, data_dir: Path | None = None, resize: str = "nearest") -> ImageSet:
    """The prepared images of a source; `resize` is for Omniglot. Raises UserError where they are missing or damaged."""
    home = _home(data_dir)
    if not (home / source).exists():
        prepared.recover(home, source)
    if source not in catalogue.SOURCES and not (home / source).exists():
        raise UserError(
            f"{unknown('data set', source, [*catalogue.SOURCES, *own_shapes(data_dir)])}; images of your own: "
            f"{command(source)}"
        )
    forms, form = catalogue.forms(source), resize if source == "omniglot" else ""
    if form not in forms:
        raise unknown("resize", resize, forms)
    if (home / source).exists():
        images = _added(home / source / form, source)
    elif source == "omniglot":
        images = _embedded(home, resize)
    else:
        raise UserError(f"{source} is not in {home}: get a copy ({FORMS[source]}), then {command(source)}")
    return replace(images, name=source, known_as=KNOWN.get(images.digest))  # a user may rename the folder


def add(source: str, path: Path, data_dir: Path | None = None, partial: bool = False) -> dict[str, Any]:
    """Prepares a user's copy; returns its manifest with `known_as`, `where`, `status` ("added", "kept": the same was
    here, "mended", or "replaced") and the digest that was `replaced`. Raises UserError; what was here then stays."""
    return add_as(source, catalogue.get(source), path, data_dir, partial)


def add_as(
    source: str, data_set: DataSet, path: Path, data_dir: Path | None = None, partial: bool = False
) -> dict[str, Any]:
    """The same for a data set that needs not be known, such as a user's own (`catalogue.own`)."""
    found = _opened(source, data_set, Path(path).expanduser(), partial)
    lacking = _lacking(data_set, found, partial)
    folder = _home(data_dir) / source
    prepared.check_replaceable(folder)
    with prepared.workplace(folder.parent, source) as temporary:
        manifest = _write_forms(temporary / "new", source, data_set, found, lacking)
        if manifest["corrupt"] and not partial:
            raise _undecoded(found.path, manifest["corrupt"])
        if source in catalogue.PHOTOGRAPHS:
            check_colours(prepared.read(temporary / "new"), str(found.path))
        if data_set.split is None and not data_set.counts:
            _check_splits(found.path, manifest["counts"])
        status, replaced = _status(folder, data_set, manifest["digest"])
        if status != "kept":
            prepared.install(temporary / "new", folder)
    about = {"known_as": KNOWN.get(manifest["digest"]), "where": str(folder), "status": status, "replaced": replaced}
    return manifest | about


def _added(folder: Path, source: str) -> ImageSet:
    try:
        return prepared.read(folder)
    except Unusable as error:
        raise UserError(f"{error}: prepare it again with {command(source)}") from error


def _opened(source: str, data_set: DataSet, path: Path, partial: bool) -> Source:
    if not path.exists():
        raise UserError(f"{path}: no such file or folder: write {command(source)} with the PATH of your copy")
    return data_set.open_source(path, partial)


def _lacking(data_set: DataSet, found: Source, partial: bool) -> list[str]:
    """What the copy lacks of the whole. Raises UserError where that, or anything else, keeps it from being added."""
    classes, where = found.classes, str(found.path)
    if data_set.split is None:
        lacking = too_few(classes, data_set.counts)
    else:
        expected = read_split(data_set.split)
        check_belongs(classes, expected, data_set.per_class, where)
        lacking = missing(classes, expected, data_set.per_class)
    check_once(classes, where)
    check_not_too_many(classes, data_set.counts, data_set.totals, where)
    lacking += lost_images(classes, data_set.totals)
    if lacking and not partial:
        raise UserError(f"{where}: missing {' and '.join(lacking)}{_noted(found)}: {_completed(found)}")
    return lacking


def _noted(found: Source) -> str:
    return f" ({'; '.join(found.notes)})" if found.notes else ""


def _completed(found: Source) -> str:
    """What to do about a copy that lacks something: a part is of use where each split has a class."""
    lost = [split for split in SPLITS if not any(c.split == split and c.count for c in found.classes)]
    if lost:
        return f"complete it: without classes of {' and '.join(lost)} no benchmark could run on it"
    return "complete it, or add what there is with --partial"


def _check_splits(path: Path, counts: Mapping[str, int]) -> None:
    """Raises UserError where a split of a user's own has lost all of its classes."""
    if lost := [split for split, count in counts.items() if not count]:
        raise UserError(f"{path}: no class of {' and '.join(lost)} has an image that can be read: mend some")


def _undecoded(path: Path, corrupt: Sequence[str]) -> UserError:
    files = f"{len(corrupt)} image file{'s' * (len(corrupt) > 1)}"
    return UserError(
        f"{path}: {files} cannot be decoded ({some(corrupt)}): mend or remove them, or leave them out with --partial"
    )


def _write_forms(folder: Path, source: str, data_set: DataSet, found: Source, lacking: list[str]) -> dict[str, Any]:
    """Prepares every form of a data set below `folder`; returns the manifest of the first."""
    manifests = []
    for form, transform in data_set.forms.items():
        (folder / form).mkdir(parents=True, exist_ok=True)
        manifests.append(_write_form(folder / form, source, found, form, transform, lacking))
    return manifests[0]


def _write_form(
    folder: Path, source: str, found: Source, form: str, transform: Transform | None, lacking: list[str]
) -> dict[str, Any]:
    def described() -> dict[str, Any]:
        corrupt = sorted(set(found.corrupt))
        origin = {"path": str(found.path), "kind": found.kind}
        about = {
            "name": source,
            "source": origin,
            "missing": lacking,
            "corrupt": corrupt,
            "partial": bool(lacking or corrupt),
            "notes": [*map(printable, dict.fromkeys(found.notes))],
        }
        return about | ({"resize": form} if form else {})

    return prepared.write(folder, found.classes, transform, described)


def _status(folder: Path, data_set: DataSet, digest: str) -> tuple[str, str | None]:
    """What adding a data set of this digest does to the folder, and the digest that it replaces."""
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


def _embedded(home: Path, resize: str) -> ImageSet:
    """The embedded Omniglot, prepared if it is not yet; in memory where the directory cannot be written."""
    folder, transform = home / "omniglot-embedded" / resize, catalogue.get("omniglot").forms[resize]
    try:
        return _current(folder)
    except Unusable:
        found = omniglot.embedded()
    try:
        with prepared.workplace(home, "omniglot-embedded") as temporary:
            (temporary / "new").mkdir()
            _write_form(temporary / "new", "omniglot", found, resize, transform, [])
            prepared.install(temporary / "new", folder)
        return _current(folder)
    except (UserError, Unusable):
        return _in_memory(found, transform)


def _current(folder: Path) -> ImageSet:
    images = prepared.read(folder)
    if images.digest != OMNIGLOT_DIGEST:
        raise Unusable(f"{folder}: prepared from another file")
    return images


def _in_memory(found: Source, transform: Transform | None) -> ImageSet:
    blocks: list[np.ndarray] = []
    manifest = assemble(found.classes, transform, blocks.append)
    return prepared.as_set({**manifest, "name": "omniglot", "partial": False}, np.concatenate(blocks))
