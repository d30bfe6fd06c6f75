"""The digit or its colour?
========================

Six methods on digits whose colour nearly always gives the answer away.

95 % of the training images are orange if 0-4, blue if 5-9; the test images are of either colour.
Bars: accuracies of the four groups, with 95 % intervals. LfF learns the colour the wrong way round.
Below: what the attack of BiasAdv changes. Prints a table, and writes quickstart.png.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

from sklearn_debias import BiasAdvClassifier, ERMClassifier, JTTClassifier, LfFClassifier
from sklearn_debias.comparison import compare
from sklearn_debias.datasets import load_biased_digits

warnings.filterwarnings("ignore", ".* opposite")  # LfF overcorrects, as its worst group shows
digits = load_biased_digits("colour", target="low_high", conflict_ratio=0.05)
train, test = digits.train, digits.test
shared = {"module": "mlp", "max_epochs": 50}  # docs/guide/choosing.md: by validation images
jtt = {"identification_epochs": 5, "upweight": 50, "upweight_by": "weight"}
attack = {"lam": 1.0, "epsilon": 0.2, "clip": (0, 1), "n_steps": 2}
METHODS = {
    "ERM": ERMClassifier(**shared),
    "LfF": LfFClassifier(**shared),
    "JTT": JTTClassifier(**shared, **jtt),
    "BiasAdv-ERM": BiasAdvClassifier(**shared, **attack, base="erm", beta=1.0),
    "BiasAdv-LfF": BiasAdvClassifier(**shared, **attack, base="lff", beta=0.5),
    "BiasAdv-JTT": BiasAdvClassifier(**shared, **attack, base=JTTClassifier(**jtt), beta=0.5),
}
GROUPS = ["low, orange", "low, blue (conflicting)", "high, orange (conflicting)", "high, blue"]
COLOURS = ["#d95f02", "#7fb2e5", "#fdb863", "#2166ac"]


def draw(result):
    _, (top, bottom) = plt.subplots(2, figsize=(8, 6), layout="constrained", height_ratios=[3, 2])
    frames = result.group_frames_
    mean, low, high = 100 * np.stack([f[["accuracy", "lower", "upper"]] for f in frames.values()]).T
    bars = {"yerr": np.stack([mean - low, high - mean], axis=1), "color": COLOURS, "width": 0.72}
    pd.DataFrame(mean.T, index=list(frames), columns=GROUPS).plot.bar(ax=top, rot=0, **bars)
    top.set(ylim=(0, 100), ylabel="test accuracy (%)")
    top.legend(ncols=4, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.1), frameon=False)
    before = test.data[:8]
    attacker = METHODS["BiasAdv-LfF"].set_params(random_state=0).fit(train.data, train.target)
    after = attacker.adversarial_examples(before, test.target[:8])
    rows = {"original": before, "attacked": after, "change x 4": 0.5 + 4 * (after - before)}
    padded = np.pad(list(rows.values()), [(0, 0)] * 3 + [(0, 1)] * 2, constant_values=1)
    bottom.imshow(padded.transpose(0, 3, 1, 4, 2).reshape(27, 72, 3).clip(0, 1))
    bottom.set(xticks=[], yticks=[3.5, 12.5, 21.5], yticklabels=rows, frame_on=False)
    plt.savefig("quickstart.png", dpi=100)


def main():
    torch.set_num_threads(1)  # small networks: threads would wait for each other
    result = compare(METHODS, train, test=test, n_configurations=1, n_seeds=5, random_state=0)
    print(result)
    draw(result)


if __name__ == "__main__":
    main()
