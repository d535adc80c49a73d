"""One meta-step and one evaluation in different implementations: ours, the plain loop of the article, three libraries.

A contender is built once from a case. Each call of `meta_step` updates the weights by Adam and leaves the gradient in
`params`; `evaluation` returns the scores after each inner step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.errors import UserError, unknown_name
from bench.tools.speed.case import Case
from bench.tools.speed.plain_network import PlainConv4
from bench.tools.torchvision_compat import import_torchvision
from bench.training.execution import Execution
from bench.training.meta_step import MetaStep
from bench.training.objectives import accuracy
from methods import METHODS
from methods.contract import Episode, State

Forward = Callable[[Tensor], Tensor]


class Contender(Protocol):
    """An implementation that is timed."""

    params: dict[str, Tensor]

    def meta_step(self) -> None:
        """One step of the outer optimiser on the case's first meta-batch."""

    def evaluation(self) -> Tensor:
        """Scores [episodes, inner steps + 1] of the case's test episodes."""


class Ours:
    """The code path of `bench run`, from indices to updated weights."""

    def __init__(self, case: Case, execution: Execution) -> None:
        self.case, self.execution, workload = case, execution, case.workload
        training = case.protocol.training
        self.method = workload.build(execution.layers, execution.precision)
        self.batches = case.batches
        state = State(*({name: t[None].clone() for name, t in part.items()} for part in case.initial))
        optimiser = torch.optim.Adam(
            state.params.values(), lr=training.meta_lr, capturable=execution.graph, fused=execution.on_kernels
        )
        self.step = MetaStep(execution, self.method, self.batches, state, optimiser, torch.zeros(1, device=case.device))
        self.step.rehearse(self.batches.at(0))
        self.params = state.params

    def meta_step(self) -> None:
        self.step(self.batches.at(0))

    def evaluation(self) -> Tensor:
        state = State(*({name: tensor[0] for name, tensor in part.items()} for part in self.step.state))
        batch = self.case.test_batch
        execution = replace(self.execution, chunk=self.case.workload.evaluation_chunk())
        with torch.no_grad():
            outputs = execution.predict(self.method, state, batch, self.method.candidates()[0])
        return accuracy(outputs, batch.query_labels[:, None])


class Loop:
    """The article's implementation: autograd.grad(create_graph=True), episode by episode, keeping the whole graph."""

    def __init__(self, case: Case) -> None:
        self.case, self.training = case, case.protocol.training
        self.network = PlainConv4(case.initial.params, self.training).to(case.device)
        self.params: dict[str, Tensor] = dict(self.network.named_parameters())
        self.second_order, self.inner_lr = case.method == "maml", self.training.inner_lr
        self.outer = torch.optim.Adam(self.params.values(), lr=self.training.meta_lr)

    def inner_loop(self, support: Tensor, labels: Tensor, steps: int, differentiable: bool) -> Iterator[Forward]:
        """The network after 0, 1, ... `steps` inner steps. Each must be used before the next is requested; with
        `differentiable`, it is differentiable with respect to `params`."""
        fast = self._fresh()
        for _ in range(steps):
            yield self._with(fast)
            loss = F.cross_entropy(self._with(fast)(support), labels)
            gradient = torch.autograd.grad(loss, list(fast.values()), create_graph=differentiable and self.second_order)
            fast = {n: p - self.inner_lr * g for (n, p), g in zip(fast.items(), gradient, strict=True)}
        yield self._with(fast)

    def _fresh(self) -> dict[str, Tensor]:
        """The parameters that an episode starts from."""
        return dict(self.params)

    def _with(self, params: dict[str, Tensor]) -> Forward:
        return lambda images: torch.func.functional_call(self.network, params, (images,))

    def meta_step(self) -> None:
        self.outer.zero_grad()
        batch, steps = self.case.training_batch, self.training.inner_steps
        for support, labels, query, query_labels in zip(*batch, strict=True):
            for step, forward in enumerate(self.inner_loop(support, labels, steps, True)):
                if step == steps:
                    (F.cross_entropy(forward(query), query_labels) / len(batch.support)).backward()
        self.outer.step()

    def evaluation(self) -> Tensor:
        steps = self.case.test_steps
        return torch.stack([self._scores(Episode(*one), steps) for one in zip(*self.case.test_batch, strict=True)])

    def _scores(self, episode: Episode, steps: int) -> Tensor:
        outputs = []
        for forward in self.inner_loop(episode.support, episode.support_labels, steps, False):
            with torch.no_grad():
                outputs.append(forward(episode.query))
        return accuracy(torch.stack(outputs), episode.query_labels)


class FinetuneLoop(Loop):
    """An ordinary classifier over all training classes, with a new head for each test episode."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self.inner_lr = case.protocol.evaluation.finetune_lrs[0]

    def meta_step(self) -> None:
        self.outer.zero_grad()
        images, labels = self.case.training_images
        F.cross_entropy(self.network(images), labels).backward()
        self.outer.step()

    def _fresh(self) -> dict[str, Tensor]:
        carried = self.case.initial.carried
        head = {name: carried[f"episode.{name}"].clone() for name in ("head.weight", "head.bias")}
        return self.params | {name: value.requires_grad_() for name, value in head.items()}


class Higher(Loop):
    """`higher`: a functional copy of the module and a differentiable optimiser."""

    def inner_loop(self, support: Tensor, labels: Tensor, steps: int, differentiable: bool) -> Iterator[Forward]:
        import higher

        inner = torch.optim.SGD(self.network.parameters(), lr=self.training.inner_lr)
        context = higher.innerloop_ctx(
            self.network, inner, copy_initial_weights=False, track_higher_grads=differentiable
        )
        with context as (network, optimiser):
            for _ in range(steps):
                yield network
                optimiser.step(F.cross_entropy(network(support), labels))
            yield network


class TorchOpt(Loop):
    """`torchopt`: a differentiable optimiser that updates the module itself, which is restored afterwards."""

    def inner_loop(self, support: Tensor, labels: Tensor, steps: int, differentiable: bool) -> Iterator[Forward]:
        import torchopt

        inner = torchopt.MetaSGD(self.network, lr=self.training.inner_lr)
        before = torchopt.extract_state_dict(self.network, by="reference")
        for _ in range(steps):
            yield self.network
            inner.step(F.cross_entropy(self.network(support), labels))
        yield self.network
        torchopt.recover_state_dict(self.network, before)


class Learn2Learn(Loop):
    """`learn2learn`: a clone of the module whose parameters are replaced at every step."""

    def inner_loop(self, support: Tensor, labels: Tensor, steps: int, differentiable: bool) -> Iterator[Forward]:
        import_torchvision()  # imported by learn2learn, and needs a workaround with a CPU build of torch
        from learn2learn.algorithms import MAML

        first_order = not (differentiable and self.second_order)
        clone = MAML(self.network, lr=self.training.inner_lr, first_order=first_order).clone()
        for _ in range(steps):
            yield clone
            clone.adapt(F.cross_entropy(clone(support), labels))
        yield clone


LIBRARIES: dict[str, type[Loop]] = {"higher": Higher, "torchopt": TorchOpt, "learn2learn": Learn2Learn}
_OTHERS: dict[str, dict[str, type[Loop]]] = {  # by method: every other implementation of it that is here
    "maml": {"loop": Loop, **LIBRARIES},
    "fomaml": {"loop": Loop, "learn2learn": Learn2Learn},
    "finetune": {"loop": FinetuneLoop},
}


def installed_loops(method: str) -> dict[str, type[Loop]]:
    """The loop, and the installed libraries that offer the method. Raises UserError if none offers it."""
    if method not in METHODS:
        raise unknown_name("method", method, METHODS)
    if method not in _OTHERS:
        raise UserError(f"speed: {method} has no other implementation here to compare with: time {', '.join(_OTHERS)}")
    return {name: kind for name, kind in _OTHERS[method].items() if name == "loop" or find_spec(name) is not None}
