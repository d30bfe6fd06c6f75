"""Each network has arguments of its own, and no frozen body is left as it was drawn."""

import numpy as np
import pytest
import torch
from torchvision import models

from sklearn_debias import (
    DPEClassifier,
    ERMClassifier,
    JTTClassifier,
    LfFClassifier,
    LongTailClassifier,
    ULEClassifier,
)
from sklearn_debias.models import mlp, simple_cnn

rng = np.random.default_rng(0)
y = np.arange(6) % 2
IMAGES = rng.random((6, 3, 32, 32)).astype(np.float32)
X = rng.normal(size=(20, 3))
LABELS = np.arange(20) % 2
BRIEF = {"max_epochs": 1, "random_state": 0}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Weights of two architectures, by name: of small ones, in place of ResNet-34 and -18."""
    folder = tmp_path_factory.mktemp("weights")
    found = {}
    for name in ("mobilenet_v3_small", "squeezenet1_0", "shufflenet_v2_x0_5"):
        found[name] = folder / f"{name}.pt"
        torch.save(models.get_model(name).state_dict(), found[name])
    return found


TEACHER = "mobilenet_v3_small"
STUDENT = "shufflenet_v2_x0_5"


def ule(net_params, **params):
    settings = {"where": "features", "student_warmup": 0, "freeze": "body", **BRIEF, **params}
    return ULEClassifier(TEACHER, student_module=STUDENT, net_params=net_params, **settings)


def assert_body(module, file):
    """The body's parameters are those of the file."""
    given = torch.load(file)
    found = [p for name, p in module.body.named_parameters() if p.ndim == 4]
    expected = [p for p in given.values() if p.ndim == 4]
    assert len(found) == len(expected) > 10
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=0)


def test_a_student_that_was_given_no_weights_is_refused(files):
    with pytest.raises(
        ValueError, match="`freeze`='body' keeps .* `student_module`='shuf.* `student_module__weig"
    ):
        ule({"module__weights": files[TEACHER]}).fit(IMAGES, y)


def test_weights_by_role(files):
    weights = {"module__weights": files[TEACHER], "student_module__weights": files[STUDENT]}
    clf = ule(weights).fit(IMAGES, y)
    assert_body(clf.module_, files[TEACHER])
    assert_body(clf.student_module_, files[STUDENT])
    set_later = ule(None).set_params(**weights)
    assert set_later.net_params == weights
    assert set_later.get_params()["student_module__weights"] == files[STUDENT]


def test_a_damaged_or_wrong_file_is_named_by_its_role(files):
    wrong = {"module__weights": files[TEACHER], "student_module__weights": files[TEACHER]}
    with pytest.raises(ValueError, match="`student_module__weights`"):
        ule(wrong).fit(IMAGES, y)


@pytest.mark.parametrize(
    ("clf", "rows", "labels"),
    [
        (ERMClassifier("resnet18", freeze="body", **BRIEF), IMAGES, y),
        (ERMClassifier(freeze="body", **BRIEF), IMAGES[:, :, :8, :8], y),
        (ERMClassifier("mlp", freeze="body", **BRIEF), X, LABELS),
        (JTTClassifier("mlp", freeze="body", **BRIEF), X, LABELS),
        # These make a factory of the name.
        (DPEClassifier("mlp", freeze="body", **BRIEF), X, LABELS),
        (LongTailClassifier("mlp", loss="ldam", freeze="body", **BRIEF), X, LABELS),
    ],
    ids=["torchvision", "default", "mlp", "JTT", "DPE", "LDAM"],
)
def test_a_frozen_body_by_name_needs_weights(clf, rows, labels):
    with pytest.raises(ValueError, match="`freeze`='body' keeps .* of `module`=.* no weights"):
        clf.fit(rows, labels)


def test_a_factory_of_a_method_is_given_the_weights_of_the_name(files):
    clf = DPEClassifier(
        TEACHER,
        freeze="body",
        n_heads=1,
        head_epochs=1,
        net_params={"module__weights": files[TEACHER]},
        **BRIEF,
    )
    assert_body(clf.fit(IMAGES, y).module_, files[TEACHER])


def test_modules_that_hold_weights_and_bodies_without_any_are_the_users_affair():
    ERMClassifier(freeze="body", **BRIEF).fit(X, LABELS)  # linear: the features are X
    ERMClassifier(mlp, freeze="body", **BRIEF).fit(X, LABELS)
    ERMClassifier(simple_cnn(3, 2), freeze="body", **BRIEF).fit(IMAGES[:, :, :8, :8], y)


def test_arguments_of_other_networks_and_of_none():
    clf = LfFClassifier(mlp, biased_module="mlp", **BRIEF).set_params(
        module__hidden=3, biased_module__hidden=4
    )
    clf.fit(X, LABELS)
    assert (clf.module_.head.in_features, clf.biased_module_.head.in_features) == (3, 4)
    with pytest.raises(ValueError, match="`net_params` holds student_module__\\*, but ERMClass"):
        ERMClassifier(net_params={"student_module__hidden": 3}).fit(X, LABELS)
    with pytest.raises(ValueError, match="student_module"):
        ERMClassifier().set_params(student_module__hidden=3)


@pytest.mark.parametrize("weights", [{"fc.weight": 1}, True, 3])
def test_weights_that_are_no_file_and_no_name(weights):
    clf = ERMClassifier("resnet18", net_params={"module__weights": weights}, image_size=16, **BRIEF)
    with pytest.raises(TypeError, match="`module__weights` must be a file, or the name"):
        clf.fit(IMAGES, LABELS[:6])
