"""Learning curves as TensorBoard's event files, in each run's folder: `tensorboard --logdir results/runs`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.errors import UserError, unknown_name
from bench.training.watch import CurvePoint, Event, Listener

TENSORBOARD = "tensorboard"
_NAMES = "events.out.tfevents.*"


def check(log: str | None) -> None:
    """Raises UserError if `log` is unknown or TensorBoard is not installed."""
    if log not in (None, TENSORBOARD):
        raise unknown_name("log", str(log), (TENSORBOARD,))
    if log is not None:
        _summary_writer()


@contextmanager
def log_events(log: str | None, on_event: Listener) -> Iterator[Listener]:
    """Context manager: a listener that passes all events on, after writing the points of learning curves if `log` asks
    for it."""
    if log is None:
        yield on_event
        return
    check(log)
    with closing(_EventFiles(on_event)) as files:
        yield files


@dataclass
class _EventFiles:
    """One event file per run that trains."""

    on_event: Listener
    _writers: dict[Path, tuple[int, Any]] = field(default_factory=dict, init=False)  # iteration of its last row, writer

    def close(self) -> None:
        for _, writer in self._writers.values():
            writer.close()

    def __call__(self, event: Event) -> None:
        if isinstance(event, CurvePoint):
            self._write(event)
        self.on_event(event)

    def _write(self, point: CurvePoint) -> None:
        """Writes a point and flushes it to the file: resuming after a kill needs every row up to the checkpoint. Raises
        UserError if the folder cannot be written or the disk is full."""
        try:
            last, writer = self._writers.get(point.folder, (point.iteration, None))
            if last >= point.iteration:  # a training starts, or resumes from an earlier checkpoint
                if writer is not None:
                    writer.close()
                writer = _continue_log(point.folder, point.iteration)
            self._writers[point.folder] = point.iteration, writer
            for tag, value in _scalars(point):
                writer.add_scalar(tag, value, point.iteration)
            writer.flush()
        except OSError as error:
            raise UserError(f"--log tensorboard: cannot write {point.folder}: {error.strerror or error}") from error


def _continue_log(folder: Path, iteration: int) -> Any:
    """A writer with a new file that contains what was logged before this iteration, each value once."""
    old = sorted(folder.glob(_NAMES))
    known = {(event.step, value.tag): event for path in old for event in _events(path) for value in event.summary.value}
    # Purging from step 0 tells a running TensorBoard to discard what it read from the old files.
    writer = _summary_writer()(str(folder), purge_step=0)
    for (step, _), event in known.items():
        if step < iteration:
            writer.file_writer.add_event(event, step, event.wall_time)
    writer.flush()
    for path in old:
        path.unlink()
    return writer


def _events(path: Path) -> Iterator[Any]:
    """The events that can be read: the last one may have been cut off by a kill."""
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

    yield from LegacyEventFileLoader(str(path)).Load()


def forget(folder: Path) -> None:
    """Deletes the event files of a run that starts again."""
    for path in folder.glob(_NAMES):
        path.unlink(missing_ok=True)


def _scalars(point: CurvePoint) -> Iterator[tuple[str, float]]:
    """Tags and values; scores as stored, such as 0.63."""
    if point.train_loss is not None:
        yield "training/loss", point.train_loss
    if math.isfinite(point.gradient_norm):
        yield "training/gradient norm", point.gradient_norm
    if point.valid_score is not None:
        yield "validation/score", point.valid_score
    for step, score in enumerate(point.by_step):
        yield f"validation by inner step/{step:02}", score


def _summary_writer() -> Any:
    """TensorBoard's writer class. Raises UserError if TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UserError("--log tensorboard needs TensorBoard: pip install 'few-shot-bench[tensorboard]'") from error
    return SummaryWriter
