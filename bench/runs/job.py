"""One run that is asked for, and what it is built from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch

from bench import networks
from bench.data.benchmark_data import Data
from bench.episodes import streams
from bench.episodes.stream import EpisodeStream
from bench.errors import UserError
from bench.protocols import presets, protocol
from bench.protocols.benchmarks import Benchmark
from bench.protocols.experiments import Experiment
from bench.records import layout
from bench.runs.user_methods import Own
from bench.training import evaluation as scoring
from bench.training import execution, modes
from bench.training.initial import build
from bench.training.objectives import objective
from methods import METHODS
from methods.contract import NEEDS, Method, Setup


@dataclass(frozen=True)
class Job:
    """One run that is asked for: what is hashed, where it lands, and how it executes."""

    benchmark: Benchmark
    method: str
    seed: int
    protocol: protocol.Protocol
    preset: str
    data: Data
    results: Path
    device: torch.device
    chunk: int | None = None
    mode: str | None = None
    command: str = ""
    milestones: tuple[int, ...] = ()  # iterations before the last whose weights are kept, and evaluated too
    place: Path | None = None  # the record's folder, where a user named one
    experiment: Experiment | None = None  # the file that asked for it
    own: Own | None = None  # where the method does not ship

    @property
    def kind(self) -> type[Method]:
        """The method's class. Raises UserError where a user's has not all parts of the contract."""
        return self.own.kind if self.own else METHODS[self.method]

    @property
    def lender(self) -> Job:
        """The run whose weights this one evaluates, of a method that ships."""
        both = replace(self.protocol, training=replace(self.protocol.training, code=None))
        return replace(self, method=self.kind.weights_of, own=None, protocol=both)

    @cached_property
    def hash(self) -> str:
        """The training hash."""
        return protocol.training_hash(self.protocol.training, self.data.digest)

    @cached_property
    def folder(self) -> Path:
        """Where the record lies."""
        return self.place or layout.run_folder(self.results, self.benchmark.name, self.method, self.hash, self.seed)

    @property
    def name(self) -> str:
        """`<benchmark>/<method>/<hash>/seed<k>`."""
        return "/".join(self.folder.parts[-4:])

    def check(self) -> None:
        """Raises UserError where this can never run, before anything starts."""
        if self.protocol.training.origin is not None and self.protocol.evaluation.weights == "best":
            raise UserError("weights=best: what was trained elsewhere has the weights of one iteration, weights=last")
        if self.kind.weights_of not in (None, *METHODS):
            raise UserError(f"{self.method}: weights_of = {self.kind.weights_of!r} is no method that ships")
        able, needs = self.kind.batch_statistics, self.kind.needs
        if needs is not None and needs not in self.benchmark.offers:
            raise UserError(f"{self.method} needs {NEEDS[needs]}, and {self.benchmark.name} has none")
        for evaluation in (self.protocol.evaluation, self.validating().protocol.evaluation):
            if evaluation.batch_statistics not in able:
                mode = f"batch_statistics={evaluation.batch_statistics}"
                raise UserError(f"{self.method} cannot be evaluated with {mode}: it has {' or '.join(able)}")
            for split in ("valid", "test"):
                streams.stream(self.benchmark, self.data, split, evaluation.queries).check()
        self.stream("train").check()
        self.evaluation_executions()

    def build(self, layers: str = "vectorised", precision: str = "fp32") -> Method:
        """The method, for this benchmark and protocol, as an execution asks for it; one and the same for all seeds, so
        that what is compiled for one is for all."""
        classes = self.stream("train").class_count
        training, evaluation = self.protocol.training, self.protocol.evaluation
        given = self.data.parameters if self._with_parameters else 0
        network = networks.network(self.benchmark, training, layers, given, precision)
        setup = Setup(network, objective(self.benchmark).loss, self.benchmark.ways, classes, training, evaluation)
        return build(self.kind, setup)

    def stream(self, split: str) -> EpisodeStream:
        """The episodes of a split that the run is trained on, or evaluated with, on the device."""
        part = self.protocol.training if split == "train" else self.protocol.evaluation
        known = (self.benchmark, self.data, split, part.queries, self.seed, self._with_parameters)
        return streams.stream(*known).on(self.device)

    @property
    def _with_parameters(self) -> bool:
        """Whether the parameters of an episode's function are given with its inputs."""
        return self.kind.needs == "parameters"

    def training_executions(self, seeds: int) -> tuple[execution.Execution, ...]:
        """How meta-steps of so many seeds together run, and what is left where that cannot."""
        training = self.protocol.training
        chunk = self._chunk(training.queries, training.meta_batch, seeds)
        return self._executions(chunk, seeds, training.precision)

    def evaluation_executions(self) -> tuple[execution.Execution, ...]:
        """The same of evaluations."""
        return self._executions(self.evaluation_chunk(), 1, self.protocol.evaluation.precision)

    def evaluation_chunk(self) -> int:
        """Episodes at once where nothing but scores is wanted; on a CPU one where training takes one, so that the
        layers that are chosen for it serve both."""
        training = self.protocol.training
        if self.device.type == "cpu" and self._chunk(training.queries, training.meta_batch, 1) == 1:
            return 1
        return self._chunk(self.protocol.evaluation.queries, scoring.BLOCK, 1)

    def _chunk(self, queries: int, count: int, seeds: int) -> int:
        training = self.protocol.training
        return self.chunk or modes.chunk_size(self.benchmark, training, queries, count, self.device, seeds)

    def _executions(self, chunk: int, seeds: int, precision: str) -> tuple[execution.Execution, ...]:
        training = self.protocol.training
        return modes.choose(self.benchmark, training, self.device, chunk, seeds, self.mode, precision)

    def validating(self) -> Job:
        """The same under the evaluation of its preset: validation, and so the best weights, are the training's own
        and do not depend on which evaluation is asked for first."""
        evaluation = presets.preset(self.preset, self.benchmark).evaluation
        return replace(self, protocol=protocol.Protocol(self.protocol.training, evaluation))
