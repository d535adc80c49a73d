"""`data`: adds, lists and verifies data."""

from __future__ import annotations

from argparse import Namespace, RawDescriptionHelpFormatter
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

from bench.cli import argument_types
from bench.cli.parsing import add_command, add_group
from bench.data.forms import FORMS, PACKED
from bench.errors import UserError

if TYPE_CHECKING:
    from bench.data.catalogue import DataSet


def add(top: Any) -> None:
    """Declares the command and its options."""
    data = add_group(top, "data", "add, list and verify data sets", "ACTION")
    parser = add_command(data, "add", add_data, "prepare a data set from your copy", data=True)
    parser.formatter_class, parser.epilog = RawDescriptionHelpFormatter, _forms()
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="which data set: one of those below; `folder` means your own images",
    )
    parser.add_argument("path", type=Path, metavar="PATH", help="the folder or file of your copy")
    parser.add_argument("--partial", action="store_true", help="accept a copy that lacks classes or has broken files")
    own = parser.add_argument_group("your own images, one folder per class (SOURCE folder)")
    own.add_argument("--name", metavar="NAME", help="name of the data set: NAME-5w1s then is a benchmark")
    own.add_argument(
        "--size",
        type=argument_types.positive,
        metavar="PIXELS",
        help="width and height of the prepared images (default 84)",
    )
    own.add_argument("--grey", action="store_true", help="convert to one grey channel")
    own.add_argument(
        "--split-seed",
        type=argument_types.index,
        metavar="K",
        help="seed of the random split, if the copy has none (default 0)",
    )
    own.add_argument(
        "--levels",
        type=argument_types.positive,
        metavar="N",
        help="depth of the class folders: 2 for GROUP/CLASS",
    )
    add_command(data, "list", list_data, "list the prepared data", data=True)
    add_command(
        data,
        "verify",
        verify_data,
        "check all prepared data and the episodes against their recorded digests",
        data=True,
    )


def _forms() -> str:
    """A text that lists which files can be read for each SOURCE."""
    rows = [
        fill(text, 100, initial_indent=f"  {source:<17}", subsequent_indent=" " * 19) for source, text in FORMS.items()
    ]
    return "\n".join(["what PATH may contain, by SOURCE:", *rows, f"  {PACKED}"])


def add_data(options: Namespace) -> int:
    """Prepares a data set."""
    from bench.data import adding
    from bench.tools import inventory

    o = options
    manifest = adding.add_as(o.name or o.source, _data_set(o), o.path, o.data_dir, o.partial)
    print("\n".join(inventory.manifest(manifest)))
    return 0


def _data_set(o: Namespace) -> DataSet:
    """The data set that the options describe. Raises UserError if options for one's own images are given for another
    source, or if `--name` is missing."""
    from bench.data import catalogue, sources

    if o.source == sources.OWN:
        if o.name is None:
            raise UserError("data add folder: name your data set with --name, such as --name birds")
        return catalogue.own(o.name, o.size or 84, o.grey, o.split_seed, o.levels)
    data_set = catalogue.get(o.source)
    given = {
        "--name": o.name,
        "--size": o.size,
        "--grey": o.grey or None,
        "--split-seed": o.split_seed,
        "--levels": o.levels,
    }
    if named := [option for option, value in given.items() if value is not None]:
        raise UserError(f"{', '.join(named)}: only for `data add folder`: {o.source} has its own name, size and split")
    return data_set


def list_data(options: Namespace) -> int:
    """Prints which data are prepared."""
    from bench.tools import inventory

    print("\n".join(inventory.data_sets(options.data_dir)))
    return 0


def verify_data(options: Namespace) -> int:
    """Recomputes the checksums of all data and the digests of all episode streams; returns 1 if one differs from the
    recorded value."""
    from bench.data import listing
    from bench.episodes import golden

    results = listing.verify(options.data_dir) + golden.verify(options.data_dir)
    print("\n".join(found["line"] for found in results))
    return 0 if all(found["ok"] for found in results) else 1
