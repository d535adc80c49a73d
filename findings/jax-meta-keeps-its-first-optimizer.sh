#!/usr/bin/env bash
# jax-meta 1.0.3: `init` with another optimiser changes nothing: the learner trains with the first.
#
# `init(key, optimizer, ...)` is how a learner gets its optimiser, and gives new parameters and a new state. But the
# compiled step is kept from the first `step`, with the optimiser that was there then. If the new one has a state of the
# same form, such as another learning rate of SGD or Adam, nothing fails and nothing is said. The inner loop's `alpha` and
# `num_steps`, which are plain attributes, are fixed by the first step in the same way.
#
# Why it matters: a search over learning rates with one learner trains every candidate with the first rate, and gives
# equal results to all, or differences that are the data's. With one learner per candidate it works.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile jax==0.7.2 dm-haiku==0.0.17 optax==0.2.8 numpy==2.4.6 pillow==12.0.0 tqdm
"$work/venv/bin/python" -m pip install --quiet --no-compile --no-deps jax-meta==1.0.3
"$work/venv/bin/python" -W ignore - <<'PY'
import haiku as hk
import jax
import numpy as np
import optax
from jax_meta.datasets.base import Dataset
from jax_meta.metalearners.maml import MAML

random = np.random.default_rng(0)


def part():
    """Two tasks of six points each, of three classes."""
    return Dataset(random.normal(size=(2, 6, 4)).astype("float32"), random.integers(3, size=(2, 6)), {})


support, query = part(), part()


def learner():
    network = hk.without_apply_rng(hk.transform_with_state(lambda inputs, _: hk.Linear(3)(inputs)))
    return MAML(network, num_steps=1, alpha=0.1)


def moved(maml, rate):
    """How far one step moves the parameters, of a learner that has just been initialised with this learning rate."""
    params, state = maml.init(jax.random.PRNGKey(0), optax.sgd(rate), support.inputs[0], True)
    after, _, _ = maml.step(params, state, support, query, True)
    changes = jax.tree_util.tree_map(lambda old, new: float(abs(new - old).sum()), params, after)
    return sum(jax.tree_util.tree_leaves(changes))


RATES = (0.1, 1.0, 0.0)
one = learner()
found = [moved(one, rate) for rate in RATES]
right = [moved(learner(), rate) for rate in RATES]
print("jax-meta 1.0.3, length of one step of MAML by learning rate", *RATES)
print("  init of one learner again:", *(f"{length:.4f}" for length in found))
print("  a learner for each:       ", *(f"{length:.4f}" for length in right))
assert found == [found[0]] * 3 and found[0] > 0, "changed"
assert np.isclose(right[1], 10 * right[0], rtol=1e-4) and right[2] == 0, "changed"
print("as found")
PY
