#!/usr/bin/env bash
# mmfewshot 0.1.0: `fast_test`, said to be an acceleration, decides how prototypes are embedded.
#
# Metric methods (ProtoNet, which is run here; MatchingNet, RelationNet and MetaBaseline are tested by the same code)
# are tested episode by episode. With `fast_test=True`, as in the shipped configurations of ProtoNet, all test images
# are embedded first, in evaluation mode. Without it, which is what a configuration that does not name it means, each
# episode's support set is embedded in the mode that the model happens to be in: training mode, both in the evaluation
# during training and for a model that was just built and loaded, as the test script does it. Only then comes
# `eval()`, and the queries are embedded. Batch norm so normalises support images by each other and queries by running
# statistics (which the support set has moved), and dropout and DropBlock, where there are any, thin the prototypes
# alone.
#
# Why it matters: the same weights on the same episodes have another accuracy: here about a point lower, and 10 to
# 21 where the test images are brighter than those of training. `model.eval()` before the test gives what `fast_test`
# gives.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile torch==2.13.0 numpy==2.3.5 "setuptools<81" wheel \
    pillow==13.0.0 pyyaml==6.0.4 addict==2.4.0 opencv-python-headless==5.0.0.93 packaging==26.4 matplotlib==3.11.2 \
    terminaltables==3.1.10 yapf==0.43.0
"$work/venv/bin/python" -m pip install --quiet --no-compile --no-deps --no-build-isolation mmcv==1.4.0 mmcls==0.15.0 \
    mmfewshot==0.1.0
cd "$work"
"$work/venv/bin/python" -W ignore - <<'PY'
import sys
import types
from pathlib import Path

# The half of the package for object detection needs compiled operators; torchvision is only asked for addresses.
package = types.ModuleType("mmfewshot")
package.__path__ = [str(next(Path(path, "mmfewshot") for path in sys.path if Path(path, "mmfewshot").is_dir()))]
vision = types.ModuleType("torchvision")
vision.models = types.ModuleType("torchvision.models")
sys.modules |= {"mmfewshot": package, "torchvision": vision, "torchvision.models": vision.models}

import mmcv
import numpy as np
import torch
from mmcls.models import build_classifier
from mmcv import ConfigDict
from mmfewshot.classification.apis import single_gpu_meta_test
from mmfewshot.classification.datasets import BaseFewShotDataset, MetaTestDataset, build_meta_test_dataloader

WAYS, QUERIES, EPISODES, SIZE, PER_CLASS = 5, 15, 40, 16, 20
PIPELINE = [
    {"type": "ImageToTensor", "keys": ["img"]},
    {"type": "ToTensor", "keys": ["gt_label"]},
    {"type": "Collect", "keys": ["img", "gt_label"], "meta_keys": ["filename"]},
]
torch.set_num_threads(1)  # with more, rounding differs, and with it the weights
rng = np.random.default_rng(0)
mmcv.ProgressBar = lambda tasks: types.SimpleNamespace(update=lambda **_: None)


class Textures(BaseFewShotDataset):
    """Images of 20 classes: a random texture for each, with noise."""

    brightness = 0

    def load_annotations(self):
        textures = rng.normal(size=(len(self.CLASSES), SIZE // 2, SIZE // 2, 3)).repeat(2, 1).repeat(2, 2)
        infos = []
        for label in np.repeat(np.arange(len(self.CLASSES)), PER_CLASS):
            image = textures[label] + 2 * rng.normal(size=(SIZE, SIZE, 3)) + rng.normal() + self.brightness
            name = f"{len(infos)}.png"
            info = {"img": image.astype(np.float32), "gt_label": np.array(label), "filename": name}
            infos.append(info | {"img_prefix": "", "img_info": {"filename": name}})
        return infos


class Bright(Textures):
    """Images of another source: brighter than those of training."""

    brightness = 6


def images_of(source):
    return source(data_prefix="", pipeline=PIPELINE, classes=[str(number) for number in range(20)])


def trained():
    """A ProtoNet after 100 episodes: 5 ways, 5 shots, 5 queries."""
    torch.manual_seed(0)
    model = build_classifier(ConfigDict(type="ProtoNet", backbone={"type": "Conv4"}, head={"type": "PrototypeHead"}))
    optimiser, data = torch.optim.Adam(model.parameters(), 1e-3), images_of(Textures)
    images = torch.stack([torch.from_numpy(info["img"]).permute(2, 0, 1) for info in data.data_infos])
    images = images.unflatten(0, (20, PER_CLASS))
    for _ in range(100):
        drawn = images[torch.randperm(20)[:WAYS]][:, torch.randperm(PER_CLASS)[:10]]
        labels = torch.arange(WAYS).repeat_interleave(5)
        support, query = ({"img": part.flatten(0, 1), "gt_label": labels} for part in (drawn[:, :5], drawn[:, 5:]))
        loss = model.forward_train(support, query)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return model


def tested(model, unseen, shots, fast):
    """The accuracy on the same 40 episodes of new classes, in %."""
    how = {"num_episodes": EPISODES, "support": {"batch_size": WAYS * shots}, "query": {"batch_size": WAYS * QUERIES}}
    how = ConfigDict(how | {"fast_test": fast, "test_set": {"batch_size": 16, "num_workers": 0}})
    episodes = MetaTestDataset(unseen, EPISODES, WAYS, shots, QUERIES, episodes_seed=0)
    loaders = build_meta_test_dataloader(episodes, how)
    found = single_gpu_meta_test(model, EPISODES, *loaders, meta_test_cfg=how, eval_kwargs={}, logger="silent")
    return found["accuracy_mean"]


model = trained()
assert model.training, "changed: a model after training is not in training mode"
torch.manual_seed(0)
print(f"mmfewshot 0.1.0, ProtoNet, new classes, {EPISODES} episodes, the same weights and episodes in each line")
print("images    shots  fast_test=True  fast_test=False  False, after model.eval()")
for source in (Textures, Bright):
    unseen = images_of(source)
    for shots in (1, 5):
        fast, slow = tested(model, unseen, shots, True), tested(model, unseen, shots, False)
        model.eval()
        repaired = tested(model, unseen, shots, False)
        model.train()
        print(f"{source.__name__:8}  {shots:5}  {fast:14.2f}  {slow:15.2f}  {repaired:25.2f}")
        assert abs(fast - repaired) < 0.1, "changed: evaluation mode is not what fast_test uses"
        assert abs(fast - slow) > (5 if source is Bright else 0), "changed: fast_test no longer changes the accuracy"
print("as found")
PY
