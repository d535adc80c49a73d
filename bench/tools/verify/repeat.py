"""Repeats runs with the execution that their records describe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from bench import devices, records
from bench.data import store
from bench.episodes.stream import Data
from bench.protocols import presets, protocol
from bench.protocols.benchmarks import Benchmark
from bench.records import fields, layout
from bench.records.weights import flat, load_state
from bench.runs import evaluate
from bench.runs.job import Job
from bench.runs.recorded import on_benchmark
from bench.runs.train import train_runs
from bench.training import modes, watch
from bench.training.execution import COMPILED, COMPILED_GRAPH, EAGER, GRAPH, Execution
from bench.training.execution_record import ExecutionRecord
from bench.training.workload import NamedMethod, Workload
from methods.contract import State

_CPU = torch.device("cpu")
_ON_A_CPU = {GRAPH: EAGER, COMPILED_GRAPH: COMPILED}


@dataclass(frozen=True, kw_only=True)
class ReplayedWorkload(Workload):
    """A workload with the recorded execution, as far as this machine can."""

    recorded: ExecutionRecord

    def evaluation_chunk(self) -> int:
        """The number of episodes to score at once."""
        return self.chunk or self.recorded.validation_chunk or self.recorded.chunk

    def evaluation_executions(self) -> tuple[Execution, ...]:
        """The recorded execution of evaluations."""
        return self._evaluation_executions()

    def _chunk(self, split: str, count: int, seeds: int) -> int:
        return self.chunk or self.recorded.chunk

    def _executions(self, chunk: int, seeds: int, precision: str, stacks: bool) -> tuple[Execution, ...]:
        on_cuda = self.device.type == "cuda"
        recorded, layers = self.recorded.mode or EAGER, self.recorded.layers or "vectorised"
        mode = recorded if on_cuda else _ON_A_CPU.get(recorded, recorded)
        network = self.network(precision=precision)
        chosen = modes.choose(network, self.training_benchmark, self.device, chunk, seeds, mode, stacks)
        if on_cuda != self.recorded.device.startswith("cuda"):
            return chosen
        return tuple(replace(each, layers=layers) if each.mode == mode else each for each in chosen)


@dataclass(frozen=True)
class RecordedRun:
    """A recorded run, and what its repetition needs. `on_event` receives events. `threads`: used instead of the
    recorded number."""

    folder: Path
    info: Mapping[str, Any]
    benchmark: Benchmark
    training: protocol.Training
    data: Data
    method: NamedMethod
    on_event: watch.Listener
    threads: int | None = None
    data_dir: Path | None = None

    def job(self, evaluation: protocol.Evaluation, recorded: ExecutionRecord) -> Job:
        """This run under an evaluation, on the benchmark that the evaluation names. Raises UserError if its data are
        not here."""
        job = self._job(self.info["seed"], evaluation, recorded, self.folder)
        if evaluation.benchmark is None:
            return job
        return on_benchmark(job, store.benchmark(evaluation.benchmark, self.data_dir), self.data_dir)

    def evaluate(self, recorded: records.Evaluated, weights: Path) -> records.Evaluated:
        """The scores of these weights under a recorded evaluation, with the recorded execution. Raises Corrupt if the
        weights do not fit this network."""
        return evaluate.score_weights(self.evaluating(recorded, weights), weights, recorded.iteration, self.on_event)

    def evaluating(self, recorded: records.Evaluated, weights: Path) -> Job:
        """The job for a recorded evaluation of these weights."""
        job = self.job(recorded.evaluation, self._prepare(recorded.info))
        if _shapes(load_state(weights, _CPU)) != _shapes(job.workload.initial_state(job.seed)):
            raise fields.Corrupt(f"{weights}: its tensors do not fit the network")
        return job

    def weights_of(self, recorded: records.Evaluated) -> str:
        """The file of the weights that were evaluated. Raises Corrupt if the record does not have it."""
        at = None if recorded.evaluation.weights == "best" else recorded.iteration
        iteration, name = layout.weights_of(self.folder, dict(self.info), recorded.evaluation, at)
        if iteration != recorded.iteration:
            raise fields.Corrupt(f"{self.folder}: its best iteration is {iteration}, not {recorded.iteration}")
        return name

    def train(self, results: Path, watch: watch.Watch) -> Path:
        """Trains the run again below `results`, together with its original seeds; returns its folder there. For a
        method that trains nothing, the method whose weights it evaluates is trained. Raises Corrupt, before training,
        if the record is damaged; and Interrupted."""
        records.read(self.folder)
        recorded, own = self._prepare(self.info), self.info["seed"]
        seeds = tuple(recorded.seeds or (own,))
        if own not in seeds:
            raise fields.Corrupt(
                f"{self.folder}: the record says that it was trained with seeds {seeds}, which do not include its own"
            )
        jobs = {seed: self._job(seed, self.preset.evaluation, recorded, results).weights_job for seed in seeds}
        train_runs(list(jobs.values()), [{}] * len(jobs), watch)
        return jobs[own].folder

    def _job(self, seed: int, evaluation: protocol.Evaluation, recorded: ExecutionRecord, results: Path) -> Job:
        workload = ReplayedWorkload(
            benchmark=self.benchmark,
            method=self.method,
            protocol=protocol.Protocol(self.training, evaluation),
            data=self.data,
            device=_device_here(recorded.device),
            recorded=recorded,
        )
        return Job(workload=workload, seed=seed, preset=self.info["preset"], results=results)

    @property
    def name(self) -> str:
        """`<benchmark>/<method>/<hash>/seed<k>`: the name of the run in commands."""
        return layout.run_name(self.folder)

    @property
    def kept(self) -> tuple[int, ...]:
        """The iterations whose weights were kept."""
        return tuple(layout.kept_weights(dict(self.info)))

    @property
    def preset(self) -> protocol.Protocol:
        """The preset that the record names, for the run's method."""
        return presets.preset(self.info["preset"], self.benchmark, self.method.settings)

    def _prepare(self, info: Mapping[str, Any]) -> ExecutionRecord:
        recorded = ExecutionRecord.read(self.folder, info)
        devices.make_repeatable(self.threads or recorded.threads, fast=recorded.deterministic is False)
        return recorded


def _device_here(recorded: str) -> torch.device:
    """The device of the recorded kind on this machine, or the CPU."""
    kind, _, index = recorded.partition(":")
    if kind == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    place = int(index) if index.isdecimal() else 0
    return torch.device("cuda", place if place < torch.cuda.device_count() else 0)


def _shapes(state: State) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (tensor.shape, tensor.dtype) for name, tensor in flat(state).items()}
