#!/usr/bin/env bash
# torchmeta 1.8.0: neither torch's seed, NumPy's, nor the data set's own `seed` decides which classes an episode has.
#
# `BatchMetaDataLoader` draws classes with Python's global `random`. `torch.manual_seed`, `numpy.random.seed` and
# `dataset.seed(0)` together leave the episodes different from one process to the next; `random.seed` alone fixes which
# classes they have. `dataset.seed` reaches `sample_task` and the order of shots only.
#
# Why it matters: published code that seeds torch and NumPy, and says that its episodes are fixed, evaluates on other
# episodes in every run; two methods compared so are not compared on the same ones.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile torch==2.13.0 numpy==2.4.6 ordered-set==4.1.0 pillow==12.0.0 tqdm requests h5py
"$work/venv/bin/python" -m pip install --quiet --no-compile --no-deps torchmeta==1.8.0 torchvision==0.28.0
cat > "$work/episodes.py" <<'PY'
import random
import sys

import numpy as np
import torch

try:
    import torchvision
except RuntimeError:  # a torchvision built for another torch: its operators are not used here
    for name in [name for name in sys.modules if name.startswith("torchvision")]:
        del sys.modules[name]
    operators = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
# Its package's own start would import all its data sets, of which some need what torchvision no longer has.
import importlib.util
import types

folders = importlib.util.find_spec("torchmeta").submodule_search_locations
sys.modules["torchmeta"] = types.ModuleType("torchmeta")
sys.modules["torchmeta"].__path__ = folders
from torchmeta.utils.data import BatchMetaDataLoader, ClassDataset, CombinationMetaDataset, Dataset


class Classes(ClassDataset):
    num_classes = 100

    def __init__(self):
        super().__init__(meta_train=True)

    def __getitem__(self, index):
        return Dataset(index)


data = CombinationMetaDataset(Classes(), 5, target_transform=None)
torch.manual_seed(0)
np.random.seed(0)
data.seed(0)
if "random" in sys.argv:
    random.seed(0)
classes = iter(BatchMetaDataLoader(data, batch_size=4, num_workers=0).sampler)
print([next(classes) for _ in range(4)])
PY
run() { "$work/venv/bin/python" -W ignore "$work/episodes.py" "$@"; }
a=$(run); b=$(run); c=$(run random); d=$(run random)
echo "torchmeta 1.8.0, classes of four episodes, torch, NumPy and the data set seeded:"; echo "  $a"; echo "  $b"
echo "random seeded as well:"; echo "  $c"; echo "  $d"
[ "$a" != "$b" ] || { echo "changed: the episodes are fixed"; exit 1; }
[ "$c" = "$d" ] || { echo "changed: random does not decide any more"; exit 1; }
echo "as found"
