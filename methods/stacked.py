"""Inner loops of stacked episodes without autograd: from the loss's gradient, and the derivative of that in a
direction.

All tensors have a leading dimension [episodes]. If g is the gradient of the support loss and H its Hessian, which is
symmetric, a cotangent c of theta' = theta - lr g(theta) becomes c - lr H c, the cotangent of theta."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from methods.contract import Episode, Params


class Engine(Protocol):
    """A network and its loss, as the harness passes them: plain functions of tensors, which are not differentiated by
    autograd."""

    def data(self, images: Tensor, support: Tensor | None = None, once: bool = False) -> Any:
        """Images [episodes, images, channels, height, width] prepared for all steps, or for a single gradient if
        `once`; normalised with the statistics of `support` if that is given."""

    def features(self, params: Params, data: Any) -> Any:
        """The head's inputs for prepared images, without those of the support: `outputs` and `gradient` accept them in
        place of images if only the head is adapted."""

    def outputs(self, params: Params, data: Any) -> Tensor:
        """[episodes, images, ways], without the outputs for the support."""

    def gradient(
        self,
        params: Params,
        data: Any,
        labels: Tensor,
        only: Collection[str] | None = None,
        following: int | None = None,
    ) -> tuple[Tensor, Params, Any]:
        """Loss [episodes]; its gradient, for the parameters in `only` or for all; and the step that `derivative` takes.
        `following`, the number of later steps that must fit into memory beside it, lets the step keep its intermediate
        results. The step's `statistics` are those of batch norm."""

    def derivative(self, step: Any, direction: Params) -> Params:
        """H v, for all parameters; parameters that the direction does not name stay fixed."""


OuterLoss = Callable[[Params], tuple[Tensor, Params]]
Rates = float | Tensor | Params  # one for all, or one for each element of each adapted parameter


class Inner(NamedTuple):
    """The adapted parameters, the rates and the number of steps of an inner loop; `keeps`: whether a backward pass will
    follow."""

    adapted: Collection[str]
    lr: Rates
    steps: int
    keeps: bool = False


class Taken(NamedTuple):
    """An inner step: the parameters after it, its gradient, and what the derivative of the gradient needs."""

    after: Params
    gradient: Params
    kept: Any


def inner_loop(engine: Engine, params: Params, images: Tensor, labels: Tensor, inner: Inner) -> list[Taken]:
    """theta' = theta - lr g(theta) on the adapted parameters, `inner.steps` times."""
    return list(_steps(engine, params, engine.data(images), labels, inner))


def _steps(engine: Engine, params: Params, support: Any, labels: Tensor, inner: Inner) -> Iterator[Taken]:
    for following in reversed(range(inner.steps)):
        there = following if inner.keeps else None
        _, gradient, kept = engine.gradient(params, support, labels, inner.adapted, there)
        params = params | minus({name: params[name] for name in gradient}, scaled(gradient, inner.lr))
        yield Taken(params, gradient, kept)


def back(engine: Engine, taken: Taken, cotangent: Params, inner: Inner) -> Params:
    """Turns a cotangent of the parameters after a step into one of those before it: c - H (lr c)."""
    direction = scaled({name: cotangent[name] for name in inner.adapted}, inner.lr)
    return minus(cotangent, engine.derivative(taken.kept, direction))


def scaled(values: Params, lr: Rates) -> Params:
    """Each value times its rate; on a GPU in a single launch."""
    rates = [lr[name] for name in values] if isinstance(lr, dict) else lr
    return dict(zip(values, torch._foreach_mul(list(values.values()), rates), strict=True))


def minus(values: Params, others: Params) -> Params:
    """The differences; on a GPU in a single launch."""
    return dict(zip(values, torch._foreach_sub(list(values.values()), [others[name] for name in values]), strict=True))


def outer_loss(engine: Engine, batch: Episode, batch_statistics: str, once: bool = True) -> OuterLoss:
    """A function from parameters to the query loss [episodes] and its gradient; `once`: whether it is called only
    once."""
    images = _query(engine, batch.support, batch.query, batch_statistics, once)

    def loss(params: Params) -> tuple[Tensor, Params]:
        return engine.gradient(params, images, batch.query_labels)[:2]

    return loss


def stacked_outputs(
    engine: Engine, params: Params, support: Tensor, labels: Tensor, query: Tensor, inner: Inner, batch_statistics: str
) -> Tensor:
    """[episodes, inner steps + 1, query images, ways]: the query's outputs along the inner loop; nothing else is kept
    of its steps. If only the head is adapted, images pass through the blocks once."""
    head_alone = all(name.startswith("head") for name in inner.adapted)
    anchors, queries = engine.data(support, None, head_alone), _query(engine, support, query, batch_statistics)
    if head_alone:
        anchors, queries = (engine.features(params, data) for data in (anchors, queries))
    found = [engine.outputs(params, queries)]
    for taken in _steps(engine, params, anchors, labels, inner):
        found.append(engine.outputs(taken.after, queries))
    return torch.stack(found, 1)


def _query(engine: Engine, support: Tensor, query: Tensor, batch_statistics: str, once: bool = False) -> Any:
    return engine.data(query, support if batch_statistics == "support" else None, once)


def weighted(weight: Tensor, values: Params) -> Params:
    """Each episode's values times its weight; weights are [episodes]."""
    return {name: value * weight.view(-1, *[1] * (value.dim() - 1)) for name, value in values.items()}
