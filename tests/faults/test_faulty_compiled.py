"""A whole network under torch.compile trains, predicts and is attacked as the plain one."""

import copy

import numpy as np
import pytest
import torch
from faulty import IMAGES, METHODS, NOTHING_LEARNED, X, asks_for, b, erm, make, y
from torch import nn

from sklearn_debias.attribution import attribute
from sklearn_debias.robustness import adversarial_examples

pytestmark = [
    NOTHING_LEARNED,
    pytest.mark.filterwarnings("ignore:.*maps are constant", "ignore:.*moves .* samples by less"),
]
QUICKLY = ("BiasAdvClassifier", "DHATClassifier")
BARE = [
    pytest.param(name, marks=[] if name in QUICKLY else pytest.mark.slow)
    for name in METHODS
    if asks_for(name) == "a module"
]


def compiled(module):
    # Traced as by any backend, but run by torch itself: no compiler is needed, nor any wait.
    return torch.compile(copy.deepcopy(module), backend="eager")


@pytest.fixture(autouse=True)
def nothing_traced():
    torch._dynamo.reset()


@pytest.mark.parametrize("name", BARE)
def test_a_fit_is_the_same(name):
    module = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    found, expected = (
        make(name, module=made).fit(X, y, bias_labels=b).predict_proba(X)
        for made in (compiled(module), module)
    )
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "read",
    [
        lambda clf: clf.predict_proba(IMAGES),
        lambda clf: attribute(clf, IMAGES[:4], method="integrated_gradients"),
        lambda clf: attribute(clf, IMAGES[:4], method="grad_cam"),
        lambda clf: adversarial_examples(clf, IMAGES[:4], y[:4], attack="pgd-2", epsilon=0.1),
    ],
    ids=["predictions", "integrated gradients", "Grad-CAM", "attack"],
)
def test_a_fitted_model_is_read_the_same(read):
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2)
    )
    found, expected = (
        read(erm(module=made, lr=0.01).fit(IMAGES, y)) for made in (compiled(module), module)
    )
    np.testing.assert_array_equal(found, expected)
