"""The outer loop: meta-steps, validation during training, and checkpoints from which an interrupted run resumes bit for
bit.

Several seeds train together, as one more dimension of every tensor; each writes its own files."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from bench.episodes.stream import EpisodeStream
from bench.protocols.protocol import Protocol, Training
from bench.records import weights
from bench.records.layout import kept_file
from bench.training import evaluation
from bench.training.batches import TrainingBatches
from bench.training.checkpoint import resume, save
from bench.training.evaluation import Choice
from bench.training.execution import Execution
from bench.training.meta_step import MetaStep
from bench.training.optimiser import set_rate
from bench.training.progress import Progress, SeedProgress, begin, copy_state
from bench.training.watch import CurvePoint, Interrupted, Listener, Step, Watch
from methods.contract import Method, State

_CURVE_ROWS = 200


@dataclass(frozen=True)
class Trainer:
    """One training of one or several seeds: the method as trained and as validated, its protocol, the training and
    validation episodes (never the test's; `train` has one stream per seed), and the folder that each seed writes to."""

    method: Method
    tested: Method
    protocol: Protocol
    execution: Execution
    validation: Execution
    train: Sequence[EpisodeStream]
    valid: EpisodeStream | None  # None: no validation
    folders: Sequence[Path]
    on_save: Callable[[int], None] = lambda iteration: None  # called after every checkpoint
    as_tested: Callable[[State], State] = lambda state: state  # adapts the state to validation's ways, if they differ

    def prepare(self, initial: Sequence[State]) -> tuple[Progress, MetaStep]:
        """The progress to continue from, restored from the folders' checkpoints if there are any, and the compiled
        meta-step.

        Raises whatever a compiler or a driver throws if the execution cannot run here."""
        training, worst = self.protocol.training, self.train[0].benchmark.measure.worst
        progress = begin(initial, self.execution, training, worst)
        resume(progress, self.folders, training.iterations)
        step = MetaStep(
            self.execution, self.method, self._batches, progress.state, progress.optimiser, progress.loss_sum
        )
        if progress.iteration < training.iterations:
            step.rehearse(self._batches.at(progress.iteration))
            if self.validation.compiled and self.valid is not None:
                setting = self.tested.candidates()[0]
                state = self.as_tested(progress.of(0))
                evaluation.scores(self.validation, self.tested, state, self.valid, 1, setting)
        return progress, step

    def run(self, prepared: tuple[Progress, MetaStep], watch: Watch) -> Progress:
        """Trains to the protocol's last iteration, or until every seed has diverged.

        Raises Interrupted, after writing a checkpoint, when `watch.stop` returns True."""
        progress, step = prepared
        saved = progress.clock = time.monotonic()
        while progress.iteration < self.protocol.training.iterations and not progress.diverged:
            set_rate(progress.optimiser, self.protocol.training, progress.iteration)
            step(self._batches.at(progress.iteration))
            progress.iteration += 1
            valid = self._row(progress, watch.on_event) if progress.iteration in self._rows else None
            loss = _mean(track.rows[-1]["train_loss"] for track in progress.tracks if track.rows)
            watch.on_event(Step(progress.iteration, loss, valid))
            if progress.iteration in watch.keep:
                for place, folder in enumerate(self.folders):
                    weights.save_state(kept_file(folder, progress.iteration), progress.of(place))
            stopping = watch.stop()
            if stopping or time.monotonic() - saved > watch.every_seconds:
                self._save(progress)
                saved = time.monotonic()
            if stopping:
                raise Interrupted(f"at iteration {progress.iteration}")
        if len(self.folders) > 1:  # so that all seeds can resume together if writing their records is interrupted
            self._save(progress)
        return progress

    @cached_property
    def _batches(self) -> TrainingBatches:
        return TrainingBatches(self.method.training_batch or "episodes", self.protocol.training, self.train)

    @cached_property
    def _rows(self) -> frozenset[int]:
        """The iterations that end a row of the learning curve."""
        every = max(1, self.protocol.training.iterations // _CURVE_ROWS)
        last = self.protocol.training.iterations
        return frozenset(range(every, last + 1, every)) | self._validations | {last}

    @cached_property
    def _validations(self) -> frozenset[int]:
        return validated_at(self.protocol.training)

    def _row(self, progress: Progress, on_event: Listener) -> float | None:
        """Ends a row of each seed's learning curve, with a validation if one is due; returns the mean validation
        score."""
        losses = (progress.loss_sum / (progress.iteration - progress.row_start)).tolist()
        progress.loss_sum.zero_()
        progress.row_start = progress.iteration
        progress.spend("training")
        choices = [self._end_row(progress, place, loss, on_event) for place, loss in enumerate(losses)]
        for point in self._points(progress, choices):
            on_event(point)
        return _mean(choice.score for choice in choices if choice is not None)

    def _points(self, progress: Progress, choices: Sequence[Choice | None]) -> Iterator[CurvePoint]:
        """The rows that end at this iteration; a seed that diverged earlier has none."""
        norms = _gradient_norms(progress.state)
        for folder, track, choice, norm in zip(self.folders, progress.tracks, choices, norms, strict=True):
            row = track.rows[-1] if track.rows else {"iteration": 0}
            if row["iteration"] == progress.iteration:
                by_step = choice.by_step if choice is not None else ()
                yield CurvePoint(folder, row["iteration"], row["train_loss"], row["valid_score"], by_step, norm)

    def _end_row(self, progress: Progress, place: int, loss: float, on_event: Listener) -> Choice | None:
        track, state = progress.tracks[place], progress.of(place)
        if track.diverged_at is not None:
            return None
        if not (math.isfinite(loss) and all(bool(p.isfinite().all()) for p in state.params.values())):
            track.diverged_at = progress.iteration
        due = progress.iteration in self._validations and track.diverged_at is None
        choice = self._validate(progress, track, state, on_event) if due else None
        track.rows.append(
            {
                "iteration": progress.iteration,
                "train_loss": loss if math.isfinite(loss) else None,
                "valid_score": choice and choice.score,
                "seconds": progress.seconds["training"],
            }
        )
        return choice

    def _validate(self, progress: Progress, track: SeedProgress, state: State, on_event: Listener) -> Choice:
        episodes, choosing = self.protocol.training.validation_episodes, self.protocol.evaluation.finetune_episodes
        assert self.valid is not None  # otherwise no validation is due
        tested = self.as_tested(state)
        choice = evaluation.choose(self.validation, self.tested, tested, self.valid, episodes, choosing, on_event)
        if self.valid.benchmark.measure.better(choice.score, track.best_score):  # the first stays if several are equal
            track.best, track.best_score, track.best_iteration = copy_state(state), choice.score, progress.iteration
        progress.spend("validation")
        return choice

    def _save(self, progress: Progress) -> None:
        progress.loss_sum.tolist()  # waits for the device
        progress.spend("training")
        save(progress, self.folders)
        self.on_save(progress.iteration)


def validated_at(training: Training) -> frozenset[int]:
    """The iterations after which a training is validated: evenly spread, including the last."""
    count, iterations = training.validations, training.iterations
    return frozenset(max(1, round(k * iterations / count)) for k in range(1, count + 1))


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _gradient_norms(state: State) -> list[float]:
    """[seeds]: the Euclidean norm of the gradient over all parameters."""
    squares = [p.grad.flatten(1).square().sum(1) for p in state.params.values() if p.grad is not None]
    return torch.stack(squares).sum(0).sqrt().tolist()
