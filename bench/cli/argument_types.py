"""Argument types: convert text to a value, or say what was expected."""

from __future__ import annotations

import argparse
import os

from bench.errors import quantity

_MOST = 2**31 - 1
_WORKERS_A_PROCESSOR = 4


def positive(text: str) -> int:
    """An integer from 1 to 2^31 - 1. Larger values are refused here, so that no other code has to check for them."""
    if not text.isdecimal() or not 1 <= int(text) <= _MOST:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a whole number from 1 to {_MOST}")
    return int(text)


def sizes(text: str) -> tuple[int, ...]:
    """Integers of at least 1, separated by commas."""
    return tuple(positive(part) for part in text.split(","))


def index(text: str) -> int:
    """An integer from 0 to 2^31 - 1."""
    if not text.isdecimal() or int(text) > _MOST:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a whole number from 0 to {_MOST}")
    return int(text)


def threads(text: str) -> int:
    """A number of threads: from 1 to the number of processors."""
    most = os.cpu_count() or 1
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise argparse.ArgumentTypeError(
            f"{text[:20]!r} is not a whole number from 1 to {most}, this machine's processors"
        )
    return int(text)


def workers(text: str) -> int:
    """A number of worker processes: from 1 to a few per processor, because each process loads its own copy of torch."""
    processors = os.cpu_count() or 1
    most = _WORKERS_A_PROCESSOR * processors
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise argparse.ArgumentTypeError(
            f"{text[:20]!r} is not a whole number from 1 to {most}: "
            f"this machine has {quantity(processors, 'processor')}"
        )
    return int(text)


def minutes(text: str) -> float:
    """A finite number of minutes above 0."""
    value = _number(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a number of minutes above 0")
    return value


def seconds(text: str) -> float:
    """A finite number of seconds, 0 or more."""
    value = _number(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a number of seconds, 0 or more")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
