"""Makes `import torchvision` work with a torch that its compiled operators were not built for.

Package indexes combine a CPU build of torch with a CUDA build of torchvision, whose library then cannot be loaded, and
the import fails at the first operator it describes. Data sets and transforms need none of these operators."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import torch

_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
_libraries: list[torch.library.Library] = []  # definitions disappear with their Library object


def import_torchvision() -> ModuleType:
    """torchvision; if its import fails, the missing operators are declared first, without an implementation."""
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    _forget_half_imported()
    _declare_missing()
    return importlib.import_module("torchvision")


def _forget_half_imported() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]


def _declare_missing() -> None:
    library = torch.library.Library("torchvision", "FRAGMENT")
    _libraries.append(library)
    for name, schema in _SCHEMAS.items():
        if not hasattr(torch.ops.torchvision, name):
            library.define(schema)
