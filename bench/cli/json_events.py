"""`--json`: events as lines of JSON on stdout, for machines; all other output goes to stderr meanwhile."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from functools import partial
from typing import Any, TextIO

Emit = Callable[..., None]  # (event, **fields)


@contextmanager
def lines(asked: bool) -> Iterator[Emit]:
    """Yields a function that emits events: as one JSON object per line on stdout if `asked`, otherwise not at all."""
    if not asked:
        yield lambda event, **fields: None
        return
    stream = sys.stdout
    with redirect_stdout(sys.stderr):
        yield partial(_write, stream)


def _write(stream: TextIO, event: str, **fields: Any) -> None:
    """Writes one event; NaN and infinity, which JSON does not have, become null."""
    known = {name: _plain(value) for name, value in fields.items()}
    print(json.dumps({"event": event, **known}, allow_nan=False), file=stream, flush=True)


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
