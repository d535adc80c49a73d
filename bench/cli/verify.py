"""`verify`: recomputes recorded runs, and compares the results with the records."""

from __future__ import annotations

import sys
import tempfile
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli import chosen_runs
from bench.cli.parsing import add_command, add_own

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.records.fields import Corrupt
    from bench.tools.verify.findings import Finding
    from bench.tools.verify.repeat import RecordedRun


def add(top: Any) -> None:
    """Declares the command and its options."""
    text = "check records: compute the scores again, and compare"
    parser = add_command(top, "verify", verify, text, results=True, data=True, threads=True)
    chosen_runs.add(parser)
    add_own(parser)
    parser.add_argument("--retrain", action="store_true", help="also train again, into a temporary folder")


def verify(options: Namespace) -> int:
    """Compares every score and, with `--retrain`, every weight; returns 1 if something differs from the record."""
    folders = chosen_runs.folders(options)  # a misspelt name is reported before torch is imported

    from bench import devices
    from bench.tools.verify import findings
    from bench.training.watch import Interrupted

    devices.make_repeatable(None)
    devices.keep_memory()
    runs = [(folder, _open(folder, options)) for folder in folders]
    try:
        outcomes = [_verify(folder, again, options.retrain) for folder, again in runs]
    except Interrupted:
        print("stopped: nothing was changed", file=sys.stderr)
        return 130
    return int(findings.DIFFERENT in outcomes)


def _open(folder: Path, options: Namespace) -> RecordedRun | Corrupt:
    """The run, or what is wrong with its record. Raises UserError for a user's mistake before any run is verified."""
    from bench.records import fields
    from bench.runs.display import print_notes
    from bench.tools.verify.verify import open_run

    try:
        return open_run(folder, options.data_dir, print_notes, options.method, options.threads)
    except fields.Corrupt as error:
        return error


def _verify(folder: Path, again: RecordedRun | Corrupt, retrain: bool) -> str:
    """Prints each finding as it is made; returns the worst outcome."""
    from bench.records import layout
    from bench.tools.verify import findings

    print(layout.run_name(folder), flush=True)
    outcomes = [_show(finding) for finding in _findings(again, retrain)]
    outcome = max(outcomes, key=[findings.EQUAL, findings.CLOSE, findings.DIFFERENT].index)
    print(f"  {_SUMMARY[outcome]}", flush=True)
    return outcome


def _findings(again: RecordedRun | Corrupt, retrain: bool) -> Iterator[Finding]:
    from bench.records import fields
    from bench.tools.verify import findings
    from bench.tools.verify.verify import check_stored

    try:
        if isinstance(again, fields.Corrupt):
            raise again
        yield from check_stored(again)
        if retrain and again.info["status"] != "unfinished":
            yield from _retrain(again)
    except fields.Corrupt as error:
        yield findings.Finding("record", str(error), findings.DIFFERENT)


_SUMMARY = {
    "equal": "verified: bit for bit",
    "close": "verified, within the differences shown above: bits are not promised here",
    "different": "NOT VERIFIED",
}


def _retrain(again: RecordedRun) -> Iterator[Finding]:
    from bench.cli.running import Stop
    from bench.runs.display import Display, live_bars
    from bench.tools.verify import findings
    from bench.tools.verify.verify import compare_training
    from bench.training.watch import Watch

    if again.training.origin is not None:
        yield findings.Finding(
            "training", "done elsewhere: it cannot be repeated here; only the scores were computed again"
        )
        return
    with tempfile.TemporaryDirectory(prefix="bench-verify-") as results:
        with live_bars() as bars, Stop() as stop:
            shown = Display(f"{again.name} again", again.benchmark.measure, bars, again.training.iterations)
            folder = again.train(Path(results), Watch(shown, stop, keep=again.kept))
        yield from compare_training(again, folder)


def _show(finding: Finding) -> str:
    print(f"  {finding.what:<28}{finding.text}", flush=True)
    return finding.outcome
