"""Small networks, weights and episodes in float64, on which tests compare the stacked engine with autograd."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.networks.conv4 import Conv4
from bench.networks.stacked.engine import StackedEngine
from bench.protocols import benchmarks, presets
from methods.contract import Episode, Params
from methods.inner_loop import gradient_through, inner_step
from methods.stacked import Inner, back, inner_loop, outer_loss

EPISODES = 2


@dataclass(frozen=True)
class Case:
    """A small network and its episodes. `shape`: channels, rows and columns of an image; `strided`: with strides
    instead of pooling."""

    shape: tuple[int, int, int] = (3, 17, 17)
    strided: bool = False
    ways: int = 3
    shots: int = 2
    steps: int = 2
    statistics: str = "batch"
    shifts_adapted: bool = False
    levels: int | None = None  # images of this many grey values, so that pooling windows contain equal values
    closed: bool = False  # whether one channel of each block is zero after its ReLU
    filters: int = 6

    @property
    def network(self) -> Conv4:
        """The network as `bench run` would build it, on autograd."""
        benchmark = benchmarks.get("omniglot-5w1s" if self.strided else "miniimagenet-5w5s")
        training = replace(presets.paper(benchmark).training, filters=self.filters)
        return Conv4(self.shape, training, "vectorised")

    @property
    def params(self) -> Params:
        """Random parameters, different for each episode."""
        generator, network = torch.Generator().manual_seed(7), self.network
        drawn = [network.init(generator, self.ways) for _ in range(EPISODES)]
        params = {name: torch.stack([one[name].double() for one in drawn]) for name in drawn[0]}
        params = {name: value + 0.1 * _normal(value.shape, generator) for name, value in params.items()}
        if self.closed:
            for name in (name for name in params if name.startswith("norm")):
                params[name][..., 1] = -50.0
        return params

    @property
    def episode(self) -> Episode:
        """Stacked episodes; the query set has one more image per class than the support set."""
        generator = torch.Generator().manual_seed(8)
        parts: list[Tensor] = []
        for count in (self.shots, self.shots + 1):
            images = torch.rand(EPISODES, self.ways * count, *self.shape, generator=generator, dtype=torch.float64)
            if self.levels is not None:
                images = (images * self.levels).floor() / self.levels
            parts += [images, torch.arange(self.ways).repeat_interleave(count).repeat(EPISODES, 1)]
        return Episode(*parts)

    @property
    def inner(self) -> Inner:
        adapted = [name for name in self.params if self.shifts_adapted or not name.startswith("norm")]
        return Inner(adapted, 0.05, self.steps, keeps=True)

    def engine(self, bound_bytes: int = 2**40) -> StackedEngine:
        return self.network.engine(bound_bytes)


def by_the_engine(case: Case, bound_bytes: int = 2**40) -> tuple[Tensor, Params]:
    """Losses and meta-gradients [episodes, ...]."""
    engine, episode, params = case.engine(bound_bytes), case.episode, case.params
    taken = inner_loop(engine, params, episode.support, episode.support_labels, case.inner)
    loss, gradient = outer_loss(engine, episode, case.statistics)(taken[-1].after)
    while taken:
        gradient = back(engine, taken.pop(), gradient, case.inner)
    return loss, gradient


def by_autograd(case: Case) -> tuple[Tensor, Params]:
    """Losses and meta-gradients [episodes, ...] by `gradient_through`, one episode after the other."""
    network, inner = case.network, case.inner
    losses, gradients = [], []
    for e, one in enumerate(zip(*case.episode, strict=True)):
        episode, params = Episode(*one), {name: value[e] for name, value in case.params.items()}

        def support_loss(params: Params, episode: Episode = episode) -> Tensor:
            return F.cross_entropy(network(params, episode.support), episode.support_labels)

        def query_loss(params: Params, episode: Episode = episode) -> Tensor:
            seen = network.observed(params, episode.support) if case.statistics == "support" else None
            return F.cross_entropy(network(params, episode.query, seen), episode.query_labels)

        def step(params: Params, loss=support_loss) -> Params:
            return inner_step(loss, params, inner.adapted, inner.lr)

        loss, gradient = gradient_through(step, query_loss, params, case.steps)
        losses.append(loss)
        gradients.append(gradient)
    return torch.stack(losses), {name: torch.stack([g[name] for g in gradients]) for name in gradients[0]}


def _normal(shape: torch.Size, generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)
