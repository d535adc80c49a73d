"""What a user's class lacks, or declares wrongly, of the contract of methods (`methods/contract.py`)."""

from __future__ import annotations

from bench.errors import program
from bench.protocols.protocol import OF_SOME_METHODS, STATISTICS, Evaluation, Protocol, Training
from bench.protocols.settings import settings_of
from methods import METHODS
from methods.contract import NEEDS, Method

PARTS = ("training_batch", "weights_of", "batch_statistics", "needs", "candidates", "predict")
TRAINING_PARTS = ("init", "loss_and_gradient")
BATCHES = ("episodes", "images")


def missing(kind: type) -> list[str]:
    """The parts of the contract that a class lacks."""
    trains = getattr(kind, "weights_of", None) is None
    return [name for name in PARTS + TRAINING_PARTS * trains if not hasattr(kind, name)]


def declaration_error(kind: type[Method]) -> str:
    """What a class declares that the contract does not allow; empty if nothing."""
    trained = [name for name, each in METHODS.items() if each.weights_of is None]
    if kind.weights_of not in (None, *trained):
        return f"weights_of is {kind.weights_of!r}, not None or one of {', '.join(trained)}"
    if kind.weights_of is None and kind.training_batch not in BATCHES:
        return f"training_batch is {kind.training_batch!r}, not one of {', '.join(BATCHES)}"
    if kind.needs is not None and kind.needs not in list(NEEDS):
        return f"needs is {kind.needs!r}, not None or one of {', '.join(NEEDS)}"
    for name in ("batch_statistics", "training_statistics"):
        modes = getattr(kind, name, STATISTICS)
        if not (isinstance(modes, tuple) and modes and all(mode in STATISTICS for mode in modes)):
            return f"{name} is {modes!r}, not a tuple with values from {', '.join(STATISTICS)}"
    settings = getattr(kind, "settings", ())
    if not (isinstance(settings, tuple) and all(name in OF_SOME_METHODS for name in settings)):
        return f"settings is {settings!r}, not a tuple with values from {', '.join(OF_SOME_METHODS)}"
    ignores = getattr(kind, "ignores", ())
    if not (isinstance(ignores, tuple) and set(ignores) <= settings_of(Protocol(Training(), Evaluation())).keys()):
        return f"ignores is {ignores!r}, not a tuple of settings, as `{program()} show protocol` names them"
    return ""
