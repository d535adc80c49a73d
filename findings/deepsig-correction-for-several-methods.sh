#!/usr/bin/env bash
# deepsig 1.2.8: two methods are never told apart by `multi_aso`, and the more methods are compared, the weaker its correction.
#
# `aso` tests at a confidence level of 0.95. For k comparisons Bonferroni asks for 1 - 0.05 / k; `multi_aso`, and `aso` with
# `num_comparisons`, take 0.95 + 0.05 / k. That is
#   k = 1   the level 1: the bound on the violation ratio of two methods is 1, or NaN where one of them is always the
#           better, whatever the scores (`use_bonferroni=False` brings the right one back);
#   k = 3   0.967 instead of 0.983;
#   k = 45  0.951 instead of 0.999: ten methods are compared as if there were no correction.
#
# Why it matters: almost stochastic order is what is recommended for the scores of a few training seeds. A table of two
# methods says "not significant" of any difference; one of ten stars differences that Bonferroni would not.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile deepsig==1.2.8 numpy==2.4.6 scipy==1.17.1 pandas==3.0.3
"$work/venv/bin/python" -W ignore - <<'PY'
import numpy as np
from deepsig import aso, multi_aso

settings = {"seed": 1, "show_progress": False, "num_bootstrap_iterations": 100, "dt": 0.02}
scores = np.random.default_rng(3)
ours, theirs, third = (scores.normal(mean, 1, 10) for mean in (63, 62, 60))  # ten training seeds each, per cent
print("deepsig 1.2.8, upper bound of the violation ratio, below 0.5: better")
pairs = {}
for more in (0, 0.5, 1.5):
    alone = float(aso(ours + more, theirs, **settings))
    both = [float(multi_aso({"ours": ours + more, "theirs": theirs}, use_bonferroni=use, **settings)[0, 1]) for use in (True, False)]
    pairs[more] = alone, *both
    print(f"  ours {np.mean(ours + more - theirs):.1f} points better: aso {alone:.3f}, multi_aso of the two {both[0]:.3f}, without Bonferroni {both[1]:.3f}")
seen, levels = {}, {}
for k in (3, 45):
    seen[k] = float(aso(ours, theirs, num_comparisons=k, **settings))
    levels[k] = [float(aso(ours, theirs, confidence_level=level, **settings)) for level in (0.95 + 0.05 / k, 1 - 0.05 / k)]
    print(f"  {k} comparisons: {seen[k]:.3f}; at the level {0.95 + 0.05 / k:.3f} {levels[k][0]:.3f}, at Bonferroni's {1 - 0.05 / k:.3f} {levels[k][1]:.3f}")
three = float(multi_aso({"ours": ours, "theirs": theirs, "third": third}, **settings)[0, 1])
print(f"  multi_aso of three methods: {three:.3f}")
assert all(alone < 0.5 and both not in (alone,) and (both == 1 or np.isnan(both)) for alone, both, _ in pairs.values()), "changed: two methods"
assert all(alone == without for alone, _, without in pairs.values()), "changed: without Bonferroni"
assert all(abs(seen[k] - used) < 1e-9 and right > used + 0.01 for k, (used, right) in levels.items()), "changed: the level"
assert abs(three - seen[3]) < 1e-9, "changed: three methods"
print("as found")
PY
