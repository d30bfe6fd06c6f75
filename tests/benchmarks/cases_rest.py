"""What an import costs in a fresh process, and scores of many groups."""

import subprocess
import sys

import numpy as np
from timing import Case

from sklearn_debias.metrics import worst_group_accuracy_score

BUILT_ON = "import torch, sklearn, skorch"
IMPORTS = {
    "import": ("import sklearn_debias", BUILT_ON, 1.05),
    "import-method": ("from sklearn_debias import ERMClassifier", BUILT_ON, 1.05),
    "import-all": ("from sklearn_debias import *", BUILT_ON, 1.05),
}


def import_of(ours, reference):
    def run(code):
        subprocess.run([sys.executable, "-c", code], check=True)

    return lambda: run(ours), lambda: run(reference)


def groups(n):
    """Prepare n rows in 1,000 groups of class and bias: our score, and nothing but the counts."""
    rng = np.random.default_rng(0)
    truth, guess = rng.integers(0, 10, (2, n))
    bias = rng.integers(0, 100, n)

    def counts():
        cell = truth * 100 + bias
        size = np.bincount(cell, minlength=1000)
        return (np.bincount(cell, weights=truth == guess, minlength=1000) / size).min()

    def score():
        return worst_group_accuracy_score(truth, guess, bias_labels=bias)

    assert score() == counts()
    return score, counts


CASES = [
    Case(
        name,
        f"`{ours}`",
        f"`{reference}`",
        asked,
        lambda quick, ours=ours, reference=reference: import_of(ours, reference),
        rounds=7,
        holds=1.3,
    )
    for name, (ours, reference, asked) in IMPORTS.items()
]
CASES += [
    Case(
        "import-metrics",
        "`import sklearn_debias.metrics`, seconds",
        "-",
        1,
        lambda quick: import_of("import sklearn_debias.metrics", BUILT_ON),
        rounds=7,
        holds=4,
        unit="s",
    ),
    Case(
        "group-scores",
        "worst-group accuracy, 1,000,000 rows, 1,000 groups",
        "`np.bincount`",
        5,
        lambda quick: groups(50_000 if quick else 1_000_000),
        rounds=11,
        holds=30,
    ),
]
