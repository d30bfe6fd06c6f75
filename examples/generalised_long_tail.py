"""Long tails of classes and, within each class, of the ways to write it. Writes generalised_long_tail.png.

Three protocols: the classes shift between training and test (CLT), the attributes do (ALT), both do
(GLT). The attributes are clusters within each class; no method sees those of training rows.
Meta-IADA gets a meta set that is balanced in both, on which the others train: with as few rows as
here, that is the better use of them.
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits

import sklearn_debias as sd
from sklearn_debias.datasets import attribute_long_tail, balanced_indices, glt_split

SEEDS = 2
PROTOCOLS = {"clt": "classes shift", "alt": "attributes shift", "glt": "both shift"}
SHARED = {"module": "linear", "optimizer": "sgd", "lr": 4e-4, "max_epochs": 40}
MOMENTUM = {"net_params": {"optimizer__momentum": 0.9}}  # Meta-IADA has it by default
METHODS = {
    "cross entropy": sd.ERMClassifier(**SHARED, **MOMENTUM),
    "logit adjustment": sd.LongTailClassifier(loss="logit_adjustment", **SHARED, **MOMENTUM),
    "Meta-IADA": sd.MetaIADAClassifier(alpha=0.25, warmup=0.5, **SHARED),
}


def run(method, X, y, attributes, protocol, seed):
    """Accuracy in percent, the mean of the classes."""
    split = glt_split(
        y, attributes, protocol, imbalance_ratio=20, n_max=60, per_cell=6, random_state=seed
    )
    meta = split.rest[
        balanced_indices(y[split.rest], attributes[split.rest], per_cell=3, random_state=seed)
    ]
    method.set_params(random_state=seed)
    if isinstance(method, sd.MetaIADAClassifier):
        method.fit(X[split.train], y[split.train], X_meta=X[meta], y_meta=y[meta])
    else:
        rows = np.concatenate([split.train, meta])
        method.fit(X[rows], y[rows])
    right = method.predict(X[split.test]) == y[split.test]
    return 100 * np.mean([right[y[split.test] == c].mean() for c in range(10)])


def main():
    """Print the table, save the figure."""
    torch.set_num_threads(1)
    X, y = load_digits(return_X_y=True)
    X = X.astype(np.float32)  # strategies lie in (-1, 1), in the units of the features
    attributes = attribute_long_tail(X, y, random_state=0)
    figure, (pictures, bars) = plt.subplots(
        1, 2, figsize=(9, 3.2), layout="constrained", width_ratios=[1, 2]
    )
    means = [
        np.hstack([X[(y == c) & (attributes == a)].mean(0).reshape(8, 8) for a in range(3)])
        for c in (1, 4, 7)
    ]
    pictures.imshow(np.vstack(means), cmap="gray")
    pictures.set(xticks=[3.5, 11.5, 19.5], xticklabels=["head", "middle", "tail"], yticks=[])
    pictures.set_title("attributes of 1, 4 and 7 (means)", fontsize=9)
    print(f"{'test accuracy, %':18s}" + "".join(f"{shift:>18s}" for shift in PROTOCOLS.values()))
    for k, (name, method) in enumerate(METHODS.items()):
        found = [
            [run(method, X, y, attributes, kind, seed) for seed in range(SEEDS)]
            for kind in PROTOCOLS
        ]
        print(f"{name:18s}" + "".join(f"{np.mean(values):18.1f}" for values in found))
        places = np.arange(3) + 0.27 * (k - 1)
        bars.bar(places, np.mean(found, axis=1), 0.25, color=("0.6", "C0", "C3")[k], label=name)
        bars.plot(places, found, "k.", ms=4)
    bars.set_xticks(
        range(3), [f"{kind.upper()}: {shift}" for kind, shift in PROTOCOLS.items()], fontsize=8
    )
    bars.set(ylabel="test accuracy, %", ylim=(70, 100))
    bars.legend(frameon=False, fontsize="small", ncols=3, loc="upper center")
    figure.savefig("generalised_long_tail.png", dpi=100)
    print(f"Means of {SEEDS} fits. Saved generalised_long_tail.png")


if __name__ == "__main__":
    main()
