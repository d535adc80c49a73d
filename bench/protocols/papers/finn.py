"""Finn, Abbeel and Levine, "Model-agnostic meta-learning" (ICML 2017, arXiv 1703.03400v3): `paper`.

The protocol follows the paper where it gives a value, and the authors' code (cbfinn/maml, commit a7f45f1) elsewhere.
Their loss is a sum over examples divided by the shots, so their inner learning rate alpha is ways x alpha on the mean
loss, and their clip at 10 is 10 * shots / (ways * queries) here. The source of each value is in `finn_sources`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bench.protocols.benchmarks import FUNCTIONS, Benchmark
from bench.protocols.protocol import BY_CLASS, Evaluation, Protocol, Training


def paper(benchmark: Benchmark) -> Protocol:
    """Finn et al. 2017, sections 5.1 and 5.2 and appendix A.1."""
    if benchmark.form == FUNCTIONS:
        return _paper_sinusoid(benchmark)
    if benchmark.input_shape[0] == 3:  # colour images are treated like the paper's only data set in colour
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
    # At test the code uses as many queries as shots: 1 or 5 per class.
    return Protocol(training, Evaluation(queries=benchmark.shots, inner_steps=10))


def _paper_omniglot(benchmark: Benchmark) -> Protocol:
    five_way = benchmark.ways == 5
    once = benchmark.shots > 1  # one training, with 1 shot, serves every number of shots
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
    """Section 5.1. The paper tunes the baselines' step sizes "automatically"; here they are chosen from a grid in
    increasing order, so that the smallest is used if several are equally good. Points of a function have no classes to
    be ordered by, so their `meaning` is still the first one."""
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
