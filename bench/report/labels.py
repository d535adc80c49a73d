"""Labels for rows and lines of figures: the method, and in words how its protocol differs from the nearest preset."""

from __future__ import annotations

import textwrap
from functools import lru_cache
from typing import Any

from bench.analysis.cells import Cell
from bench.analysis.claims import Claim
from bench.analysis.pairs import Compared
from bench.protocols.benchmarks import Benchmark, of_record
from bench.protocols.presets import describe, described_training, value_text
from bench.protocols.protocol import Protocol
from bench.records.contents import Record
from bench.report import wording

WIDTH, WIDE = 46, 100  # characters per line, beside a row and in a legend
# Setting -> how its value is written; other settings are written with their names.
_SAID = {
    "iterations": "{} iterations",
    "episodes": "{} test episodes",
    "meta_batch": "meta-batch {}",
    "meta_lr": "meta rate {}",
    "meta_update": "an update per {}",
    "inner_lr": "inner rate {}",
    "inner_steps": "inner steps {}",
    "evaluation.inner_steps": "inner steps {} at test",
    "queries": "queries {} in training",
    "evaluation.queries": "queries {} at test",
    "finetune_lrs": "rates {}",
    "finetune_head_steps": "head steps {}",
    "precision": "{}",
    "evaluation.precision": "{} at test",
    "initialisation": "{} initialisation",
    "batch_norm_scale": "batch norm scale {}",
    "batch_norm_adapted": "batch norm adapted {}",
    "batch_norm_epsilon": "batch norm epsilon {}",
    "evaluation.batch_statistics": "{} statistics",
    "weights": "{} weights",
    "evaluation.weights": "{} weights",
}


def protocol(cell: Cell) -> str:
    """The nearest preset, and how the protocol differs from it in words; preceded by the origin, if from elsewhere."""
    return cell.with_origin(_in_words(cell.benchmark, frozenset(cell.settings), cell.protocol))


@lru_cache(4096)  # called for every mark of a figure
def _in_words(benchmark: Benchmark, used: frozenset[str], ours: Protocol) -> str:
    return describe(benchmark, used, ours, change)


def training(record: Record) -> str:
    """A training's nearest preset and how it differs from that, wrapped into lines."""
    return wrap(described_training(of_record(record.info), record.training, change), WIDE)


def change(setting: str, value: Any) -> str:
    """A changed setting in words, such as `inner rate 2` or `batch norm scale off`."""
    text = {"true": "on", "false": "off"}.get(value_text(value), value_text(value))
    text = f"{value:,}" if type(value) is int else text
    return _whole(_SAID.get(setting, setting.replace("_", " ") + " {}").format(text))


def label(row: Cell | Claim, width: int = WIDTH) -> str:
    """The label of a row or a line, wrapped."""
    if isinstance(row, Claim):
        return wrap(f"{row.method}: {wording.source(row)}", width)
    return wrap(f"{row.method}, {protocol(row)}, {_whole(wording.counted_seeds(row))}", width)


def pair_label(pair: Compared) -> str:
    """The label of a row for a pair of methods, with its p-value if known, wrapped."""
    p = f"p = {wording.p_value(pair.holm)}" if pair.holm == pair.holm else wording.kind(pair.paired.kind)
    a, b = protocol(pair.a), protocol(pair.b)
    said = a if a == b else f"{a} / {b}"
    return wrap(f"{_whole(f'{pair.a.method} − {pair.b.method}')}, {said} {_whole('(' + p.replace('= <', '<') + ')')}")


def one_line(text: str) -> str:
    """A label on one line, for places with enough room."""
    return " ".join(text.split())


def wrap(text: str, width: int = WIDTH) -> str:
    """The text broken into lines between words."""
    return "\n".join(textwrap.wrap(text, width, break_on_hyphens=False))


def _whole(text: str) -> str:
    """The text with non-breaking spaces."""
    return text.replace(" ", "\u00a0")
