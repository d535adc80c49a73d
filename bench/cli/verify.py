"""`verify`: does runs again as they were done, and compares."""

from __future__ import annotations

import sys
import tempfile
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli.parsing import add_command
from bench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.verify import Again, Finding


def add(top: Any) -> None:
    """Declares it."""
    parser = add_command(top, "verify", verify, "do runs again as recorded, and compare", results=True, data=True)
    parser.add_argument("run", nargs="*", metavar="RUN", help="a run's folder, or the beginning of names")
    parser.add_argument("--all", action="store_true", help="every run in the results")
    parser.add_argument("--retrain", action="store_true", help="train again too, into a folder that is left empty")


def verify(options: Namespace) -> int:
    """Compares every score and, where asked, every weight; 1 where something is not what the record says."""
    from bench import environment, verify
    from bench.train import Interrupted

    environment.make_repeatable(None)
    environment.reuse_memory()
    runs = [verify.opened(folder, options.data_dir, _say) for folder in _folders(options)]
    try:
        outcomes = [_verified(again, options.retrain) for again in runs]
    except Interrupted:
        _say("stopped: nothing was changed")
        return 130
    return int(verify.DIFFERENT in outcomes)


def _folders(options: Namespace) -> list[Path]:
    from bench import records

    if options.all == bool(options.run):
        raise UserError("name runs, or write --all for every run in the results")
    return records.named(options.results, [""] if options.all else options.run)


def _verified(again: Again, retrain: bool) -> str:
    """Prints what is found as it is found; the worst of the outcomes."""
    from bench import verify

    print(again.name, flush=True)
    outcomes = [_shown(finding) for finding in verify.stored(again)]
    if retrain and again.info["status"] != "unfinished":
        outcomes += [_shown(finding) for finding in _retrained(again)]
    outcome = max(outcomes, key=[verify.EQUAL, verify.CLOSE, verify.DIFFERENT].index)
    print(f"  {_SUMMARY[outcome]}", flush=True)
    return outcome


_SUMMARY = {
    "equal": "verified: bit for bit",
    "close": "verified: as far as bits are not promised here, the difference is measured above",
    "different": "NOT VERIFIED",
}


def _retrained(again: Again) -> Iterator[Finding]:
    from rich.console import Console

    from bench import train, verify
    from bench.cli.run import Stop
    from bench.progress import Display

    title, iterations = f"{again.name} again", again.training.iterations
    with tempfile.TemporaryDirectory(prefix="bench-verify-") as results:
        with Display(title, iterations, 1, None, Console(stderr=True)) as display:
            watch = train.Watch(display.step, Stop(), keep=again.kept, say=display.say)
            findings = verify.retrained(again, Path(results), watch)
            first = next(findings)
        yield first
        yield from findings


def _shown(finding: Finding) -> str:
    print(f"  {finding.what:<28}{finding.text}", flush=True)
    return finding.outcome


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
