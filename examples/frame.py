"""Results as a frame, in cells (`# %%`) that an editor runs one by one: accuracy by inner step, a line a method.

python examples/frame.py [RESULTS [FIGURE]]
"""

# %%
import sys

import seaborn as sns

import bench

results, figure = (*sys.argv[1:], *("results", "frame.png")[len(sys.argv) - 1 :])

# %% A row a run: what there is.
runs = bench.frame(results)
print(runs.groupby(["benchmark", "method", "protocol"], observed=True)["seed"].count())

# %% A row an episode and inner step; then the mean of every seed, which the seeds' spread is drawn around.
steps = bench.frame(results, rows="step")
cell = ["benchmark", "protocol", "method", "seed", "inner_step"]
means = steps.groupby(cell, observed=True, as_index=False)["score"].mean()

# %%
sns.set_theme(style="whitegrid", palette="colorblind")
grid = sns.relplot(
    means, x="inner_step", y="score", hue="method", style="protocol", col="benchmark", kind="line", errorbar="sd",
    facet_kws={"sharey": False},
)  # fmt: skip
grid.set(xlabel="inner steps taken at test", ylabel="score").savefig(figure, dpi=150)
print(f"{figure}: {len(means)} means of {len(steps)} scores")
