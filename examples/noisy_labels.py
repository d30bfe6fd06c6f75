"""Four labels in ten are wrong: who is believed?
==============================================

For 40 % of the images the label is that of one of two other digits ("flip2"). Meta-IADA
moves the features of a sample adversarially where it should be learned (epsilon above 0),
anti-adversarially where its label should rather be ignored; it finds out on ten clean images per
class, on which the plain fit trains as well. Writes noisy_labels.png.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits

import sklearn_debias as sd
from sklearn_debias.datasets import balanced_indices, flip_labels

SEEDS = range(2)
X, y = load_digits(return_X_y=True)
X = (X / 4).astype(np.float32)
SHARED = {"module": "linear", "optimizer": "sgd", "lr": 6e-3, "max_epochs": 40, "batch_size": 100}
METHODS = {
    "cross entropy": sd.ERMClassifier(**SHARED, net_params={"optimizer__momentum": 0.9}),
    "Meta-Weight-Net": sd.MetaWeightNetClassifier(**SHARED),
    "Meta-IADA": sd.MetaIADAClassifier(
        alpha=0.25, reach=1.0, warmup=0.5, perturbation_lr=3e-3, **SHARED
    ),
}


def run(method, seed):
    """Return the test accuracy in percent, and which training labels were wrong."""
    rows, test = np.split(np.random.default_rng(seed).permutation(len(y)), [1000])
    meta = rows[balanced_indices(y[rows], per_cell=10, random_state=seed)]
    train = np.setdiff1d(rows, meta)
    noisy = flip_labels(y[train], 0.4, kind="flip2", random_state=seed)
    method.set_params(random_state=seed)
    if isinstance(method, sd.ERMClassifier):
        method.fit(np.concatenate([X[train], X[meta]]), np.concatenate([noisy, y[meta]]))
    else:
        method.fit(X[train], noisy, X_meta=X[meta], y_meta=y[meta])
    return 100 * method.score(X[test], y[test]), noisy != y[train]


def draw(accuracies, epsilon, wrong):
    """Draw accuracies, and the strategies of samples with right and with wrong labels."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    names = [name.replace(" ", "\n") for name in accuracies]
    values = list(accuracies.values())
    left.bar(names, np.mean(values, axis=1), color=["0.6", "C0", "C3"])
    left.plot(names, values, "k.", ms=4)
    left.tick_params(axis="x", labelsize=8)
    left.set_ylabel("test accuracy, %")
    for rows, colour, label in ((~wrong, "C2", "right labels"), (wrong, "C3", "wrong labels")):
        right.hist(epsilon[rows], np.linspace(-1, 1, 41), color=colour, alpha=0.6, label=label)
    right.axvline(0, color="black", lw=0.8)
    right.set_xlabel("epsilon_: anti-adversarial (-1) to adversarial (1)")
    right.set_ylabel("training samples")
    right.legend(frameon=False)
    figure.savefig("noisy_labels.png", dpi=100)


def main():
    """Print the table, save the figure."""
    torch.set_num_threads(1)  # small networks: threads would wait for each other
    accuracies = {}
    for name, method in METHODS.items():
        accuracies[name], wrong = zip(*(run(method, seed) for seed in SEEDS), strict=True)
        print(f"{name:18s}{np.mean(accuracies[name]):6.1f} % right ({len(SEEDS)} fits)")
    epsilon, wrong = METHODS["Meta-IADA"].epsilon_, wrong[-1]  # of the last fit
    of_wrong, of_right = (100 * (epsilon[rows] > 0).mean() for rows in (wrong, ~wrong))
    print(f"adversarial: {of_wrong:.0f} % of the wrong labels, {of_right:.0f} % of the right ones")
    draw(accuracies, epsilon, wrong)
    print("Saved noisy_labels.png")


if __name__ == "__main__":
    main()
