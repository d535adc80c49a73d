"""Lists the prepared data, and checks that they are unchanged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from bench.data import embedded_omniglot, prepared, sources
from bench.data.arrange import Transform, assemble
from bench.data.prepared import Unusable
from bench.data.remarks import remarks
from bench.data.sources import COPIES, OMNIGLOT_DIGEST
from bench.data.splits import read_split
from bench.errors import UserError
from bench.protocols.benchmarks import Shape


def available(data_dir: Path | None = None) -> list[dict[str, Any]]:
    """One row per known source and per data set of the user's own: `source`, `here`, `where`, `embedded`, `counts`
    (classes by split), `images`, `digest`, `known_as`, `partial`, `remarks`, and the `problem` that makes it unusable,
    or None."""
    home = sources.data_dir(data_dir)
    return [_available(source, home / source) for source in [*sources.NAMES, *_own(home)]]


def own_shapes(data_dir: Path | None = None) -> dict[str, Shape]:
    """The user's own data sets that can be used: name -> [channels, height, width] of an image."""
    home = sources.data_dir(data_dir)
    found: dict[str, Shape] = {}
    for name in _own(home):
        with suppress(Unusable):
            _, height, width, channels = prepared.read_manifest(home / name)["shape"]
            found[name] = (channels, height, width)
    return found


def forms(source: str) -> Mapping[str, Transform | None]:
    """The forms in which a data set is prepared, a known one or a user's own: name of a subfolder -> how its images are
    resized."""
    return embedded_omniglot.FORMS if source == "omniglot" else {"": None}


def verify(data_dir: Path | None = None) -> list[dict[str, Any]]:
    """Reads all prepared data again, completely: `source`, `where`, `ok`, and a `line` with the result."""
    home = sources.data_dir(data_dir)
    here = [source for source in [*sources.NAMES, *_own(home)] if (home / source).exists()]
    folders = [(source, home / source / form) for source in here for form in forms(source)]
    folders += [("omniglot", folder) for folder in sorted((home / "omniglot-embedded").glob("*"))]
    checks = [_checked_row(source, folder, partial(prepared.verify, folder)) for source, folder in folders]
    return [_checked_row("omniglot", embedded_omniglot.EMBEDDED, _verify_embedded), *checks]


def _own(home: Path) -> list[str]:
    """The data sets in a data directory that are not known sources."""
    names = (path.parent.name for path in sorted(home.glob(f"*/{prepared.MANIFEST}")))
    return [name for name in names if name not in sources.NAMES and not name.startswith(".")]


def _available(source: str, folder: Path) -> dict[str, Any]:
    row = {"source": source, "here": False, "where": str(folder), "embedded": False, "counts": {}, "images": 0}
    row |= {"digest": None, "known_as": None, "partial": False, "problem": None, "remarks": ()}
    if not folder.exists():
        return row | (_embedded_row() if source == "omniglot" else {})
    try:
        for form in forms(source):
            prepared.read(folder / form)
        manifest = prepared.read_manifest(folder / form)
    except Unusable as error:
        return row | {"problem": f"{error}: prepare it again with {sources.command(source)}"}
    shown = {name: manifest[name] for name in ("counts", "digest", "partial")} | {"remarks": remarks(manifest)}
    return row | shown | {"here": True, "images": manifest["shape"][0], "known_as": COPIES.get(manifest["digest"])}


def _embedded_row() -> dict[str, Any]:
    split = read_split("omniglot")
    counts = {"counts": dict(Counter(split.values())), "images": len(split) * embedded_omniglot.DRAWINGS}
    digests = {"digest": OMNIGLOT_DIGEST, "known_as": COPIES[OMNIGLOT_DIGEST]}
    return {"here": True, "embedded": True, "where": str(embedded_omniglot.EMBEDDED), **counts, **digests}


def _verify_embedded() -> None:
    found = assemble(embedded_omniglot.open_embedded().classes, None, lambda images: None)["digest"]
    if found != OMNIGLOT_DIGEST:
        digests = f"{found[:8]}, not {OMNIGLOT_DIGEST[:8]}"
        raise Unusable(
            f"{embedded_omniglot.EMBEDDED}: its content has the digest {digests}: restore it with `git checkout`"
        )


def _checked_row(source: str, where: Path, check: Callable[[], None]) -> dict[str, Any]:
    try:
        check()
        ok, line = True, f"{where}: unchanged since it was written"
    except (Unusable, UserError) as error:
        ok, line = False, str(error)
    return {"source": source, "where": str(where), "ok": ok, "line": line}
