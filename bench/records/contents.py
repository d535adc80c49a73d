"""A run and its evaluations in memory, as read from disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    """One evaluation of a run. `scores` is [episodes, inner steps + 1] in [0, 1], or [episodes, 1] if only the last
    step was scored; `step` is the column of the reported score."""

    evaluation: protocol.Evaluation
    iteration: int
    step: int
    scores: np.ndarray
    info: dict[str, Any]

    @property
    def final(self) -> np.ndarray:
        """[episodes]: the score of every test episode at the reported step."""
        return self.scores[:, self.step]

    @property
    def last_step(self) -> int:
        """The last column of `scores`: the number of inner steps, or 0 if only the last step was scored."""
        return self.scores.shape[1] - 1

    @property
    def first_step(self) -> int:
        """The inner step of the first column of `scores`: 0, or the last one if the method scored only that. A method
        that does not use `scored_steps` scores every step, whatever the protocol says."""
        only_last = self.evaluation.scored_steps == "last" and "scored_steps" in self.info.get("settings", ())
        return self.evaluation.inner_steps if only_last else 0

    @property
    def inner_step(self) -> int:
        """The inner step of the reported score."""
        return self.first_step + self.step

    @property
    def edges(self) -> Edges:
        """The values chosen on validation that lie at an edge of their candidates. For older records, which do not
        store this, it is computed from the fine-tuning rates and the step."""
        told, setting = self.info.get("at_edge"), self.info.get("setting")
        if isinstance(told, dict):
            return {str(name): str(place) for name, place in told.items()}
        if not isinstance(setting, dict) or setting.keys() != {"lr"}:
            return {}
        return edges([{"lr": rate} for rate in self.evaluation.finetune_lrs], setting, self.step, self.last_step)

    @property
    def lost(self) -> int:
        """The number of episodes whose outputs are not finite; a single one makes the mean undefined."""
        return int(np.count_nonzero(~np.isfinite(self.final)))


@dataclass(frozen=True)
class Record:
    """One run, as read from disk. `info` is `record.json`; `points` holds the columns of the learning curve, each
    [points], and is empty if there is no curve."""

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
        """`<benchmark>/<method>/<hash>/seed<k>`: the name of the run in commands."""
        return run_name(self.path)

    @property
    def curve(self) -> pd.DataFrame:
        """The learning curve as a table, one row per point."""
        import pandas as pd  # slow to import; a report does without it

        return pd.DataFrame(self.points)

    def settings(self, evaluated: Evaluated | None = None) -> tuple[str, ...]:
        """The settings that the method uses, among those that not every method uses: as it was evaluated, because it
        may have been given more since it was trained. Older evaluations store none, and still older records neither;
        there, a method whose evaluation chose a rate is taken to be fine-tuned."""
        known = (evaluated.info if evaluated else {}).get("settings", self.info.get("settings"))
        if known is None:
            return protocol.FINE_TUNING if evaluated and evaluated.info.get("setting") else protocol.INNER_LOOP
        return tuple(map(str, known))


def method_options(infos: Iterable[Mapping[str, Any]]) -> list[str]:
    """The `--method` options with which commands recompute these records: one for each user's file that holds a method.
    A method that a package provides under a name other than its file's is found without."""
    codes = [(info["method"], str((info.get("code") or {}).get("file", ""))) for info in infos]
    own = dict.fromkeys(file for method, file in codes if file == f"{method}.py")
    return [word for file in own for word in ("--method", f"path/to/{file}")]


def predicted(info: Mapping[str, Any]) -> bool:
    """Whether a record holds the scores of predictions made by other code: it has no weights and no known protocol."""
    origin = info.get("origin")
    return isinstance(origin, dict) and bool(origin.get("predictions"))
