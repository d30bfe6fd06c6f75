"""How often should an error of JTT's first model count, where nobody knows of a shortcut?

    python docs/reproduction/jtt_upweight.py

JTT by its defaults, and with constant upweights, on data without any shortcut (accuracy of held-out
rows) and on data with one (the worst group of two classes, or the mean over the groups, on unbiased
validation rows; test rows stay closed). Five seeds, 1,000 training rows at most. Writes
jtt_upweight.csv and prints its table. Needs SKLEARN_DEBIAS_DATA.
"""

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.datasets import load_breast_cancer, load_wine, make_blobs, make_classification
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sklearn_debias import JTTClassifier

sys.path.insert(0, str(Path(__file__).parent))
from selection import measure, split

OUT = Path(__file__).with_suffix(".csv")
UPWEIGHTS = (1, 5, 20, "auto")
SEEDS = 5
MOST = 1000
BIASED = ("synthetic", "digits", "coloured", "patched", "bar")
BLOBS = {"n_samples": 2000, "centers": 4, "n_features": 10, "random_state": 0}
TABLE = {"n_samples": 2000, "n_features": 20, "n_informative": 10, "random_state": 0}


def plain():
    """Yield names and rows (X, y) of what has no shortcut."""
    yield "blobs, near", make_blobs(cluster_std=4, **BLOBS)
    yield "blobs, nearer", make_blobs(cluster_std=8, **BLOBS)
    X, y = make_blobs(cluster_std=2, **BLOBS | {"n_samples": 4000})
    drawn = np.random.default_rng(0).random(len(y)) < 0.01
    yield "1 % of labels drawn", (X, np.where(drawn, (y + 1) % 4, y))
    yield "wine", load_wine(return_X_y=True)
    yield "breast cancer", load_breast_cancer(return_X_y=True)
    yield "10 % of labels drawn", make_classification(n_classes=3, flip_y=0.1, **TABLE)
    yield "30 % of labels drawn", make_classification(n_classes=2, flip_y=0.3, **TABLE)
    yield "a rare class", make_classification(n_classes=2, weights=[0.95], **TABLE)


def problems():
    """Yield a name, training rows (X, y) and a function that scores a model."""
    for name, (X, y) in plain():
        halves = train_test_split(X, y, test_size=0.5, random_state=0, stratify=y)
        scaler = StandardScaler().fit(halves[0])
        X, unseen = (scaler.transform(half) for half in halves[:2])
        yield name, X, halves[2], lambda clf, X=unseen, y=halves[3]: clf.score(X, y)
    for name in BIASED:
        train, _, unbiased, _ = split(name, 0)
        rows = np.random.default_rng(0).permutation(len(train.target))[:MOST]
        judge = measure(name, train)
        yield (
            name,
            train.data[rows],
            train.target[rows],
            lambda clf, judge=judge, rows=unbiased: judge(rows, clf.predict(rows.data)),
        )


def fits():
    """Yield a row per fit."""
    for name, X, y, score in problems():
        for upweight in UPWEIGHTS:
            for seed in range(SEEDS):
                clf = JTTClassifier(upweight=upweight, random_state=seed).fit(X, y)
                errors = len(clf.error_set_) / len(y)
                yield name, upweight, seed, errors, clf.upweight_, score(clf)
        print(name, flush=True)


def main():
    """Fit, write a row per fit, and print the means."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    columns = ["data", "upweight", "seed", "errors", "upweight_", "score"]
    frame = pd.DataFrame(list(fits()), columns=columns)
    frame.to_csv(OUT, index=False, float_format="%.4f")
    frame["score"] = (100 * frame.score).round(1)
    table = frame.pivot_table(index="data", columns="upweight", values="score", sort=False)
    own = frame[frame.upweight == "auto"].groupby("data")[["errors", "upweight_"]].mean()
    print(table.join(own).round(2).to_string())


if __name__ == "__main__":
    main()
