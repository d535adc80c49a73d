"""`show`: shows protocols, and draws episodes."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from bench.cli import argument_types
from bench.cli.parsing import add_command, add_group, add_own, add_protocol_choice, add_settings


def add(top: Any) -> None:
    """Declares the command and its options."""
    show = add_group(top, "show", "show episodes or a protocol", "WHAT")
    parser = add_command(show, "episode", episode, "draw an episode", data=True)
    parser.add_argument("--benchmark", required=True, metavar="B")
    parser.add_argument("--split", default="test", help="train, valid or test")
    parser.add_argument(
        "--seed", type=argument_types.index, default=0, help="seed of the training episodes (default 0)"
    )
    parser.add_argument("--index", type=argument_types.index, default=0, help="which episode, from 0")
    parser.add_argument(
        "--queries", type=argument_types.positive, help="query images per class (default: the protocol's)"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="PNG")
    parser = add_command(
        show,
        "episodes",
        episodes,
        "draw the test episodes with a run's worst or best scores, with its predictions",
        results=True,
        data=True,
        threads=True,
    )
    parser.add_argument("run", metavar="RUN", help="a run's folder, or the beginning of its name")
    parser.add_argument(
        "--hardest",
        type=argument_types.positive,
        metavar="N",
        help="how many episodes with the worst scores (default 6)",
    )
    parser.add_argument(
        "--easiest",
        type=argument_types.positive,
        metavar="N",
        help="how many episodes with the best scores (default none)",
    )
    add_own(parser)
    add_settings(parser, "which evaluation, if the run has several, such as episodes=600")
    parser.add_argument("--out", type=Path, required=True, metavar="PNG")
    parser = add_command(show, "protocol", protocol, "show every setting of a protocol, with its source")
    parser.add_argument("name", metavar="PROTOCOL", help="such as paper: `list` shows them")
    parser.add_argument("--method", default="", metavar="M", help="the protocol as this method is tested under it")
    add_protocol_choice(parser)


def episode(options: Namespace) -> int:
    """Draws one episode."""
    from bench.tools.show import episode as episode_picture

    o = options
    print(episode_picture.episode(o.benchmark, o.split, o.seed, o.index, o.queries, o.out, o.data_dir))
    return 0


def protocol(options: Namespace) -> int:
    """Prints every setting of a protocol, with its source."""
    from bench.data import store
    from bench.protocols import comparison, presets
    from bench.report import tables

    benchmark = store.benchmark(options.benchmark)
    shown = comparison.with_sources(
        options.name, benchmark, options.settings, _declared_settings(options.method, options.settings)
    )
    last = shown.protocol.training.iterations
    iterations = [*presets.milestones(options.name, benchmark, last), last]
    evaluated = " and ".join(map(str, iterations))
    print(f"{shown.name} on {benchmark.name}: one training, evaluated after {evaluated} iterations")
    print("\n".join(tables.text(comparison.every_setting(shown))))
    return 0


def _declared_settings(method: str, settings: list[str]) -> tuple[str, ...]:
    """The settings that a method declares; empty if no method is named. Raises UserError for an unknown method, and for
    settings that the method does not use."""
    if not method:
        return ()
    from bench.runs import used_settings, user_methods

    found = user_methods.find(method)
    used_settings.check(settings, [found])
    return found.settings


def episodes(options: Namespace) -> int:
    """Draws the episodes with a run's worst or best scores; returns 1 if recomputed scores differ from the recorded
    ones although equal bits are promised."""
    from bench.records import layout
    from bench.runs.display import print_notes
    from bench.tools.show import hardest as hardest_episodes
    from bench.tools.verify import verify

    (folder,) = layout.find(options.results, [options.run], one=True)
    again = verify.open_run(folder, options.data_dir, print_notes, options.method, options.threads)
    hardest_episodes.check(again, options.out)
    recorded = hardest_episodes.evaluation(again, options.settings)
    hardest = options.hardest or (0 if options.easiest else 6)
    places = hardest_episodes.extremes(
        recorded, hardest, options.easiest or 0, again.benchmark.measure.higher_is_better
    )
    drawn = hardest_episodes.draw(again, recorded, places)
    hardest_episodes.write(again, recorded, drawn, options.out)
    print("\n".join(sheet.title for sheet in drawn.sheets))
    print(f"{options.out}: {len(places)} of {len(recorded.final)} test episodes")
    if drawn.problem:
        print(drawn.problem, file=sys.stderr)
    return int(bool(drawn.problem) and drawn.promised)
