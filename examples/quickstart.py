"""The digit or its colour? Six methods, trained on digits whose colour nearly always gives the answer away.

95 % of the training images are orange if 0-4, blue if 5-9; the test images are either. Writes
quickstart.png.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from sklearn_debias import BiasAdvClassifier, ERMClassifier, JTTClassifier, LfFClassifier
from sklearn_debias.datasets import load_biased_digits
from sklearn_debias.metrics import group_report

SEEDS = 3
train, test = (
    load_biased_digits("colour", target="low_high", conflict_ratio=0.05)[part]
    for part in ("train", "test")
)
shared = {
    "module": "mlp",
    "max_epochs": 50,
}  # the rest: chosen on the validation images, docs/choosing.md
attack = {"lam": 1.0, "epsilon": 0.2, "clip": (0, 1)}
jtt = JTTClassifier(**shared, identification_epochs=5, upweight=50, upweight_by="weight")
METHODS = {
    "ERM": ERMClassifier(**shared),
    "LfF": LfFClassifier(**shared),
    "JTT": jtt,
    "BiasAdv-ERM": BiasAdvClassifier(**shared, **attack, base="erm", beta=1.0),
    "BiasAdv-LfF": BiasAdvClassifier(**shared, **attack, base="lff", beta=0.5),
    "BiasAdv-JTT": BiasAdvClassifier(**shared, **attack, base=jtt, beta=0.5),
}
GROUPS = ["low, orange", "low, blue (conflicting)", "high, orange (conflicting)", "high, blue"]


def run(method, seed):
    """Fit; accuracies on the test images with exact 95 % intervals, seconds, and eight attacked images."""
    start = time.perf_counter()
    method.set_params(random_state=seed).fit(train.data, train.target)
    seconds = time.perf_counter() - start
    predicted, conflicting = method.predict(test.data), test.target != test.bias_labels
    groups = group_report(test.target, predicted, bias_labels=test.bias_labels)
    whole = group_report(
        test.target, predicted, membership=np.c_[np.ones_like(conflicting), conflicting]
    )
    columns = ["accuracy", "lower", "upper"]
    average, those = whole.frame[columns].to_numpy()
    rows = [average, [groups.worst_group_accuracy, *groups.worst_group_interval], those]
    attacked = (
        method.adversarial_examples(test.data[:8], test.target[:8])
        if hasattr(method, "lam")
        else None
    )
    return 100 * np.array(rows), 100 * groups.frame[columns].to_numpy(), seconds, attacked


def draw(groups, attacked):
    """Accuracies of the four groups for each method; original and attacked images with their difference."""
    top, bottom = plt.figure(figsize=(8, 6.4), layout="constrained").subfigures(
        2, 1, height_ratios=[3, 2.4]
    )
    axes = top.subplots()
    for k, colour in enumerate(["#d95f02", "#7fb2e5", "#fdb863", "#2166ac"]):
        mean, low, high = np.mean(list(groups.values()), axis=1)[:, k].T
        at = np.arange(len(groups)) + 0.18 * (k - 1.5)
        axes.bar(
            at,
            mean,
            0.17,
            yerr=[mean - low, high - mean],
            color=colour,
            label=GROUPS[k],
            ecolor="0.25",
        )
    axes.set(
        xticks=range(len(groups)), xticklabels=groups, ylim=(0, 100), ylabel="test accuracy (%)"
    )
    axes.legend(
        ncols=4, fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.1), frameon=False
    )
    rows = {
        "original": test.data[:8],
        "attacked": attacked,
        "change x 4": 0.5 + 4 * (attacked - test.data[:8]),
    }
    for places, (label, images) in zip(bottom.subplots(3, 8), rows.items(), strict=True):
        places[0].set_ylabel(label, rotation=0, ha="right", va="center")
        for place, image in zip(places, images, strict=True):
            place.imshow(image.transpose(1, 2, 0).clip(0, 1))
            place.set(xticks=[], yticks=[])


def main():
    results = Parallel(n_jobs=2)(
        delayed(run)(method, seed) for method in METHODS.values() for seed in range(SEEDS)
    )
    table, groups = {}, {}
    for k, name in enumerate(METHODS):
        rows, groups[name], seconds, _ = zip(*results[k * SEEDS : (k + 1) * SEEDS], strict=True)
        cells = [
            f"{score:.1f} [{low:.1f}, {high:.1f}]" for score, low, high in np.mean(rows, axis=0)
        ]
        table[name] = [*cells, f"{np.mean(seconds):.1f}"]
    print(
        pd.DataFrame(
            table, index=["average", "worst group", "conflicting", "seconds"]
        ).T.to_string()
    )
    print(
        f"Test accuracy in %, with exact 95 % intervals ({len(test.target)} images), means of "
        f"{SEEDS} fits."
    )
    draw(groups, attacked=results[4 * SEEDS][3])
    plt.savefig("quickstart.png", dpi=100)


if __name__ == "__main__":
    main()
