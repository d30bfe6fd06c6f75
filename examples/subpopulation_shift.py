"""Few digits of an unusual colour: how the rarest groups fare. Writes subpopulation_shift.png.

Two classes, two colours; 5 % of the training images of a class have the other class's colour. Test
images have either. Meta-IADA and Meta-Weight-Net learn on a meta set with as many images of each
class and colour; the others train on these, too. GroupDRO is told the colour of every training
image: a reference that knows more, and does better.
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch

import sklearn_debias as sd
from sklearn_debias.datasets import balanced_indices, load_biased_digits
from sklearn_debias.metrics import group_report

SEEDS = 2
SCALE = 8  # of the pixels: strategies lie in (-1, 1), in the units of the features
SHARED = {"module": "linear", "optimizer": "sgd", "lr": 0.05 / SCALE**2, "max_epochs": 40}
MOMENTUM = {"net_params": {"optimizer__momentum": 0.9}}  # the meta-learners have it by default
METHODS = {
    "ERM": sd.ERMClassifier(**SHARED, **MOMENTUM),
    "Meta-Weight-Net": sd.MetaWeightNetClassifier(weight_lr=1e-2, **SHARED),
    "Meta-IADA": sd.MetaIADAClassifier(alpha=0.1, warmup=0.5, **SHARED),
    "GroupDRO": sd.GroupDROClassifier(**SHARED, **MOMENTUM),
}
DIGITS = load_biased_digits("colour", target="low_high", conflict_ratio=0.05, random_state=0)


def run(method, seed):
    """Accuracies of the four groups in percent, and the share of adversarial samples in each, if there is one."""
    train, test = DIGITS.train, DIGITS.test
    data = SCALE * train.data
    meta = balanced_indices(train.target, train.bias_labels, per_cell=8, random_state=seed)
    others = np.setdiff1d(np.arange(len(train.target)), meta)
    method.set_params(random_state=seed)
    rows, given = others, {"X_meta": data[meta], "y_meta": train.target[meta]}
    if "Meta" not in type(method).__name__:
        rows = np.concatenate([others, meta])
        given = {"bias_labels": train.bias_labels[rows]}
    method.fit(data[rows], train.target[rows], **given)
    groups = group_report(
        test.target, method.predict(SCALE * test.data), bias_labels=test.bias_labels
    ).frame["accuracy"]
    if not hasattr(method, "epsilon_"):
        return 100 * groups.to_numpy(), None
    cells = [
        (train.target[rows] == y) & (train.bias_labels[rows] == b) for y in (0, 1) for b in (0, 1)
    ]
    return 100 * groups.to_numpy(), [100 * (method.epsilon_[cell] > 0).mean() for cell in cells]


def main():
    """Print the table, save the figure."""
    torch.set_num_threads(1)
    figure, axis = plt.subplots(figsize=(7.5, 3.4), layout="constrained")
    print(f"{'test accuracy, %':18s}{'mean of groups':>16s}{'worst group':>14s}")
    for k, (name, method) in enumerate(METHODS.items()):
        found, adversarial = zip(*(run(method, seed) for seed in range(SEEDS)), strict=True)
        worst = np.min(found, axis=1)
        print(f"{name:18s}{np.mean(found):16.1f}{worst.mean():14.1f}")
        axis.bar(np.arange(4) + 0.2 * (k - 1.5), np.mean(found, axis=0), 0.19, label=name)
        if adversarial[0] is not None:
            shares = np.mean(adversarial, axis=0)
    names = ["low, orange", "low, blue (rare)", "high, orange (rare)", "high, blue"]
    labels = [
        f"{name}\nadversarial: {share:.0f} %" for name, share in zip(names, shares, strict=True)
    ]
    axis.set_xticks(range(4), labels, fontsize=8)
    axis.set(ylabel="test accuracy, %", ylim=(0, 118))
    axis.legend(frameon=False, fontsize="small", ncols=4, loc="upper center")
    figure.savefig("subpopulation_shift.png", dpi=100)
    print(f"Means of {SEEDS} fits. Saved subpopulation_shift.png")


if __name__ == "__main__":
    main()
