"""The named protocols, each a function of the benchmark: those of papers (`bench.protocols.papers`), and `quick`. Other
protocols are named by the nearest preset and the differences from it.

The sources of the values are in `bench.protocols.preset_sources`."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import lru_cache, wraps
from typing import Any, NamedTuple

from bench.errors import UserError, unknown_name
from bench.protocols.benchmarks import FUNCTIONS, Benchmark
from bench.protocols.citation import Citations
from bench.protocols.papers import antoniou, article, chen, finn_sources, nichol, raghu, ravi, snell
from bench.protocols.papers.finn import paper as paper
from bench.protocols.protocol import NO_SETTINGS, Evaluation, Protocol, Training
from bench.protocols.settings import differences, setting_of_evaluation, with_settings
from bench.protocols.usage import uses

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

Used = Collection[str]  # the settings that a method uses, among those that not every method uses
Said = Callable[[str, Any], str]  # a setting's name and its value -> how a change to it is written
# Settings that affect only the choice of the best weights: they are not compared (`weights` is).
VALIDATION = frozenset({"validations", "validation_episodes", "validation_shape"})
_APART = VALIDATION | frozenset(NO_SETTINGS)  # not settings: described in words
QUERIES_BY_CLASS = "queries by class"  # marks protocols with the earlier meaning
MEANINGS = frozenset({"meaning", "evaluation.meaning"})  # not settings either: no effect on built-in methods' scores


def quick(benchmark: Benchmark) -> Protocol:
    """The paper's protocol with fewer iterations, test episodes and validations, for a laptop; not judged."""
    base = paper(benchmark)
    iterations, episodes = _QUICK_ITERATIONS.get(benchmark.name, 20), _QUICK_EPISODES.get(benchmark.name, 100)
    validation_episodes = min(50, base.training.validation_episodes)
    training = replace(base.training, iterations=iterations, validations=2, validation_episodes=validation_episodes)
    return Protocol(training, replace(base.evaluation, episodes=episodes))


def _paper_with(changes: Callable[[Benchmark, Protocol], Protocol]) -> Callable[[Benchmark], Protocol]:
    """A protocol that is defined by its changes to `paper`."""

    @wraps(changes)
    def protocol(benchmark: Benchmark) -> Protocol:
        return changes(benchmark, paper(benchmark))

    return protocol


class Paper(NamedTuple):
    """`protocol`: function of a benchmark, whose docstring `list` shows. `sources`: of its settings. `data`: the only
    data set that it applies to, or None for any images."""

    protocol: Callable[[Benchmark], Protocol]
    sources: Callable[[Benchmark], Citations]
    data: str | None = None


PAPERS: dict[str, Paper] = {
    "paper": Paper(paper, finn_sources.sources),
    "article": Paper(_paper_with(article.article), article.sources),
    "ravi": Paper(_paper_with(ravi.ravi), ravi.sources),
    "snell": Paper(snell.snell, snell.sources),
    "chen": Paper(chen.chen, chen.sources, data="omniglot"),
    "nichol": Paper(nichol.nichol, nichol.sources),
    "nichol-transduction": Paper(nichol.nichol_transduction, nichol.sources),
    "raghu": Paper(_paper_with(raghu.raghu), raghu.sources),
    "antoniou": Paper(antoniou.antoniou, antoniou.sources),
}
PRESETS: dict[str, Callable[[Benchmark], Protocol]] = {
    **{name: each.protocol for name, each in PAPERS.items()},
    "quick": quick,
}

# If a source can be read in two ways, its preset follows one reading; these are the others, which `explain` tries.
READINGS: dict[str, dict[str, Any]] = {"article": {"meta_update": "episode"}}  # printed; its text: per meta-batch


def milestones(name: str, benchmark: Benchmark, iterations: int) -> tuple[int, ...]:
    """The iterations before the end at which the source evaluated the same training, and at which `run` evaluates it
    too."""
    found = {"article": (20 if benchmark.name == "tiny" else 60_000,)}.get(name, ())
    return tuple(iteration for iteration in found if iteration < iterations)


def names(benchmark: Benchmark) -> tuple[str, ...]:
    """The names of the protocols for this benchmark."""
    if benchmark.form == FUNCTIONS:
        return ("paper", "quick")
    about = {name: each.data for name, each in PAPERS.items()}
    return tuple(name for name in PRESETS if about.get(name) in (None, benchmark.source))


def preset(name: str, benchmark: Benchmark, used: Collection[str] = ()) -> Protocol:
    """The named protocol for this benchmark and a method that uses these settings; without `used`, the one under which
    every method is validated in training. Raises UserError, with a suggestion, if there is none."""
    if name not in PRESETS:
        raise unknown_name("protocol", name, PRESETS)
    if name not in names(benchmark):
        about = "images" if benchmark.form == FUNCTIONS else f"the images of {PAPERS[name].data}"
        raise UserError(f"protocol {name} is for {about}, which {benchmark.name} does not have: use paper or quick")
    found = PRESETS[name](benchmark)
    return replace(found, evaluation=replace(found.evaluation, **choices(name, benchmark, used)))


def from_text(text: str, benchmark: Benchmark, used: Collection[str] = ()) -> Protocol:
    """The preset that a text names, with the settings after its name: `snell shots=1`. Raises UserError like `preset`
    and `with_settings`."""
    name, *changed = text.split()
    return with_settings(preset(name, benchmark, used), changed)


def choices(name: str, benchmark: Benchmark, used: Collection[str]) -> dict[str, Any]:
    """Settings of a fine-tuned baseline that come from this project and from no source: a range of rates and steps wide
    enough that validation can choose a value inside it, and adapting only the head as well as the whole network."""
    if name not in ("paper", "article", "quick") or "finetune_steps" not in used:
        return {}
    if benchmark.form == FUNCTIONS:
        return {"finetune_steps": 100}
    steps, of_head = {"tiny": (5, 20)}.get(benchmark.name, (30, 1000) if name == "quick" else (50, 1000))
    rates = (0.004, 0.02, 0.05, 0.1, 0.2, 0.5)
    return {"adapt": "chosen", "finetune_steps": steps, "finetune_head_steps": of_head, "finetune_lrs": rates}


def assignment(setting: str, value: Any) -> str:
    """A changed setting as `--set` takes it, such as `iterations=2000`."""
    return f"{setting}={value_text(value)}"


def describe(benchmark: Benchmark, used: Used, protocol: Protocol, said: Said = assignment) -> str:
    """The nearest preset and the settings that differ from it: `paper, iterations=2000`."""
    nearest = nearest_preset(benchmark, protocol.training)
    return _differences_text(nearest, protocol_differences(used, protocol, preset(nearest, benchmark, used)), said)


def described_training(benchmark: Benchmark, training: Training, said: Said = assignment) -> str:
    """The description of the training part alone, so that a run has one name however it is evaluated."""
    nearest = nearest_preset(benchmark, training)
    return _differences_text(nearest, training_differences(training, preset(nearest, benchmark).training), said)


@lru_cache(4096)  # called for every row and every line of a report
def nearest_preset(benchmark: Benchmark, training: Training) -> str:
    """The preset whose training differs in the fewest fields; the first one if several are equal."""
    return min(names(benchmark), key=lambda name: len(training_differences(training, preset(name, benchmark).training)))


def _differences_text(nearest: str, found: dict[str, tuple[Any, Any]], said: Said) -> str:
    changed = [said(setting, ours) for setting, (ours, _) in found.items() if setting not in MEANINGS]
    return ", ".join([nearest, *changed, *([QUERIES_BY_CLASS] if MEANINGS & found.keys() else [])])


def protocol_differences(used: Used, ours: Protocol, theirs: Protocol) -> dict[str, tuple[Any, Any]]:
    """Setting, by its `--set` name -> (ours, theirs), if they differ and the method uses the setting."""
    training = _used_only(used, training_differences(ours.training, theirs.training))
    evaluation = evaluation_differences(used, ours.evaluation, theirs.evaluation)
    return training | {setting_of_evaluation(k): v for k, v in evaluation.items()}


def training_differences(ours: Training, theirs: Training) -> dict[str, tuple[Any, Any]]:
    """Field -> (ours, theirs), if they differ; without the validation schedule and the origin of the weights."""
    return {k: v for k, v in differences(ours, theirs).items() if k not in _APART}


def evaluation_differences(used: Used, ours: Evaluation, theirs: Evaluation) -> dict[str, tuple[Any, Any]]:
    """Field -> (ours, theirs), if they differ and the method uses the setting."""
    return _used_only(used, differences(ours, theirs))


def _used_only(used: Used, found: dict[str, tuple[Any, Any]]) -> dict[str, tuple[Any, Any]]:
    return {k: v for k, v in found.items() if uses(used, k)}


def value_text(value: Any) -> str:
    """A value in the form that `--set` accepts, rounded to four digits."""
    if isinstance(value, tuple):
        return ",".join(map(value_text, value))
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)
