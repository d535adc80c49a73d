"""Published numbers, each with its source, its protocol if known, and the margin fixed before any run.

`protocol` is the name of a preset, perhaps with settings that differ from it (`snell shots=1`), or empty if unknown.
`iterations`: the iteration that the claim is compared with;
`margin` (points): the delta of the project's statistics.md, 2.0 on miniImageNet, 1.0 on Omniglot, 0.5 on Omniglot 5-way
5-shot."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bench.protocols.benchmarks import Benchmark

SEEDS = 5  # number of seeds in the command suggested for a verdict

# The meanings of a ± that a verdict can use; anything else counts as unknown.
OVER_TASKS = ("over tasks", "over episodes")
OVER_TRAININGS = "over trainings"
OF_TRAININGS = re.compile(r"(SD of|over) (\d+) trainings")


@dataclass(frozen=True)
class Claim:
    """One published number. `accuracy`, `ci95` (the number after ±, whose meaning is `ci_meaning`) and `margin` are in
    points; None means not published."""

    about: Benchmark
    method: str
    variant: str
    accuracy: float
    ci95: float | None
    ci_meaning: str
    tasks: int | None
    queries_per_class: int | None
    bn_mode: str
    source: str
    note: str
    protocol: str
    iterations: int | None
    margin: float | None

    @property
    def benchmark(self) -> str:
        """The benchmark's name."""
        return self.about.name

    @property
    def central(self) -> bool:
        """Whether the claim is about MAML under the protocol `paper`: such claims are listed first."""
        return (self.method, self.protocol) == ("maml", "paper")

    @property
    def preset(self) -> str:
        """The name of the preset of its protocol; empty if unknown."""
        return self.protocol.partition(" ")[0]

    @property
    def settings(self) -> list[str]:
        """The settings in which its protocol differs from the preset, each as `name=value`."""
        return self.protocol.split()[1:]

    @property
    def number(self) -> str:
        """The number as text, such as `63.11 ± 0.92`, with the meaning of the ± unless it is over tasks."""
        if self.ci95 is None:
            return f"{self.accuracy:.2f}"
        said = "" if self.over_tasks is not None else f" ({self.ci_meaning or 'unknown'})"
        return f"{self.accuracy:.2f} ± {self.ci95:.2f}{said}"

    @property
    def over_tasks(self) -> float | None:
        """The half-width of the interval over test tasks of one trained model; None if the ± is something else."""
        return self.ci95 if self.ci_meaning in OVER_TASKS else None

    @property
    def trainings(self) -> int | None:
        """The number of trainings over which the ± is; None if it is something else, or their number unknown."""
        found = OF_TRAININGS.fullmatch(self.ci_meaning)
        return int(found[2]) if found and self.ci95 is not None else None
