"""The last part of gpu.py: ResNet-18 on a CIFAR-10 under the papers' settings, as far as time goes.

The images have been through JPEG, and are 10,000 to train on, not 50,000: accuracies are no
figures of the papers. An epoch is timed first; then each method gets the epochs that its share of
the time allows, at most the paper's.
"""

import os
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from dhat import cifar10
from gpu_parts import DEVICE, by_hand_images, figure

from sklearn_debias import BiasAdvClassifier, DHATClassifier, MetaIADAClassifier
from sklearn_debias.presets import biasadv_preset, dhat_preset
from sklearn_debias.robustness import robust_accuracy_score

FILE = "cifar10_jpeg_12k.npz"
SGD = {"optimizer": partial(torch.optim.SGD, momentum=0.9), "weight_decay": 5e-4, "lr": 0.1}


def methods():
    """Return each method with the paper's parameters and epochs."""
    biasadv = biasadv_preset("cifar10c", "lff")
    base, of_base = biasadv.pop("base")
    assert not of_base
    return {
        "BiasAdv": (BiasAdvClassifier(**{**biasadv, "base": base}), biasadv["max_epochs"]),
        "Meta-IADA": (MetaIADAClassifier("cifar_resnet18", batch_size=100, **SGD), 200),
        "DHAT": (DHATClassifier(**dhat_preset("cifar10")), dhat_preset("cifar10")["max_epochs"]),
    }


def data(toy):
    """Return training and test images in [0, 1] with labels, or None where there are none."""
    folder = os.environ.get("SKLEARN_DEBIAS_DATA")
    if not folder or not (Path(folder) / FILE).exists():
        return None
    X, y, first_test = cifar10()
    n = 200 if toy else first_test
    rows = np.r_[:n], np.r_[first_test : first_test + (50 if toy else 1000)]
    side = slice(None, None, 4 if toy else 1)
    return [(X[part][:, :, side, side].astype(np.float32) / 255, y[part]) for part in rows]


def papers(toy, budget):
    """Train each method for its share of the seconds, and judge it on images it has not seen."""
    sets = data(toy)
    if sets is None:
        note = f"SKLEARN_DEBIAS_DATA has no {FILE}"
        yield figure("ResNet-18 on CIFAR-10", None, "skipped", note=note)
        return
    (X, y), (X_test, y_test) = sets
    amp = DEVICE == "cuda"
    for name, (clf, most) in methods().items():
        module = {"module": by_hand_images.small_network} if toy else {}
        clf.set_params(device=DEVICE, random_state=0, amp=amp, max_epochs=1, **module)
        start = time.perf_counter()
        clf.fit(X, y)
        first = time.perf_counter() - start
        epochs = 1 if toy else int(np.clip(0.7 * (budget / 3 - first) / first, 1, most))
        if epochs > 1:
            start = time.perf_counter()
            clf.set_params(max_epochs=epochs).fit(X, y)
        spent = time.perf_counter() - start
        note = f"{epochs} of the paper's {most} epochs, {len(y)} images"
        yield figure(f"{name}, ResNet-18: an epoch", spent / epochs, "s", note=note)
        yield figure(f"{name}, ResNet-18: test accuracy", clf.score(X_test, y_test), note=note)
        if name == "DHAT":
            robust = robust_accuracy_score(clf, X_test, y_test, attack="pgd-10", random_state=0)
            yield figure(f"{name}, ResNet-18: accuracy under PGD-10", robust, note=note)
