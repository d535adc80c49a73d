"""The named protocols: `paper`, `article`, `ravi`, and `quick`, each a function of the benchmark.

`paper` follows Finn, Abbeel and Levine (ICML 2017, arXiv 1703.03400v3) where the paper speaks and the authors' code
(cbfinn/maml, commit a7f45f1) elsewhere. Their loss is a sum over examples divided by the shots, so an inner learning
rate alpha there is ways x alpha on the mean loss, and the clip at 10 is 10 * shots / (ways * queries) here.
Where each value comes from is in `bench.protocols.preset_sources`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from bench.errors import UserError, unknown
from bench.protocols.benchmarks import FUNCTIONS, Benchmark
from bench.protocols.protocol import BY_CLASS, Evaluation, Protocol, Training


def paper(benchmark: Benchmark) -> Protocol:
    """Finn et al. 2017, sections 5.1 and 5.2 and appendix A.1."""
    if benchmark.form == FUNCTIONS:
        return _paper_sinusoid(benchmark)
    if benchmark.input_shape[0] == 3:  # whatever is in colour is treated as the paper's one data set in colour
        return _paper_mini_imagenet(benchmark)
    return _paper_omniglot(benchmark)


def _paper_mini_imagenet(benchmark: Benchmark) -> Protocol:
    queries = 15
    training = Training(
        meta_batch=4 if benchmark.shots == 1 else 2,  # the paper's; the code's usage text has 4 for both
        clip=10 * benchmark.shots / (benchmark.ways * queries),
        queries=queries,
        inner_lr=0.01 * benchmark.ways,
        inner_steps=5,
        filters=32,
    )
    # At test the code has as many queries as shots: 1 or 5 a class.
    return Protocol(training, Evaluation(queries=benchmark.shots, inner_steps=10))


def _paper_omniglot(benchmark: Benchmark) -> Protocol:
    five_way = benchmark.ways == 5
    once = benchmark.shots > 1  # one training, with 1 shot, for every number of shots
    training = Training(
        meta_batch=32 if five_way else 16,
        shots=1 if once else None,
        queries=1 if once else benchmark.shots,
        inner_lr=(0.4 if five_way else 0.1) * benchmark.ways,
        inner_steps=1 if five_way else 5,
        filters=64,
        downsampling="stride",
        head_input="mean",
        initialisation="glorot-normal-head",
    )
    if benchmark.name == "tiny":
        training = replace(training, filters=8, iterations=20, meta_batch=4, validations=2, validation_episodes=10)
    steps = 3 if five_way else 5
    episodes = 20 if benchmark.name == "tiny" else 600
    finetune: dict[str, Any] = {"finetune_episodes": 5, "finetune_steps": 5} if benchmark.name == "tiny" else {}
    return Protocol(training, Evaluation(queries=benchmark.shots, inner_steps=steps, episodes=episodes, **finetune))


def _paper_sinusoid(benchmark: Benchmark) -> Protocol:
    """Section 5.1. Step sizes for the baselines, which the paper tunes "automatically", are chosen of a grid, upwards:
    where no step is best, the first of equals is the most careful one. Points of one function have no class to stand
    by, so their meaning is the first one still."""
    training = Training(
        iterations=70_000,
        meta_batch=25,
        queries=benchmark.shots,
        inner_lr=0.01,  # the paper's; 0.001 is the default of the code, and of the command in its usage text
        inner_steps=1,
        filters=40,
        initialisation="truncated-normal",
        meaning=BY_CLASS,
    )
    grid = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
    finetune: dict[str, Any] = {"finetune_steps": 10, "finetune_lrs": grid, "finetune_episodes": 100}
    return Protocol(training, Evaluation(queries=benchmark.shots, inner_steps=10, meaning=BY_CLASS, **finetune))


def article(benchmark: Benchmark) -> Protocol:
    """The PyTorch re-implementation that this project starts from; `preset_sources` says what of it is assumed."""
    base, tiny = paper(benchmark), benchmark.name == "tiny"
    training = replace(
        base.training,
        meta_batch=2,
        clip=None,
        shots=None,
        queries=15,
        inner_lr=0.01,
        inner_steps=5,
        initialisation="pytorch",
        batch_norm_scale=True,
        batch_norm_adapted=True,
        batch_norm_epsilon=1e-5,
        iterations=25 if tiny else 75_000,
    )
    episodes = base.evaluation.episodes if tiny else 1000
    return Protocol(training, replace(base.evaluation, episodes=episodes, queries=15, inner_steps=10))


def ravi(benchmark: Benchmark) -> Protocol:
    """Ravi and Larochelle (ICLR 2017), the fine-tune baseline: 30,000 steps of 64 images, running statistics.

    Their rates were chosen on 100 validation episodes from 0.5 down to 1e-5, with a decay that is not followed here."""
    base = paper(benchmark)
    training = replace(
        base.training,
        iterations=30_000,
        image_batch=64,
        clip=None,
        shots=None,
        batch_norm_scale=True,
    )
    return Protocol(
        training,
        replace(base.evaluation, queries=15, batch_statistics="running", finetune_steps=15, finetune_episodes=100),
    )


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


PRESETS = {"paper": paper, "article": article, "ravi": ravi, "quick": quick}

# Where a source says two things, its preset follows one of them, and these are the other: `explain` tries it.
READINGS: dict[str, dict[str, Any]] = {"article": {"meta_update": "episode"}}  # printed; its text: per meta-batch


def milestones(name: str, benchmark: Benchmark, iterations: int) -> tuple[int, ...]:
    """Iterations before the last at which the source evaluated one and the same training, and so does `run`."""
    found = {"article": (20 if benchmark.name == "tiny" else 60_000,)}.get(name, ())
    return tuple(iteration for iteration in found if iteration < iterations)


def names(benchmark: Benchmark) -> tuple[str, ...]:
    """The protocols that there are for this benchmark."""
    return ("paper", "quick") if benchmark.form == FUNCTIONS else tuple(PRESETS)


def preset(name: str, benchmark: Benchmark, used: Collection[str] = ()) -> Protocol:
    """The named protocol for this benchmark, as a method that uses these settings is tested under it; without them, as
    every method is validated in training. Raises UserError, with a suggestion, where there is none."""
    if name not in PRESETS:
        raise unknown("protocol", name, PRESETS)
    if name not in names(benchmark):
        raise UserError(f"protocol {name} is about images, which {benchmark.name} has none of: use paper or quick")
    found = PRESETS[name](benchmark)
    return replace(found, evaluation=replace(found.evaluation, **choices(name, benchmark, used)))


def choices(name: str, benchmark: Benchmark, used: Collection[str]) -> dict[str, Any]:
    """Settings of a baseline that fine-tunes, where this project and no source gives them: rates and steps so many that
    what validation chooses can lie between them, and the head alone beside the whole network."""
    if name == "ravi" or "finetune_steps" not in used:
        return {}
    if benchmark.form == FUNCTIONS:
        return {"finetune_steps": 100}
    steps, of_head = {"tiny": (5, 20)}.get(benchmark.name, (30, 1000) if name == "quick" else (50, 1000))
    rates = (0.004, 0.02, 0.05, 0.1, 0.2, 0.5)
    return {"adapt": "chosen", "finetune_steps": steps, "finetune_head_steps": of_head, "finetune_lrs": rates}
