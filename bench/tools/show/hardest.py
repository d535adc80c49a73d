"""Draws the test episodes with a run's worst and best scores, with the predictions of its weights."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from bench import files, records
from bench.episodes.images import ImageEpisodes
from bench.errors import UserError, command_line
from bench.protocols.benchmarks import FUNCTIONS
from bench.protocols.presets import value_text
from bench.protocols.settings import differences, with_evaluation_settings
from bench.records import Evaluated, fields, layout
from bench.records.weights import load_state
from bench.runs import user_methods
from bench.tools.show import sheet as sheets
from bench.tools.show.sheet import Sheet
from bench.tools.verify import findings, promises, repeat
from bench.training import modes
from bench.training.execution import Execution
from bench.training.execution_record import ExecutionRecord
from bench.training.objectives import objective
from methods.contract import Episode

ON_THE_PAGE = 3  # the number of pictures kept for the report, the hardest first
_QUALITY = 60  # of the kept pictures, as WebP: about 100 kB each


@dataclass(frozen=True)
class Predicted:
    """A test episode (without a leading dimension), with its queries class by class, and the outputs [inner steps + 1,
    query images, ways]."""

    index: int
    classes: tuple[str, ...]
    episode: Episode
    outputs: Tensor
    scores: np.ndarray


@dataclass(frozen=True)
class EpisodePictures:
    """Episodes to draw; `problem`: a line if their scores differ from the recorded ones; `promised`: whether equal bits
    are promised here."""

    sheets: list[Sheet]
    problem: str
    promised: bool


def evaluation(again: repeat.RecordedRun, settings: Sequence[str]) -> Evaluated:
    """The recorded evaluation with these settings; if there are several, the preset's in its latest meaning. Raises
    UserError if none matches."""
    found = [records.read_evaluation(path) for path in sorted((again.folder / "evaluations").glob("*.json"))]
    asked = [e for e in found if with_evaluation_settings(e.evaluation, settings) == e.evaluation]
    meanings = range(again.preset.evaluation.meaning, 0, -1)
    own = [e for m in meanings for e in asked if e.evaluation == replace(again.preset.evaluation, meaning=m)]
    if len(asked) == 1 or own:
        return (own or asked)[0]
    if not asked:
        if again.info["status"] != "finished":
            raise UserError(f"{again.name} is {again.info['status']}: it has no predictions to draw")
        named = f" with {', '.join(settings)}" if settings else ""
        asked_for = [word for each in settings for word in ("--set", each)]
        asking = command_line("evaluate", again.folder, *user_methods.options(again.method), *asked_for)
        raise UserError(f"{again.name} has no evaluation{named}: `{asking}` adds one")
    apart = {name for each in asked[1:] for name in differences(each.evaluation, asked[0].evaluation)}
    values = {name: sorted({value_text(getattr(e.evaluation, name)) for e in asked}) for name in sorted(apart)}
    differing = ", ".join(f"{name} {' or '.join(each)}" for name, each in values.items())
    raise UserError(f"{again.name} has {len(asked)} evaluations; name one with --set: they differ in {differing}")


def extremes(recorded: Evaluated, hardest: int, easiest: int, higher_is_better: bool) -> list[int]:
    """The episodes with the worst recorded scores, worst first, followed by those with the best, best first."""
    merit = recorded.final if higher_is_better else -recorded.final
    order = np.argsort(np.where(np.isfinite(merit), merit, -np.inf), kind="stable").tolist()
    return list(dict.fromkeys([*order[:hardest], *order[::-1][:easiest]]))


def draw(again: repeat.RecordedRun, recorded: Evaluated, places: Sequence[int]) -> EpisodePictures:
    """These episodes, with the predictions of the recorded weights."""
    runner, predicted = _predict_again(again, recorded, places)
    reasons = promises.reasons(ExecutionRecord.read(again.folder, recorded.info), ExecutionRecord.of(runner))
    made = [_sheet(again, recorded, each) for each in predicted]
    return EpisodePictures(made, _problem(recorded, predicted, reasons), not reasons)


def write(again: repeat.RecordedRun, recorded: Evaluated, drawn: EpisodePictures, out: Path) -> None:
    """Writes the picture, and beside the record the pictures for the report."""
    picture = sheets.draw(drawn.sheets)
    files.write_atomically(out, lambda path: picture.save(path, format="PNG", optimize=True))
    files.write_json(again.folder / layout.PICTURES, _as_json(recorded, drawn.sheets[:ON_THE_PAGE]))


def check(again: repeat.RecordedRun, out: Path) -> None:
    """Raises UserError if there is nothing to draw, or the file's name does not end in .png."""
    if again.benchmark.form == FUNCTIONS:
        report = command_line("report", "--results", again.folder.parents[3])
        raise UserError(f"{again.benchmark.name} has no images to show; `{report}` draws its functions")
    if out.suffix.lower() != ".png":
        raise UserError(f"--out {out}: the picture is a PNG: give a name that ends in .png")


def _predict_again(
    again: repeat.RecordedRun, recorded: Evaluated, places: Sequence[int]
) -> tuple[Execution, list[Predicted]]:
    """The predictions of the recorded weights in these episodes, each computed in its original chunk."""
    weights = records.checked_path(again.folder, again.weights_of(recorded), dict(again.info["files"]))
    every_step = replace(recorded.evaluation, scored_steps="every")  # also that before adaptation
    job = again.evaluating(replace(recorded, evaluation=every_step), weights)
    state = job.workload.state_for("test", load_state(weights, job.workload.device))
    test = job.stream("test")
    assert isinstance(test, ImageEpisodes)
    score, setting = objective(again.benchmark).score, recorded.info.get("setting") or {}

    def attempt(runner: Execution) -> tuple[Execution, list[Predicted]]:
        method, found = job.workload.build(runner.layers, runner.precision, "test"), []
        for place in places:
            first = place - place % runner.chunk
            batch = test.episodes(first, min(runner.chunk, recorded.evaluation.episodes - first))
            with torch.no_grad():
                outputs = runner.predict(method, state, batch, setting)
            scores = score(outputs, batch.query_labels[:, None]).cpu().numpy()
            row = place - first
            episode = Episode(*(part[row].cpu() for part in batch[:4]))
            by_class = episode.query_labels.argsort(stable=True)
            episode = episode._replace(query=episode.query[by_class], query_labels=episode.query_labels[by_class])
            classes = tuple(test.class_name(k) for k in test.draw(place, 1).classes[0].tolist())
            found.append(Predicted(place, classes, episode, outputs[row].cpu()[:, by_class], scores[row]))
        return runner, found

    return modes.first_that_runs(job.workload.evaluation_executions(), attempt, again.on_event)


def _sheet(again: repeat.RecordedRun, recorded: Evaluated, predicted: Predicted) -> Sheet:
    ways, written = len(predicted.classes), again.benchmark.measure.written
    steps = 0, recorded.inner_step
    before, after = (written(float(predicted.scores[step])) for step in steps)
    title = f"Test episode {predicted.index}, {again.info['method']} seed {again.info['seed']}: {after} at inner step "
    images = [_pixels(part, ways) for part in (predicted.episode.support, predicted.episode.query)]
    labels = [predicted.outputs[step].argmax(-1).reshape(ways, -1).numpy() for step in steps]
    return Sheet(f"{title}{recorded.inner_step}, {before} before adaptation", predicted.classes, *images, *labels)


def _pixels(images: Tensor, ways: int) -> np.ndarray:
    """[ways * n, channels, height, width] in [0, 1] -> uint8 [ways, n, height, width, channels]."""
    return (images * 255).round().byte().unflatten(0, (ways, -1)).permute(0, 1, 3, 4, 2).numpy()


def _problem(recorded: Evaluated, predicted: Sequence[Predicted], reasons: Sequence[str]) -> str:
    """A line if the predictions differ from the scored ones; otherwise empty."""
    known = slice(-recorded.scores.shape[1], None)  # the steps that were scored: all, or only the last
    other = [each.index for each in predicted if not np.array_equal(each.scores[known], recorded.scores[each.index])]
    if not other:
        return ""
    named = ", ".join(map(str, other))
    return f"test episode {named} got other scores than recorded: {findings.promise(reasons)}; the record is unchanged"


def _as_json(recorded: Evaluated, drawn: Sequence[Sheet]) -> dict[str, Any]:
    """The pictures for the report. `of` identifies the evaluation that was drawn: once its scores change, they are
    outdated."""
    pictures = [
        {"title": sheet.title, "text": sheet.described(), "webp": _webp(sheets.draw([sheet]))} for sheet in drawn
    ]
    return {"format": fields.FORMAT, "of": recorded.info["sha256"], "pictures": pictures}


def _webp(picture: Image.Image) -> str:
    content = io.BytesIO()
    picture.save(content, format="WEBP", quality=_QUALITY, method=6)
    return base64.b64encode(content.getvalue()).decode()
