"""The tables that `explain` stored beside the report, for the page."""

from __future__ import annotations

import csv
from math import nan
from pathlib import Path

from bench.errors import printable
from bench.protocols.benchmarks import BENCHMARKS
from bench.protocols.measures import ACCURACY
from bench.report import wording
from bench.report.tables import Row, Table

_MOST_BYTES, _MOST_ROWS = 2**20, 200
_NUMBERS = ("value", "low", "high", "p", "p_holm")
_NAMED = ("benchmark", "method", "from", "to")  # columns that go into the caption


def tables(folder: Path) -> tuple[list[Table], list[str]]:
    """One table per comparison of two protocols, and a line for each file that is malformed."""
    made, problems = [], []
    for path in sorted(folder.glob("explain-*.csv")):
        try:
            made.append(_table(path))
        except (OSError, ValueError, KeyError, csv.Error) as error:
            problems.append(f"{path}: not a table of effects ({error}); `explain` writes it again")
    return made, problems


def _table(path: Path) -> Table:
    """Reads a table of effects. Raises ValueError, KeyError or csv.Error if the file is malformed."""
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError(f"more than {_MOST_BYTES} bytes")
    with open(path, newline="", encoding="utf-8") as file:
        found = [{name: printable(text) for name, text in row.items()} for row in csv.DictReader(file, strict=True)]
    if not 0 < len(found) <= _MOST_ROWS:
        raise ValueError(f"not 1 to {_MOST_ROWS} rows")
    about = [found[0][name] for name in _NAMED]
    caption = "{}, {}: from {} to {}, what each change does".format(*about)
    note = f"Every effect is paired on seeds and test episodes. {wording.EFFECT_KINDS}"
    return Table(caption, [_row(each) for each in found], note)


def _row(found: Row) -> Row:
    """The effect first, followed by the file's other columns."""
    numbers = {name: float(found[name]) for name in _NUMBERS if found.get(name)}
    form = f"+{(BENCHMARKS[found['benchmark']].measure if found['benchmark'] in BENCHMARKS else ACCURACY).form}"
    interval = (numbers.get("low", nan), numbers.get("high", nan))
    shown = {
        "factor": found["factor"],
        "effect": f"{numbers['value']:{form}}" if "value" in numbers else "no seed: diverged",
        "95 % interval": wording.ends(interval, form),
        "p (Holm)": wording.p_value(numbers.get("p_holm", nan)),
    }
    shown["covers"] = wording.kind(found.get("interval") or wording.NONE)
    said = {*_NAMED, *_NUMBERS, "factor", "difference", "interval"}
    return shown | {name.replace("_", " "): text or wording.NONE for name, text in found.items() if name not in said}
