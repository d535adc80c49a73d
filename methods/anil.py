"""ANIL, "almost no inner loop" (Raghu, Raghu, Bengio and Vinyals, "Rapid learning or feature reuse?", ICLR 2020,
section 4)."""

from __future__ import annotations

from methods.contract import Params
from methods.maml import Maml


class Anil(Maml):
    """MAML whose inner loop adapts only the head, in training and at test; the body is trained through it."""

    ignores = ("batch_norm_adapted",)

    def _adapted(self, params: Params) -> frozenset[str]:
        return frozenset(name for name in params if name.startswith("head"))

    stacked_loss_and_gradient = Maml.stacked_loss_and_gradient
    stacked_predict = Maml.stacked_predict
