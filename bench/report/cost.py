"""The cost of a verdict: hours of training, from records of the same training, from its meta-steps as `speed` timed
them, or estimated from operation counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from bench.analysis import training_operations
from bench.analysis.claims import SEEDS, Claim
from bench.files import Unreadable, read_json
from bench.protocols.presets import from_text
from bench.protocols.protocol import Training
from bench.records.contents import Record

_FEWEST = 20  # iterations that a record needs for its rate to be used
# Measured on two CPU cores: eight kinds of training ran at 26 (Reptile, in minibatches of ten) to 116 billion (MAML on
# miniImageNet).
_OPERATIONS_A_SECOND = 75e9
_SPEED = "speed"  # the folder in the results in which the documents keep what `speed --json` writes


class TimedStep(NamedTuple):
    """The median seconds of a meta-step under the protocol `paper`, in the fastest of the modes that were timed."""

    benchmark: str
    method: str
    seconds: float
    machine: str


class Times(NamedTuple):
    """What shows how long a training takes, the user's own first."""

    records: Sequence[Record]
    steps: Sequence[TimedStep] = ()


def step_times(results: Path) -> list[TimedStep]:
    """The meta-steps that `speed` timed, from the files in the results; other files are passed over."""
    return [time for path in sorted((results / _SPEED).glob("*.json")) for time in _step_time(path)]


def _step_time(path: Path) -> Iterator[TimedStep]:
    with suppress(Unreadable, LookupError, TypeError, ValueError, AttributeError):
        told = read_json(path)
        ours = [row["meta_step_seconds"] for row in told["rows"] if row["contender"].startswith("ours")]
        machine = _machine(told["environment"], told)
        yield TimedStep(str(told["benchmark"]), str(told["method"]), float(min(map(median, ours))), machine)


def seconds(record: Record, parts: Sequence[str] = ("training", "validation")) -> float:
    """The time of one run, in seconds: each of the seeds that train together records the time of all."""
    together = record.info["execution"].get("seeds") or (record.seed,)
    return sum(record.info.get("seconds", {}).get(part, 0.0) for part in parts) / len(together)


def hours(claim: Claim, times: Times) -> str:
    """The hours of the trainings that give the claim a verdict: on the machine of the longest such training among the
    records, or on the one that timed its meta-steps, or estimated from operation counts; empty if the operations have
    not been counted."""
    longest = _longest(claim, times.records)
    if longest is not None:
        takes, machine = in_hours(SEEDS * _as_fast_as(longest, claim)), _machine_of(longest)
        return f"about {takes} h on {machine}, from a record of {longest.info['iteration']:,} iterations"
    wanted = (claim.benchmark, claim.method, claim.protocol)
    timed = next((step for step in times.steps if (step.benchmark, step.method, "paper") == wanted), None)
    if timed is not None:
        takes = in_hours(SEEDS * _iterations(claim) * timed.seconds)
        return f"about {takes} h on {timed.machine}, from timed meta-steps"
    estimate = estimated_seconds(claim)
    if estimate is None:
        return ""
    return f"roughly {in_hours(SEEDS * estimate)} h on two CPU cores, estimated from operation counts"


def in_hours(seconds: float) -> str:
    """Seconds as hours, such as `1,234` or `5.6`."""
    return f"{seconds / 3600:,.0f}" if seconds >= 36_000 else f"{seconds / 3600:.1f}"


def estimated_seconds(claim: Claim) -> float | None:
    """The seconds of one of the claim's trainings on two CPU cores, from operation counts, within a factor of three.
    Returns None if the operations have not been counted."""
    counted = training_operations.an_iteration(claim)
    if counted is None:
        return None
    return _iterations(claim) * counted / _OPERATIONS_A_SECOND


def _iterations(claim: Claim) -> int:
    """The iterations of one of the claim's trainings."""
    return claim.iterations or from_text(claim.protocol, claim.about).training.iterations


def training_seconds(claim: Claim, records: Sequence[Record]) -> float | None:
    """The seconds of one of the claim's trainings, from the longest such training among the records; None if there is
    none."""
    longest = _longest(claim, records)
    return None if longest is None else _as_fast_as(longest, claim)


def _as_fast_as(record: Record, claim: Claim) -> float:
    """The seconds of a training for the claim, at the record's seconds per iteration."""
    return _iterations(claim) * seconds(record, ("training",)) / record.info["iteration"]


def _longest(claim: Claim, records: Sequence[Record]) -> Record | None:
    """The longest such training; of several, the fastest one, because the others' time includes pauses or what ran
    beside them."""
    wanted = from_text(claim.protocol, claim.about).training
    known = [record for record in records if _tells(record, claim, wanted)]
    return max(known, key=lambda record: (record.info["iteration"], -seconds(record, ("training",))), default=None)


def _tells(record: Record, claim: Claim, wanted: Training) -> bool:
    return (
        (record.benchmark, record.method) == (claim.benchmark, claim.method)
        and record.info["iteration"] >= _FEWEST
        and seconds(record, ("training",)) > 0
        and _alike(record.training) == _alike(wanted)
    )


def _alike(training: Training) -> Training:
    """The settings that determine the cost of a meta-step: the others are set to fixed values."""
    return replace(training, iterations=1, validations=1, validation_episodes=1)


def _machine_of(record: Record) -> str:
    return _machine(record.info["environment"], record.info["execution"])


def _machine(environment: Mapping[str, Any], execution: Mapping[str, Any]) -> str:
    if str(execution.get("device", "")).startswith("cuda") and environment.get("gpu"):
        return str(environment["gpu"])
    threads = execution.get("threads")
    return str(environment.get("processor") or "a CPU") + (
        f" ({threads} thread{'s' * (threads != 1)})" if threads else ""
    )
