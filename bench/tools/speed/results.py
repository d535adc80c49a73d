"""Shows measurements as text and as a figure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.errors import UserError

REFERENCE = "loop"


def table(found: dict[str, Any]) -> list[str]:
    """The measurements as text: medians, the quartiles, and the speed relative to the loop."""
    reference = statistics.median(_row(found, REFERENCE)["meta_step_seconds"])
    lines = [f"{'':34} {'meta-step':>12} {'quartiles':>21} {'speed':>7} {'evaluation':>12} {'peak':>10}"]
    for row in found["rows"]:
        middle, evaluated = (statistics.median(row[name]) for name in ("meta_step_seconds", "evaluation_seconds"))
        low, high = _quartiles(row["meta_step_seconds"])
        peak = "" if row["peak_bytes"] is None else f"{row['peak_bytes'] / 2**20:.0f} MiB"
        lines.append(
            f"{row['contender']:34} {1e3 * middle:9.1f} ms {1e3 * low:8.1f} to {1e3 * high:8.1f} "
            f"{reference / middle:6.2f}x {1e3 * evaluated:9.1f} ms {peak:>10}"
        )
    return lines + _memory_table(found["memory"])


def _memory_table(rows: Sequence[dict[str, Any]]) -> list[str]:
    lines = []
    for what, title in (("meta_batch", "meta-batch"), ("inner_steps", "inner steps")):
        mine = [row for row in rows if row["what"] == what]
        if mine:
            sizes = list(dict.fromkeys(row["size"] for row in mine))
            lines += ["", f"{'peak, MiB, by ' + title:34}" + "".join(f"{size:>9}" for size in sizes)]
        for name in dict.fromkeys(row["contender"] for row in mine):
            peaks = [row["peak_bytes"] / 2**20 for row in mine if row["contender"] == name]
            lines.append(f"{name:34}" + "".join(f"{peak:9.0f}" for peak in peaks))
    return lines


def figure(found: dict[str, Any], path: Path) -> None:
    """Draws memory against meta-batch and inner steps."""
    import pandas as pd
    import seaborn as sns

    from bench.files import write_atomically

    if not found["memory"]:
        raise UserError("--figure draws the memory: give sizes with --meta-batches and --inner-steps")
    frame = pd.DataFrame(found["memory"])
    frame["peak, MiB"] = frame["peak_bytes"] / 2**20
    grid = sns.relplot(
        frame, x="size", y="peak, MiB", hue="contender", style="contender", col="what", kind="line", markers=True,
        facet_kws={"sharex": False}, height=3.5,
    )  # fmt: skip
    grid.set_titles("{col_name}").set_axis_labels("", "peak, MiB")
    write_atomically(path, lambda temporary: grid.savefig(temporary, format=path.suffix.lstrip(".") or "png"))


def _row(found: dict[str, Any], name: str) -> dict[str, Any]:
    return next(row for row in found["rows"] if row["contender"] == name)


def _quartiles(samples: Sequence[float]) -> tuple[float, float]:
    if len(samples) < 2:
        return samples[0], samples[0]
    low, _, high = statistics.quantiles(samples, n=4, method="inclusive")
    return low, high
