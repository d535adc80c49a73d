"""The PyTorch re-implementation that this project starts from: `article`. Much of it is assumed, and says so."""

from __future__ import annotations

from dataclasses import replace

from bench.protocols.benchmarks import Benchmark
from bench.protocols.papers import finn_sources
from bench.protocols.protocol import Protocol
from bench.protocols.source import Source, Sources


def article(benchmark: Benchmark, base: Protocol) -> Protocol:
    """The PyTorch re-implementation that this project starts from; `sources` says what of it is assumed.

    `base`: the protocol `paper`."""
    tiny = benchmark.name == "tiny"
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


def sources(benchmark: Benchmark) -> Sources:
    """Where each setting of `article` is from."""
    text, printed = "article, text", "article, printed code"
    network = {"filters": "32", "downsampling": "max-pool 2", "head_input": "linear 800 -> 5"}
    its_own = benchmark.source == "mini-imagenet"
    shape = {n: Source(f"{printed}: {v}") if its_own else _as_paper("network") for n, v in network.items()}
    statistics = Source(f"{printed}: those of the batch in hand")
    found = {
        "iterations": Source(f"{text}: one training, evaluated at 60,000 and at 75,000"),
        "meta_batch": Source(f"{text}: 2"),
        "meta_update": Source(f"{text}; its printed code steps once an episode, and disagrees"),
        "meta_lr": Source("as the paper's", assumed=True),
        "meta_optimiser": Source("as the paper's", assumed=True),
        **dict.fromkeys(("meta_lr_halved_every", "meta_lr_final"), Source("none is told of", assumed=True)),
        "clip": Source("none", assumed=True),
        "shots": Source(f"{text}: as at test"),
        "queries": Source(text),
        "inner_lr": Source("the paper's alpha, on the article's mean loss", assumed=True),
        "inner_steps": Source("as the paper's on miniImageNet", assumed=True),
        "initialisation": Source("PyTorch's default", assumed=True),
        "batch_norm_scale": Source(f"{printed}: gamma and beta"),
        "batch_norm_gamma": Source("PyTorch's default since 1.2", assumed=True),
        "batch_norm_adapted": Source(f"{printed}: all parameters"),
        "batch_norm_epsilon": Source("PyTorch's default", assumed=True),
        "batch_statistics": statistics,
        "episodes": Source(text),
        "evaluation.inner_steps": Source("as the paper's on miniImageNet", assumed=True),
        "evaluation.queries": Source(text),
        "evaluation.batch_statistics": statistics,
        "weights": Source(f"{text}: an iteration is named"),
    }
    found |= shape
    if benchmark.name == "tiny":
        found |= dict.fromkeys(("filters", "iterations", "episodes"), finn_sources.SHRUNK)
    return finn_sources.sources(benchmark) | found


def _as_paper(what: str) -> Source:
    return Source(f"the paper's {what} for this data, which the article does not use", assumed=True)
