"""Long tails of classes and of attributes
=======================================

Some classes are rare, and within each class some ways to write it. Three protocols.

The classes shift between training and test (CLT), the attributes do (ALT), or both do (GLT). The
attributes are clusters within each class; no method sees those of training rows. Meta-IADA gets a
meta set that is balanced in both, on which the others train: with as few rows as here, that is the
better use of them. Writes generalised_long_tail.png.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.metrics import balanced_accuracy_score

import sklearn_debias as sd
from sklearn_debias.datasets import attribute_long_tail, balanced_indices, glt_split

SEEDS = range(2)
X, y = load_digits(return_X_y=True)
X = X.astype(np.float32)  # strategies lie in (-1, 1), in the units of the features
attributes = attribute_long_tail(X, y, random_state=0)
PROTOCOLS = {"clt": "classes shift", "alt": "attributes shift", "glt": "both shift"}
SPLIT = {"imbalance_ratio": 20, "n_max": 60, "per_cell": 6}
SHARED = {"module": "linear", "optimizer": "sgd", "lr": 4e-4, "max_epochs": 40}
METHODS = {
    "cross entropy": sd.ERMClassifier(**SHARED),
    "logit adjustment": sd.LongTailClassifier(loss="logit_adjustment", **SHARED),
    "Meta-IADA": sd.MetaIADAClassifier(alpha=0.25, warmup=0.5, reach=1.0, **SHARED),
}


def run(method, protocol, seed):
    """Return the accuracy in percent, the mean of the classes."""
    split = glt_split(y, attributes, protocol, random_state=seed, **SPLIT)
    train, test, rest = split.train, split.test, split.rest
    meta = rest[balanced_indices(y[rest], attributes[rest], per_cell=3, random_state=seed)]
    method.set_params(random_state=seed)
    if isinstance(method, sd.MetaIADAClassifier):
        method.fit(X[train], y[train], X_meta=X[meta], y_meta=y[meta])
    else:
        rows = np.concatenate([train, meta])
        method.fit(X[rows], y[rows])
    return 100 * balanced_accuracy_score(y[test], method.predict(X[test]))


def draw(found):
    """Draw the mean of each attribute of three classes, and the accuracies."""
    sizes = {"figsize": (9, 3.2), "width_ratios": [1, 2]}
    figure, (pictures, bars) = plt.subplots(1, 2, layout="constrained", **sizes)
    means = [[X[(y == c) & (attributes == a)].mean(axis=0) for a in range(3)] for c in (1, 4, 7)]
    picture = np.reshape(means, (3, 3, 8, 8)).swapaxes(1, 2).reshape(24, 24)
    pictures.imshow(picture, cmap="gray")
    pictures.set(xticks=[3.5, 11.5, 19.5], xticklabels=["head", "middle", "tail"], yticks=[])
    pictures.set_title("attributes of 1, 4 and 7 (means)", fontsize=9)
    for k, (name, values) in enumerate(found.items()):
        places = np.arange(3) + 0.27 * (k - 1)
        bars.bar(places, np.mean(values, axis=1), 0.25, color=("0.6", "C0", "C3")[k], label=name)
        bars.plot(places, values, "k.", ms=4)
    labels = [f"{protocol.upper()}: {shift}" for protocol, shift in PROTOCOLS.items()]
    bars.set_xticks(range(3), labels, fontsize=8)
    bars.set(ylabel="test accuracy, %", ylim=(70, 100))
    bars.legend(frameon=False, fontsize="small", ncols=3, loc="upper center")
    figure.savefig("generalised_long_tail.png", dpi=100)


def main():
    """Print the table, save the figure."""
    torch.set_num_threads(1)  # small networks: threads would wait for each other
    found = {}
    print(f"{'test accuracy, %':18s}" + "".join(f"{shift:>18s}" for shift in PROTOCOLS.values()))
    for name, method in METHODS.items():
        found[name] = [[run(method, kind, seed) for seed in SEEDS] for kind in PROTOCOLS]
        print(f"{name:18s}" + "".join(f"{np.mean(values):18.1f}" for values in found[name]))
    draw(found)
    print(f"Means of {len(SEEDS)} fits. Saved generalised_long_tail.png")


if __name__ == "__main__":
    main()
