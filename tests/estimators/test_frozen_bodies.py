"""`freeze="body"`: features are computed once, and nothing else differs."""

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_debias import (
    BiasAdvClassifier,
    ERMClassifier,
    JTTClassifier,
    LfFClassifier,
    ULEClassifier,
)
from sklearn_debias.core import SplitModule

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn_debias.exceptions.DebiasWarning"
)  # these fits are short

rng = np.random.default_rng(0)
X = rng.random((40, 3, 8, 8), dtype=np.float32)
y = np.arange(40) % 2
QUICK = {"freeze": "body", "max_epochs": 4, "batch_size": 16, "lr": 0.05, "random_state": 0}
METHODS = [ERMClassifier, LfFClassifier, JTTClassifier, ULEClassifier]


class Counting(nn.Module):
    """Flattens, and counts the rows it has seen, copies included."""

    seen = 0

    def forward(self, x):
        Counting.seen += len(x)
        return x.flatten(1)


def counting():
    torch.manual_seed(0)
    body = nn.Sequential(Counting(), nn.Linear(192, 6), nn.BatchNorm1d(6), nn.Dropout(0.5))
    return SplitModule(body, nn.Linear(6, 2))


@pytest.mark.parametrize("method", METHODS)
def test_a_frozen_body_sees_each_row_once(method):
    counts = {}
    for epochs in (2, 12):
        Counting.seen = 0
        method(counting(), **{**QUICK, "max_epochs": epochs}, validation=0.25).fit(X, y)
        counts[epochs] = Counting.seen
    assert counts[2] == counts[12]


@pytest.mark.parametrize("method", METHODS)
def test_heads_equal_those_trained_through_the_body(method):
    once = method(counting(), **QUICK).fit(X, y)
    every_epoch = method(counting(), augment=lambda x: x, **QUICK).fit(
        X, y
    )  # augmented rows have no fixed features
    np.testing.assert_allclose(
        once.decision_function(X), every_epoch.decision_function(X), atol=1e-5
    )


@pytest.mark.parametrize("method", METHODS)
def test_images_are_resized_before_the_body_alone(method):
    rng = np.random.default_rng(0)
    large = rng.random((40, 3, 12, 12), dtype=np.float32)
    once, every_epoch = (
        method(counting(), image_size=8, validation=0.25, augment=augment, **QUICK).fit(large, y)
        for augment in (None, lambda x: x)
    )
    np.testing.assert_allclose(
        once.decision_function(large), every_epoch.decision_function(large), atol=1e-5
    )


@pytest.mark.parametrize("method", METHODS)
def test_the_body_stays_as_it_was(method):
    own = counting()
    clf = method(own, **QUICK).fit(X, y)
    for name, value in own.body.state_dict().items():
        assert torch.equal(clf.module_.body.state_dict()[name], value), name
    assert not torch.equal(clf.module_.head.weight, own.head.weight)


def test_monitoring_equals_that_through_the_body():
    options = {**QUICK, "validation": 0.3, "monitor": "accuracy"}
    once = ERMClassifier(counting(), **options).fit(X, y)
    every_epoch = ERMClassifier(counting(), augment=lambda x: x, **options).fit(X, y)
    assert (
        once.history_["validation_accuracy"].tolist()
        == every_epoch.history_["validation_accuracy"].tolist()
    )


def test_an_attack_goes_through_the_body():
    Counting.seen = 0
    BiasAdvClassifier(counting(), base="erm", **QUICK).fit(X, y)
    assert Counting.seen > 4 * len(X)


def test_bodies_that_differ_have_features_of_their_own():
    def seeded(n_classes):
        body = nn.Sequential(nn.Flatten(), nn.Linear(192, 6))
        return SplitModule(body, nn.Linear(6, n_classes))

    once = LfFClassifier(seeded, **QUICK).fit(X, y)
    every_epoch = LfFClassifier(seeded, augment=lambda x: x, **QUICK).fit(X, y)
    assert not torch.equal(once.module_.body[1].weight, once.biased_module_.body[1].weight)
    np.testing.assert_allclose(
        once.decision_function(X), every_epoch.decision_function(X), atol=1e-5
    )


def test_students_on_another_frozen_backbone():
    def narrow(n_classes):
        return SplitModule(nn.Sequential(nn.Flatten(), nn.Linear(192, 4)), nn.Linear(4, n_classes))

    clf = ULEClassifier(counting(), student_module=narrow, similarity="gram", **QUICK).fit(X, y)
    assert clf.where_ == "output"
    assert clf.student_module_.head.in_features == 4


class Power(nn.Module):
    """A body without tensors; two of them differ by a plain attribute."""

    def __init__(self, exponent):
        super().__init__()
        self.exponent = exponent

    def forward(self, x):
        return x.flatten(1) ** self.exponent


@pytest.mark.parametrize("exponents", [(1, 1), (1, 3)])
def test_bodies_are_compared_by_what_they_do(exponents):
    teacher, student = (SplitModule(Power(k), nn.Linear(192, 2)) for k in exponents)
    once = ULEClassifier(teacher, student_module=student, **QUICK).fit(X, y)
    every_epoch = ULEClassifier(teacher, student_module=student, augment=lambda x: x, **QUICK).fit(
        X, y
    )
    for name in ("module_", "student_module_"):
        ours, theirs = getattr(once, name).head.weight, getattr(every_epoch, name).head.weight
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


def test_a_head_on_a_large_frozen_body_trains_on_one_thread():
    seen = []

    class Head(nn.Linear):
        def forward(self, x):
            seen.append(torch.get_num_threads())
            return super().forward(x)

    body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(288, 4000))
    torch.set_num_threads(2)
    try:
        ERMClassifier(SplitModule(body, Head(4000, 2)), **QUICK).fit(X, y)
    finally:
        torch.set_num_threads(1)
    assert seen.count(1) > len(seen) / 2
