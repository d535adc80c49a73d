"""Continues with smaller chunks when memory runs out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from bench import devices
from bench.errors import UserError
from bench.training import modes
from bench.training.watch import Interrupted, Listener, Said
from bench.training.workload import Workload

Result = TypeVar("Result")


def halving_chunks(workload: Workload, seeds: int, attempt: Callable[[Workload], Result], on_event: Listener) -> Result:
    """The result of `attempt`, which computes this many seeds together. When memory runs out, the chunk is halved and
    the attempt repeated. Raises UserError for any error that comes from a user's own method."""
    while True:
        try:
            return attempt(workload)
        except (UserError, Interrupted):
            raise
        except (Exception, SystemExit) as error:
            if not modes.out_of_memory(error):
                mistake = workload.method.mistake(error)
                if mistake is None:
                    raise
                raise mistake from error
            chunk = modes.smaller(workload.training_executions(seeds)[0].chunk, workload.evaluation_chunk())
        on_event(Said(f"out of memory: continuing with {chunk} at a time, from the last checkpoint"))
        devices.forget_garbage(workload.device)  # outside the `except` block, whose traceback keeps the tensors alive
        workload = replace(workload, chunk=chunk)
