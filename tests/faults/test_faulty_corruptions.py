"""Corruptions, their transformer and their report, given what they should not be."""

import re

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_debias import ERMClassifier
from sklearn_debias.corruptions import Corruption, corrupt, corruption_names
from sklearn_debias.robustness import corruption_report

rng = np.random.default_rng(0)
LEVELS = rng.integers(0, 256, (6, 3, 16, 16), dtype=np.uint8)
UNIT = LEVELS / 255
y = np.array([0, 1, 0, 1, 0, 1])


@pytest.mark.parametrize("name", ["rain", "", "Snow", None, 3, ("snow", 3)])
def test_unknown_name_lists_what_exists(name):
    with pytest.raises(ValueError, match="`name` must be one of") as found:
        corrupt(LEVELS, name, 3)
    assert all(known in str(found.value) for known in corruption_names())


def test_a_near_miss_is_told():
    with pytest.raises(ValueError, match="Did you mean 'gaussian_noise'"):
        corrupt(LEVELS, "gausian_noise")


@pytest.mark.parametrize("severity", [0, 6, -1, 2.5, 3.0, "3", True, [1], np.nan])
def test_severity_outside_of_1_to_5(severity):
    with pytest.raises(ValueError, match=re.escape("`severity` must be an int in 1..5 or None")):
        corrupt(LEVELS, "fog", severity)


def test_a_severity_where_there_is_none_and_none_where_there_must_be():
    with pytest.raises(ValueError, match="`severity` must be None for 'cutout'"):
        corrupt(LEVELS, "cutout", 3)
    with pytest.raises(ValueError, match=r"`severity` must be an int in 1..5 for 'snow', got None"):
        corrupt(LEVELS, "snow")


@pytest.mark.parametrize("family", ["all ", "cifar", None, 0])
def test_unknown_family(family):
    with pytest.raises(ValueError, match="`family` must be one of 'all', 'biasadv'"):
        corruption_names(family)


IMAGES = {
    "nhwc": (LEVELS.transpose(0, 2, 3, 1), "looks like NHWC. Move the channels"),
    "nhwc grey": (LEVELS.transpose(0, 2, 3, 1)[..., :1], "looks like NHWC"),
    "nhwc tensor": (torch.from_numpy(UNIT).permute(0, 2, 3, 1), "looks like NHWC"),
    "one image": (LEVELS[0], "must be images of shape"),
    "rows": (UNIT.reshape(6, -1), "must be images of shape"),
    "7 x 16": (LEVELS[:, :, :7], "8x8 pixels or more, got 3 channels of 7x16 pixels"),
    "1 x 1": (LEVELS[:, :, :1, :1], "pixels or more"),
    "no channel": (LEVELS[:, :0], "pixels or more"),
    "grey levels as floats": (LEVELS.astype(float), "floats in [0, 1], got values from 0 to 255"),
    "standardised": ((UNIT - 0.5) * 2, "undo a normalisation"),
    "a bit above": (
        UNIT + 1e-6 * (UNIT.max() == UNIT) + (1 - UNIT.max()),
        "must be floats in [0, 1]",
    ),
    "NaN": (
        np.where(UNIT > 0.9, np.nan, UNIT),
        "must be floats in [0, 1], got values from nan to nan",
    ),
    "infinity": (np.where(UNIT > 0.9, np.inf, UNIT), "to inf"),
    "int64": (LEVELS.astype(np.int64), "got the dtype int64. Images in 0..255 of another dtype"),
    "bool": (LEVELS > 99, "got the dtype bool"),
    "int tensor": (torch.from_numpy(LEVELS.astype(np.int32)), "got the dtype torch.int32"),
    "objects": (LEVELS.astype(object), "got the dtype object"),
    "complex": (UNIT.astype(complex), "got the dtype complex128"),
}


@pytest.mark.parametrize("case", IMAGES)
def test_images_of_another_shape_dtype_or_range(case):
    images, message = IMAGES[case]
    with pytest.raises(ValueError, match=re.escape(message)) as found:
        corrupt(images, "gaussian_blur")
    assert "`images`" in str(found.value)
    with pytest.raises(ValueError, match="`X`"):
        Corruption("gaussian_blur").fit(images)
    with pytest.raises(ValueError, match="`X`"):
        corruption_report(DummyClassifier().fit(UNIT, y), images, y)


@pytest.mark.parametrize(
    "images", [None, "images", 3, LEVELS.tolist(), pd.DataFrame(UNIT.reshape(6, -1))]
)
def test_things_that_are_no_images(images):
    with pytest.raises(TypeError, match="`images` must be an ndarray or a Tensor"):
        corrupt(images, "cutout")


@pytest.mark.parametrize("channels", [2, 4])
def test_channels_that_a_corruption_cannot_take(channels):
    images = np.concatenate([LEVELS, LEVELS], axis=1)[:, :channels]
    for name, severity in (
        ("jpeg", None),
        ("snow", 1),
        ("frost", 1),
        ("spatter", 1),
        ("brightness", 1),
        ("jpeg", 2),
    ):
        with pytest.raises(
            ValueError, match=rf"must have 1 or 3 channels for '{name}', got {channels}"
        ):
            corrupt(images, name, severity)
    assert corrupt(images, "rotation").shape == images.shape


@pytest.mark.parametrize("random_state", [-1, 1.5, "0", True])
def test_seeds_that_are_none(random_state):
    with pytest.raises(ValueError, match="`random_state` must be None, an int >= 0"):
        corrupt(LEVELS, "cutout", random_state=random_state)


def test_big_endian_and_channels_last_memory():
    expected = corrupt(UNIT, "rotation")
    np.testing.assert_array_equal(corrupt(UNIT.astype(">f8"), "rotation"), expected)


def test_a_subclass_of_ndarray_and_a_memory_map(tmp_path):
    np.save(tmp_path / "images.npy", LEVELS)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    np.testing.assert_array_equal(corrupt(mapped, "snow", 2), corrupt(LEVELS, "snow", 2))


REPORT = {
    "unknown family": (
        {"corruptions": "hard"},
        "`corruptions` must be 'biasadv', 'classic', or a list",
    ),
    "no corruption": ({"corruptions": []}, "`corruptions` must be"),
    "None": ({"corruptions": None}, "`corruptions` must be"),
    "unknown name": ({"corruptions": ["rain"]}, "`corruptions` must be one of"),
    "unknown in a pair": ({"corruptions": [("rain", 2)]}, "`corruptions` must be one of"),
    "severity 6": (
        {"corruptions": ["snow"], "severities": [1, 6]},
        "`severities` must be ints in 1..5",
    ),
    "no severity": (
        {"corruptions": ["snow"], "severities": []},
        "`severities` must hold at least one",
    ),
    "no such corruption": (
        {"corruptions": ["snow", "snoww"], "severities": 1},
        "`corruptions` must be one of",
    ),
    "no such severity of a pair": (
        {"corruptions": [("snow", 6)]},
        "A severity of `corruptions` must be an int in 1..5 or None, got 6",
    ),
    "severity of cutout": ({"severities": 3}, "`severities` must be None for"),
    "confidence": ({"confidence": 95}, "`confidence` must be a number in (0, 1)"),
    "random_state": ({"random_state": -1}, "`random_state`"),
    "y too short": ({"y": y[:5]}, "`y` must have one label per image of X: expected 6, got 5"),
    "y continuous": ({"y": y + 0.5}, "`y` must hold class labels"),
    "bias too short": ({"bias_labels": y[:5]}, "`bias_labels` must have one value per sample"),
    "nobody knows": ({"bias_labels": y}, "`aligned` must be given with `bias_labels`"),
    "nothing conflicts": (
        {"bias_labels": y, "aligned": {0: 0, 1: 1}},
        "at least one conflicting sample",
    ),
    "a class is missing": (
        {"bias_labels": 1 - y, "aligned": {0: 0}},
        "`aligned` must have an entry for every class",
    ),
    "other values": (
        {"bias_labels": y, "aligned": {0: "a", 1: "b"}},
        "`aligned` must map to values of",
    ),
}


@pytest.mark.parametrize("case", REPORT)
def test_report(case):
    change, message = REPORT[case]
    model = DummyClassifier().fit(UNIT, y)
    with pytest.raises(ValueError, match=re.escape(message)):
        corruption_report(model, **({"X": UNIT, "y": y, "corruptions": "biasadv"} | change))


def test_report_on_what_is_not_fitted():
    for model in (ERMClassifier(), make_pipeline(FunctionTransformer(), ERMClassifier())):
        with pytest.raises(NotFittedError):
            corruption_report(model, UNIT, y)


def test_report_says_what_it_lacks_when_it_is_no_classifier():
    with pytest.raises(TypeError, match="`estimator` must have `predict`, got Corruption"):
        corruption_report(Corruption(), UNIT, y)
