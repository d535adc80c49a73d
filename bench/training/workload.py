"""What runs compute, whatever their seed: method, protocol, data and device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._pytree import tree_map

from bench.data.sinusoids import Sinusoids
from bench.episodes import streams
from bench.episodes.stream import Data, EpisodeStream
from bench.errors import UserError
from bench.networks.conv4 import Conv4, network
from bench.networks.mlp import Mlp
from bench.networks.stacked import step as stacked
from bench.protocols.benchmarks import Benchmark
from bench.protocols.protocol import BY_CLASS, INNER_LOOP, WITH_VALIDATION, Protocol
from bench.training import evaluation, initial, modes, refusals
from bench.training.batches import minibatches
from bench.training.execution import EAGER, GRAPH, Execution
from bench.training.initial import IN_TURN, in_turn_of
from bench.training.objectives import objective
from methods import METHODS
from methods.contract import Method, Setup, State


@dataclass(frozen=True)
class NamedMethod:
    """A built-in method, by its name."""

    name: str

    @property
    def code(self) -> str | None:
        """The first digits of the SHA-256 of a user's source file; None for a built-in method."""
        return None

    @property
    def about(self) -> dict[str, str]:
        """The fields of a record that describe that file; empty for a built-in method."""
        return {}

    @property
    def described(self) -> str:
        """The name, followed by the file for a user's method."""
        return self.name

    @property
    def kind(self) -> type[Method]:
        """The method's class."""
        return METHODS[self.name]

    def mistake(self, error: BaseException) -> UserError | None:
        """What went wrong in the user's own code, as one line; None if the error is not in it."""
        return None

    @property
    def settings(self) -> tuple[str, ...]:
        """The settings that the method uses, among those that not every method uses."""
        return getattr(self.kind, "settings", INNER_LOOP)


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What runs compute. `chunk` episodes at once in `mode`; None: chosen automatically. `tested_on`: benchmark and
    data of the test, if others than those of the training."""

    benchmark: Benchmark
    method: NamedMethod
    protocol: Protocol
    data: Data
    device: torch.device
    chunk: int | None = None
    mode: str | None = None
    tested_on: tuple[Benchmark, Data] | None = None

    @property
    def kind(self) -> type[Method]:
        """The method's class. Raises UserError if a user's class lacks a part of the contract."""
        return self.method.kind

    def check(self, splits: Sequence[str] = ("test", "train", "valid")) -> None:
        """Raises UserError if the workload is impossible with these splits."""
        kind, name, training = self.kind, self.method.name, self.protocol.training
        refusals.check_method(kind, name, self.method.settings, self.protocol)
        refusals.check_data(kind, name, self.benchmark, training, streams.lacks(self.data))
        if training.classes == WITH_VALIDATION:
            refusals.check_choice(name, training, len(self.build().candidates()))
        for split in splits if self.tested_here else set(splits) & {"train"}:
            self.stream(split)
            if split != "train":
                self.state_for(split, self.initial_state(0))
        self.evaluation_executions()

    @property
    def training_benchmark(self) -> Benchmark:
        """The benchmark with the ways and shots of training."""
        return self.benchmark.with_shape(self.protocol.training.ways, self.protocol.training.shots)

    @property
    def tested_here(self) -> bool:
        """Whether the run can be tested here: not if it trains without validation on partial data."""
        return self.protocol.training.validations > 0 or not streams.lacks(self.data)

    def stream(self, split: str, training_seed: int = 0) -> EpisodeStream:
        """The episodes of a split, on the device; validation episodes are reduced to what its classes and images allow.
        Raises UserError if the data cannot fill an episode."""
        return self._stream(split, training_seed).on(self.device)

    def _stream(self, split: str, training_seed: int = 0) -> EpisodeStream:
        part = self.protocol.part(split)
        how: dict[str, Any] = {"with_parameters": self._with_parameters, "rotations": part.rotations}
        how |= {"by_class": part.meaning == BY_CLASS, "trained_on": self.protocol.training.classes}
        how["minibatches"] = minibatches(self.protocol, split, self.method.settings)
        benchmark, data = self._source(split)
        found = streams.stream(benchmark, data, split, self.protocol.shape(split, benchmark), training_seed, **how)
        return found.fitting() if split == "valid" else found

    def _source(self, split: str) -> tuple[Benchmark, Data]:
        return self.tested_on if self.tested_on and split != "train" else (self.benchmark, self.data)

    def build(self, layers: str = "vectorised", precision: str = "fp32", split: str = "train") -> Method:
        """The method for the episodes of a split, with these layers and precision; one object for all seeds."""
        both, loss = self.protocol, objective(self.benchmark).loss
        ways, classes = self._stream(split).shape.ways, self._stream("train").class_count
        setup = Setup(self.network(layers, precision), loss, ways, classes, both.training, both.evaluation)
        return initial.build(self.kind, setup)

    def network(self, layers: str = "vectorised", precision: str = "fp32") -> Conv4 | Mlp:
        """The network, computed with these layers and this precision."""
        given = self.data.parameters if self._with_parameters and isinstance(self.data, Sinusoids) else 0
        return network(self.benchmark, self.protocol.training, layers, given, precision)

    def initial_state(self, seed: int) -> State:
        """The state that training starts from."""
        return initial.initial_state(self.build(), seed)

    def state_for(self, split: str, state: State) -> State:
        """A trained state for the episodes of a split. Raises UserError if they have more ways than its head."""
        outputs, ways = (self._stream(each).shape.ways for each in ("train", split))
        if outputs == ways:
            return state
        found = initial.for_other_ways(state, initial.initial_state(self.build(split=split), 0))
        if found is None:
            raise UserError(
                f"{self.method.name}: {ways} ways in {split} episodes, but its head has the {outputs} outputs of its "
                f"training: train it with {ways} ways, or a method without a head"
            )
        return State(*(tree_map(lambda tensor: tensor.to(self.device), part) for part in found))

    @property
    def _with_parameters(self) -> bool:
        """Whether the inputs include the parameters of an episode's function."""
        return self.kind.needs == "parameters"

    def training_executions(self, seeds: int) -> tuple[Execution, ...]:
        """How to execute meta-steps of this many seeds together, followed by simpler executions to fall back to."""
        training, stacks = self.protocol.training, stacked.says(self.kind, stacked.GRADIENT)
        return self._executions(self._chunk("train", training.meta_batch, seeds), seeds, training.precision, stacks)

    def evaluation_executions(self) -> tuple[Execution, ...]:
        """How to execute evaluations, followed by simpler executions to fall back to. A compiler unrolls every inner
        step, so methods with several candidates, or minibatches at test, are compiled only on the user's request."""
        found = self._evaluation_executions()
        if self.mode is not None or self.method.code is not None:
            return found
        many = self.protocol.evaluation.finetune_batch is not None or len(self.build().candidates()) > 1
        return found[-1:] if many else found

    def _evaluation_executions(self) -> tuple[Execution, ...]:
        protocol = self.protocol.evaluation
        stacks = stacked.predicts(self.kind, protocol)
        return self._executions(self.evaluation_chunk(), 1, protocol.precision, stacks)

    def evaluation_chunk(self) -> int:
        """The number of episodes to score at once; on a CPU one if training takes one, so that the same layers serve
        both."""
        training = self.protocol.training
        if self.device.type == "cpu" and self._chunk("train", training.meta_batch, 1) == 1:
            return 1
        return self._chunk("test", evaluation.BLOCK, 1)

    def _chunk(self, split: str, count: int, seeds: int) -> int:
        ways, shots, queries = self.protocol.shape(split, self._source(split)[0])
        benchmark = self.benchmark.with_shape(ways, shots)
        stacks = stacked.says(self.kind, stacked.GRADIENT) and self.mode in (None, EAGER, GRAPH)
        if split == "train" and hasattr(self.kind, IN_TURN) and in_turn_of(self.build()):
            return 1
        return self.chunk or modes.chunk_size(self.network(), benchmark, queries, count, self.device, seeds, stacks)

    def _executions(self, chunk: int, seeds: int, precision: str, stacks: bool) -> tuple[Execution, ...]:
        network = self.network(precision=precision)
        return modes.choose(network, self.training_benchmark, self.device, chunk, seeds, self.mode, stacks)
