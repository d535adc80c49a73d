"""A run and its evaluations, as they are in memory once they are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.protocols import protocol
from bench.records.choices import Edges, edges
from bench.records.layout import run_name

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Evaluated:
    """One evaluation of a run. `scores` is [episodes, inner steps + 1] in [0, 1], or [episodes, 1] where the last step
    alone was scored; `step` is the column that counts."""

    evaluation: protocol.Evaluation
    iteration: int
    step: int
    scores: np.ndarray
    info: dict[str, Any]

    @property
    def final(self) -> np.ndarray:
        """[episodes]: the score of every test episode at the step that counts."""
        return self.scores[:, self.step]

    @property
    def last_step(self) -> int:
        """The last inner step that was taken."""
        return self.scores.shape[1] - 1

    @property
    def inner_step(self) -> int:
        """The inner step that counts."""
        return self.step if self.evaluation.scored_steps == "every" else self.evaluation.inner_steps

    @property
    def edges(self) -> Edges:
        """What validation chose at an edge of what there was to choose from. A record from before that was kept shows
        it by its rates and its step."""
        told, setting = self.info.get("at_edge"), self.info.get("setting")
        if isinstance(told, dict):
            return {str(name): str(place) for name, place in told.items()}
        if not isinstance(setting, dict) or setting.keys() != {"lr"}:
            return {}
        return edges([{"lr": rate} for rate in self.evaluation.finetune_lrs], setting, self.step, self.last_step)

    @property
    def lost(self) -> int:
        """Episodes whose outputs are not finite: one of them, and the mean over all is no number."""
        return int(np.count_nonzero(~np.isfinite(self.final)))


@dataclass(frozen=True)
class Record:
    """One run, as read from disk. `info` is `record.json`; `points`: the columns of the learning curve, each [points],
    and none where there is no curve."""

    path: Path
    benchmark: str
    method: str
    seed: int
    training: protocol.Training
    status: str
    info: dict[str, Any]
    points: dict[str, np.ndarray]
    evaluations: tuple[Evaluated, ...]

    @property
    def name(self) -> str:
        """`<benchmark>/<method>/<hash>/seed<k>`, by which commands call the run."""
        return run_name(self.path)

    @property
    def curve(self) -> pd.DataFrame:
        """The learning curve as a table, a row per point."""
        import pandas as pd  # as long as all else that a report imports, but for Matplotlib: it does without

        return pd.DataFrame(self.points)

    def settings(self, evaluated: Evaluated | None = None) -> tuple[str, ...]:
        """The settings that the method uses, of those that not every method does. A record from before methods declared
        them shows it by its evaluation: whatever chose a rate was fine-tuned."""
        known = self.info.get("settings")
        if known is None:
            return protocol.FINE_TUNING if evaluated and evaluated.info.get("setting") else protocol.INNER_LOOP
        return tuple(map(str, known))


def predicted(info: Mapping[str, Any]) -> bool:
    """Whether a record holds scores of other people's predictions: there are no weights, and no known protocol."""
    origin = info.get("origin")
    return isinstance(origin, dict) and bool(origin.get("predictions"))
