"""Raghu, Raghu, Bengio and Vinyals, "Rapid learning or feature reuse?" (ICLR 2020, arXiv 1909.09157), ANIL: `raghu`.

The paper's main text says that data and networks are as in Finn et al., and has results of a model after 30,000
iterations. Learning rates, steps and meta-batch sizes are in an appendix that was not available to us, and no code by
the authors was found. These values are assumed to be Finn's, and nothing is judged under this protocol until the
appendix has been checked.
"""

from __future__ import annotations

from dataclasses import replace

from bench.protocols.benchmarks import Benchmark
from bench.protocols.citation import Citation, Citations
from bench.protocols.papers import finn_sources
from bench.protocols.protocol import Protocol


def raghu(benchmark: Benchmark, base: Protocol) -> Protocol:
    """Raghu et al. 2020, ANIL: Finn's experiment with only the head adapted; much of it is assumed.

    `base`: the protocol `paper`."""
    if benchmark.name == "tiny":
        return base
    return replace(base, training=replace(base.training, iterations=30_000))


_UNREAD = (
    *("meta_optimiser", "meta_lr", "meta_lr_halved_every", "meta_lr_final", "meta_batch", "meta_update", "clip"),
    *("shots", "queries", "inner_lr", "inner_steps", "classes", "split", "rotations", "initialisation"),
    *("batch_norm_scale", "batch_norm_adapted", "batch_norm_epsilon", "batch_statistics"),
    *("episodes", "evaluation.queries", "evaluation.inner_steps", "evaluation.batch_statistics"),
    *("evaluation.rotations", "weights"),
)
_SAME = "Raghu et al. 2020, section 3: the architectures of Finn et al. 2017"


def sources(benchmark: Benchmark) -> Citations:
    """The source of every setting of `raghu`."""
    found = finn_sources.sources(benchmark)
    assumed = {name: Citation(f"as Finn et al. 2017: {found[name].where}", found[name].own, True) for name in _UNREAD}
    network = {name: Citation(_SAME) for name in ("filters", "downsampling", "head_input")}
    shown = {"iterations": Citation("Raghu et al. 2020 shows a model after 30,000", assumed=True)}
    shrunk = {name: source for name, source in found.items() if source == finn_sources.SHRUNK}
    return found | assumed | network | shown | shrunk
