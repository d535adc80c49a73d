"""Measures the time of a workload's meta-steps within about a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from bench.protocols.protocol import Training
from bench.runs.job import Job
from bench.training.batches import TrainingBatches
from bench.training.execution import COMPILED, COMPILED_GRAPH, EAGER, GRAPH, Execution
from bench.training.meta_step import MetaStep
from bench.training.progress import begin
from bench.training.workload import Workload

_STEPS = 5  # the most steps that are timed
_SLOW = 2.5  # seconds: in a first step slower than this, warming up (threads, memory) is a small part of the time
_UNDISTURBED = 0.8  # CPU time per second of wall time: a process that gets less shares the machine with others
_UNCOMPILED = {COMPILED: EAGER, COMPILED_GRAPH: GRAPH}  # there is no time to compile
_COSTS_NOTHING = {
    name: getattr(Training(), name)
    for name in (
        *("iterations", "meta_lr", "meta_lr_halved_every", "inner_lr", "initialisation"),
        *("batch_norm_gamma", "batch_norm_epsilon", "resize", "split", "ones", "rotations"),
        *("validations", "validation_episodes", "validation_shape", "meaning"),
    )
}


class Timed(NamedTuple):
    """The seconds that a meta-step took; `busy`: whether other programs were using the machine."""

    seconds: float
    busy: bool


def costly(training: Training) -> Training:
    """The settings that determine the cost of a meta-step: all others are replaced by their defaults."""
    return replace(training, **_COSTS_NOTHING)


def one_chunk(job: Job, planned: Execution) -> tuple[Workload, float]:
    """The job's workload, uncompiled, with meta-batches of one chunk, and how many such chunks the job's own meta-batch
    has. Methods that train on images take a whole meta-batch at once, whatever the chunk."""
    training, whole = job.protocol.training, job.kind.training_batch == "images"
    size = training.meta_batch if whole else min(planned.chunk, training.meta_batch)
    small = replace(job.protocol, training=replace(training, meta_batch=size, iterations=1))
    mode = _UNCOMPILED.get(planned.mode, planned.mode)
    return replace(job.workload, protocol=small, mode=mode, chunk=planned.chunk), training.meta_batch / size


def time_steps(workload: Workload, seeds: Sequence[int], budget: float, runner: Execution) -> Timed:
    """The fastest meta-step after the first one, which warms up, among as many as the budget (seconds) allows. At least
    two are made, or one if it is slow."""
    method = workload.build(runner.layers, runner.precision)
    streams = [workload.stream("train", seed) for seed in seeds]
    batches = TrainingBatches(method.training_batch or "episodes", workload.protocol.training, streams)
    initial, worst = [workload.initial_state(seed) for seed in seeds], workload.benchmark.measure.worst
    begun = begin(initial, runner, workload.protocol.training, worst)
    step, drawn = MetaStep(runner, method, batches, begun.state, begun.optimiser, begun.loss_sum), batches.at(0)
    step.rehearse(drawn)

    def whole_step() -> None:
        step(drawn)
        begun.loss_sum.tolist()  # waits for the device

    found = _fastest(whole_step, budget)
    return found._replace(busy=found.busy and runner.device.type == "cpu")  # on other devices the process only waits


def _fastest(action: Callable[[], None], budget: float) -> Timed:
    times: list[float] = []
    begun, begun_work = time.monotonic(), time.process_time()
    while _wanting(times) or (len(times) <= _STEPS and time.monotonic() + times[-1] < begun + budget):
        started = time.monotonic()
        action()
        times.append(time.monotonic() - started)
    worked = (time.process_time() - begun_work) / (time.monotonic() - begun)
    return Timed(min(times[1:] or times), worked < _UNDISTURBED)


def _wanting(times: Sequence[float]) -> bool:
    return not times or (len(times) == 1 and times[0] < _SLOW)
