"""Compares a run with its record: checksums and digests, every score, and, on request, the training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bench import records
from bench.data import sources
from bench.errors import UserError
from bench.records import weights
from bench.runs.recorded import method_of, trained_on
from bench.tools.verify import differences, promises
from bench.tools.verify.findings import DIFFERENT, Finding, check_finding, promise, repeat_finding, scores
from bench.tools.verify.repeat import RecordedRun
from bench.training.execution_record import ExecutionRecord
from bench.training.watch import Listener

_OUTCOME = ("status", "iteration", "best_iteration", "best_score")


def open_run(
    folder: Path,
    data_dir: Path | None,
    on_event: Listener,
    methods: Sequence[str] = (),
    threads: int | None = None,
) -> RecordedRun:
    """A run to verify. `methods`: files of user methods that it may need; `threads`: used instead of the recorded
    number. Raises UserError if its data are not here, or the record names something unknown."""
    info = records.read_info(folder)
    method = method_of(folder, info, methods)
    again = RecordedRun(folder, info, *trained_on(folder, info, data_dir), method, on_event, threads, data_dir)
    if again.training.origin is None:  # otherwise the training was not executed here
        again.job(again.preset.evaluation, ExecutionRecord.read(folder, info)).check()
    return again


def check_stored(again: RecordedRun) -> Iterator[Finding]:
    """Checks the record's files against their checksums, and its digests and scores against recomputed ones."""
    if again.info["status"] == "unfinished":
        yield Finding("status", f"unfinished, at iteration {again.info['iteration']}: nothing to verify yet", DIFFERENT)
        return
    yield _files(again)
    yield _data(again)
    found = sorted((again.folder / "evaluations").glob("*.json"))
    yield from (_evaluation(again, path) for path in found)
    if not found:
        yield Finding("scores", f"no scores are stored; the run is {again.info['status']}")


def compare_training(again: RecordedRun, folder: Path) -> Iterator[Finding]:
    """Compares the training that was repeated in `folder` with the recorded one."""
    record, here = records.read(again.folder), records.read(folder)
    executions = [ExecutionRecord.read(each.path, each.info) for each in (record, here)]
    reasons = promises.reasons(*executions) + _went_on(record)
    yield Finding("training", f"repeated; {promise(reasons)}")
    for name in _OUTCOME:
        if (before := record.info.get(name)) != (now := here.info.get(name)):
            yield repeat_finding(name, differences.Difference(f"{before} recorded, {now} here", np.inf), reasons)
    curves = (_comparable(record, each.curve) for each in (record, here))
    yield repeat_finding("curve", differences.of_curves(*curves), reasons)
    for name in sorted(name for name in record.info["files"] if name.endswith(".safetensors")):
        yield repeat_finding(name, _of_files(name, record, here), reasons)
    for evaluation in record.evaluations:
        path = here.path / again.weights_of(evaluation)
        yield scores(evaluation, again.evaluate(evaluation, path), again.benchmark, reasons)


def _of_files(name: str, record: records.Record, here: records.Record) -> differences.Difference | None:
    if name not in here.info["files"]:  # as the state of the optimiser, if the training diverged here
        return differences.Difference("the file: recorded, not written here", np.inf)
    return differences.of_tensors(*(_tensors(each.path / name) for each in (record, here)))


def _comparable(record: records.Record, curve: pd.DataFrame) -> pd.DataFrame:
    """The curve; for a training that continued a shorter one, whose points are closer together, only its
    validations."""
    if "continued" not in record.info:
        return curve
    return curve.dropna(subset="valid_score").drop(columns="train_loss")


def _files(again: RecordedRun) -> Finding:
    """Checks the files that the record lists, and the tensors in them, against their checksums."""
    wrong, names = [], again.info["files"]
    for name in names:
        try:
            path = records.checked_path(again.folder, name, names)
            if path.suffix == ".safetensors":
                weights.load(path)
        except UserError as error:
            wrong.append(str(error))
    return check_finding("files", wrong, f"{len(names)} as recorded")


def _data(again: RecordedRun) -> Finding:
    """Checks the digests of the data, and of the streams that the run was trained and validated on."""
    data, recorded = again.data, again.info.get("episodes_digest") or {}
    found = {}
    if again.training.origin is None:  # a training elsewhere did not use our streams
        job = again.job(again.preset.evaluation, ExecutionRecord.read(again.folder, again.info)).validating()
        validated = again.training.validations > 0 or "valid" in recorded
        found = {split: job.stream(split).digest for split in (("train", "valid") if validated else ("train",))}
    wrong = [f"{split} episodes are not the recorded ones" for split in found if recorded.get(split) != found[split]]
    copy = data.known_as or sources.unnamed_copy(data.name)
    return check_finding("data", wrong, f"{data.name} {data.digest[:8]} ({copy}); episodes as recorded")


def _evaluation(again: RecordedRun, path: Path) -> Finding:
    """Recomputes one evaluation from the stored weights."""
    try:
        recorded = records.read_evaluation(path)
        weights = records.checked_path(again.folder, again.weights_of(recorded), again.info["files"])
        return scores(recorded, again.evaluate(recorded, weights), again.benchmark)
    except UserError as error:  # damaged, or weights of another network
        return Finding(f"scores {path.stem}", str(error), DIFFERENT)


def _tensors(path: Path) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in weights.load(path)[0].items()}


def _went_on(record: records.Record) -> list[str]:
    """One line for each time the recorded training was resumed with another execution."""
    begun, *later = (
        ExecutionRecord.read(record.path, part) for part in (record.info, *(record.info.get("resumed") or []))
    )
    iterations = [part["iteration"] for part in record.info.get("resumed") or []]
    return [
        f"it was resumed with another execution at iteration {iteration}"
        for iteration, part in zip(iterations, later, strict=True)
        if promises.reasons(begun, part)
    ]
