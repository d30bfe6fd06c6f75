"""Draw the front page's picture: one digit in two colours, and what two models say of it.

    python docs/images/front.py

In training, low digits are orange and high ones blue in 97 of 100 images. Writes front.png.
"""

from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from sklearn_debias import ERMClassifier, JTTClassifier
from sklearn_debias.datasets import load_biased_digits

OUT = Path(__file__).with_suffix(".png")
NAMES = ("low", "high")
COLOURS = ("#d95f02", "#2166ac")


def repainted(test):
    """Return the orange test images of low digits, and the same in blue."""
    images = test.data[(test.target == 0) & (test.bias_labels == 0)]
    # A colour is what the strokes of a digit are multiplied by.
    strokes = images.max(axis=1, keepdims=True) / images.max()
    blue = test.data[test.bias_labels == 1].max(axis=(0, 2, 3))[:, None, None]
    return images, (strokes * blue).astype(images.dtype)


def main():
    """Fit plain training and JTT, and draw a digit that tells them apart."""
    torch.set_num_threads(1)
    digits = load_biased_digits("colour", target="low_high", conflict_ratio=0.03, random_state=0)
    shared = {"module": "mlp", "max_epochs": 50, "random_state": 0}
    models = {
        "plain training": ERMClassifier(**shared),
        "JTT": JTTClassifier(identification_epochs=5, upweight=50, upweight_by="weight", **shared),
    }
    orange, blue = repainted(digits.test)
    found = {}
    for name, clf in models.items():
        clf.fit(digits.train.data, digits.train.target)
        found[name] = [clf.predict_proba(images)[:, 1] for images in (orange, blue)]
    (plain, fooled), (one, other) = found.values()
    told_apart = (plain < 0.5) & (fooled > 0.5) & (one < 0.5) & (other < 0.5)
    # The middle one of them, by how sure plain training is of its mistake.
    candidates = np.flatnonzero(told_apart)
    chosen = candidates[np.argsort(fooled[candidates])[len(candidates) // 2]]
    draw((orange[chosen], blue[chosen]), chosen, found)
    print(f"{told_apart.sum()} of {len(orange)} digits are such")


def draw(images, chosen, found):
    """Draw the digit in both colours, and the probabilities."""
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes = figure.subplots(2, 3, width_ratios=[1, 2, 2])
    labels = ("as in training", "the same, repainted")
    for axis, image, label in zip(axes[:, 0], images, labels, strict=True):
        axis.imshow(image.transpose(1, 2, 0))
        axis.set(xticks=[], yticks=[], ylabel=label)
    for column, (name, probabilities) in zip(axes.T[1:], found.items(), strict=True):
        right = 100 * (probabilities[1] < 0.5).mean()
        column[0].set_title(
            f"{name}: {right:.0f} % of the\nrepainted digits are right", fontsize=11
        )
        for axis, high in zip(column, (p[chosen] for p in probabilities), strict=True):
            axis.barh(NAMES, [1 - high, high], color=COLOURS)
            axis.set(xlim=(0, 1.35), xticks=[0, 0.5, 1])
            text = "right" if high < 0.5 else "wrong"
            axis.text(1.32, 0.5, text, ha="right", va="center", fontsize=13)
    figure.savefig(OUT, dpi=110)


if __name__ == "__main__":
    main()
