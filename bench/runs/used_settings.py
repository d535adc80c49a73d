"""Whether a `--set` has an effect on the runs of a method, according to the settings that the method declares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from bench.errors import UserError
from bench.protocols.method_settings import moves
from bench.protocols.protocol import INNER_LOOP, Training
from bench.training.workload import NamedMethod
from methods import METHODS

OF_IMAGES = ("image_batch", "image_order")  # only for methods that are trained on images, not on episodes


def check(settings: Sequence[str], methods: Sequence[NamedMethod]) -> None:
    """Raises UserError for a `name=value` that has no effect on the runs of any of these methods."""
    for text in settings:
        if not any(_is_moved_by(method, text) for method in methods):
            able = ", ".join(name for name in METHODS if _is_moved_by(NamedMethod(name), text))
            ours = ", ".join(method.name for method in methods)
            raise UserError(f"{text}: used by {able}, not by {ours}: leave it out, or choose such a method")


def check_evaluation(settings: Sequence[str], method: NamedMethod) -> None:
    """Applies `check` to settings given to `evaluate`, whose names are fields of the evaluation. Raises UserError."""
    check([f"evaluation.{text.removeprefix('evaluation.')}" for text in settings], [method])


def moved_by(method: NamedMethod) -> tuple[str, ...]:
    """The settings, among those that not every method uses, that affect the runs of this method: its own, and training
    settings of the method whose weights it evaluates."""
    trained = METHODS.get(method.kind.weights_of or "")
    theirs = getattr(trained, "settings", INNER_LOOP) if trained else ()
    return (*method.settings, *(f.name for f in fields(Training) if f.name in theirs))


def ignored_by(method: NamedMethod) -> frozenset[str]:
    """The settings that have no effect on the runs of this method, among those that are not of some methods only."""
    kind = method.kind
    trained = METHODS.get(kind.weights_of or "", kind)
    of_episodes = OF_IMAGES if trained.training_batch != "images" else ()
    return frozenset(of_episodes).union(*(getattr(each, "ignores", ()) for each in (kind, trained)))


def _is_moved_by(method: NamedMethod, setting: str) -> bool:
    return moves(setting, moved_by(method)) and setting.partition("=")[0] not in ignored_by(method)
