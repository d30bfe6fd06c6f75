"""Linear heads predict in float32 where they are sure: nobody can tell from the labels."""

import math
import os
import resource
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_debias import ERMClassifier
from sklearn_debias.core import SplitModule
from sklearn_debias.fitting import _predicting
from sklearn_debias.fitting._sure import SureClasses
from sklearn_debias.fitting._twins import twin_of

pytestmark = pytest.mark.filterwarnings("ignore:The fitted model predicts")  # few steps
N, D = 2000, 40
FLOAT32, FLOAT64 = np.dtype("float32"), np.dtype("float64")


def linear(n_classes, seed=0, scale=1.0, shift=0.0):
    """A layer in float64 whose weights are numbers of float32."""
    rng = np.random.default_rng(seed)
    layer = nn.Linear(D, n_classes)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(scale * rng.normal(size=(n_classes, D)) + shift))
        layer.bias.copy_(torch.from_numpy(scale * rng.normal(size=n_classes)))
    return layer.double()


def near_ties(layer, dtype, seed=1):
    """Rows whose first two logits differ by no more than rounding can do, and ordinary ones."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N, D)) * 10.0 ** rng.integers(-3, 4, size=(N, 1))
    weight = layer.weight.detach().numpy()
    normal = weight[1] - weight[0]
    shift = (layer.bias[1] - layer.bias[0]).item()
    tied = x - ((x @ normal + shift) / (normal @ normal))[:, None] * normal
    return np.concatenate([tied, x]).astype(dtype)


def exact_leads(layer, rows, code):
    """By how much the logit of a class leads each of the others, without rounding."""
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    products = [[math.sumprod(row, w) for w in weight] for row in rows.astype(float).tolist()]
    logits = np.array(products) + bias
    return logits[np.arange(len(rows)), code][:, None] - logits


def fitted(n_classes=2, **params):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, D)).astype(np.float32)
    y = np.arange(300) % n_classes
    X[:, 0] += y
    return ERMClassifier(max_epochs=2, device="cpu", random_state=0, **params).fit(X, y)
