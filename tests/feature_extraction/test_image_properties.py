"""Properties of images, on pictures whose properties are known."""

import colorsys

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch.utils.data import TensorDataset

from sklearn_debias.feature_extraction import image_properties
from sklearn_debias.inspection import bias_report

NAMES = ["top_left", "top_right", "bottom_left", "bottom_right"]


def test_a_grey_image():
    grey = np.full((1, 3, 16, 24), 0.25)
    (found,) = image_properties(grey).to_dict("records")
    assert found["brightness"] == pytest.approx(0.25)
    assert (found["height"], found["width"]) == (16, 24)
    for name in ("contrast", "saturation", "sharpness"):
        assert found[name] == pytest.approx(0, abs=1e-9)
    for name in ("", "border_", *(f"{corner}_" for corner in NAMES)):
        assert found[f"{name}colour"] == "grey"
        assert found[f"{name}brightness"] == pytest.approx(0.25)


def test_two_halves():
    """Black and white: the deviation is half, and one edge of two columns has a Laplacian."""
    halves = np.zeros((1, 1, 8, 8))
    halves[..., 4:] = 1
    (found,) = image_properties(halves).to_dict("records")
    assert found["brightness"] == pytest.approx(0.5)
    assert found["contrast"] == pytest.approx(0.5)
    assert found["sharpness"] == pytest.approx(16 / 64)  # 1 and -1 in 8 pixels each
    assert found["top_left_brightness"] == found["bottom_left_brightness"] == 0
    assert found["top_right_brightness"] == pytest.approx(1)


@pytest.mark.parametrize("corner", range(4))
def test_a_patch_in_a_corner_is_seen_there_alone(corner):
    images = np.full((1, 3, 16, 16), 0.5)
    rows = slice(0, 2) if corner < 2 else slice(14, 16)
    columns = slice(0, 2) if corner % 2 == 0 else slice(14, 16)
    images[0, :, rows, columns] = np.array([0, 0, 1])[:, None, None]
    (found,) = image_properties(images).to_dict("records")
    assert [found[f"{name}_colour"] for name in NAMES] == [
        "blue" if i == corner else "grey" for i in range(4)
    ]
    assert found["border_colour"] == "blue"
    assert found[f"{NAMES[corner]}_brightness"] == pytest.approx(0.114)


def test_all_hues():
    names = ["red", "orange", "yellow", "lime", "green", "mint", "cyan", "azure", "blue", "violet"]
    names += ["magenta", "rose"]
    for i, name in enumerate(names):
        for shift in (-0.4, 0, 0.4):
            hue = (i + shift) / 12 % 1
            colour = np.array(colorsys.hsv_to_rgb(hue, 0.8, 0.9))
            images = np.broadcast_to(colour[None, :, None, None], (1, 3, 4, 4))
            (found,) = image_properties(images).to_dict("records")
            assert found["colour"] == name
            assert found["saturation"] == pytest.approx(0.8)


def test_the_strongest_colour_is_the_dominant_one():
    """Few pixels of full red outweigh many that are faintly green."""
    images = np.full((1, 3, 10, 10), 0.5)
    images[0, 1] += 0.02
    images[0, :, 4:6, 4:6] = np.array([1, 0, 0])[:, None, None]
    assert image_properties(images)["colour"].tolist() == ["red"]


def test_numbers_of_pixels_and_channels_do_not_matter():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (5, 3, 12, 9), dtype=np.uint8)
    expected = image_properties(pixels)
    pd.testing.assert_frame_equal(image_properties(pixels / 255), expected, atol=1e-5)
    pd.testing.assert_frame_equal(image_properties(list(pixels)), expected)
    alpha = np.concatenate([pixels, pixels[:, :1]], axis=1)
    pd.testing.assert_frame_equal(image_properties(alpha), expected)
    grey = image_properties(pixels[:, :1])
    pd.testing.assert_frame_equal(grey, image_properties(np.repeat(pixels[:, :1], 3, axis=1)))
    one_by_one = [image_properties(pixels[i : i + 1]) for i in range(5)]
    pd.testing.assert_frame_equal(pd.concat(one_by_one, ignore_index=True), expected, atol=1e-6)
    assert expected.shape == (5, 17)


def test_a_dataset_under_settings_of_the_caller():
    images = np.random.default_rng(0).random((6, 3, 8, 8)).astype(np.float32)
    expected = image_properties(images)
    dataset = TensorDataset(torch.tensor(images), torch.arange(6))
    with torch.device("meta"), torch.inference_mode():
        found = image_properties(dataset)
    pd.testing.assert_frame_equal(found, expected)


def test_files_of_several_sizes(tmp_path):
    paths = []
    for i, (width, height) in enumerate([(8, 6), (10, 20)]):
        paths.append(tmp_path / f"{i}.png")
        Image.new("RGB", (width, height), "red").save(paths[-1])
    found = image_properties(paths)
    assert found[["height", "width"]].values.tolist() == [[6, 8], [20, 10]]
    assert found["colour"].tolist() == ["red", "red"]
    pictures = [Image.open(path) for path in paths]
    pd.testing.assert_frame_equal(image_properties(pictures), found)
    for picture in pictures:
        picture.close()


def test_one_frame_is_made_however_many_files(tmp_path, monkeypatch):
    """A frame for each picture took as long again as the properties."""
    paths = [tmp_path / f"{i}.png" for i in range(12)]
    for i, path in enumerate(paths):
        Image.new("RGB", (8, 8), (20 * i, 0, 0)).save(path)
    made = []

    class Counted(pd.DataFrame):
        def __init__(self, *args, **kwargs):
            made.append(1)
            super().__init__(*args, **kwargs)

    monkeypatch.setattr(pd, "DataFrame", Counted)
    found = image_properties(paths)
    assert len(made) == 1
    assert found["brightness"].is_monotonic_increasing
    assert found.index.tolist() == list(range(12))


def test_a_planted_patch_is_reported():
    rng = np.random.default_rng(0)
    y = np.arange(100) % 2
    images = rng.random((100, 3, 16, 16)) * 0.5
    images[y == 1, 0, :2, :2] = 1
    images[y == 1, 1:, :2, :2] = 0
    report = bias_report(y, images=images, random_state=0)
    assert "image top left colour" in report.spurious[:4]
    assert report.aligned["image top left colour"][1] == "red"
    assert "image bottom right colour" not in report.spurious
    assert "left out: 'image height', 'image width' (constant" in str(report)


WRONG = {
    "standardised": (np.full((2, 3, 8, 8), -1.0), "floats in [0, 1], got values from -1"),
    "NaN": (np.full((2, 3, 8, 8), np.nan), "NaN"),
    "five channels": (np.zeros((2, 5, 8, 8)), "1, 3 or 4 channels, got 5"),
    "features": (np.zeros((2, 5)), "4-D"),
    "one image": (np.zeros((3, 8, 8)), "dim 3"),
    "no file": (["/nowhere.png"], "`X[0]`: cannot read the image '/nowhere.png'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_images_are_named(case):
    images, words = WRONG[case]
    with pytest.raises(ValueError, match="`images` failed with") as error:
        image_properties(images)
    assert words in str(error.value)


def test_images_of_a_report_are_checked():
    y = np.arange(40) % 2
    with pytest.raises(ValueError, match="`images` must have one image per row of `y`"):
        bias_report(y, images=np.zeros((7, 3, 8, 8)))
    with pytest.raises(ValueError, match="`metadata` must not have columns that are made of"):
        bias_report(y, {"image colour": y}, images=np.zeros((40, 3, 8, 8)))
