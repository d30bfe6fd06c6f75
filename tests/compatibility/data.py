"""Small data and a quick classifier, for other libraries to use."""

import numpy as np

from sklearn_debias import ERMClassifier
from sklearn_debias.datasets import make_spurious_embeddings

TRAIN = make_spurious_embeddings(n_samples=200, random_state=0).train
X = TRAIN.data
y = TRAIN.target
b = TRAIN.bias_labels
PIXELS_Y = np.arange(32) % 2
rng = np.random.default_rng(0)
PIXELS = (0.5 * rng.random((32, 3, 32, 32)) + 0.4 * PIXELS_Y[:, None, None, None]).astype("float32")


def erm(**params):
    return ERMClassifier(**{"max_epochs": 5, "lr": 0.05, "random_state": 0, **params})


def images(**params):
    return erm(module="simple_cnn", **params)
