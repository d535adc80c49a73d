#!/usr/bin/env bash
# confidenceinterval 1.0.5: its intervals of macro recall, precision and F1 are wrong, in both directions, and its report
# keeps the level 0.95 whatever one asks for.
#
# The intervals of macro averages, which it computes by default, come from the delta method. For recall and precision the
# derivative by the diagonal of the confusion matrix lacks a division by the class's share, and the covariance subtracts a
# vector of squares where it needs an outer product; for macro F1, two products of the formula it cites have become sums. In
# a balanced test of five classes, where macro recall is the accuracy, the interval is 0.57 times as wide as it should be at
# an accuracy of 40% (it holds the truth 7 times in 10, not 95 in 100), and 1.2 times as wide at 90%; that of macro F1 is
# 1.2 and 1.6 times as wide. The intervals of micro averages and of accuracy are right. `classification_report_with_ci`
# hands `confidence_level` only to the F1 of single classes; all else in its table stays at 0.95. No error, no warning.
# (Right: its `method="bootstrap_percentile"`, or, for balanced classes, the interval of the accuracy.)
#
# Why it matters: few-shot accuracies are often low, which is where the intervals of macro recall are too narrow, so that
# two methods that cannot be told apart look different; good ones look alike. A table asked for at 0.99 is mostly one at
# 0.95.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-compile confidenceinterval==1.0.5 numpy==2.4.6 scipy==1.17.1 \
    scikit-learn==1.9.1 statsmodels==0.15.0 pandas==3.1.1
"$work/venv/bin/python" -W ignore - <<'PY'
import numpy as np
from confidenceinterval import accuracy_score, classification_report_with_ci, f1_score, precision_score, recall_score
from sklearn.metrics import confusion_matrix

WAYS, QUERIES = 5, 200  # of each class
TRUE = np.repeat(np.arange(WAYS), QUERIES)
LIBRARY = {"recall": recall_score, "precision": precision_score, "f1": f1_score}
MACRO = {
    "recall": lambda share: np.mean(np.diag(share) / share.sum(1)),
    "precision": lambda share: np.mean(np.diag(share) / share.sum(0)),
    "f1": lambda share: np.mean(2 * np.diag(share) / (share.sum(0) + share.sum(1))),
}


def exact_counts(accuracy):
    """Predictions whose mistakes are spread evenly, so that every average is the accuracy."""
    wrong = round(QUERIES * (1 - accuracy) / (WAYS - 1))
    right = QUERIES - wrong * (WAYS - 1)
    return np.concatenate([np.repeat(np.roll(np.arange(WAYS), -k), [right] + [wrong] * (WAYS - 1)) for k in range(WAYS)])


def by_delta_method(name, predicted):
    """Half the width of the 95% interval, by numerical derivatives of the metric and the covariance of a multinomial."""
    share = confusion_matrix(TRUE, predicted) / len(TRUE)
    gradient = np.zeros_like(share)
    for cell in np.ndindex(share.shape):
        step = np.zeros_like(share)
        step[cell] = 1e-6
        gradient[cell] = (MACRO[name](share + step) - MACRO[name](share - step)) / 2e-6
    gradient, share = gradient.ravel(), share.ravel()
    covariance = np.diag(share) - np.outer(share, share)
    return 1.959964 * np.sqrt(gradient @ covariance @ gradient / len(TRUE))


def half(interval):
    return (interval[1] - interval[0]) / 2


def coverage(name, accuracy, repeats=300):
    """How often the interval holds the true value, and half its width if it were taken from the spread of the estimates."""
    rng = np.random.default_rng(0)
    held, estimates = [], []
    for _ in range(repeats):
        other = (TRUE + rng.integers(1, WAYS, len(TRUE))) % WAYS
        estimate, (low, high) = LIBRARY[name](TRUE, np.where(rng.random(len(TRUE)) < accuracy, TRUE, other), average="macro")
        held.append(low <= accuracy <= high)
        estimates.append(estimate)
    return np.mean(held), 1.959964 * np.std(estimates)


found = {}
for accuracy in (0.4, 0.9):
    predicted = exact_counts(accuracy)
    micro, wilson = recall_score(TRUE, predicted, average="micro"), accuracy_score(TRUE, predicted)
    assert np.isclose(micro[0], accuracy) and np.isclose(wilson[0], accuracy), "changed: the example"
    print(f"accuracy {accuracy:.0%}; right: micro +-{100 * half(micro[1]):.2f}, accuracy +-{100 * half(wilson[1]):.2f}")
    for name, function in LIBRARY.items():
        value, interval = function(TRUE, predicted, average="macro")
        assert np.isclose(value, accuracy), "changed: the macro average"
        right, (covered, spread) = by_delta_method(name, predicted), coverage(name, accuracy)
        found[name, accuracy] = half(interval) / right, covered
        print(
            f"  macro {name}: +-{100 * half(interval):.2f}, which holds the truth in {covered:.0%};",
            f"by the delta method +-{100 * right:.2f}, by simulation +-{100 * spread:.2f}",
        )
        assert abs(right / spread - 1) < 0.12, "the two references disagree"
for name in ("recall", "precision"):
    assert found[name, 0.4][0] < 0.65 and found[name, 0.4][1] < 0.85, f"changed: {name} at 40%"
    assert found[name, 0.9][0] > 1.1, f"changed: {name} at 90%"
assert found["f1", 0.4][0] > 1.1 and found["f1", 0.9][0] > 1.4, "changed: F1"

predicted = exact_counts(0.4)
low, high = (classification_report_with_ci(TRUE, predicted, confidence_level=level) for level in (0.5, 0.99))
same = {column: [bool(a == b) for a, b in zip(low[column], high[column])] for column in low if column.endswith("CI")}
print("the report: are the intervals of five classes, micro and macro at levels 0.5 and 0.99 equal?")
for column, answers in same.items():
    print(f"  {column}: {answers}")
assert all(same["Precision CI"]) and all(same["Recall CI"]), "changed: the report's precision and recall"
assert same["F1-Score CI"] == [False] * WAYS + [True] * 2, "changed: the report's F1"
print("as found")
PY
