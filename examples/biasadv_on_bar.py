"""BiasAdv on real embeddings: Biased Action Recognition with 1 % and 5 % bias-conflicting training rows.

    SKLEARN_DEBIAS_DATA=~/data python examples/biasadv_on_bar.py

The folder holds bar_mobilenet_v2_embeddings.npz (see `sklearn_debias.datasets.read_bar`). As in the
paper, 17 or 94 conflicting photographs move to the training set and the others are the test set; no
method sees the bias labels. The settings were chosen on validation rows (5 %) by
docs/reproduction/biasadv.py, not here. Do not expect BiasAdv's columns to stand out: on these
embeddings it changes little, see docs/reproduction/biasadv.md.
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_debias import BiasAdvClassifier, ERMClassifier, JTTClassifier
from sklearn_debias.datasets import data_folder, read_bar

SEEDS = range(2)
shared = {"module": "linear", "lr": 2e-3, "max_epochs": 20, "weight_decay": 1e-4}
jtt = JTTClassifier(identification_epochs=2, upweight=20)
METHODS = {
    "ERM": ERMClassifier(**shared),
    "BiasAdv-ERM": BiasAdvClassifier(base="erm", epsilon=1.7, lam=0.25, beta=0.25, **shared),
    "JTT": clone(jtt).set_params(**shared),
    "BiasAdv-JTT": BiasAdvClassifier(base=jtt, epsilon=1.7, lam=0.25, beta=0.25, **shared),
}


def conflicting_accuracy(estimator, conflicting, seed):
    """Accuracy, in percent, on the conflicting rows that are left after `conflicting` moved to training."""
    bar = read_bar(data_folder(), conflicting=conflicting, random_state=seed)
    return 100 * estimator.fit(bar.train.data, bar.train.target).score(
        bar.test.data, bar.test.target
    )


def main():
    """Print the table, save the figure."""
    if data_folder(required=False) is None:
        raise SystemExit(
            "Set SKLEARN_DEBIAS_DATA to the folder that holds bar_mobilenet_v2_embeddings.npz."
        )
    reference = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=200))
    figure, axis = plt.subplots(figsize=(6, 3.2), layout="constrained")
    print(f"{'conflicting accuracy, %':24s}{'1 % (17 rows)':>16s}{'5 % (94 rows)':>16s}")
    floor = conflicting_accuracy(reference, 0, 0)
    print(f"{'no conflicting row':24s}{floor:16.1f}{floor:16.1f}   (logistic regression)")
    for k, (name, estimator) in enumerate(METHODS.items()):
        means = []
        for j, conflicting in enumerate((17, 94)):
            values = [
                conflicting_accuracy(estimator.set_params(random_state=seed), conflicting, seed)
                for seed in SEEDS
            ]
            means.append(np.mean(values))
            place = j + 0.18 * (k - 1.5)
            axis.bar(place, means[-1], width=0.16, color=f"C{k}", label=name if j == 0 else None)
            axis.plot([place] * len(values), values, "k.", ms=4)
        print(f"{name:24s}{means[0]:16.1f}{means[1]:16.1f}")
    axis.axhline(
        floor, color="black", lw=0.8, ls="--", label="no conflicting row (logistic regression)"
    )
    axis.set(xticks=(0, 1), xticklabels=("1 % (17 rows)", "5 % (94 rows)"), ylim=(50, 90))
    axis.set_ylabel("accuracy on conflicting\ntest photographs, %")
    axis.legend(fontsize=7, loc="upper left")
    figure.savefig("biasadv_on_bar.png", dpi=110)
    print("Saved biasadv_on_bar.png")


if __name__ == "__main__":
    main()
