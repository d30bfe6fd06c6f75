"""ULE from scratch on images
==========================

Digits with the answer written into a corner.

    SKLEARN_DEBIAS_DATA=~/data python examples/ule_on_mnist.py

MNIST-SC: the first row of each training image says which digit it is. ERM reads it there, and is
lost where it is missing or wrong. ULE trains a second network against the saliency of such a
shortcut-loving student. The folder holds MNIST (see `sklearn_debias.datasets.read_mnist`);
docs/reproduction/ule.md has more seeds and networks.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy.stats import binomtest

from sklearn_debias import ERMClassifier, ULEClassifier
from sklearn_debias.datasets import data_folder, patch_mnist, read_mnist

N_TRAIN, N_TEST, N_SHOWN = 8000, 2000, 6
NETWORK = {"module": "mlp", "net_params": {"module__hidden": [256, 128], "module__dropout": 0.3}}
TRAINING = {"optimizer": "adam", "lr": 2e-3, "max_epochs": 8, "random_state": 0}


def percent(model, images, target):
    """Return the accuracy with its exact 95 % interval, in percent."""
    right = int((model.predict(images) == target).sum())
    low, high = binomtest(right, len(target)).proportion_ci()
    return f"{100 * right / len(target):.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def saliency(module, images, target):
    """Return the roots of |d log p(true digit) / d pixel|, of shape (n, height, width)."""
    x = torch.tensor(images / 255, dtype=torch.float32, requires_grad=True)
    log_p = module.eval()(x).log_softmax(-1)[torch.arange(len(x)), torch.tensor(target)]
    (gradient,) = torch.autograd.grad(log_p.sum(), x)
    return gradient.abs()[:, 0].sqrt().numpy()


def draw(images, maps):
    """Draw a column per image: the image, then the map of each network."""
    rows = {"image": images[:, 0], **maps}
    figure, axes = plt.subplots(len(rows), N_SHOWN, figsize=(6, 4), layout="constrained")
    for row, (name, pictures) in zip(axes, rows.items(), strict=True):
        for axis, picture in zip(row, pictures, strict=True):
            axis.imshow(picture, cmap="gray" if name == "image" else "magma")
            axis.set(xticks=[], yticks=[])
        row[0].set_ylabel(name, fontsize=8)
    figure.savefig("ule_on_mnist.png", dpi=110)


def main():
    """Print the table, save the figure."""
    if data_folder(required=False) is None:
        files = "MNIST, as idx files or mnist.npz"
        raise SystemExit(f"Set SKLEARN_DEBIAS_DATA to a folder that holds {files}.")
    torch.set_num_threads(1)  # small networks: threads would wait for each other
    mnist = read_mnist(data_folder())
    rows = np.random.default_rng(0).permutation(50_000)[:N_TRAIN]
    train = patch_mnist(mnist.train.data[rows], mnist.train.target[rows])
    images, target = mnist.test.data[:N_TEST], mnist.test.target[:N_TEST]
    tests = {
        "patch right": patch_mnist(images, target).data,
        "no patch": images,
        "patch wrong": patch_mnist(images, target, conflict_ratio=1.0, random_state=0).data,
    }
    erm = ERMClassifier(**NETWORK, **TRAINING).fit(train.data, train.target)
    ule = ULEClassifier(**NETWORK, **TRAINING, lam=0.5, student_warmup=4)
    ule.fit(train.data, train.target)
    print(f"{'test accuracy, %':18s}" + "".join(f"{name:>20s}" for name in tests))
    for name, model in {"ERM": erm, "ULE (teacher)": ule}.items():
        print(f"{name:18s}" + "".join(f"{percent(model, x, target):>20s}" for x in tests.values()))
    shown, labels = tests["patch right"][:N_SHOWN], target[:N_SHOWN]
    networks = {"student": ule.student_module_, "ERM": erm.module_, "ULE": ule.module_}
    draw(shown, {name: saliency(module, shown, labels) for name, module in networks.items()})
    print("Saved ule_on_mnist.png")


if __name__ == "__main__":
    main()
