"""ULEClassifier: what "auto" stands for, ERM at lam=1, frozen bodies, students of their own."""

import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV
from torch import nn

from sklearn_debias import ERMClassifier, ULEClassifier
from sklearn_debias.core import SplitModule
from sklearn_debias.datasets import data_folder, make_spurious_embeddings, patch_mnist, read_mnist

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn_debias.exceptions.DebiasWarning"
)  # these fits are short

DATA = make_spurious_embeddings(n_samples=120, random_state=0).train
X, y = DATA.data, DATA.target
rng = np.random.default_rng(0)
IMAGES = rng.random((24, 3, 16, 16), dtype=np.float32)
LABELS = np.arange(24) % 3
QUICK = {"max_epochs": 2, "random_state": 0, "batch_size": 16}
MOMENTUM = {"optimizer__momentum": 0.9}


def small_cnn():
    body = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()
    )
    return SplitModule(body, nn.Linear(16, 3))


def equal(one, other):
    return all(
        torch.equal(a, b)
        for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize("module", [None, "mlp"])
@pytest.mark.usefixtures("by_autograd")
def test_lambda_one_is_erm_to_the_last_bit(module):
    ours = ULEClassifier(module, lam=1, student_warmup=2, **QUICK).fit(X, y)
    plain = ERMClassifier(module, lr=1e-2, optimizer="sgd", net_params=MOMENTUM, **QUICK).fit(X, y)
    assert equal(ours.module_, plain.module_)


def test_lambda_one_is_erm_on_images_with_batch_norm():
    ours = ULEClassifier(small_cnn, lam=1, **QUICK).fit(IMAGES, LABELS)
    plain = ERMClassifier(small_cnn, lr=1e-2, optimizer="sgd", net_params=MOMENTUM, **QUICK).fit(
        IMAGES, LABELS
    )
    assert equal(ours.module_, plain.module_)


@pytest.mark.parametrize(
    ("data", "options"), [((X, y), {}), ((IMAGES, LABELS), {"module": small_cnn})]
)
def test_lambda_does_not_move_the_student(data, options):
    fits = [ULEClassifier(lam=lam, **options, **QUICK).fit(*data) for lam in (0.2, 0.9)]
    assert equal(fits[0].student_module_, fits[1].student_module_)
    assert not equal(fits[0].module_, fits[1].module_)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ("features", "logit", False, 0)),
        ({"module": "mlp"}, ("features", "logit", False, 0)),
        ({"module": "mlp", "where": "input"}, ("input", "label_log_prob", True, 5)),
        (
            {"saliency": "prob", "magnitude": True, "student_warmup": 1},
            ("features", "prob", True, 1),
        ),
        ({"similarity": "gram"}, ("output", "logit", False, 0)),
        ({"similarity": "gram", "module": "mlp"}, ("features", "logit", False, 0)),
    ],
)
def test_what_auto_stands_for_on_features(options, expected):
    clf = ULEClassifier(**options, **QUICK).fit(X, y)
    assert (clf.where_, clf.saliency_, clf.magnitude_, clf.student_warmup_) == expected
    assert clf.n_iter_ == 2 + expected[-1]


@pytest.mark.parametrize(
    ("options", "where", "head_start"),
    [
        ({}, "input", 5),
        ({"freeze": "body"}, "features", 0),
        ({"where": "1"}, "1", 5),
        ({"where": "body.1"}, "body.1", 5),
    ],
)
def test_what_auto_stands_for_on_images(options, where, head_start):
    clf = ULEClassifier(small_cnn, **options, **QUICK).fit(IMAGES, LABELS)
    assert (clf.where_, clf.student_warmup_) == (where, head_start)


@pytest.mark.parametrize(
    ("scale", "options"),
    [(3.0, {"scale": 3.0}), (0.0, {"scale": 0.0}), (100.0, {"module": "mlp", "where": "input"})],
)
def test_a_fixed_scale(scale, options):
    assert ULEClassifier(**options, **QUICK).fit(X, y).scale_ == scale


def test_scales_by_the_first_batch_and_by_the_ratio():
    assert np.log10(ULEClassifier(**QUICK).fit(X, y).scale_) % 1 == 0
    assert np.isnan(ULEClassifier(scale="ratio", **QUICK).fit(X, y).scale_)


def test_history_holds_every_term():
    history = ULEClassifier(lam=0.25, scale=4.0, **QUICK).fit(X, y).history_
    expected = 0.25 * history["ce"] + 0.75 * 4.0 * history["opposition"]
    np.testing.assert_allclose(history["model_loss"], expected, rtol=1e-5)
    assert history["student_loss"].notna().all()


def test_the_student_has_a_learning_rate_of_its_own():
    slow = ULEClassifier(lam=1, student_lr=1e-12, **QUICK).fit(X, y)
    same = ULEClassifier(lam=1, **QUICK).fit(X, y)
    assert equal(slow.module_, same.module_)
    assert slow.history_["student_loss"].iloc[-1] > same.history_["student_loss"].iloc[-1]
    assert (slow.history_["lr"] == 1e-2).all()


def test_another_network_for_the_student():
    clf = ULEClassifier("mlp", student_module="linear", similarity="gram", **QUICK).fit(X, y)
    assert isinstance(clf.student_module_.body, nn.Identity)
    assert not isinstance(clf.module_.body, nn.Identity)


def test_a_student_on_other_embeddings():
    rng = np.random.default_rng(0)
    other = rng.normal(size=(len(X), 5)).astype(np.float32)
    clf = ULEClassifier(similarity="gram", **QUICK).fit(X, y, X_student=other)
    assert clf.student_module_.head.in_features == 5
    assert clf.module_.head.in_features == X.shape[1] == clf.n_features_in_
    assert clf.predict(X).shape == y.shape


def test_a_student_on_the_same_embeddings_changes_nothing():
    assert equal(
        ULEClassifier(**QUICK).fit(X, y, X_student=X).module_,
        ULEClassifier(**QUICK).fit(X, y).module_,
    )


def test_a_student_on_other_embeddings_with_held_out_rows():
    other = X[:, ::-1].copy()
    held = ULEClassifier(similarity="gram", validation=0.25, **QUICK).fit(X, y, X_student=other)
    assert held.history_["validation_accuracy"].notna().all()


def test_the_embeddings_of_the_student_are_sliced_by_a_search():
    rng = np.random.default_rng(0)
    other = rng.normal(size=(len(X), 5)).astype(np.float32)
    search = GridSearchCV(ULEClassifier(similarity="gram", **QUICK), {"lam": [0.5, 1.0]}, cv=2)
    search.fit(X, y, X_student=other)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@pytest.mark.slow
@pytest.mark.skipif(
    data_folder(required=False) is None, reason="needs real data: SKLEARN_DEBIAS_DATA is not set"
)
def test_ule_unlearns_a_patch_that_erm_relies_on():
    """MNIST-SC: the label written into the first row of pixels, tested on images without it."""
    mnist = read_mnist(data_folder())
    rows = np.random.default_rng(2).permutation(50_000)[:2000]
    train = patch_mnist(mnist.train.data[rows], mnist.train.target[rows])
    clean, truth = mnist.test.data[:3000], mnist.test.target[:3000]
    hidden = {"module__hidden": [256, 128], "module__dropout": 0.3}
    options = {
        "optimizer": "adam",
        "lr": 3e-3,
        "batch_size": 64,
        "max_epochs": 15,
        "net_params": hidden,
        "random_state": 2,
    }
    scores = {
        lam: ULEClassifier("mlp", lam=lam, **options)
        .fit(train.data, train.target)
        .score(clean, truth)
        for lam in (1, 0.5)
    }
    assert scores[0.5] > scores[1] + 0.02, scores
