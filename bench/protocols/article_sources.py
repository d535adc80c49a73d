"""Sources of the values in which `article` is not `paper`."""

from __future__ import annotations

from bench.protocols.benchmarks import Benchmark
from bench.protocols.source import Source, Sources

SHRUNK = Source("this project: shrunk for tests")


def article(benchmark: Benchmark) -> Sources:
    """The article's, where they are not the paper's."""
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
        "meta_lr_halved_every": Source("none is told of", assumed=True),
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
        found |= dict.fromkeys(("filters", "iterations", "episodes"), SHRUNK)
    return found


def _as_paper(what: str) -> Source:
    return Source(f"the paper's {what} for this data, which the article does not use", assumed=True)
