"""Scores weights on episodes, after every inner step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from bench.episodes.stream import EpisodeStream
from bench.training.execution import Execution
from bench.training.objectives import objective
from bench.training.watch import Event, Listener, Scored, ignore
from methods.contract import Episode, Method, Setting, State

BLOCK = 50  # episodes in memory at a time, rounded to whole chunks


@dataclass(frozen=True)
class Choice:
    """The setting to test a method with, and the inner step whose score is reported. `score`: on validation; `by_step`:
    the validation score after each inner step."""

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
    on_event: Listener = ignore,
) -> np.ndarray:
    """[episodes, inner steps + 1]: the scores of the stream's first `count` episodes after each inner step."""
    score = objective(stream.benchmark).score
    blocks, size = [], execution.chunk * max(1, BLOCK // execution.chunk)
    with torch.no_grad():
        for first in range(0, count, size):
            batch = stream.episodes(first, min(size, count - first))
            outputs = execution.predict(method, state, batch, setting)
            _check(outputs, stream, batch)
            blocks.append(score(outputs, batch.query_labels[:, None]).cpu().numpy())
            on_event(Scored(stream.split, min(first + size, count), count))
    return np.concatenate(blocks)


def _check(outputs: Tensor, stream: EpisodeStream, batch: Episode) -> None:
    """Raises ValueError if a method's outputs do not have one row per query: torch might broadcast them."""
    queries, width = batch.query.shape[1], stream.shape.ways  # a function counts as one class, with one output
    if outputs.dim() != 4 or outputs.shape[2:] != (queries, width):
        raise ValueError(
            f"predict returned {list(outputs.shape[1:])} for an episode, not [inner steps + 1, {queries}, {width}]"
        )


def choose(
    execution: Execution,
    method: Method,
    state: State,
    valid: EpisodeStream,
    episodes: int,
    choosing: int,
    on_event: Listener = ignore,
) -> Choice:
    """The setting and the inner step to test with, chosen on validation episodes only.

    A method with a single candidate is scored on `episodes` episodes, at its last step. Otherwise every candidate is
    scored on `choosing` episodes, and the best step of the best candidate is chosen; the first one if several are
    equal."""
    candidates, measure = method.candidates(), valid.benchmark.measure
    if not candidates:
        raise ValueError("candidates returned no setting: a method with nothing to choose returns one that is empty")
    if len(candidates) == 1:
        means = scores(execution, method, state, valid, episodes, candidates[0], on_event).mean(0)
        return Choice(candidates[0], len(means) - 1, float(means[-1]), tuple(means.tolist()))
    best: Choice | None = None
    for place, setting in enumerate(candidates):
        as_part = partial(_as_part, on_event, place * choosing, len(candidates) * choosing)
        means = scores(execution, method, state, valid, choosing, setting, as_part).mean(0)
        step = measure.best(means)  # never a step that diverged, whose mean is NaN
        if best is None or measure.better(means[step], best.score):
            best = Choice(setting, step, float(means[step]), tuple(means.tolist()))
    assert best is not None
    return best


def _as_part(on_event: Listener, before: int, count: int, event: Event) -> None:
    """Passes an event on, with one candidate's episodes counted as a part of all candidates' episodes."""
    on_event(replace(event, done=before + event.done, count=count) if isinstance(event, Scored) else event)
