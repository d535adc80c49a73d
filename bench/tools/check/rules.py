"""The rules that every method must keep: one function per rule, which raises Broken if it does not hold.

A rule's docstring is the text that the user sees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from bench.errors import UserError
from bench.networks.layers import STACKED
from bench.networks.stacked.step import GRADIENT, PREDICT, predicts, says
from bench.protocols.benchmarks import IMAGES
from bench.runs.contract_errors import declaration_error
from bench.tools.check.steps import agree, meta_step
from bench.tools.check.toy_data import CPU, Subject, flat
from bench.training.evaluation import scores
from bench.training.execution import Execution
from methods.contract import State

Rule = Callable[[Subject], None]
_BOTH = ("vectorised", STACKED)


class Broken(Exception):
    """A rule does not hold; the message says what was found."""


def _demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Broken(otherwise)


def declared(subject: Subject) -> None:
    """training_batch, weights_of, batch_statistics, needs and settings are values of the contract"""
    wrong = declaration_error(subject.kind)
    _demand(not wrong, wrong)


def initial(subject: Subject) -> None:
    """init draws params and carried in float32 on the CPU, from the generator alone"""
    first, again, other = subject.state(), subject.state(), subject.state(1)
    _demand(isinstance(first, State) and bool(first.params), "no State with params")
    for name, value in flat(first).items():
        _demand(isinstance(value, Tensor) and value.dtype == torch.float32 and value.device == CPU, f"{name} is not")
        _demand(torch.equal(value, flat(again)[name]), f"{name} differs when it is drawn again from the same seed")
    _demand(set(first.params) == set(other.params), "different seeds give different params")
    same = all(torch.equal(value, other.params[name]) for name, value in first.params.items())
    _demand(not same, "every seed gives the same params")


def shapes(subject: Subject) -> None:
    """predict gives finite outputs [inner steps + 1, query images, ways] and changes nothing, in every mode"""
    batch, state = subject.stream("test").episodes(0, 3), subject.state()
    before = {name: value.clone() for name, value in flat(state).items()}
    for mode in subject.kind.batch_statistics:
        method = subject.build(mode)
        outputs = Execution(CPU, 2).predict(method, state, batch, method.candidates()[0])
        wanted, found = (batch.query.shape[1], subject.benchmark.ways), tuple(outputs.shape[2:])
        _demand(outputs.dim() == 4 and found == wanted, f"{list(outputs.shape[1:])}, not [steps, {wanted}] with {mode}")
        _demand(bool(torch.isfinite(outputs).all()), f"outputs that are not finite, with {mode}")
    for name, value in flat(state).items():
        _demand(torch.equal(value, before[name]), f"{name} was changed")


def neighbours(subject: Subject) -> None:
    """an episode's outputs do not depend on the episodes beside it"""
    stream, method, state = subject.stream("test"), subject.build(), subject.state()
    both, alone = stream.episodes(0, 2), stream.episodes(1, 1)
    execution, setting = Execution(CPU, 2), method.candidates()[0]
    together = execution.predict(method, state, both, setting)[1]
    turned = execution.predict(method, state, type(both)(*(part.flip(0) for part in both)), setting)[0]
    for other in (execution.predict(method, state, alone, setting)[0], turned):
        _demand(torch.allclose(together, other, rtol=1e-4, atol=1e-5), "they do")


def query_order(subject: Subject) -> None:
    """queries in another order get the same outputs in that order, with other params than the first ones too"""
    batch = subject.stream("test").episodes(0, 2)
    order = torch.arange(batch.query.shape[1]).roll(1).flip(0)
    for state in (subject.state(), _perturb(subject.state())):
        for mode in subject.kind.batch_statistics:
            method, execution = subject.build(mode), Execution(CPU, 2)
            here, there = (
                execution.predict(method, state, batch._replace(query=query), method.candidates()[0])
                for query in (batch.query, batch.query[:, order])
            )
            close = torch.allclose(here[:, :, order], there, rtol=1e-3, atol=1e-4)
            _demand(close, f"in mode {mode} they do not: outputs depend on the position of a query")


def _perturb(state: State) -> State:
    """The state with changed params, because zeros would hide a dependence; carried only increases, because variances
    must stay positive."""
    generator = torch.Generator().manual_seed(0)
    params = {name: value + 0.1 * torch.randn(value.shape, generator=generator) for name, value in state.params.items()}
    carried = {
        name: value + 0.1 * torch.rand(value.shape, generator=generator) for name, value in state.carried.items()
    }
    return State(params, carried)


def batch_norm(subject: Subject) -> None:
    """a query's outputs change with the other queries in modes batch and episode, and in no other"""
    if subject.form != IMAGES:
        return
    state, batch = subject.state(), subject.stream("test").episodes(0, 1)
    others = batch.query.clone()
    others[:, 1:] = others[:, 1:].flip(1).roll(3, dims=-1)
    for mode in subject.kind.batch_statistics:
        method = subject.build(mode)
        here, there = (
            Execution(CPU, 1).predict(method, state, batch._replace(query=query), method.candidates()[0])[:, :, 0]
            for query in (batch.query, others)
        )
        changes = not torch.allclose(here, there, rtol=1e-5, atol=1e-6)
        _demand(changes == (mode in ("batch", "episode")), f"in mode {mode} they {'do' if changes else 'do not'}")


def chance(subject: Subject) -> None:
    """untrained, before the first inner step, it scores at chance on images of noise: it sees no query labels"""
    if subject.form != IMAGES:
        return
    method, state, stream = subject.build(), subject.state(), subject.stream("test")
    found = scores(Execution(CPU, 100), method, state, stream, 400, method.candidates()[0])[:, 0]
    level, error = 1 / subject.benchmark.ways, found.std(ddof=1) / len(found) ** 0.5
    # A network may give the same answer to everything, and then the standard error is 0.
    _demand(abs(found.mean() - level) < 3.3 * error + 1e-12, f"{100 * found.mean():.1f} %, where chance is {level:.1%}")


def gradient(subject: Subject) -> None:
    """loss_and_gradient gives a finite loss, a finite gradient for all of params and all of carried, and repeats it"""
    if subject.kind.weights_of is not None:
        return
    state, (first, second) = subject.state(), (meta_step(subject, [0], 2) for _ in range(2))
    _demand(bool(torch.isfinite(first[0]).all()), f"a loss of {float(first[0])}")
    for what, wanted, found in (("params", state.params, first[1]), ("carried", state.carried, first[2])):
        _demand(set(found) == set(wanted), f"{what}: {sorted(set(found) ^ set(wanted))} in one of them only")
        for name, value in wanted.items():
            _demand(found[name].shape[1:] == value.shape, f"{name} has another shape")
            _demand(bool(torch.isfinite(found[name]).all()), f"{name} has values that are not finite")
    same = all(torch.equal(value, second[1][name]) for name, value in first[1].items())
    _demand(same, "the same episodes gave another gradient: the method keeps a state, or a generator, outside `state`")


def seeds(subject: Subject) -> None:
    """seeds that train together train as they do alone, whatever the chunk"""
    if subject.kind.weights_of is not None:
        return
    together = meta_step(subject, [0, 1], 3)
    for place in (0, 1):
        mine = tree_map(lambda tensor, place=place: tensor[place], together)
        alone = tree_map(lambda tensor: tensor[0], meta_step(subject, [place], 1))
        for name, value in alone[1].items():
            _demand(torch.allclose(mine[1][name], value, rtol=1e-3, atol=1e-4), f"the gradient of {name} differs")


def without_autograd(subject: Subject) -> None:
    """stacked_loss_and_gradient and stacked_predict, if defined, return what loss_and_gradient and predict return"""
    if says(subject.kind, GRADIENT):
        _demand(
            agree(*(meta_step(subject, [0], 2, layers) for layers in _BOTH)),
            f"{GRADIENT} does not return what loss_and_gradient returns",
        )
    state, batch, evaluation = subject.state(), subject.stream("test").episodes(0, 2), subject.protocol.evaluation
    modes = subject.kind.batch_statistics
    for mode in (m for m in modes if predicts(subject.kind, replace(evaluation, batch_statistics=m))):
        for setting in subject.build(mode).candidates():
            expected, found = (
                Execution(CPU, 2, layers=layers).predict(subject.build(mode, layers), state, batch, setting)
                for layers in _BOTH
            )
            _demand(agree(found, expected), f"in mode {mode} {PREDICT} does not return what predict returns")


RULES: tuple[Rule, ...] = (
    *(declared, initial, shapes, neighbours, query_order, batch_norm, chance, gradient, seeds),
    without_autograd,
)


def violation(rule: Rule, subject: Subject) -> tuple[str, BaseException] | None:
    """What breaks a rule, in words, and the exception; None if the rule holds."""
    try:
        rule(subject)
    except Broken as error:
        return str(error), error
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # a user's method may raise anything
        return f"{type(error).__name__}: {error}".splitlines()[0][:300], error
    return None
