"""Many zeros, few nines
=====================

Five methods on digits whose classes follow a long tail, 30 to 1.

Meta-IADA and MetaSAug hold a small meta set out of the training rows. A strategy of Meta-IADA moves
every feature by up to `reach`: by 1 of pixels from 0 to 16, as in the paper. Adjusted logits are
hard to beat, here as on the real images of docs/reproduction/meta_iada.md. Writes long_tail.png.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits

import sklearn_debias as sd
from sklearn_debias.datasets import long_tail_indices

SEEDS = range(2)
SHARED = {"module": "linear", "optimizer": "sgd", "lr": 4e-4, "max_epochs": 50}
METHODS = {
    "cross entropy": sd.ERMClassifier(**SHARED),
    "class-balanced": sd.LongTailClassifier(loss="cross_entropy", beta=1.0, **SHARED),
    "logit adjustment": sd.LongTailClassifier(loss="logit_adjustment", **SHARED),
    "MetaSAug": sd.MetaSAugClassifier(strength=0.25, warmup=0.5, **SHARED),
    "Meta-IADA": sd.MetaIADAClassifier(alpha=0.25, warmup=0.5, reach=1.0, **SHARED),
}


def draw_rows(y, seed):
    """Rows of a seed: a long tail, and others to test on."""
    train, test = np.split(np.random.default_rng(seed).permutation(len(y)), [1300])
    return train[long_tail_indices(y[train], 30, random_state=seed)], test


def run(method, X, y, seed):
    """Accuracy of each class on the test rows, and seconds."""
    train, test = draw_rows(y, seed)
    start = time.perf_counter()
    method.set_params(random_state=seed).fit(X[train], y[train])
    right = method.predict(X[test]) == y[test]
    return [100 * right[y[test] == c].mean() for c in range(10)], time.perf_counter() - start


def main():
    """Print the table, save the figure."""
    torch.set_num_threads(1)  # small networks: threads would wait for each other
    X, y = load_digits(return_X_y=True)
    X, sizes = X.astype(np.float32), np.bincount(y[draw_rows(y, 0)[0]])
    figure, axis = plt.subplots(figsize=(7, 3.6), layout="constrained")
    print(f"{'test accuracy, %':18s}{'mean':>8s}{'last three':>12s}{'seconds':>10s}")
    for k, (name, method) in enumerate(METHODS.items()):
        classes, seconds = zip(*(run(method, X, y, seed) for seed in SEEDS), strict=True)
        accuracy = np.mean(classes, axis=0)
        print(
            f"{name:18s}{accuracy.mean():8.1f}{accuracy[-3:].mean():12.1f}{np.mean(seconds):10.1f}"
        )
        axis.plot(accuracy, "o-", color=f"C{k}", label=name, ms=4)
    axis.set(ylabel="test accuracy, %", xlabel="digit (training rows)", ylim=(None, 101))
    axis.set_xticks(range(10), [f"{c}\n({n})" for c, n in enumerate(sizes)])
    axis.legend(frameon=False, fontsize="small")
    figure.savefig("long_tail.png", dpi=100)
    print(f"Means of {len(SEEDS)} fits. Saved long_tail.png")


if __name__ == "__main__":
    main()
