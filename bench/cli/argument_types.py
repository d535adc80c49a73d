"""Argument types: convert text to a value, or say what was expected."""

from __future__ import annotations

import argparse
import os

from bench.errors import counted

_MOST = 2**31 - 1
_WORKERS_A_PROCESSOR = 4


def positive(text: str) -> int:
    """At least 1; what is beyond any machine is refused, so that nothing below has to."""
    if not text.isdecimal() or not 1 <= int(text) <= _MOST:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a whole number from 1 to {_MOST}")
    return int(text)


def sizes(text: str) -> tuple[int, ...]:
    """Several, each at least 1."""
    return tuple(positive(part) for part in text.split(","))


def index(text: str) -> int:
    """At least 0."""
    if not text.isdecimal() or int(text) > _MOST:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a whole number from 0 to {_MOST}")
    return int(text)


def threads(text: str) -> int:
    """At least 1, and no more than there are processors."""
    most = os.cpu_count() or 1
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise argparse.ArgumentTypeError(
            f"{text[:20]!r} is not a whole number from 1 to {most}, this machine's processors"
        )
    return int(text)


def workers(text: str) -> int:
    """At least 1, and no more than a machine can hold: each is a process with a torch of its own."""
    processors = os.cpu_count() or 1
    most = _WORKERS_A_PROCESSOR * processors
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise argparse.ArgumentTypeError(
            f"{text[:20]!r} is not a whole number from 1 to {most}: this machine has {counted(processors, 'processor')}"
        )
    return int(text)


def minutes(text: str) -> float:
    """Finite, and above 0."""
    value = _number(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a number of minutes above 0")
    return value


def seconds(text: str) -> float:
    """Finite, and not below 0."""
    value = _number(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a number of seconds, 0 or more")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
