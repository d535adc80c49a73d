"""A reproducibility benchmark for few-shot meta-learning. In a shell it is `few-shot-bench`; in Python, each function
does what the command of its name does, in the same folders."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from bench.provenance import __version__ as __version__

if TYPE_CHECKING:
    import pandas as pd

    from bench.report.build import Report
    from methods.contract import Episode

__all__ = ["episodes", "frame", "report", "run", "summary"]


def run(
    benchmark: str | Iterable[str],
    method: str | Path | Iterable[str | Path] = "maml",
    *,
    protocol: str | None = None,
    seeds: int | Iterable[int] = 1,
    settings: Mapping[str, Any] | None = None,
    results: str | Path = "results/runs",
    data_dir: str | Path | None = None,
    device: str = "auto",
    threads: int | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Trains and tests methods on benchmarks, and returns their rows of `summary`. Finished runs are not repeated, and
    interrupted ones resume. An interrupt waits for the end of an iteration; a second one stops immediately.

    `method`: names, or files such as `mine.py`; `protocol`: such as paper (None: paper on a GPU, quick on a CPU);
    `seeds`: how many, or which; `settings`: changes to the protocol, by the names of `--set`; `progress`: prints a line
    every 15 seconds, or shows bars in a terminal.

    >>> few = {"iterations": 2, "validations": 1, "evaluation.episodes": 5}
    >>> made = bench.run("tiny", ["maml", "protonet"], seeds=2, settings=few, results="runs", progress=False)
    >>> made[["method", "seeds", "test_episodes"]].values.tolist()
    [['maml', 2, 5], ['protonet', 2, 5]]

    Raises bench.errors.UserError if something cannot be run, KeyboardInterrupt if it was interrupted."""
    from bench.cli import from_python
    from bench.cli import python_arguments as given

    asked = from_python.Asked(
        benchmarks=given.names("benchmark", benchmark),
        methods=given.names("method", method),
        seeds=given.seeds(seeds),
        protocol=None if protocol is None else given.name("protocol", protocol),
        settings=given.settings({} if settings is None else settings),
        results=given.folder("results", results),
        data_dir=given.folder("data_dir", data_dir) if data_dir else None,
        device=given.name("device", device),
        threads=given.threads(threads),
    )
    return from_python.run(asked, progress)


def report(results: str | Path = "results/runs", out: str | Path | None = None) -> Report:
    """Writes tables, figures and a page for the records in `results` into `out` (None: `report` inside that folder).
    Returns the `text` of the answer, the `problems` (records that were left out) and the `files` that were written.

    >>> made = bench.report("runs", out="page")
    >>> [path.name for path in made.files][:2]
    ['report.html', 'report.md']

    Raises bench.errors.UserError if `out` cannot be written, or `results` is named and holds no records."""
    from bench.cli import python_arguments as given
    from bench.cli.report import check_there
    from bench.report import build

    where = given.folder("results", results)
    check_there(where)
    return build.build(where, given.folder("out", out) if out else where / "report")


def summary(results: str | Path = "results/runs") -> pd.DataFrame:
    """The cells of the records in `results`, one row each: what was run (`benchmark`, `method`, `protocol`, `seeds`,
    `iterations`, `test_episodes` and others), the estimate (`accuracy` in percent, or `squared_error`), both ends of
    every interval (`..._low`, `..._high`), and the published number with the nearest protocol: the `difference`, its
    interval, the `verdict` and `why`. The report's CSV has the same columns, and those of provenance. This project's
    own runs are included only if their folder is given.

    >>> bench.summary("runs")[["benchmark", "method", "seeds"]].values.tolist()
    [['tiny', 'maml', 2], ['tiny', 'protonet', 2]]

    Raises bench.errors.UserError if there are no records."""
    from bench.cli import from_python
    from bench.cli import python_arguments as given

    return from_python.summary(given.folder("results", results))


def episodes(
    benchmark: str,
    split: str = "test",
    *,
    count: int = 1,
    first: int = 0,
    queries: int | None = None,
    seed: int = 0,
    data_dir: str | Path | None = None,
) -> Episode:
    """Episodes `first` to `first + count - 1` of a split, as every method gets them: tensors of shape
    [episodes, ...]. Test and validation episodes are the same for all methods and seeds; `seed` applies to training
    episodes. `queries`: query images per class (None: the paper's).

    >>> batch = bench.episodes("omniglot-5w1s", count=2, queries=3)
    >>> tuple(batch.support.shape), tuple(batch.query_labels.shape)
    ((2, 5, 1, 28, 28), (2, 15))

    Raises bench.errors.UserError if there are no such episodes, or their data are not here."""
    from bench.cli import from_python
    from bench.cli import python_arguments as given

    return from_python.episodes(
        given.name("benchmark", benchmark),
        given.name("split", split),
        given.whole("first", first),
        given.whole("count", count, 1),
        None if queries is None else given.whole("queries", queries, 1),
        given.whole("seed", seed),
        given.folder("data_dir", data_dir) if data_dir else None,
    )


def frame(results: str | Path = "results", rows: str = "run") -> pd.DataFrame:
    """The records in `results`, or in the folders directly below it, as one tidy table. This project's own runs are
    included only if their folder, `results/reference`, is given.

    `rows` selects what a row is: `run`, `evaluation`, `episode` or (the largest) `step`, for each inner step.

    In every table: `results`, the folder of the records; `run`, `<benchmark>/<method>/<hash>/seed<k>`; `benchmark`;
    `method`; `seed`; `protocol`, the nearest preset and the differences from it.

    - run: `status` (finished, unfinished or diverged); `iteration` reached; `best_iteration` and `best_score`, its mean
      score on validation; `training_seconds`, `validation_seconds`, `peak_memory_bytes`; `device`, `torch`, `commit`,
      `sources` (a digest of the project's code); `data`, `data_digest`; the `command` typed; and every setting, as
      `training.<name>`.
    - evaluation: its hash, `evaluation`; `evaluated_iteration`; `step`, the inner step that counts; `score`, the mean
      over the test episodes at that step, and `score_sd`, their standard deviation; `collapsed`, whether all episodes
      have the same score; `score_name`; `episodes_digest`; `seconds`; and every setting, as `evaluation.<name>`. A run
      without scores has no row.
    - episode: `evaluation`, `evaluated_iteration`, the number of the test `episode` (the same images for all methods
      and seeds of one `episodes_digest`) and its `score` at the step that counts.
    - step: the same after each `inner_step`, and whether it is the one that `counts`.

    Scores are those of the benchmark, such as an accuracy from 0 to 1. A score is infinite or NaN if an episode's
    outputs are not finite, and so is a mean over it. A warning names each record that cannot be used, and so does
    `attrs["problems"]`, a list of lines. Raises bench.errors.UserError if there are no records."""
    from bench.analysis.frame import tidy
    from bench.cli import python_arguments as given

    return tidy(given.folder("results", results), given.name("rows", rows))


class _Package(ModuleType):
    """Keeps the functions that have the name of a subpackage: importing the subpackage would replace them."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (isinstance(value, ModuleType) and name in __all__):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
