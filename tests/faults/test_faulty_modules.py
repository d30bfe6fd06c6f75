"""faults.md, the rows on modules: refused before the first step, and named."""

import copy

import numpy as np
import pytest
import torch
from faulty import (
    FRONT,
    IMAGES,
    Auxiliary,
    Detached,
    Dictionary,
    InPlace,
    Integers,
    Linear,
    NoGradient,
    X,
    erm,
    fitted_names,
    is_finite,
    make,
    y,
)
from torch import nn

from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.feature_extraction import Embedder
from sklearn_debias.robustness import robust_accuracy_score

REFUSED = {
    "fewer outputs": (nn.Linear(4, 1), ValueError, "one logit per class, .* got \\(2, 1\\)"),
    "more outputs": (nn.Linear(4, 5), ValueError, "one logit per class, .* got \\(2, 5\\)"),
    "no class axis": (
        nn.Sequential(nn.Linear(4, 1), nn.Flatten(0)),
        ValueError,
        "one logit per class",
    ),
    "other inputs": (nn.Linear(5, 2), ValueError, "cannot process a batch of shape \\(2, 4\\)"),
    "image layers": (nn.Conv2d(3, 2, 1), ValueError, "cannot process a batch of shape \\(2, 4\\)"),
    "tuple in train mode": (Auxiliary, ValueError, "got tuple in train mode.* auxiliary outputs"),
    "dictionary": (Dictionary, ValueError, "got dict"),
    "integers": (Integers, ValueError, "floating logits|nothing to train"),
    "no gradient": (NoGradient, ValueError, "nothing to train"),
    "all frozen": (nn.Linear(4, 2).requires_grad_(False), ValueError, "nothing to train"),
    "no parameters": (
        nn.Sequential(nn.Flatten(), nn.AdaptiveAvgPool1d(2)),
        ValueError,
        "nothing to train|without a layer",
    ),
    "changes its input": (InPlace, ValueError, "must not change its input in place"),
    "no forward": (nn.Module, ValueError, "cannot process"),
    "class with other arguments": (nn.Linear, TypeError, "could not be built"),
    "factory with other arguments": (lambda a, b: nn.Linear(4, 2), TypeError, "could not be built"),
    "factory of something else": (lambda: 3, TypeError, "must make an nn.Module"),
    "function of tensors": (torch.relu, TypeError, "could not be built"),
    "unknown name": ("perceptron", ValueError, "must be one of"),
    "image network by name": ("resnet18", ValueError, "needs 4-D images"),
    "number": (5, ValueError, "must be an instance of 'str', a callable"),
    "scikit-learn estimator": (erm(), ValueError, "must be an instance of 'str', a callable"),
}


@pytest.mark.parametrize("method", FRONT)
@pytest.mark.parametrize("row", REFUSED)
def test_refused_modules(row, method):
    module, error, words = REFUSED[row]
    estimator = make(method, module=module)
    estimator.set_params(module=module)  # as it is: elsewhere it is made to suit the method
    with pytest.raises(error, match=f"module.*({words})"):
        estimator.fit(X, y)
    assert fitted_names(estimator) == []


class Output:
    """What networks of Hugging Face return."""

    def __init__(self, logits):
        self.logits = logits


class Objects(Linear):
    def forward(self, x):
        return Output(self.linear(x))


def test_logits_inside_of_an_object_are_pointed_at():
    words = r" must .*logit.*got Output.*wrap it .* returns module\(x\)\.logits"
    with pytest.raises(ValueError, match="`module`" + words):
        erm(module=Objects).fit(X, y)
    with pytest.raises(ValueError, match="`biased_module`" + words):
        make("LfFClassifier", biased_module=Objects).fit(X, y)
    with pytest.raises(ValueError, match="`estimator`" + words):
        robust_accuracy_score(Objects(), X.astype(np.float32), y, epsilon=0.1)
    with pytest.raises(ValueError, match="`module` must .*got Output.*return its .logits"):
        Embedder(Objects(), cache_dir=None).fit(X)


@pytest.mark.parametrize("method", ["LfFClassifier", "JTTClassifier", "BiasAdvClassifier"])
def test_the_biased_module_is_named_where_it_was_given(method):
    with pytest.raises(ValueError, match="`biased_module` must return one logit per class"):
        make(method, biased_module=nn.Linear(4, 5)).fit(X, y)


@pytest.mark.parametrize("method", FRONT)
def test_softmax_is_warned_about_once(method):
    module = nn.Sequential(nn.Linear(4, 2), nn.Softmax(-1))
    with pytest.warns(DebiasWarning) as caught:
        make(method, module=module).fit(X, y)
    assert ["seems to end in a softmax" in str(w.message) for w in caught].count(True) == 1
    assert {w.filename for w in caught} == {__file__}


WORK = {
    "batch norm": nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 2)),
    "dropout": nn.Sequential(
        nn.Linear(4, 8), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(8, 2)
    ),
    "lazy": nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(2)),
    "log softmax": nn.Sequential(nn.Linear(4, 2), nn.LogSoftmax(-1)),
    "class": Linear,
}


@pytest.mark.filterwarnings(
    "ignore:The fitted model predicts"
)  # weights drawn at import, and four epochs
@pytest.mark.parametrize("method", FRONT)
@pytest.mark.parametrize("row", WORK)
def test_modules_that_work(row, method):
    module = WORK[row]
    before = (
        None if isinstance(module, type) or row == "lazy" else copy.deepcopy(module.state_dict())
    )
    clf = make(method, module=module, max_epochs=4).fit(X, y)
    assert is_finite(clf)
    if before is not None:  # an instance is never trained itself
        assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
        assert module.training


def test_detached_inputs_are_for_methods_without_attack():
    assert is_finite(erm(module=Detached).fit(X, y))
    with pytest.raises(ValueError, match="`module` must be differentiable in its input .*gradient"):
        make("BiasAdvClassifier", module=Detached).fit(X, y)


def test_images_of_another_size_than_a_network_takes():
    images = np.zeros((4, 3, 8, 8), np.uint8)
    fixed = nn.Sequential(nn.Flatten(), nn.Linear(48, 2))
    with pytest.raises(ValueError, match="cannot process a batch of shape .*set `image_size`"):
        erm(module=fixed).fit(images, [0, 1, 0, 1])
    with pytest.raises(ValueError, match="cannot process a batch of shape") as caught:
        erm(module=fixed).fit(X, y)
    assert "image_size" not in str(caught.value)


def test_freezing_a_body_that_is_not_there():
    with pytest.raises(TypeError, match="`module` must have a body and a head"):
        erm(module=Linear, freeze="body").fit(X, y)


@pytest.mark.parametrize("size", [(40, 3, 1, 1), (40, 1, 8, 5), (40, 7, 8, 8)])
def test_default_networks_take_odd_images(size):
    images = np.resize(IMAGES, size)
    images[y == 1] += 1
    clf = erm(lr=1e-3, max_epochs=20).fit(images, y)
    assert clf.n_features_in_ == size[1]


def test_layers_that_overwrite_each_other_are_named():
    class Twice(nn.Sequential):
        def __init__(self, n_classes):
            super().__init__(
                nn.Linear(4, 8), nn.Sigmoid(), nn.ReLU(inplace=True), nn.Linear(8, n_classes)
            )

    with pytest.raises(ValueError, match="`module` changes activations in place .* inplace=False"):
        erm(module=Twice).fit(X, y)
