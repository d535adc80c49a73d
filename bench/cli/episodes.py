"""`episodes export`: writes episodes for other code."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from bench.cli import argument_types
from bench.cli.parsing import add_command, add_group


def add(top: Any) -> None:
    """Declares the command and its options."""
    parser = add_command(
        add_group(top, "episodes", "export episodes for other code", "WHAT"),
        "export",
        export,
        "write the images and labels of episodes, for other code to predict",
        data=True,
    )
    parser.add_argument("--benchmark", required=True, metavar="B")
    parser.add_argument(
        "--episodes", type=argument_types.positive, default=600, metavar="N", help="how many episodes (default 600)"
    )
    parser.add_argument(
        "--queries", type=argument_types.positive, metavar="Q", help="query images per class (default: the paper's)"
    )
    parser.add_argument("--split", default="test", help="test (default), or train or valid to train on")
    parser.add_argument("--images", action="store_true", help="also write the images")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")


def export(options: Namespace) -> int:
    """Writes the episodes into a folder."""
    from bench.tools.exchange import export as episode_files
    from bench.tools.exchange import stream as named_stream

    o = options
    stream = named_stream.stream(o.benchmark, o.split, o.episodes, o.queries, o.data_dir)
    manifest = episode_files.export(stream, o.episodes, o.out, o.images)
    print(f"{o.out}: {o.episodes} {o.split} episodes of {o.benchmark}: {', '.join(manifest['files'])}")
    print(f"stream      {manifest['stream']}")
    return 0
