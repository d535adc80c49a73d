"""A reproducibility benchmark for few-shot meta-learning: `python -m bench`, and its results as a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__version__ = "0.2.0"


def frame(results: str | Path = "results", rows: str = "run") -> pd.DataFrame:
    """The records in `results`, or in the folders directly below it, as one tidy table; this project's own runs only
    where their folder is named, `results/reference`.

    `rows` says what a row is: `run`, `evaluation`, `episode` or (the largest) `step`, an episode after one inner step.

    In every table: `results`, the folder of the records; `run`, `<benchmark>/<method>/<hash>/seed<k>`; `benchmark`;
    `method`; `seed`; `protocol`, the nearest preset and what differs from it.

    - run: `status` (finished, unfinished or diverged); `iteration` reached; `best_iteration` and `best_score`, its mean
      score on validation; `training_seconds`, `validation_seconds`, `peak_memory_bytes`; `device`, `torch`, `commit`,
      `sources` (a digest of the project's code); `data`, `data_digest`; the `command` typed; and every setting, as
      `training.<name>`.
    - evaluation: its hash, `evaluation`; `evaluated_iteration`; `step`, the inner step that counts; `score` there, the
      mean over the test episodes, and `score_sd`, their standard deviation; whether it `collapsed`, one score in all of
      them; `score_name`; `episodes_digest`; `seconds`; and every setting, as `evaluation.<name>`. A run without scores
      has no row.
    - episode: `evaluation`, `evaluated_iteration`, the number of the test `episode` (the same images for all methods
      and seeds of one `episodes_digest`) and its `score` at the step that counts.
    - step: the same after each `inner_step`, and whether it is the one that `counts`.

    A score is that of the benchmark: accuracy as a share, 0 to 1. It is infinite or NaN where an episode's outputs are
    not finite, and so is a mean over it. A record that cannot be used is named by a warning
    and in `attrs["problems"]`, a list of lines. Raises bench.errors.UserError where there are no records."""
    from bench.analysis.frame import tidy

    return tidy(Path(results), rows)
