"""Runs done again as their records say they were done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from bench import devices, records
from bench.data.benchmark_data import Data
from bench.networks.layers import ALONE, LAYERS
from bench.protocols import presets, protocol
from bench.protocols.benchmarks import Benchmark
from bench.records import fields, layout
from bench.records.weights import flat, load_state
from bench.runs import evaluate, train
from bench.runs.job import Job
from bench.training import execution, modes, watch
from bench.training.execution import Execution
from bench.training.workload import NamedMethod, Workload
from methods.contract import State

_CPU = torch.device("cpu")
_ON_A_CPU = {execution.GRAPH: execution.EAGER, execution.COMPILED_GRAPH: execution.COMPILED}


@dataclass(frozen=True)
class How:
    """How something ran; the defaults are what was done before there was a choice."""

    device: str
    chunk: int
    threads: int
    mode: str = execution.EAGER
    layers: str = "vectorised"
    deterministic: bool = True
    validation_chunk: int | None = None
    seeds: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        counts = (self.chunk, self.threads, self.validation_chunk or 1)
        numbers = all(type(count) is int and 1 <= count <= 2**31 for count in counts)
        words = self.mode in execution.MODES and self.layers in LAYERS and type(self.deterministic) is bool
        known = str(self.device).partition(":")[0] in ("cpu", "cuda") and all(type(k) is int for k in self.seeds)
        if not (numbers and words and known) or (self.layers in ALONE and self.chunk != 1):
            raise ValueError("no execution that there can be")

    def here(self) -> torch.device:
        """The device of that kind on this machine, or the CPU."""
        kind, _, index = self.device.partition(":")
        if kind == "cpu" or not torch.cuda.is_available():
            return torch.device("cpu")
        place = int(index) if index.isdecimal() else 0
        return torch.device("cuda", place if place < torch.cuda.device_count() else 0)


def how(folder: Path, recorded: Any) -> How:
    """What `execution` of a record says. Raises Corrupt where that can never have run."""
    try:
        known = {name: value for name, value in recorded.items() if name in How.__dataclass_fields__}
        return How(**known | {"seeds": tuple(known.get("seeds", ()))})
    except (TypeError, ValueError, AttributeError) as error:
        raise fields.Corrupt(f"{folder}: no execution that there can be is recorded: changed by hand") from error


@dataclass(frozen=True, kw_only=True)
class ReplayedWorkload(Workload):
    """A workload that is executed as it was, as far as this machine can."""

    how: How

    def evaluation_chunk(self) -> int:
        """Episodes at once where nothing but scores is wanted."""
        return self.chunk or self.how.validation_chunk or self.how.chunk

    def _chunk(self, queries: int, count: int, seeds: int) -> int:
        return self.chunk or self.how.chunk

    def _executions(self, chunk: int, seeds: int, precision: str) -> tuple[Execution, ...]:
        on_cuda = self.device.type == "cuda"
        mode = self.how.mode if on_cuda else _ON_A_CPU.get(self.how.mode, self.how.mode)
        training = self.protocol.training
        chosen = modes.choose(self.benchmark, training, self.device, chunk, seeds, mode, precision)
        if on_cuda != self.how.device.startswith("cuda"):
            return chosen
        return tuple(replace(each, layers=self.how.layers) if each.mode == mode else each for each in chosen)


@dataclass(frozen=True)
class Again:
    """A recorded run, and what doing it again needs. `say` is told what a user should know."""

    folder: Path
    info: Mapping[str, Any]
    benchmark: Benchmark
    training: protocol.Training
    data: Data
    method: NamedMethod
    say: Callable[[str], None]

    def job(self, evaluation: protocol.Evaluation, where: How) -> Job:
        """This run, under an evaluation."""
        return self._job(self.info["seed"], evaluation, where, self.folder)

    def evaluated(self, recorded: records.Evaluated, weights: Path) -> records.Evaluated:
        """The scores of these weights under a recorded evaluation, executed as it was. Raises Corrupt where they are
        no weights of this network."""
        return evaluate.scored(self.evaluating(recorded, weights), weights, recorded.iteration, self.say)

    def evaluating(self, recorded: records.Evaluated, weights: Path) -> Job:
        """This run under a recorded evaluation, still to be executed."""
        where = self._prepared(recorded.info.get("execution"))
        job = self.job(recorded.evaluation, where)
        if _shapes(load_state(weights, _CPU)) != _shapes(job.workload.initial_state(job.seed)):
            raise fields.Corrupt(f"{weights}: its tensors are not those of the network")
        return job

    def trained(self, results: Path, watch: watch.Watch) -> Path:
        """Trains the run again below `results`, with the seeds that it was trained with; returns its folder there.

        Whatever trains nothing has the weights of another method, which is trained. Raises Corrupt, before that, where
        the record is damaged, and train.Interrupted."""
        records.read(self.folder)
        where, own = self._prepared(self.info["execution"]), self.info["seed"]
        seeds = where.seeds or (own,)
        if own not in seeds:
            raise fields.Corrupt(f"{self.folder}: trained with seeds {seeds}, it says, but not with its own")
        jobs = {seed: self._job(seed, self.preset.evaluation, where, results) for seed in seeds}
        if jobs[own].kind.weights_of is not None:
            jobs = {seed: job.weights_job for seed, job in jobs.items()}
        train.trained(list(jobs.values()), watch)
        return jobs[own].folder

    def _job(self, seed: int, evaluation: protocol.Evaluation, where: How, results: Path) -> Job:
        workload = ReplayedWorkload(
            benchmark=self.benchmark,
            method=self.method,
            protocol=protocol.Protocol(self.training, evaluation),
            data=self.data,
            device=where.here(),
            how=where,
        )
        return Job(workload=workload, seed=seed, preset=self.info["preset"], results=results)

    @property
    def name(self) -> str:
        """`<benchmark>/<method>/<hash>/seed<k>`."""
        return layout.run_name(self.folder)

    @property
    def kept(self) -> tuple[int, ...]:
        """The iterations whose weights were kept."""
        names = [name for name in self.info["files"] if name.startswith("weights@")]
        return tuple(int(name.removeprefix("weights@").removesuffix(".safetensors")) for name in names)

    @property
    def preset(self) -> protocol.Protocol:
        """The protocol that the record names."""
        return presets.preset(self.info["preset"], self.benchmark)

    def _prepared(self, recorded: Any) -> How:
        where = how(self.folder, recorded)
        devices.make_repeatable(where.threads, fast=not where.deterministic)
        return where


def _shapes(state: State) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (tensor.shape, tensor.dtype) for name, tensor in flat(state).items()}
