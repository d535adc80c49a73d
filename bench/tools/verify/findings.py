"""The results of comparing a record with a repetition, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.errors import quantity
from bench.protocols.benchmarks import Benchmark
from bench.protocols.measures import Measure
from bench.records import Evaluated
from bench.records.layout import evaluation_stem
from bench.tools.verify import differences, promises
from bench.tools.verify.differences import Difference
from bench.training.execution_record import ExecutionRecord

EQUAL, CLOSE, DIFFERENT = "equal", "close", "different"


@dataclass(frozen=True)
class Finding:
    """`what`: what was compared; `text`: the result. `outcome`: EQUAL; CLOSE, if equal bits are not promised here and
    the difference is small; or DIFFERENT."""

    what: str
    text: str
    outcome: str = EQUAL


def check_finding(what: str, wrong: Sequence[str], text: str) -> Finding:
    """The finding for something that must be correct everywhere."""
    return Finding(what, "; ".join(wrong), DIFFERENT) if wrong else Finding(what, text)


def repeat_finding(what: str, difference: Difference | None, reasons: Sequence[str]) -> Finding:
    """The finding for something that was trained again; `reasons`: why its bits may differ here."""
    if difference is None:
        return Finding(what, "equal, bit for bit")
    text = f"first difference at {difference.first}; at most {difference.most:.3g}"
    return Finding(what, text, CLOSE if reasons else DIFFERENT)


def promise(reasons: Sequence[str]) -> str:
    """Which equality can be expected."""
    return f"bits are not promised here: {', '.join(reasons)}" if reasons else "bits are promised here"


def scores(
    recorded: Evaluated, found: Evaluated, benchmark: Benchmark, trained: Sequence[str] | None = None
) -> Finding:
    """The finding for an evaluation. `trained` None: the recorded weights were scored; otherwise weights that were
    trained again, with the reasons why they may differ."""
    what = f"scores {evaluation_stem(recorded.evaluation, recorded.iteration)}"
    before, now = (ExecutionRecord.read(what, each.info) for each in (recorded, found))
    reasons = [*(trained or []), *promises.reasons(before, now)]
    if recorded.info["episodes_digest"] != found.info["episodes_digest"]:
        return Finding(what, "computed on other episodes than the recorded ones", DIFFERENT)
    first = recorded.first_step
    size = f"{len(recorded.scores)} episodes x inner steps {first} to {first + recorded.last_step}"
    difference = differences.of_scores(recorded.scores, found.scores, first)
    if difference is None and _chosen_settings(recorded) == _chosen_settings(found):
        return Finding(what, f"{size} equal, bit for bit ({_execution_text(found)})")
    explained = bool(trained) or promises.close(recorded.final, found.final, _least(recorded, benchmark))
    text = f"{size}: {_apart(recorded, found, difference, benchmark.measure)}; {promise(reasons)}"
    return Finding(what, text, CLOSE if reasons and explained else DIFFERENT)


def _least(recorded: Evaluated, benchmark: Benchmark) -> float:
    """The change of the mean score if a single query is right instead of wrong."""
    return 1 / (recorded.final.size * benchmark.ways * recorded.evaluation.queries) if benchmark.measure.counted else 0


def _apart(recorded: Evaluated, found: Evaluated, difference: Difference | None, measure: Measure) -> str:
    before, now = (measure.written(each.final.mean()) for each in (recorded, found))
    mean = f"mean score {before} recorded, {now} here"
    if _chosen_settings(recorded) != _chosen_settings(found):
        return (
            "inner step {} with {} was chosen, here {} with {}; ".format(
                *_chosen_settings(recorded), *_chosen_settings(found)
            )
            + mean
        )
    if difference is None or recorded.scores.shape != found.scores.shape:
        return f"{difference.first if difference else ''}; {mean}"
    count = int((recorded.scores != found.scores).any(1).sum())
    where = f"first difference at {difference.first}; in {quantity(count, 'episode')}"
    return f"{where}, by at most {difference.most:.3g}; {mean}"


def _chosen_settings(found: Evaluated) -> tuple[int, dict[str, Any]]:
    return found.inner_step, dict(found.info.get("setting") or {})


def _execution_text(found: Evaluated) -> str:
    how = found.info["execution"]
    return f"{how['device']}, {how['mode']}, {how['chunk']} at once, {quantity(how['threads'], 'thread')}"
