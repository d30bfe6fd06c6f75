"""Few digits of an unusual colour
===============================

Two classes, two colours; 5 % of the training images of a class have the other class's colour. Test
images have either. Meta-IADA and Meta-Weight-Net learn on a meta set with as many images of each
class and colour; the others train on these, too. GroupDRO is told the colour of every training
image: a reference that knows more, and does better. Writes subpopulation_shift.png.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch

import sklearn_debias as sd
from sklearn_debias.datasets import balanced_indices, load_biased_digits
from sklearn_debias.metrics import group_report

SEEDS = range(2)
SCALE = 8  # of the pixels: strategies lie in (-1, 1), in the units of the features
SHARED = {"module": "linear", "optimizer": "sgd", "lr": 0.05 / SCALE**2, "max_epochs": 40}
METHODS = {
    "ERM": sd.ERMClassifier(**SHARED),
    "Meta-Weight-Net": sd.MetaWeightNetClassifier(weight_lr=1e-2, **SHARED),
    "Meta-IADA": sd.MetaIADAClassifier(alpha=0.1, warmup=0.5, reach=1.0, **SHARED),
    "GroupDRO": sd.GroupDROClassifier(**SHARED),
}
GROUPS = ["low, orange", "low, blue (rare)", "high, orange (rare)", "high, blue"]
digits = load_biased_digits("colour", target="low_high", conflict_ratio=0.05, random_state=0)
train, test = digits.train, digits.test


def run(method, seed):
    """Return the accuracies of the groups and the adversarial share of each, both in percent."""
    X, y, bias = SCALE * train.data, train.target, train.bias_labels
    meta = balanced_indices(y, bias, per_cell=8, random_state=seed)
    rows = np.setdiff1d(np.arange(len(y)), meta)
    method.set_params(random_state=seed)
    if "Meta" in type(method).__name__:
        method.fit(X[rows], y[rows], X_meta=X[meta], y_meta=y[meta])
    else:
        rows = np.concatenate([rows, meta])
        method.fit(X[rows], y[rows], bias_labels=bias[rows])
    predicted = method.predict(SCALE * test.data)
    report = group_report(test.target, predicted, bias_labels=test.bias_labels)
    adversarial = getattr(method, "epsilon_", np.zeros(len(rows))) > 0  # Meta-IADA's strategies
    cells = 2 * y[rows] + bias[rows]
    shares = [100 * adversarial[cells == cell].mean() for cell in range(4)]
    return 100 * report.frame["accuracy"], shares


def main():
    """Print the table, save the figure."""
    torch.set_num_threads(1)  # small networks: threads would wait for each other
    figure, axis = plt.subplots(figsize=(7.5, 3.4), layout="constrained")
    print(f"{'test accuracy, %':18s}{'mean of groups':>16s}{'worst group':>14s}")
    shares = {}
    for k, (name, method) in enumerate(METHODS.items()):
        found, shares[name] = zip(*(run(method, seed) for seed in SEEDS), strict=True)
        print(f"{name:18s}{np.mean(found):16.1f}{np.min(found, axis=1).mean():14.1f}")
        axis.bar(np.arange(4) + 0.2 * (k - 1.5), np.mean(found, axis=0), 0.19, label=name)
    places = zip(GROUPS, np.mean(shares["Meta-IADA"], axis=0), strict=True)
    labels = [f"{group}\nadversarial: {share:.0f} %" for group, share in places]
    axis.set_xticks(range(4), labels, fontsize=8)
    axis.set(ylabel="test accuracy, %", ylim=(0, 118))
    axis.legend(frameon=False, fontsize="small", ncols=4, loc="upper center")
    figure.savefig("subpopulation_shift.png", dpi=100)
    print(f"Means of {len(SEEDS)} fits. Saved subpopulation_shift.png")


if __name__ == "__main__":
    main()
