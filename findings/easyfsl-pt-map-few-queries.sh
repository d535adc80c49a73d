#!/usr/bin/env bash
# easyfsl 1.5.0: with fewer queries than classes, `PTMAP` gives every score as exactly 0, so that each query is of class 0.
#
# The transport plan shall give each class an equal share of the queries. The library divides the number of queries by that
# of classes without remainder: the share of fewer queries than classes is 0, and so is the whole plan. With other numbers
# that are no multiple of the classes, a query's scores, documented as soft assignments, do not sum to 1: of 9 queries of 5
# classes each counts 5/9, in the scores and in the update of the prototypes, where each support image counts 1. With the
# quotient as it is, the same algorithm does well; for multiples it gives what the library gives. (A single query is out
# of its reach: an equal share of it for each class says nothing.)
#
# Why it matters: with the last, smaller batch of a query set, or in episodes of many ways with few queries, nothing is
# raised, and the accuracy is the share of class 0. In a study of how many queries a transductive method needs, PT-MAP breaks
# down at the number of classes, for no reason of its own.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile torch==2.13.0 numpy==2.4.6 pillow==12.0.0
"$work/venv/bin/python" -m pip install --quiet --no-compile --no-deps easyfsl==1.5.0 torchvision==0.28.0
"$work/venv/bin/python" -W ignore - <<'PY'
import sys

import torch

try:
    import torchvision
except RuntimeError:  # a torchvision built for another torch: its operators are not used here
    for name in [name for name in sys.modules if name.startswith("torchvision")]:
        del sys.modules[name]
    operators = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
import easyfsl
from easyfsl.methods import PTMAP, PrototypicalNetworks

WAYS, SHOTS, SIZE = 5, 1, 32
torch.manual_seed(0)
centres = torch.rand(WAYS, SIZE)
shown = lambda labels: torch.nn.functional.normalize((centres[labels] + 0.1 * torch.randn(len(labels), SIZE)).relu(), dim=1)
support_labels = torch.arange(WAYS).repeat_interleave(SHOTS)
support = shown(support_labels)


def library(method, query):
    model = method(torch.nn.Identity())  # the features are the images
    model.process_support_set(support, support_labels)
    with torch.no_grad():
        return model(query)


def plan(cost, sharpness=10.0):
    """Sinkhorn: every query sums to 1, every class to its share of the queries, be it whole or not."""
    log = -sharpness * cost
    for _ in range(500):
        log = log - log.logsumexp(1, keepdim=True)
        log = log - log.logsumexp(0, keepdim=True) + torch.tensor(len(cost) / WAYS).log()
    return log.exp()


def with_the_quotient(query, rounds=10, rate=0.2):
    """PT-MAP as of Hu et al. 2020 with the library's defaults."""
    s, q = ((x.relu() + 1e-6) ** 0.5 for x in (support, query))
    known = torch.nn.functional.one_hot(support_labels, WAYS).float()
    prototypes = known.T @ s / SHOTS
    for _ in range(rounds):
        weights = torch.cat([known, plan(torch.cdist(q, prototypes) ** 2)])
        means = weights.T @ torch.cat([s, q]) / weights.sum(0)[:, None]
        prototypes = prototypes + rate * (means - prototypes)
    return plan(torch.cdist(q, prototypes) ** 2)


print(f"easyfsl {easyfsl.__version__}, torch {torch.__version__}: 5 classes; queries of classes 4, 3, 2, 1, 0, 4, ...")
print("queries  PTMAP: sum of a query's scores  classes predicted  right  with the quotient: sum  right  ProtoNet: right")
for count in (3, 4, 5, 9, 10):
    labels = torch.arange(count).neg().sub(1) % WAYS
    query = shown(labels)
    found, exact, simple = library(PTMAP, query), with_the_quotient(query), library(PrototypicalNetworks, query)
    right = [float((scores.argmax(1) == labels).float().mean()) for scores in (found, exact, simple)]
    sums = found.sum(1), exact.sum(1)
    predicted = "".join(str(label) for label in found.argmax(1).tolist())
    means = [float(total.mean()) for total in sums]
    print(f"{count:7}  {means[0]:30.3f}  {predicted:<17}  {right[0]:5.0%}  {means[1]:22.3f}  {right[1]:5.0%}  "
          f"{right[2]:15.0%}")
    assert torch.allclose(sums[1], torch.ones(count), atol=1e-2) and right[2] == 1, "changed: what is right"
    if count < WAYS:
        assert not found.any(), f"changed: scores with {count} queries: {found}"
        assert right[0] == 0 and right[1] == 1, f"changed: with {count} queries, {right}"
    elif count % WAYS:
        assert abs(means[0] - count // WAYS * WAYS / count) < 1e-3, f"changed: sums with {count} queries"
    else:
        assert torch.allclose(found, exact, atol=1e-3), f"changed: {count} queries differ from the quotient"
print("as found")
PY
