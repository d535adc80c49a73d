"""What is timed: one meta-step and one evaluation of a benchmark, under the protocol `paper`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch.utils._pytree import tree_map

from bench.data import benchmark_data
from bench.errors import UserError
from bench.protocols import presets
from bench.protocols.benchmarks import IMAGES, Benchmark
from bench.protocols.protocol import Protocol
from bench.training.batches import TrainingBatches
from bench.training.execution import Execution
from bench.training.workload import NamedMethod, Workload
from methods.contract import Episode, ImageBatch, State

_FEW = 8  # test episodes


@dataclass(frozen=True)
class Case:
    """A benchmark and a method on a device; `meta_batch` and `inner_steps` None: the protocol's.

    The inner loop also adapts batch norm's shift, unlike the protocol, because not every library can leave it out; and
    gradients are compared without clipping."""

    benchmark: Benchmark
    method: str
    device: torch.device
    data_dir: Path | None
    meta_batch: int | None = None
    inner_steps: int | None = None

    @cached_property
    def protocol(self) -> Protocol:
        """The benchmark's protocol, with the requested sizes."""
        base = presets.paper(self.benchmark)
        training = replace(
            base.training,
            batch_norm_adapted=True,
            clip=None,
            meta_batch=self.meta_batch or base.training.meta_batch,
            inner_steps=self.inner_steps or base.training.inner_steps,
        )
        return Protocol(training, base.evaluation)

    @cached_property
    def workload(self) -> Workload:
        """The workload that `bench run` would build. Raises UserError if the benchmark has no images."""
        if self.benchmark.form != IMAGES:
            raise UserError(f"speed: {self.benchmark.name} has no images, which the other implementations need")
        data = benchmark_data.load(self.benchmark, self.protocol.training, self.data_dir)
        method = NamedMethod(self.method)
        return Workload(benchmark=self.benchmark, method=method, protocol=self.protocol, data=data, device=self.device)

    @cached_property
    def initial(self) -> State:
        """The weights that all contenders start from, on the device: convolutions ten times as large as the protocol's,
        a head of a tenth.

        Batch norm removes the scale of a convolution, but an inner step then changes its direction a hundred times
        less. With the protocol's own weights no two implementations agree: after five inner steps on miniImageNet, the
        error of the plain loop's float32 gradient (compared with float64) is larger than the gradient; with these
        weights it keeps five digits."""
        state = self.workload.initial_state(0)
        scaled = {name: value * _scale(name) for name, value in state.params.items()}
        return tree_map(lambda tensor: tensor.to(self.device), State(scaled, state.carried))

    @cached_property
    def training_batch(self) -> Episode:
        """The first meta-batch."""
        return self.workload.stream("train").episodes(0, self.protocol.training.meta_batch)

    @cached_property
    def batches(self) -> TrainingBatches:
        """The batches for the method's meta-steps."""
        kind = self.workload.kind.training_batch or "episodes"
        return TrainingBatches(kind, self.protocol.training, [self.workload.stream("train")])

    @cached_property
    def training_images(self) -> ImageBatch:
        """The first batch of images, for a method that is trained on images."""
        return ImageBatch(*(tensor[0] for tensor in self.batches.batch(self.batches.at(0))))

    @property
    def test_steps(self) -> int:
        """The number of inner steps in a test episode."""
        evaluation = self.protocol.evaluation
        finetuned = "finetune_steps" in NamedMethod(self.method).settings
        return evaluation.finetune_steps if finetuned else evaluation.inner_steps

    @cached_property
    def test_batch(self) -> Episode:
        """The first test episodes: one of our chunks, or a few."""
        return self.workload.stream("test").episodes(0, max(_FEW, self.workload.evaluation_chunk()))

    def execution(self, mode: str) -> Execution:
        """The execution of our meta-step in a mode."""
        return replace(self.workload, mode=mode).training_executions(1)[0]


def _scale(name: str) -> float:
    if not name.endswith("weight"):
        return 1.0
    return 10.0 if name.startswith("conv") else 0.1
