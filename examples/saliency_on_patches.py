"""Does it look at the digit, or at the patch?
===========================================

The patch gives the answer away. Where a model looks is measured, and drawn.

In training a bright pixel in the first row says which digit it is, in all but 2 % of the images; in
the test images it says nothing. Settings: chosen on the validation images. DHAT is told that the
patches' row is background, and still looks there most: no attacker of radius .1 can remove a bright
patch, so adversarial training leans on it. It withstands attackers, it does not unlearn robust
shortcuts. Writes saliency_on_patches.png.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy.stats import binomtest

from sklearn_debias import BiasAdvClassifier, DHATClassifier, ERMClassifier, ULEClassifier
from sklearn_debias.attribution import attribute, mean_saliency_share
from sklearn_debias.datasets import load_biased_digits
from sklearn_debias.inspection import SaliencyDisplay

N_SHOWN = 4
digits = load_biased_digits("patch", conflict_ratio=0.02)
train, test = digits.train, digits.test
patch = np.zeros(test.data.shape[2:], dtype=bool)
patch[0, :10] = True


def beside_patch(images, labels):
    """Return DHAT's attention: all but the patches' row is foreground."""
    return np.broadcast_to(~patch, (len(images), *patch.shape)).astype(float)


perceptron = {"module__hidden": [256, 128], "module__dropout": 0.3}
shared = {"module": "mlp", "net_params": perceptron, "random_state": 0}
bias_attack = {"epsilon": 1.0, "lam": 1.0, "beta": 0.5, "clip": (0, 1), "n_steps": 2}
attack = {"epsilon": 0.1, "n_steps": 2, "lam2": 0.1, "attention": beside_patch}
MODELS = {
    "ERM": ERMClassifier(**shared, max_epochs=40),
    "ULE": ULEClassifier(**shared, max_epochs=40, lam=0.5, student_warmup=15),
    "BiasAdv": BiasAdvClassifier(**shared, max_epochs=20, weight_decay=1e-3, **bias_attack),
    "DHAT": DHATClassifier(**shared, max_epochs=40, lr=0.05, **attack),
}
LOOK = {"method": "integrated_gradients"}


def percent(share, low, high):
    """Format a share and its 95 % interval, in percent."""
    return f"{100 * share:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def main():
    """Print accuracy and share of saliency, save the figure."""
    torch.set_num_threads(1)  # small networks: threads would wait for each other
    print(f"{'':10s}{'test accuracy, %':>22s}{'saliency on patches, %':>26s}")
    for name, model in MODELS.items():
        model.fit(train.data, train.target)
        right = binomtest(int((model.predict(test.data) == test.target).sum()), len(test.target))
        accuracy = percent(right.statistic, *right.proportion_ci())
        seen = mean_saliency_share(attribute(model, test.data, **LOOK), patch)
        print(f"{name:10s}{accuracy:>22s}{percent(seen.mean, seen.low, seen.high):>26s}")
    print(f"The patches' row is {100 * seen.area:.1f} % of an image. 449 images, 95 % intervals.")
    misled = test.bias_labels != test.target
    shown, labels = test.data[misled][:N_SHOWN], test.target[misled][:N_SHOWN]
    display = SaliencyDisplay.from_estimator(MODELS, shown, mask=patch, **LOOK)
    for axes, label in zip(display.axes_, labels, strict=True):
        axes[0].set_ylabel(f"a {label}")
    plt.savefig("saliency_on_patches.png", dpi=100)
    print("Saved saliency_on_patches.png")


if __name__ == "__main__":
    main()
