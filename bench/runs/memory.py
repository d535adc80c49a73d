"""Goes on with smaller chunks where memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from bench import devices
from bench.errors import UserError
from bench.records.locks import Say
from bench.runs.job import Job
from bench.runs.user_methods import UserMethod, mistake
from bench.training import modes, watch

Result = TypeVar("Result")


def halving_chunks(jobs: Sequence[Job], attempt: Callable[[Sequence[Job]], Result], say: Say) -> Result:
    """The attempt's result; where the memory does not suffice the chunk is halved, and the attempt made again. Raises
    UserError for whatever goes wrong in the work of a user's own method."""
    while True:
        workload = jobs[0].workload
        try:
            return attempt(jobs)
        except (UserError, watch.Interrupted):
            raise
        except (Exception, SystemExit) as error:
            if not modes.out_of_memory(error):
                if not isinstance(workload.method, UserMethod):
                    raise
                raise mistake(workload.method, error) from error
            chunk = modes.smaller(workload.training_executions(len(jobs))[0].chunk, workload.evaluation_chunk())
        say(f"out of memory: going on with {chunk} at a time, from the last checkpoint")
        devices.forget_garbage(workload.device)  # outside of `except`, whose traceback holds the tensors
        jobs = [job.with_workload(chunk=chunk) for job in jobs]
