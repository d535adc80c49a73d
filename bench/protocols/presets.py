"""The named protocols, each a function of the benchmark: those of papers (`bench.protocols.papers`), and `quick`.

Where each value comes from is in `bench.protocols.preset_sources`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from bench.errors import UserError, unknown
from bench.protocols.benchmarks import FUNCTIONS, Benchmark
from bench.protocols.papers import PAPERS
from bench.protocols.papers.article import article as article
from bench.protocols.papers.finn import paper as paper
from bench.protocols.protocol import Protocol

# Chosen so that five seeds of MAML take under ten minutes on two CPU cores.
_QUICK_ITERATIONS = {
    "omniglot-5w1s": 250,
    "omniglot-5w5s": 80,
    "omniglot-20w1s": 60,
    "omniglot-20w5s": 15,
    "tiny": 20,
    "sinusoid-5s": 10_000,
    "sinusoid-10s": 10_000,
}
_QUICK_EPISODES = {"omniglot-5w1s": 200, "tiny": 20}


def quick(benchmark: Benchmark) -> Protocol:
    """The paper's protocol with fewer iterations, test episodes and validations: what a laptop can run, not judged."""
    base = paper(benchmark)
    iterations, episodes = _QUICK_ITERATIONS.get(benchmark.name, 20), _QUICK_EPISODES.get(benchmark.name, 100)
    validation_episodes = min(50, base.training.validation_episodes)
    training = replace(base.training, iterations=iterations, validations=2, validation_episodes=validation_episodes)
    return Protocol(training, replace(base.evaluation, episodes=episodes))


PRESETS: dict[str, Callable[[Benchmark], Protocol]] = {
    **{name: each.protocol for name, each in PAPERS.items()},
    "quick": quick,
}

# Where a source says two things, its preset follows one of them, and these are the other: `explain` tries it.
READINGS: dict[str, dict[str, Any]] = {"article": {"meta_update": "episode"}}  # printed; its text: per meta-batch


def milestones(name: str, benchmark: Benchmark, iterations: int) -> tuple[int, ...]:
    """Iterations before the last at which the source evaluated one and the same training, and so does `run`."""
    found = {"article": (20 if benchmark.name == "tiny" else 60_000,)}.get(name, ())
    return tuple(iteration for iteration in found if iteration < iterations)


def names(benchmark: Benchmark) -> tuple[str, ...]:
    """The protocols that there are for this benchmark."""
    if benchmark.form == FUNCTIONS:
        return ("paper", "quick")
    about = {name: each.data for name, each in PAPERS.items()}
    return tuple(name for name in PRESETS if about.get(name) in (None, benchmark.source))


def preset(name: str, benchmark: Benchmark, used: Collection[str] = ()) -> Protocol:
    """The named protocol for this benchmark, as a method that uses these settings is tested under it; without them, as
    every method is validated in training. Raises UserError, with a suggestion, where there is none."""
    if name not in PRESETS:
        raise unknown("protocol", name, PRESETS)
    if name not in names(benchmark):
        about = "images" if benchmark.form == FUNCTIONS else f"the images of {PAPERS[name].data}"
        raise UserError(f"protocol {name} is about {about}, which {benchmark.name} has none of: use paper or quick")
    found = PRESETS[name](benchmark)
    return replace(found, evaluation=replace(found.evaluation, **choices(name, benchmark, used)))


def choices(name: str, benchmark: Benchmark, used: Collection[str]) -> dict[str, Any]:
    """Settings of a baseline that fine-tunes, where this project and no source gives them: rates and steps so many that
    what validation chooses can lie between them, and the head alone beside the whole network."""
    if name not in ("paper", "article", "quick") or "finetune_steps" not in used:
        return {}
    if benchmark.form == FUNCTIONS:
        return {"finetune_steps": 100}
    steps, of_head = {"tiny": (5, 20)}.get(benchmark.name, (30, 1000) if name == "quick" else (50, 1000))
    rates = (0.004, 0.02, 0.05, 0.1, 0.2, 0.5)
    return {"adapt": "chosen", "finetune_steps": steps, "finetune_head_steps": of_head, "finetune_lrs": rates}
