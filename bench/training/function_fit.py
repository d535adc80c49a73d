"""How a method fits one function before and after inner steps: stored with an evaluation, for the figures.

The curves of Finn et al. (2017), Figure 2."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from bench.episodes.functions import FunctionEpisodes
from bench.training.evaluation import Choice
from bench.training.execution import EAGER, Execution
from methods.contract import Method, State

_POINTS = 101
_DECIMALS = 5


def fit(execution: Execution, method: Method, state: State, stream: FunctionEpisodes, choice: Choice) -> dict[str, Any]:
    """The fit of the stream's first episode: `support` [shots][x, y], and at each of `inputs` the function's `targets`
    and the `outputs` after each of the benchmark's inner steps."""
    functions, (parameters, _) = stream.data, stream.sample(0, 1)
    low, high = functions.inputs
    along = np.linspace(low, high, _POINTS)[None]
    episode = stream.episodes(0, 1)
    asked = episode._replace(query=stream.as_inputs(parameters, along).to(stream.device))
    once = replace(execution, mode=EAGER, chunk=1)  # a shape that occurs once is not worth compiling for
    outputs = once.predict(method, state, asked, choice.setting)[0, ..., 0].detach().cpu().numpy()
    support = np.stack([part[0, :, 0].cpu().numpy() for part in (episode.support, episode.support_labels)], -1)
    return {
        "inputs": _round_all(along[0]),
        "targets": _round_all(functions.values(parameters, along)[0]),
        "support": [_round_all(point) for point in support],
        "outputs": {str(step): _round_all(outputs[step]) for step in stream.benchmark.steps if step < len(outputs)},
    }


def _round_all(values: np.ndarray) -> list[float | None]:
    """Rounded values; None for NaN and infinity, which JSON does not have."""
    return [round(float(value), _DECIMALS) if np.isfinite(value) else None for value in values]
