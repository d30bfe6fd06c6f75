"""A file holds each weight once."""

import pickle

import numpy as np
import pytest
import skops.io
import torch
from saved_networks import BIAS, Convolutions, X, Y
from torch import nn

from sklearn_debias import (
    BiasAdvClassifier,
    ClassScaling,
    DPEClassifier,
    ERMClassifier,
    JTTClassifier,
    SELFClassifier,
)
from sklearn_debias.deployment import slimmed
from sklearn_debias.feature_extraction import Embedder
from sklearn_debias.testing import quick

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
WIDE = {"module": "mlp", "net_params": {"module__hidden": [512, 512]}, "random_state": 0}


def n_bytes(*modules):
    tensors = [value for module in modules for value in module.state_dict().values()]
    return sum(value.numel() * value.element_size() for value in tensors)


def sizes(model):
    return len(pickle.dumps(model)), len(skops.io.dumps(model))


@pytest.mark.parametrize("cls", [ERMClassifier, BiasAdvClassifier, JTTClassifier, SELFClassifier])
def test_all_networks_once_and_slim_the_one_that_predicts(cls):
    model = quick(cls, **WIDE).fit(X, Y, bias_labels=BIAS)
    assert max(sizes(model)) < 1.1 * n_bytes(*model.net_.module_.values())
    assert max(sizes(slimmed(model))) < 1.1 * n_bytes(model.module_)


def test_a_frozen_body_of_several_networks_once():
    body = nn.Sequential(nn.Linear(4, 512), nn.Linear(512, 512))
    module = nn.Sequential(body, nn.Linear(512, 3))
    model = quick(BiasAdvClassifier, module=module, freeze="body", random_state=0).fit(X, Y)
    # In the instance, too, and in all networks.
    assert len(pickle.dumps(model)) < 1.1 * n_bytes(body)


def test_an_instance_is_kept_beside_its_fit_and_slim_without():
    module = nn.Sequential(nn.Linear(4, 512), nn.Linear(512, 512), nn.Linear(512, 3))
    model = quick(DPEClassifier, module=module, random_state=0).fit(X, Y)
    assert len(pickle.dumps(model)) < 1.1 * (n_bytes(model.module_) + n_bytes(module))
    assert len(pickle.dumps(slimmed(model))) < 1.1 * n_bytes(model.module_)


def test_a_fitted_estimator_inside_once():
    inside = quick(ERMClassifier, **WIDE).fit(X, Y)
    model = ClassScaling(inside).fit(X, Y)
    assert len(pickle.dumps(model)) < 1.1 * n_bytes(inside.module_)
    again = pickle.loads(pickle.dumps(model))
    assert again.estimator_ is again.estimator


def test_an_embedder_once():
    images = np.random.default_rng(0).random((4, 3, 32, 32), dtype=np.float32)
    model = Embedder("cifar_resnet18", cache_dir=None).fit(images)
    assert max(sizes(model)) < 1.1 * n_bytes(model.module_)
    instance = Embedder(model.module_.network, cache_dir=None).fit(images)
    assert len(pickle.dumps(instance)) < 1.1 * n_bytes(model.module_)


def test_equal_arrays_of_other_kinds_stay_apart():
    model = quick(ERMClassifier, module=Convolutions, random_state=0)
    model.fit(np.random.default_rng(0).random((60, 1, 6, 6)), Y)
    model.zeros_ = np.zeros(4, np.float32)
    model.ones_ = np.zeros(4, np.int32)
    again = pickle.loads(pickle.dumps(model))
    assert (again.zeros_.dtype, again.ones_.dtype) == (np.float32, np.int32)
    with torch.no_grad():
        again.module_.head.weight.zero_()
    assert not again.zeros_.any()
