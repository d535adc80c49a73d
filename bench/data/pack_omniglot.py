"""Makes `omniglot.xz` from the original archives (https://github.com/brendenlake/omniglot, python/images_*.zip).

    python -m bench.data.pack_omniglot images_background.zip images_evaluation.zip --out bench/data/omniglot.xz

The same drawings give the same bytes, whatever archive they come in.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.data.embedded_omniglot import DRAWINGS, pack
from bench.data.readers.archives import read_archives
from bench.data.readers.omniglot import PNG, characters_in
from bench.data.splits import missing, read_split
from bench.errors import UserError
from bench.files import write_atomically


def pack_drawings(archives: list[Path]) -> bytes:
    """The packed form of the drawings in the archives. Raises UserError unless they contain all of Omniglot."""
    files = read_archives(archives, PNG)
    classes = list(characters_in(files, None, files, []))
    if lacking := missing(classes, read_split("omniglot"), (DRAWINGS, DRAWINGS)):
        raise UserError(f"missing {' and '.join(lacking)}: give both archives")
    return pack({c.name: c.read() for c in classes})


def main() -> None:
    """Reads the command line and writes the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archives", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    try:
        content = pack_drawings(arguments.archives)
        write_atomically(arguments.out, lambda path: path.write_bytes(content))
    except UserError as error:
        parser.exit(2, f"error: {error}\n")


if __name__ == "__main__":
    main()
