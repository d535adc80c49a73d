"""Turns a state that was trained elsewhere into a finished run."""

from __future__ import annotations

from typing import Any

from bench import records
from bench.records.locks import lock
from bench.runs import recording
from bench.runs.job import Job
from methods.contract import State


def adopt_state(job: Job, state: State, about: dict[str, Any]) -> None:
    """Writes the record of a finished run from a state that was trained elsewhere, unless the record exists. `about`:
    the origin of the state, for the record."""
    with lock(job.folder):
        if not records.read_info_if_any(job.folder):
            recording.write_adopted_record(job.folder, job.about, state, about)
