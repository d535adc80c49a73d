"""Learning curves as TensorBoard's event files, in each run's folder: `tensorboard --logdir results/runs`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.errors import UserError, unknown
from bench.training.watch import CurvePoint, Event, Listener

TENSORBOARD = "tensorboard"
_NAMES = "events.out.tfevents.*"


def check(log: str | None) -> None:
    """Raises UserError where curves cannot be logged so."""
    if log not in (None, TENSORBOARD):
        raise unknown("log", str(log), (TENSORBOARD,))
    if log is not None:
        _summary_writer()


@contextmanager
def logged(log: str | None, on_event: Listener) -> Iterator[Listener]:
    """A listener that passes everything on, and before that writes the points of curves, if they are logged."""
    if log is None:
        yield on_event
        return
    check(log)
    with closing(_EventFiles(on_event)) as files:
        yield files


@dataclass
class _EventFiles:
    """A file for each run that trains."""

    on_event: Listener
    _writers: dict[Path, tuple[int, Any]] = field(default_factory=dict, init=False)  # and the iteration of its last row

    def close(self) -> None:
        for _, writer in self._writers.values():
            writer.close()

    def __call__(self, event: Event) -> None:
        if isinstance(event, CurvePoint):
            self._write(event)
        self.on_event(event)

    def _write(self, point: CurvePoint) -> None:
        """Writes it, through to the file: what goes on after a kill needs every row up to its checkpoint.

        Raises UserError where the folder cannot be written or the disk is full."""
        try:
            last, writer = self._writers.get(point.folder, (point.iteration, None))
            if last >= point.iteration:  # a training begins, or goes on from an earlier checkpoint
                if writer is not None:
                    writer.close()
                writer = _continued(point.folder, point.iteration)
            self._writers[point.folder] = point.iteration, writer
            for tag, value in _scalars(point):
                writer.add_scalar(tag, value, point.iteration)
            writer.flush()
        except OSError as error:
            raise UserError(f"--log tensorboard: cannot write {point.folder}: {error.strerror or error}") from error


def _continued(folder: Path, iteration: int) -> Any:
    """A writer of one file that holds what was logged before this iteration, each value once."""
    old = sorted(folder.glob(_NAMES))
    known = {(event.step, value.tag): event for path in old for event in _events(path) for value in event.summary.value}
    # To take back from the start is for a TensorBoard that looks on: it has read the old files.
    writer = _summary_writer()(str(folder), purge_step=0)
    for (step, _), event in known.items():
        if step < iteration:
            writer.file_writer.add_event(event, step, event.wall_time)
    writer.flush()
    for path in old:
        path.unlink()
    return writer


def _events(path: Path) -> Iterator[Any]:
    """Events as far as they can be read: the last may have been cut off by a kill."""
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

    yield from LegacyEventFileLoader(str(path)).Load()


def forget(folder: Path) -> None:
    """Removes the curves of a run that is made anew."""
    for path in folder.glob(_NAMES):
        path.unlink(missing_ok=True)


def _scalars(point: CurvePoint) -> Iterator[tuple[str, float]]:
    """Tag and value; scores as they are stored, such as 0.63."""
    if point.train_loss is not None:
        yield "training/loss", point.train_loss
    if math.isfinite(point.gradient_norm):
        yield "training/gradient norm", point.gradient_norm
    if point.valid_score is not None:
        yield "validation/score", point.valid_score
    for step, score in enumerate(point.by_step):
        yield f"validation by inner step/{step:02}", score


def _summary_writer() -> Any:
    """TensorBoard's writer class. Raises UserError where TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UserError("--log tensorboard needs TensorBoard: pip install 'few-shot-bench[tensorboard]'") from error
    return SummaryWriter
