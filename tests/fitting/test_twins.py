"""Heads that are kept in float64 between predictions: nobody can tell that they are kept."""

import copy
import gc
import pickle
import weakref
from types import MethodType

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from sklearn_debias import ERMClassifier
from sklearn_debias.fitting import _twins
from sklearn_debias.fitting._twins import HEAD_BATCH, SHORT, twin_of

pytestmark = pytest.mark.filterwarnings("ignore:The fitted model predicts")  # few steps
rng = np.random.default_rng(0)
X = rng.normal(size=(300, 7)).astype(np.float32)
y = np.arange(300) % 3
X[:, 0] += 4 * (y - 1)


def fitted(module="mlp"):
    return ERMClassifier(module, max_epochs=5, lr=0.01, random_state=0).fit(X, y)


def by_hand(clf):
    """A new copy in float64, in one batch of many rows."""
    module = copy.deepcopy(clf.module_).double().eval()
    with torch.inference_mode():
        return torch.softmax(module(torch.from_numpy(X).double()), 1).numpy()


@pytest.mark.parametrize(
    "module", ["linear", "mlp", nn.Sequential(nn.Linear(7, 300), nn.GELU(), nn.Linear(300, 3))]
)
@pytest.mark.parametrize("n", [1, 2, SHORT])
def test_few_rows_get_the_bits_that_a_long_batch_gives(module, n, monkeypatch):
    clf = fitted(module)
    short = [clf.decision_function(X[i : i + n]) for i in range(0, 50, 7)]
    monkeypatch.setattr(_twins, "SHORT", 0)
    for i, logits in zip(range(0, 50, 7), short, strict=True):
        np.testing.assert_array_equal(logits, clf.decision_function(X[i : i + n]))


def test_where_kernels_differ_few_rows_go_as_many(monkeypatch):
    seen = []
    monkeypatch.setattr(_twins, "_same_in_short_batches", lambda *given: False)
    clf = fitted()
    twin = twin_of(clf.module_)
    twin.module.register_forward_hook(lambda module, given, out: seen.append(len(out)))
    clf.predict_proba(X[:1])
    assert seen == [HEAD_BATCH]


def test_the_kernels_are_tried(monkeypatch):
    class OfTheBatch(nn.Module):
        def forward(self, x):
            return x + len(x)

    assert _twins._same_in_short_batches(nn.Linear(7, 3).double(), 7)
    assert not _twins._same_in_short_batches(OfTheBatch(), 7)


def test_a_twin_is_kept():
    clf = fitted()
    assert twin_of(clf.module_) is twin_of(clf.module_)
    assert twin_of(clf.module_).module.head.weight.dtype == torch.float64


@torch.no_grad()
def write(module):
    module.head.weight.mul_(-3)


def write_unseen(module):
    module.head.weight.data.mul_(-3)


def write_by_numpy(module):
    module.head.weight.detach().numpy()[:] *= -3


def replace_a_parameter(module):
    module.head.weight = nn.Parameter(-3 * module.head.weight.detach())


def replace_a_layer(module):
    module.head = nn.Linear(module.head.in_features, 3)


def insert_a_layer(module):
    module.body.insert(0, nn.Tanh())


def change_a_number(module):
    at = next(i for i, part in enumerate(module.body) if type(part) is nn.ReLU)
    module.body[at] = nn.LeakyReLU()
    twin_of(module)
    module.body[at].negative_slope = 5.0


def put_a_hook(module):
    module.head.register_forward_hook(lambda part, given, out: 3 * out)


def put_a_forward(module):
    """Put a forward on the object, one that depends on more than its tensors."""
    layer = module.head
    factor = [1.0]

    def forward(self, x):
        return factor[0] * type(self).forward(self, x)

    layer.forward = MethodType(forward, layer)
    twin_of(module)
    factor[0] = -3.0


@pytest.mark.parametrize("module", ["linear", "mlp"])
@pytest.mark.parametrize(
    "change",
    [
        write,
        write_unseen,
        write_by_numpy,
        replace_a_parameter,
        replace_a_layer,
        insert_a_layer,
        change_a_number,
        put_a_hook,
        put_a_forward,
    ],
)
def test_a_changed_head_predicts_as_it_is_now(change, module):
    if module == "linear" and change in (insert_a_layer, change_a_number):
        pytest.skip("its body is no Sequential")
    clf = fitted(module)
    before = clf.predict_proba(X)
    change(clf.module_)
    after = clf.predict_proba(X)
    assert np.abs(after - before).max() > 1e-3
    np.testing.assert_allclose(after, by_hand(clf), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(clf.predict(X), after.argmax(1))


@pytest.mark.parametrize("module", ["linear", "mlp"])
def test_hooks_on_all_modules_act_on_predictions(module):
    clf = fitted(module)
    before = clf.predict(X)
    handle = register_module_forward_hook(
        lambda part, given, out: -3 * out if part.__dict__.get("out_features") == 3 else None
    )
    try:
        np.testing.assert_allclose(clf.predict_proba(X), by_hand(clf), rtol=0, atol=1e-12)
        np.testing.assert_array_equal(clf.predict(X), clf.predict_proba(X).argmax(1))
        assert (clf.predict(X) != before).any()
    finally:
        handle.remove()
    np.testing.assert_array_equal(clf.predict(X), before)


def test_arrays_put_on_a_layer_do_no_harm():
    clf = fitted()
    for value in (np.ones(2), np.zeros(2), torch.ones(2)):
        clf.module_.head.note = value
        np.testing.assert_allclose(clf.predict_proba(X), by_hand(clf), rtol=0, atol=1e-12)


def test_a_head_of_ones_own_is_not_kept():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(7, 3)
            self.factors = [1.0]

        def forward(self, x):
            return self.layer(x) * self.factors[0]

    clf = fitted(Own())
    before = clf.decision_function(X[:2])
    clf.module_.factors[0] = 2.0
    np.testing.assert_array_equal(clf.decision_function(X[:2]), 2 * before)


def test_a_twin_is_no_part_of_the_classifier_and_goes_with_it():
    clf = fitted()
    size = len(pickle.dumps(clf))
    clf.predict(X[:1])
    assert len(pickle.dumps(clf)) == size
    twin = weakref.ref(twin_of(clf.module_))
    assert twin() is not None
    del clf
    gc.collect()
    assert twin() is None


def test_train_mode_does_not_matter():
    clf = fitted(nn.Sequential(nn.Linear(7, 9), nn.Dropout(0.5), nn.Linear(9, 3)))
    before = clf.predict_proba(X[:3])
    clf.module_.train()
    np.testing.assert_array_equal(clf.predict_proba(X[:3]), before)
    assert clf.module_.training
