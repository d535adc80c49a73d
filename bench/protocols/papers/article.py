"""The PyTorch re-implementation that this project started from: `article`. Much of it is assumed, and marked as
such."""

from __future__ import annotations

from dataclasses import replace

from bench.protocols.benchmarks import Benchmark
from bench.protocols.citation import Citation, Citations
from bench.protocols.papers import finn_sources
from bench.protocols.protocol import Protocol


def article(benchmark: Benchmark, base: Protocol) -> Protocol:
    """The PyTorch re-implementation that this project started from; `sources` says what is assumed.

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


def sources(benchmark: Benchmark) -> Citations:
    """The source of every setting of `article`."""
    text, printed = "article, text", "article, printed code"
    network = {"filters": "32", "downsampling": "max-pool 2", "head_input": "linear 800 -> 5"}
    its_own = benchmark.source == "mini-imagenet"
    shape = {n: Citation(f"{printed}: {v}") if its_own else _as_paper("network") for n, v in network.items()}
    statistics = Citation(f"{printed}: those of the batch in hand")
    found = {
        "iterations": Citation(f"{text}: one training, evaluated at 60,000 and at 75,000"),
        "meta_batch": Citation(f"{text}: 2"),
        "meta_update": Citation(f"{text}; its printed code steps once an episode, and disagrees"),
        "meta_lr": Citation("as the paper's", assumed=True),
        "meta_optimiser": Citation("as the paper's", assumed=True),
        **dict.fromkeys(("meta_lr_halved_every", "meta_lr_final"), Citation("none is told of", assumed=True)),
        "clip": Citation("none", assumed=True),
        "shots": Citation(f"{text}: as at test"),
        "queries": Citation(text),
        "inner_lr": Citation("the paper's alpha, on the article's mean loss", assumed=True),
        "inner_steps": Citation("as the paper's on miniImageNet", assumed=True),
        "initialisation": Citation("PyTorch's default", assumed=True),
        "batch_norm_scale": Citation(f"{printed}: gamma and beta"),
        "batch_norm_gamma": Citation("PyTorch's default since 1.2", assumed=True),
        "batch_norm_adapted": Citation(f"{printed}: all parameters"),
        "batch_norm_epsilon": Citation("PyTorch's default", assumed=True),
        "batch_statistics": statistics,
        "episodes": Citation(text),
        "evaluation.inner_steps": Citation("as the paper's on miniImageNet", assumed=True),
        "evaluation.queries": Citation(text),
        "evaluation.batch_statistics": statistics,
        "weights": Citation(f"{text}: an iteration is named"),
    }
    found |= shape
    if benchmark.name == "tiny":
        found |= dict.fromkeys(("filters", "iterations", "episodes"), finn_sources.SHRUNK)
    return finn_sources.sources(benchmark) | found


def _as_paper(what: str) -> Citation:
    return Citation(f"the paper's {what} for this data, which the article does not use", assumed=True)
