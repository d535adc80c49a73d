"""`--json`: what goes on as lines of JSON on stdout, for machines; all other output goes to stderr meanwhile."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from functools import partial
from typing import Any, TextIO

Tell = Callable[..., None]  # (event, **fields)


def silent(event: str, **fields: Any) -> None:
    """Tells nobody."""


@contextmanager
def lines(asked: bool) -> Iterator[Tell]:
    """What events of a command are told: where that is asked for, each is a line alone on stdout."""
    if not asked:
        yield silent
        return
    stream = sys.stdout
    with redirect_stdout(sys.stderr):
        yield partial(_write, stream)


def _write(stream: TextIO, event: str, **fields: Any) -> None:
    """What is no number is null: JSON has neither NaN nor infinity."""
    known = {name: _plain(value) for name, value in fields.items()}
    print(json.dumps({"event": event, **known}, allow_nan=False), file=stream, flush=True)


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
