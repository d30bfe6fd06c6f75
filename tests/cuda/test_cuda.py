"""What only a GPU can show; skipped without one."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch

from sklearn_debias import (
    BiasAdvClassifier,
    DHATClassifier,
    ERMClassifier,
    JTTClassifier,
    LfFClassifier,
)
from sklearn_debias.attribution import attribute
from sklearn_debias.datasets import make_spurious_embeddings
from sklearn_debias.robustness import robust_accuracy_score

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
METHODS = [
    ERMClassifier(),
    LfFClassifier(),
    JTTClassifier(identification_epochs=2),
    BiasAdvClassifier(base="erm"),
    BiasAdvClassifier(base="lff"),
]


@pytest.fixture(scope="module")
def head_data():
    return make_spurious_embeddings(
        400, n_validation=20, n_test=200, conflict_ratio=0.1, random_state=0
    )


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (96, 3, 32, 32), dtype=np.uint8), np.arange(96) % 3


@pytest.mark.parametrize("clf", METHODS, ids=repr)
def test_heads_agree_with_the_cpu(clf, head_data):
    train = head_data.train
    fits = [
        clf.set_params(device=device, dtype="float64", max_epochs=3, lr=0.01, random_state=0)
        .fit(train.data, train.target)
        .decision_function(head_data.test.data)
        for device in ("cpu", "cuda")
    ]
    np.testing.assert_allclose(*fits, atol=1e-6)


@pytest.mark.parametrize("amp", [False, True])
@pytest.mark.parametrize("augment", [None, "crop-flip"])
def test_images_train_resident_and_repeat(images, amp, augment):
    clf = BiasAdvClassifier(
        "simple_cnn", device="cuda", max_epochs=2, batch_size=32, amp=amp, random_state=0
    )
    clf.set_params(augment=augment, net_params={"module__width": 8})
    first, again = (
        clf.fit(*images).decision_function(images[0]),
        clf.fit(*images).decision_function(images[0]),
    )
    assert next(clf.module_.parameters()).is_cuda
    assert np.isfinite(first).all()
    np.testing.assert_allclose(first, again, atol=1e-3)


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize(
    "base", ["erm", "lff", JTTClassifier(identification_epochs=2, upweight_by="weight")], ids=str
)
def test_no_synchronisation_within_an_epoch(head_data, norm, base):
    """Torch raises where a step waits for the device; the end of an epoch may."""
    from sklearn_debias.training import Engine

    train_step = Engine.train_step

    def strict(self, batch, **kwargs):
        torch.cuda.set_sync_debug_mode("error")
        try:
            return train_step(self, batch, **kwargs)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "train_step", strict)
        clf = BiasAdvClassifier(
            device="cuda", base=base, norm=norm, clip=(-50, 50), max_epochs=2, random_state=0
        )
        clf.fit(head_data.train.data, head_data.train.target)
    assert len(clf.history_) == clf.n_iter_ >= 2


@pytest.mark.filterwarnings("ignore::skorch.exceptions.DeviceWarning")
def test_pickle_moves_to_the_cpu(head_data, monkeypatch):
    clf = BiasAdvClassifier(device="cuda", clip=(-50, 50), max_epochs=2, random_state=0)
    clf.fit(head_data.train.data, head_data.train.target)
    expected = clf.predict_proba(head_data.test.data)
    stored = pickle.dumps(clf)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    loaded = pickle.loads(stored)
    assert not next(loaded.module_.parameters()).is_cuda
    np.testing.assert_allclose(loaded.predict_proba(head_data.test.data), expected, atol=1e-6)
    assert (
        loaded.adversarial_examples(head_data.test.data[:4], head_data.test.target[:4]).shape[0]
        == 4
    )


LOAD = """
import pickle, sys, warnings
import numpy as np, torch
warnings.simplefilter("ignore")
assert not torch.cuda.is_available()
model, X, y, expected = (pickle.load(open(f"{sys.argv[1]}/{name}", "rb")) for name in "mXye")
np.testing.assert_allclose(model.predict_proba(X), expected, atol=1e-4)
assert not hasattr(model, "adversarial_examples") or len(model.adversarial_examples(X, y)) == len(X)
"""


@pytest.mark.parametrize("clf", METHODS, ids=repr)
def test_a_model_loads_where_there_is_no_gpu(clf, images, tmp_path):
    X, y = images
    params = {"module": "simple_cnn", "max_epochs": 1, "device": "cuda", "random_state": 0}
    clf.set_params(dtype="float32", **params).fit(X, y)
    for name, value in zip("mXye", (clf, X, y, clf.predict_proba(X)), strict=True):
        (tmp_path / name).write_bytes(pickle.dumps(value))
    command = [sys.executable, "-c", LOAD, str(tmp_path)]
    subprocess.run(command, check=True, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""})


def test_a_default_device_changes_nothing(head_data):
    train, test = head_data.train, head_data.test
    clf = BiasAdvClassifier("mlp", max_epochs=2, random_state=0)
    for device in ("cpu", "cuda"):
        clf.set_params(device=device)
        expected = clf.fit(train.data, train.target).predict_proba(test.data)
        torch.set_default_device("cuda")
        try:
            found = clf.fit(train.data, train.target).predict_proba(test.data)
        finally:
            torch.set_default_device(None)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.filterwarnings(
    "ignore::sklearn_debias.exceptions.DebiasWarning"
)  # two epochs teach little
@pytest.mark.parametrize("amp", [False, True])
@pytest.mark.parametrize("attention", ["gradcam", "integrated_gradients", "given"])
def test_adversarial_training_and_its_evaluation(images, amp, attention):
    X, y = images
    maps = {"attention_maps": (X[:, 0] > 100).astype(np.float32)} if attention == "given" else {}
    clf = DHATClassifier(
        "simple_cnn", device="cuda", max_epochs=2, batch_size=32, n_steps=2, amp=amp, random_state=0
    )
    clf.set_params(augment="crop-flip", awp=0.01, net_params={"module__width": 8})
    clf.set_params(attention="gradcam" if attention == "given" else attention).fit(X, y, **maps)
    assert next(clf.module_.parameters()).is_cuda
    assert np.isfinite(clf.history_[["dhlr", "floe"]].dropna()).all(axis=None)
    assert robust_accuracy_score(clf, X, y, epsilon=0) == clf.score(X, y)
    assert robust_accuracy_score(clf, X, y, attack="pgd-3") <= clf.score(X, y)
    for method in ("grad_cam", "integrated_gradients"):
        assert attribute(clf, X[:4], method=method).shape == (4, 32, 32)
