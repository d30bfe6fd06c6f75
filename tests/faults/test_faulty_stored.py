"""A stored model holds each tensor once, and where loading can move it to another device."""

import copy
import io
import pickle

import numpy as np
import pytest
import torch
from faulty import FRONT, IMAGES, METHODS, NOTHING_LEARNED, X, b, make, y

from sklearn_debias import BiasAdvClassifier

pytestmark = NOTHING_LEARNED


class Watched(pickle.Pickler):
    """Notes the tensors that are stored as they are: skorch's net stores its own apart."""

    def __init__(self):
        self.file = io.BytesIO()
        self.tensors = []
        super().__init__(self.file)

    def reducer_override(self, value):
        if isinstance(value, torch.Tensor):
            self.tensors.append(value)
        return NotImplemented


def stored(clf):
    pickler = Watched()
    pickler.dump(clf)
    return pickler.file.getvalue(), pickler.tensors


@pytest.mark.parametrize("name", METHODS)
def test_no_tensor_is_bound_to_its_device(name):
    content, tensors = stored(make(name, module="mlp").fit(X, y, bias_labels=b))
    assert tensors == []
    loaded = pickle.loads(content)
    assert loaded.net_.module is loaded.net_.module_


def test_the_bounds_of_an_attack_lie_on_the_cpu():
    clf = BiasAdvClassifier(clip=(-50, 50), max_epochs=2, lr=0.1, random_state=0).fit(X, y)
    content, tensors = stored(clf)
    assert tensors == []
    bounds = pickle.loads(content)._attack.clip
    assert [(bound.device.type, float(bound)) for bound in bounds] == [("cpu", -50), ("cpu", 50)]


@pytest.mark.filterwarnings("ignore:The two networks agree", "ignore:All rows that were taken")
@pytest.mark.parametrize("name", FRONT)
def test_weights_are_stored_once(name):
    clf = make(name, module="simple_cnn").fit(IMAGES, y, bias_labels=b)
    tensors = clf.net_.module_.state_dict().values()
    weights = sum(value.numel() * value.element_size() for value in tensors)
    kept = sum(value.nbytes for value in vars(clf).values() if isinstance(value, np.ndarray))
    assert len(stored(clf)[0]) < 1.1 * (weights + kept)


def test_a_copy_predicts_the_same_with_tensors_of_its_own():
    clf = make("ERMClassifier", module="mlp").fit(X, y)
    expected = clf.predict_proba(X)
    twin = copy.deepcopy(clf)
    assert twin.net_.module is twin.net_.module_
    with torch.no_grad():
        twin.module_.head.weight.zero_()
    np.testing.assert_array_equal(clf.predict_proba(X), expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(clf)).predict_proba(X), expected)
