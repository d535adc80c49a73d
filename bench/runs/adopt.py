"""Makes a finished run of a state that was trained elsewhere."""

from __future__ import annotations

from typing import Any

from bench.records.locks import locked
from bench.runs import recording
from bench.runs.job import Job
from bench.runs.status import read_if_any
from methods.contract import State


def adopt_state(job: Job, state: State, about: dict[str, Any]) -> None:
    """Makes a finished run of a state that was trained elsewhere, unless it is there; `about` it: for the record."""
    with locked(job.folder):
        if read_if_any(job.folder) is None:
            recording.adopted(job, state, about)
