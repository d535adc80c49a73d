"""Describes weights from elsewhere to the user."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from bench.runs.job import Job
from bench.tools.state_dicts.inferred_settings import SHAPED, TOLD
from bench.tools.state_dicts.layouts import UNKNOWN
from bench.tools.state_dicts.weights import Weights

_EVERYWHERE = ("batch_norm_epsilon", "resize", "inputs")  # the same in all layouts, unless one says otherwise


def lines(weights: Weights, job: Job, told: frozenset[str]) -> Iterator[str]:
    """One line per fact that a reader should know about these weights: where settings come from, and what is not
    followed."""
    layout = weights.matching.layout
    yield f"layout      {layout.name}{f' ({layout.source})' * bool(layout.source)}"
    of_code = layout.training(weights.tensors["conv1.weight"].shape[1]) if layout is not UNKNOWN else {}
    values = {name: getattr(job.protocol.training, name) for name in TOLD if name != "iterations"}
    for source, names in _by_source(values, told, {*of_code, *_EVERYWHERE} if of_code else ()).items():
        yield f"{source:<12}{', '.join(f'{name}={_text(values[name])}' for name in names)}"
    if layout is UNKNOWN:
        yield "assumed     batch norm before ReLU, and ReLU before pooling: weights do not show it"
    if not weights.statistics and "running" in job.workload.kind.batch_statistics:
        yield "missing     running statistics: batch_statistics=running cannot be used"
    yield from (f"differs     {what}" for what in layout.says)
    if weights.matching.unread:
        yield f"not read    {', '.join(weights.matching.unread)}"


def _by_source(values: Collection[str], told: Collection[str], of_code: Collection[str]) -> dict[str, list[str]]:
    """Source of a setting -> the settings."""
    found: dict[str, list[str]] = {}
    for name in values:
        source = "told" if name in told else "by shape" if name in SHAPED else "by its code" if name in of_code else ""
        found.setdefault(source or "assumed", []).append(name)
    return found


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
