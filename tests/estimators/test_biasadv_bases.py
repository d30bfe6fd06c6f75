"""BiasAdv on every method of the package: it augments each, and changes nothing at beta = 0."""

from inspect import signature

import numpy as np
import pytest
import torch

from sklearn_debias import BiasAdvClassifier, estimators
from sklearn_debias.datasets import make_spurious_embeddings
from sklearn_debias.estimators import BaseDebiasClassifier
from sklearn_debias.fitting import SHARED_CONSTRAINTS

FAST = {"module": "mlp", "max_epochs": 2, "random_state": 0}
TRAIN = make_spurious_embeddings(n_samples=60, random_state=0).train
METHODS = [
    method
    for method in (getattr(estimators, name) for name in estimators.__all__)
    if isinstance(method, type)
    and issubclass(method, BaseDebiasClassifier)
    and method not in (BaseDebiasClassifier, BiasAdvClassifier)
]


def small(method):
    """The method with its defaults; of fifteen heads three will do."""
    return method(n_heads=3) if "n_heads" in signature(method).parameters else method()


def fitted(model):
    return model.fit(TRAIN.data, TRAIN.target, bias_labels=TRAIN.bias_labels)


@pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__)
def test_any_method_is_a_base(method):
    augmented = fitted(BiasAdvClassifier(base=small(method), epsilon=2.0, **FAST))
    assert augmented.history_["adversarial"].iloc[-1] > 0
    moved = augmented.adversarial_examples(TRAIN.data[:4], TRAIN.target[:4]) - TRAIN.data[:4]
    assert (np.linalg.norm(moved, axis=1) > 0.1).all()


@pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__)
def test_without_adversarial_samples_it_is_the_base(method):
    """What all estimators have is taken from BiasAdv: epochs, optimiser, random state."""
    augmented = fitted(BiasAdvClassifier(base=small(method), beta=0.0, **FAST))
    shared = {name: getattr(augmented, name) for name in SHARED_CONSTRAINTS}
    plain = fitted(small(method).set_params(**shared))
    for name, value in plain.module_.state_dict().items():
        torch.testing.assert_close(augmented.module_.state_dict()[name], value)
