"""BiasAdv on real embeddings
==========================

Biased Action Recognition with 1 % and 5 % conflicting rows.

    SKLEARN_DEBIAS_DATA=~/data python examples/biasadv_on_bar.py

The folder holds bar_mobilenet_v2_embeddings.npz (see `sklearn_debias.datasets.read_bar`). As in the
paper, 17 or 94 conflicting photographs move to the training set and the others are the test set; no
method sees the bias labels. The settings were chosen on validation rows (5 %) by the first run of
docs/reproduction/biasadv.py, not here. Do not expect BiasAdv's columns to stand out: on these
embeddings it changes little, see docs/reproduction/biasadv.md.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_debias import BiasAdvClassifier, ERMClassifier, JTTClassifier
from sklearn_debias.datasets import data_folder, read_bar

RATIOS = {17: "1 % (17 rows)", 94: "5 % (94 rows)"}
shared = {"module": "linear", "random_state": 0, "lr": 2e-3, "max_epochs": 20, "weight_decay": 1e-4}
attack = {"epsilon": 1.7, "lam": 0.25, "beta": 0.25, "n_steps": 2}
jtt = {"identification_epochs": 2, "upweight": 20}
METHODS = {
    "ERM": ERMClassifier(**shared),
    "BiasAdv-ERM": BiasAdvClassifier(**shared, **attack, base="erm"),
    "JTT": JTTClassifier(**shared, **jtt),
    "BiasAdv-JTT": BiasAdvClassifier(**shared, **attack, base=JTTClassifier(**jtt)),
}


def conflicting_accuracy(estimator, conflicting):
    """Move `conflicting` rows to training; return accuracy on the others, %, with 95 % bounds."""
    bar = read_bar(data_folder(), conflicting=conflicting, random_state=0)
    estimator.fit(bar.train.data, bar.train.target)
    right = int((estimator.predict(bar.test.data) == bar.test.target).sum())
    found = binomtest(right, len(bar.test.target))
    return 100 * np.array([found.statistic, *found.proportion_ci()])


def main():
    """Print the table, save the figure."""
    if data_folder(required=False) is None:
        needed = "bar_mobilenet_v2_embeddings.npz"
        raise SystemExit(f"Set SKLEARN_DEBIAS_DATA to the folder that holds {needed}.")
    torch.set_num_threads(1)  # small networks: threads would wait for each other
    reference = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=200))
    floor, _, _ = conflicting_accuracy(reference, conflicting=0)
    print(f"{'conflicting accuracy, %':24s}{RATIOS[17]:>16s}{RATIOS[94]:>16s}")
    print(f"{'no conflicting row':24s}{floor:16.1f}{floor:16.1f}   (logistic regression)")
    figure, axis = plt.subplots(figsize=(6, 3.2), layout="constrained")
    for k, (name, estimator) in enumerate(METHODS.items()):
        found = np.array([conflicting_accuracy(estimator, n) for n in RATIOS])
        mean, low, high = found.T
        print(f"{name:24s}{mean[0]:16.1f}{mean[1]:16.1f}")
        places = np.arange(2) + 0.18 * (k - 1.5)
        axis.bar(places, mean, 0.16, yerr=[mean - low, high - mean], label=name)
    axis.axhline(floor, color="black", lw=0.8, ls="--", label="no conflicting row")
    axis.set(xticks=(0, 1), xticklabels=RATIOS.values(), ylim=(50, 90))
    axis.set_ylabel("accuracy on conflicting\ntest photographs, %")
    axis.legend(fontsize=7, loc="upper left")
    figure.savefig("biasadv_on_bar.png", dpi=110)
    print("Saved biasadv_on_bar.png")


if __name__ == "__main__":
    main()
