"""Student and teacher of different architecture, as in Table 8: by name, each with its weights."""

import numpy as np
import pytest
import torch
from torchvision import models

from sklearn_debias import ULEClassifier

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn_debias.exceptions.DebiasWarning"
)  # these fits are short

rng = np.random.default_rng(0)
X = rng.random((16, 3, 32, 32), dtype=np.float32)
y = np.arange(16) % 2
BIAS = np.arange(16) // 2 % 2
VIT = "timm:test_vit"
# What the networks need for images of 32 pixels.
SIZES = {VIT: {"img_size": 32}, "vit_b_16": {"image_size": 32}, "resnet18": {}}


def network(name):
    if name != VIT:
        return models.get_model(name, **SIZES[name])
    timm = pytest.importorskip("timm")
    return timm.create_model("test_vit", **SIZES[name])


@pytest.fixture
def mixed(tmp_path):
    """Return the preset for frozen networks, a teacher and a student with files of weights."""

    def mixed(teacher, student, **settings):
        net_params = {}
        for part, name in (("module", teacher), ("student_module", student)):
            net_params[f"{part}__weights"] = tmp_path / f"{part}.pt"
            torch.save(network(name).state_dict(), tmp_path / f"{part}.pt")
            net_params |= {f"{part}__{option}": size for option, size in SIZES[name].items()}
        given = {"similarity": "gram", "max_epochs": 2, "random_state": 0, **settings}
        return ULEClassifier.from_preset(
            "waterbirds", module=teacher, student_module=student, net_params=net_params, **given
        )

    return mixed


def assert_from(module, file):
    """Every weight of the body comes from the file, and none of the head."""
    given = list(torch.load(file).values())
    for name, found in module.body.named_parameters():
        assert any(found.shape == one.shape and torch.equal(found, one) for one in given), name
    assert module.head.out_features == 2


def assert_fits(clf):
    clf.fit(X, y, validation_data=(X, y, BIAS))
    assert clf.where_ == "output"
    assert_from(clf.module_, clf.net_params["module__weights"])
    assert_from(clf.student_module_, clf.net_params["student_module__weights"])
    assert clf.module_.head.in_features != clf.student_module_.head.in_features
    # The teacher predicts.
    logits = clf.module_(torch.from_numpy(X)).detach().numpy()
    np.testing.assert_array_equal(clf.predict(X), logits.argmax(axis=1))


@pytest.mark.parametrize(("teacher", "student"), [("resnet18", VIT), (VIT, "resnet18")])
def test_frozen_networks_of_two_architectures(mixed, teacher, student):
    assert_fits(mixed(teacher, student))


@pytest.mark.slow
def test_a_vit_of_torchvision_as_student(mixed):
    assert_fits(mixed("resnet18", "vit_b_16"))


def test_maps_of_features_of_different_sizes_need_similarities(mixed):
    clf = mixed("resnet18", VIT, similarity="saliency")
    with pytest.raises(ValueError, match=r"\(64,\) and \(512,\). Use similarity='gram'"):
        clf.fit(X, y, validation_data=(X, y, BIAS))


@pytest.mark.parametrize(("teacher", "student"), [("simple_cnn", VIT), (VIT, "simple_cnn")])
def test_from_scratch_the_maps_of_inputs_have_one_size(teacher, student):
    pytest.importorskip("timm")
    size = {"module__img_size" if teacher == VIT else "student_module__img_size": 32}
    clf = ULEClassifier(
        teacher,
        student_module=student,
        net_params=size,
        lr=1e-3,
        max_epochs=2,
        student_warmup=1,
        random_state=0,
    ).fit(X, y)
    assert (clf.where_, clf.similarity) == ("input", "saliency")
    assert clf.history_["opposition"].iloc[1:].gt(0).all()


@pytest.mark.parametrize(
    ("name", "weights", "pixels"),
    [
        ("resnet18", "DEFAULT", 224),
        ("resnet50", "DEFAULT", 224),
        ("vit_h_14", "DEFAULT", 518),
        ("vit_h_14", "IMAGENET1K_SWAG_LINEAR_V1", 224),
    ],
)
def test_pixels_of_the_papers_networks_are_as_documented(name, weights, pixels):
    kind = models.get_model_weights(name)
    assert getattr(kind, weights).transforms().crop_size == [pixels]
