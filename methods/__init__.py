"""What differs between methods: one small file each. To add one, write its file and register it here."""

from __future__ import annotations

from methods.anil import Anil
from methods.baseline_plus_plus import BaselinePlusPlus
from methods.contract import Method
from methods.finetune import Finetune
from methods.maml import FirstOrderMaml, Maml
from methods.maml_plus_plus import MamlPlusPlus
from methods.meta_sgd import MetaSgd
from methods.msl import MultiStepLoss
from methods.nearest import Nearest
from methods.pretrained import Oracle, Pretrained
from methods.protonet import ProtoNet
from methods.reptile import Reptile

METHODS: dict[str, type[Method]] = {  # in the order of tables and figures
    "maml": Maml,
    "fomaml": FirstOrderMaml,
    "anil": Anil,
    "reptile": Reptile,
    "meta-sgd": MetaSgd,
    "msl": MultiStepLoss,
    "maml++": MamlPlusPlus,
    "protonet": ProtoNet,
    "finetune": Finetune,
    "baseline++": BaselinePlusPlus,
    "nearest": Nearest,
    "pretrained": Pretrained,
    "oracle": Oracle,
}
