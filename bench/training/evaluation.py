"""Scores of given weights, an episode at a time, at every inner step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from bench.episodes.stream import EpisodeStream
from bench.protocols.benchmarks import FUNCTIONS, Benchmark
from bench.training.execution import Execution
from bench.training.objectives import objective
from bench.training.watch import Told, nobody
from methods.contract import Episode, Method, Setting, State

BLOCK = 50  # episodes that are held as tensors at once, in whole chunks


@dataclass(frozen=True)
class Choice:
    """What a method is tested with: its setting, and the inner step whose score counts. `score`: on validation;
    `by_step`: the same after each inner step."""

    setting: Setting
    step: int
    score: float
    by_step: tuple[float, ...] = ()


def scores(
    execution: Execution,
    method: Method,
    state: State,
    stream: EpisodeStream,
    count: int,
    setting: Setting,
    told: Told = nobody,
) -> np.ndarray:
    """[episodes, inner steps + 1]: the score of the stream's first `count` episodes after each inner step."""
    score = objective(stream.benchmark).score
    blocks, size = [], execution.chunk * max(1, BLOCK // execution.chunk)
    with torch.no_grad():
        for first in range(0, count, size):
            batch = stream.episodes(first, min(size, count - first))
            outputs = execution.predict(method, state, batch, setting)
            _check(outputs, stream.benchmark, batch)
            blocks.append(score(outputs, batch.query_labels[:, None]).cpu().numpy())
            told(stream.split, min(first + size, count), count)
    return np.concatenate(blocks)


def _check(outputs: Tensor, benchmark: Benchmark, batch: Episode) -> None:
    """Raises ValueError where a method's outputs are not those of each query: they could be broadcast to them."""
    queries, width = batch.query.shape[1], 1 if benchmark.form == FUNCTIONS else benchmark.ways
    if outputs.dim() != 4 or outputs.shape[2:] != (queries, width):
        raise ValueError(
            f"predict gave {list(outputs.shape[1:])} for an episode, not [inner steps + 1, {queries}, {width}]"
        )


def choose(
    execution: Execution,
    method: Method,
    state: State,
    valid: EpisodeStream,
    episodes: int,
    choosing: int,
    told: Told = nobody,
) -> Choice:
    """The setting and inner step to test with, from validation episodes only.

    A method with nothing to choose is scored on `episodes` of them, at its last step; else every candidate is scored
    on `choosing` of them, and the best step of the best candidate is taken: the first of equals."""
    candidates, measure = method.candidates(), valid.benchmark.measure
    if len(candidates) == 1:
        means = scores(execution, method, state, valid, episodes, candidates[0], told).mean(0)
        return Choice(candidates[0], len(means) - 1, float(means[-1]), tuple(means.tolist()))
    best: Choice | None = None
    for place, setting in enumerate(candidates):
        all_told = partial(_of_all, told, place * choosing, len(candidates) * choosing)
        means = scores(execution, method, state, valid, choosing, setting, all_told).mean(0)
        step = measure.best(means)  # of which a rate that diverges never is
        if best is None or measure.better(means[step], best.score):
            best = Choice(setting, step, float(means[step]), tuple(means.tolist()))
    assert best is not None
    return best


def _of_all(told: Told, before: int, of: int, split: str, done: int, count: int) -> None:
    """What is told of one candidate, as a part of all."""
    told(split, before + done, of)
