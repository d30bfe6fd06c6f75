"""Embed images once, compare eight methods
========================================

With SKLEARN_DEBIAS_DATA set: photographs of actions (BAR) through ImageNet's MobileNetV2, 47 of 947
in training with unusual surroundings. Without: digits whose colour gives the answer away, through a
small CNN. Validation rows with bias labels choose the settings, and teach DFR and class scaling.
"""

import numpy as np
import torch
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklearn_debias as sd
from sklearn_debias.comparison import compare
from sklearn_debias.datasets import data_folder, load_biased_digits, read_bar
from sklearn_debias.feature_extraction import Embedder

WEIGHTS = "mobilenet_v2_imagenet_fp16.pt"
KEYS = ("data", "target", "bias_labels")
METHODS = {
    "ERM": sd.ERMClassifier(),
    "JTT": sd.JTTClassifier(),
    "LfF": sd.LfFClassifier(),
    "AFR": sd.AFRClassifier(),
    "inferred groups": sd.InferredGroupsClassifier(),
    "GroupDRO": sd.GroupDROClassifier(balance="group"),
    "DFR": sd.DFRClassifier(),
}


def embed():
    """Return embeddings, classes and bias labels of training, validation and test rows."""
    if folder := data_folder(required=False):
        bar = read_bar(folder, kind="images")
        X, y, bias = (np.concatenate([bar.train[k], bar.test[k]]) for k in KEYS)
        order = np.random.default_rng(0).permutation(len(y))
        usual, other = order[bias[order] == 0], order[bias[order] == 1]
        rows = zip(np.split(usual[:1300], [900, 1050]), np.split(other, [47, 297]), strict=True)
        parts = [(X[part], y[part], bias[part]) for part in map(np.concatenate, rows)]
        pixels = {"normalize": ([0.5], [0.5]), "image_size": 96}
        embedder = Embedder("mobilenet_v2", weights=folder / WEIGHTS, **pixels)
    else:
        digits = load_biased_digits(target="low_high", conflict_ratio=0.05, random_state=0)
        parts = [[digits[part][k] for k in KEYS] for part in ("train", "validation", "test")]
        cnn = sd.ERMClassifier("simple_cnn", max_epochs=10, random_state=0)
        embedder = Embedder(cnn.fit(digits.train.data, digits.train.digit).module_)
    embedder = make_pipeline(embedder, StandardScaler()).fit(parts[0][0])
    return [(embedder.transform(X), y, bias) for X, y, bias in parts]


def main():
    torch.set_num_threads(1)  # small networks: threads would wait for each other
    train, validation, test = embed()
    erm = sd.ERMClassifier(random_state=0).fit(*train[:2])
    scaled = {"ERM, scaled classes": sd.ClassScaling(FrozenEstimator(erm))}
    result = compare(
        METHODS | scaled,
        train,
        validation=validation,
        test=test,
        train_on=dict.fromkeys(["DFR", *scaled], "validation"),
        search_spaces={name: {} for name in ["DFR", *scaled]},  # DFR selects its C by itself
        n_configurations=4,
        n_seeds=3,
        random_state=0,
    )
    print(result)


if __name__ == "__main__":
    main()
