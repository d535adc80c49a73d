#!/usr/bin/env bash
# setfit 1.2.0: distillation asks the student to find all sentences alike, whatever the teacher says.
#
# `DistillationTrainer` lets the teacher compute the similarities of all unlabelled sentences, and gives them to
# `ContrastiveDistillationDataset`, whose pairs the student's body is trained on. That class numbers the sentences only after
# its base class has made the pairs; until then every sentence has the number 0. So every pair has the label of sentence 0
# with itself: 1. No error, no warning; the loss falls to zero.
#
# Why it matters: what is published as few-shot distillation is a student whose body is trained towards one point for all
# sentences, and a head that is fitted to the teacher's predictions on what is left of it.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile torch==2.13.0 numpy==2.4.6 huggingface_hub==1.5.0 tqdm
# Of setfit the module with the pairs suffices: its package needs transformers, which this has no use for.
"$work/venv/bin/python" -m pip install --quiet --no-compile --no-deps setfit==1.2.0
"$work/venv/bin/python" -W ignore - <<'PY'
import importlib.util
import sys
import types

folders = importlib.util.find_spec("setfit").submodule_search_locations
sys.modules["setfit"] = types.ModuleType("setfit")
sys.modules["setfit"].__path__ = folders
import torch
import torch.nn.functional as F
from setfit.sampler import ContrastiveDistillationDataset

torch.manual_seed(0)
sentences = [f"sentence {number}" for number in range(12)]
teacher = F.normalize(torch.randn(12, 8), dim=1)
similarities = teacher @ teacher.T
pairs = list(ContrastiveDistillationDataset(sentences, similarities))  # as `DistillationTrainer.get_dataset` makes it
first, second = ([sentences.index(pair[side]) for pair in pairs] for side in ("sentence_1", "sentence_2"))
given, meant = torch.stack([pair["label"] for pair in pairs]), similarities[first, second]


def student_of(labels):
    """Similarities of two different sentences (mean) of a student that is trained on the pairs, by the loss that setfit takes."""
    torch.manual_seed(1)
    student = torch.randn(12, 8).requires_grad_()
    descent = torch.optim.Adam([student], lr=0.05)
    for _ in range(500):
        descent.zero_grad()
        F.mse_loss(F.cosine_similarity(student[first], student[second]), labels).backward()
        descent.step()
    found = F.cosine_similarity(student[:, None], student[None], dim=2)[~torch.eye(12, dtype=torch.bool)]
    return float(found.mean()), float(found.std())


print(f"setfit 1.2.0, {len(pairs)} pairs: labels from {given.min():.2f} to {given.max():.2f}, the teacher's from {meant.min():.2f} to {meant.max():.2f}")
print("mean and deviation of two sentences' similarity: teacher's", *(f"{value:.2f}" for value in (meant[meant < 0.999].mean(), meant[meant < 0.999].std())))
taught, right = student_of(given), student_of(meant)
print("  a student of these labels", *(f"{value:.2f}" for value in taught), "- of the teacher's", *(f"{value:.2f}" for value in right))
assert len(pairs) == 78 and bool((given - 1).abs().max() < 1e-6) and float(meant.min()) < 0, "changed: the labels"
assert taught[0] > 0.99 and right[0] < 0.5, "changed: the student"
print("as found")
PY
