"""Data sets by name: benchmarks on them, and their images.

In the data directory, `omniglot/{nearest,lanczos}/` and the folders named like a source or a data set of the user's own
were added by the user; the embedded Omniglot is prepared under `omniglot-embedded/` when it is first used."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from bench.data import embedded_omniglot, listing, prepared, sources
from bench.data.arrange import Transform, assemble, provenance
from bench.data.forms import FORMS
from bench.data.images import DataSetCopy, ImageSet
from bench.data.prepared import Unusable
from bench.errors import UserError, unknown_name
from bench.protocols import benchmarks
from bench.protocols.benchmarks import Benchmark


def benchmark(name: str, data_dir: Path | None = None) -> Benchmark:
    """The benchmark with this name, on a known data set or on one of the user's own. Raises UserError."""
    try:
        found = benchmarks.get(name, listing.own_shapes(data_dir))
    except UserError as error:
        for row in listing.available(data_dir):
            if row["problem"] and name.startswith(f"{row['source']}-"):
                raise UserError(f"{name}: {row['problem']}") from None
        if benchmarks.is_name(name):
            searched = f"data sets of your own are looked for in {sources.data_dir(data_dir)}"
            raise UserError(f"{error}; {searched} (--data-dir or BENCH_DATA names another folder)") from None
        raise
    if found.form == benchmarks.IMAGES and found.ways < 2:
        raise UserError(f"{name}: with 1 way every answer is right, so nothing is measured: use 2 ways or more")
    return found


def load(source: str, data_dir: Path | None = None, resize: str = "nearest") -> ImageSet:
    """The prepared images of a source; `resize` is for Omniglot. Raises UserError if they are missing or damaged."""
    home = sources.data_dir(data_dir)
    if not (home / source).exists():
        prepared.recover(home, source)
    if source not in sources.NAMES and not (home / source).exists():
        raise UserError(
            f"{unknown_name('data set', source, [*sources.NAMES, *listing.own_shapes(data_dir)])}; for your own "
            f"images: {sources.command(source)}"
        )
    forms, form = listing.forms(source), resize if source == "omniglot" else ""
    if form not in forms:
        raise unknown_name("resize", resize, forms)
    if (home / source).exists():
        images = _load_added(home / source / form, source)
    elif source == "omniglot":
        images = _load_embedded(home, resize)
    else:
        raise UserError(f"{source} is not in {home}: get a copy ({FORMS[source]}), then run {sources.command(source)}")
    return replace(images, name=source, known_as=sources.COPIES.get(images.digest))  # a user may rename the folder


def _load_added(folder: Path, source: str) -> ImageSet:
    try:
        return prepared.read(folder)
    except Unusable as error:
        raise UserError(f"{error}: prepare it again with {sources.command(source)}") from error


def _load_embedded(home: Path, resize: str) -> ImageSet:
    """The embedded Omniglot, prepared if necessary; kept in memory if the directory cannot be written."""
    folder, transform = home / "omniglot-embedded" / resize, embedded_omniglot.FORMS[resize]
    try:
        return _current(folder)
    except Unusable:
        found = embedded_omniglot.open_embedded()
    try:
        with prepared.workplace(home, "omniglot-embedded") as temporary:
            (temporary / "new").mkdir()
            about = partial(provenance, found, "omniglot", resize)
            prepared.write(temporary / "new", found.classes, transform, about)
            prepared.install(temporary / "new", folder)
        return _current(folder)
    except (UserError, Unusable):
        return _in_memory(found, transform)


def _current(folder: Path) -> ImageSet:
    images = prepared.read(folder)
    if images.digest != sources.OMNIGLOT_DIGEST:
        raise Unusable(f"{folder}: prepared from another file")
    return images


def _in_memory(found: DataSetCopy, transform: Transform | None) -> ImageSet:
    blocks: list[np.ndarray] = []
    manifest = assemble(found.classes, transform, blocks.append)
    return prepared.as_set({**manifest, "name": "omniglot", "partial": False}, np.concatenate(blocks))
