"""Goes on with smaller chunks where memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from bench import devices
from bench.errors import UserError
from bench.runs import user_methods
from bench.runs.job import Job
from bench.training import modes
from bench.training.watch import Interrupted, Listener, Said

Result = TypeVar("Result")


def halving_chunks(jobs: Sequence[Job], attempt: Callable[[Sequence[Job]], Result], on_event: Listener) -> Result:
    """The attempt's result; where the memory does not suffice the chunk is halved, and the attempt made again. Raises
    UserError for whatever goes wrong in the work of a user's own method."""
    while True:
        try:
            return attempt(jobs)
        except (UserError, Interrupted):
            raise
        except (Exception, SystemExit) as error:
            if not modes.out_of_memory(error):
                if jobs[0].own is None:
                    raise
                raise user_methods.mistake(jobs[0].own, error) from error
            chunk = modes.smaller(jobs[0].training_executions(len(jobs))[0].chunk, jobs[0].evaluation_chunk())
        on_event(Said(f"out of memory: going on with {chunk} at a time, from the last checkpoint"))
        devices.forget_garbage(jobs[0].device)  # outside of `except`, whose traceback holds the tensors
        jobs = [replace(job, chunk=chunk) for job in jobs]
