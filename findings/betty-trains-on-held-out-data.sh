#!/usr/bin/env bash
# betty-ml 0.1.1: its default hypergradient trains the lower level on the upper level's data; 0.2.1 does not.
#
# `Config(type="darts")`, the default, moves the lower level's weights along the gradient of the upper level's loss, there and
# back, for finite differences. In 0.1.1 the way back has no effect: after every step of the upper level the lower weights
# stand 0.01 (`darts_alpha`) further down the *upper* loss, which they should never have seen. "neumann" and "cg" do not
# move them. 0.2.1 excludes Python 3.11 and later, where pip before 24.1 takes 0.1.1 instead.
#
# Shown on labels that are random: nothing can be learnt from the lower level's data about the upper level's, and the upper
# level has a learning rate of 0. Its labels are predicted by chance, or by weights that were fitted to them.
#
# Why it matters: the upper level has what is held out, the clean images in data reweighting, the validation half in architecture
# search. A lower level that goes on from where it is (iMAML's starts anew) is trained on it: accuracy there is that of
# training data, and the gain that is put down to the upper level may be the additional data's. The version of Python alone
# decides which of the two numbers is published.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
install() { "$work/venv/bin/python" -m pip install --quiet --no-compile "$@"; }
install pip==24.0 # the last that reads what 0.1.1 says of its dependencies
install torch==2.13.0 numpy==2.4.6
install --no-deps --target "$work/0.1.1" betty-ml==0.1.1
install --no-deps --ignore-requires-python --target "$work/0.2.1" betty-ml==0.2.1
cat > "$work/levels.py" <<'PY'
import logging
import sys

sys.path.insert(0, sys.argv[1])
import torch
import torch.nn.functional as F
from betty.configs import Config, EngineConfig
from betty.engine import Engine
from betty.problems import ImplicitProblem
from torch import nn

logging.disable(logging.CRITICAL)
generator = torch.Generator().manual_seed(1)
lower_data, upper_data = [(torch.randn(40, 100, generator=generator), torch.randint(2, (40,), generator=generator)) for _ in "lu"]


class Upper(ImplicitProblem):
    def training_step(self, batch):
        return F.cross_entropy(self.lower(batch[0]), batch[1])


class Lower(ImplicitProblem):
    def training_step(self, batch):
        losses = F.cross_entropy(self.module(batch[0]), batch[1], reduction="none")
        return (losses * self.upper().sigmoid()).mean()


class Weights(nn.Module):
    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(40))

    def forward(self):
        return self.weights


for hypergradient in ("darts", "neumann", "cg"):
    torch.manual_seed(0)
    net, weights = nn.Linear(100, 2), Weights()
    descent = torch.optim.SGD(net.parameters(), lr=0.1), torch.optim.SGD(weights.parameters(), lr=0.0)
    lower = Lower("lower", Config(type=hypergradient), net, descent[0], train_data_loader=[lower_data])
    upper = Upper("upper", Config(), weights, descent[1], train_data_loader=[upper_data])
    levels = {"u2l": {upper: [lower]}, "l2u": {lower: [upper]}}
    Engine([lower, upper], EngineConfig(train_iters=300, valid_step=1000), levels).run()
    right = [float((net(images).argmax(1) == labels).float().mean()) for images, labels in (lower_data, upper_data)]
    print(hypergradient, *right)
PY
for version in 0.1.1 0.2.1; do
  "$work/venv/bin/python" -W ignore "$work/levels.py" "$work/$version" > "$work/$version.txt"
  while read -r type lower upper; do
    printf 'betty-ml %s, %-8s right on random labels of the lower level %.3f, of the upper %.3f\n' "$version" "$type:" "$lower" "$upper"
  done < "$work/$version.txt"
done
awk '{ fitted = $3 > 0.9; if (NF != 3 || fitted != ($1 == "darts")) exit 1 }' "$work/0.1.1.txt" || { echo "changed: 0.1.1"; exit 1; }
awk '{ if (NF != 3 || $3 > 0.7) exit 1 }' "$work/0.2.1.txt" || { echo "changed: 0.2.1"; exit 1; }
[ "$(cat "$work"/0.?.1.txt | wc -l)" = 6 ] || { echo "changed: not all were run"; exit 1; }
echo "as found"
