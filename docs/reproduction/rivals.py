"""The baselines on synthetic embeddings: worst group and average, linear heads and a perceptron.

    python docs/reproduction/rivals.py

Writes rivals.csv (a row per fit) beside this file, and prints the means of three seeds that
docs/guide/choosing_heads.md and docs/design/rivals.md quote. Part "test" compares defaults on
test rows; part "afr" varies AFR's two parameters on validation rows.
"""

import warnings
from itertools import product
from pathlib import Path

import pandas as pd
import torch

from sklearn_debias import (
    AFRClassifier,
    ClassScaling,
    DFRClassifier,
    ERMClassifier,
    GroupDROClassifier,
)
from sklearn_debias.datasets import make_spurious_embeddings
from sklearn_debias.metrics import worst_group_accuracy_score

SEEDS = range(3)
MODULES = {"linear": {"module": "linear"}, "mlp": {"module": "mlp", "max_epochs": 15}}
GAMMA, LAM = (1.0, 2.0, 4.0, 8.0, 16.0), (0.0, 0.03, 0.1, 0.3, 1.0)
HERE = Path(__file__).parent


def rivals(options, data):
    """Names, unfitted classifiers and the part of the data that each learns from."""
    for by in ("weight", "sample", "subsample"):
        yield (
            f"ERM, groups by {by}",
            ERMClassifier(balance="group", balance_by=by, **options),
            data.train,
        )
    yield "ERM", ERMClassifier(**options), data.train
    for step_size in (0.0, 0.01, 0.1):
        yield (
            f"GroupDRO, step {step_size}",
            GroupDROClassifier(step_size=step_size, **options),
            data.train,
        )
    yield "GroupDRO, drawn", GroupDROClassifier(balance="group", **options), data.train
    yield "AFR", AFRClassifier(**options), data.train
    erm = ERMClassifier(**options).fit(data.train.data, data.train.target)
    yield "ERM, scaled classes", ClassScaling(erm), data.validation
    if options["module"] == "linear":
        seed = options["random_state"]
        yield "DFR on validation rows", DFRClassifier(random_state=seed), data.validation
        yield "DFR on training rows", DFRClassifier(random_state=seed), data.train


def scored(clf, fitted_on, rows):
    """Worst-group and average accuracy of a fit."""
    predicted = clf.fit(
        fitted_on.data, fitted_on.target, bias_labels=fitted_on.bias_labels
    ).predict(rows.data)
    worst = worst_group_accuracy_score(rows.target, predicted, bias_labels=rows.bias_labels)
    return {
        "worst_group": round(worst, 4),
        "average": round(float((predicted == rows.target).mean()), 4),
    }


def fits():
    """A row for each fit."""
    for seed, (module, options) in product(SEEDS, MODULES.items()):
        data = make_spurious_embeddings(
            2000, n_validation=500, n_test=4000, conflict_ratio=0.05, random_state=seed
        )
        options = {**options, "random_state": seed}
        for name, clf, rows in rivals(options, data):
            yield {
                "part": "test",
                "module": module,
                "method": name,
                "seed": seed,
                **scored(clf, rows, data.test),
            }
        for gamma, lam in product(GAMMA, LAM):
            clf = AFRClassifier(gamma=gamma, lam=lam, **options)
            name = f"AFR, gamma {gamma:g}, lam {lam:g}"
            yield {"part": "afr", "module": module, "method": name, "seed": seed} | scored(
                clf, data.train, data.validation
            )


def main():
    """Fit, save, print."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    table = pd.DataFrame(fits())
    table.to_csv(HERE / "rivals.csv", index=False)
    means = table.groupby(["part", "module", "method"], sort=False)[
        ["worst_group", "average"]
    ].mean()
    print(means.round(3).to_string())


if __name__ == "__main__":
    main()
