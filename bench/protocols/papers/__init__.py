"""What others did, as they did it: a module a paper, with the values of its protocol and the source of each.

To add one: its module, and its place in `PAPERS`."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bench.protocols.benchmarks import Benchmark
from bench.protocols.papers import article, chen, finn, finn_sources, ravi, snell
from bench.protocols.protocol import Protocol
from bench.protocols.source import Sources


class Paper(NamedTuple):
    """`protocol` of a benchmark; its docstring is what `list` says. `sources`: of every setting of that. `data`: the
    one data set that it is about; None: any images."""

    protocol: Callable[[Benchmark], Protocol]
    sources: Callable[[Benchmark], Sources]
    data: str | None = None


PAPERS: dict[str, Paper] = {
    "paper": Paper(finn.paper, finn_sources.sources),
    "article": Paper(article.article, article.sources),
    "ravi": Paper(ravi.ravi, ravi.sources),
    "snell": Paper(snell.snell, snell.sources),
    "chen": Paper(chen.chen, chen.sources, data="omniglot"),
}
