"""What differs between methods: one small file each. To add one, write its file and register it here."""

from __future__ import annotations

from methods.contract import Method
from methods.finetune import Finetune
from methods.maml import FirstOrderMaml, Maml
from methods.nearest import Nearest
from methods.pretrained import Oracle, Pretrained

METHODS: dict[str, type[Method]] = {
    "maml": Maml,
    "fomaml": FirstOrderMaml,
    "finetune": Finetune,
    "nearest": Nearest,
    "pretrained": Pretrained,
    "oracle": Oracle,
}
