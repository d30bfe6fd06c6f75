"""faults.md, the row on images: ranges, layouts, sizes, and files of all kinds."""

import os

import numpy as np
import pandas as pd
import pytest
import torch
from faulty import DOORS, IMAGES, UINT8, erm, fitted_names, make, y
from PIL import Image

from sklearn_debias.exceptions import DebiasWarning


def linear(method="ERMClassifier", **params):
    return make(method, module="linear", **{"lr": 0.01, "max_epochs": 20, **params})


@pytest.fixture(scope="module")
def fitted():
    return linear().fit(IMAGES, y)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for i, image in enumerate(UINT8):
        Image.fromarray(image.transpose(1, 2, 0)).save(folder / f"{i}.png")
    return [folder / f"{i}.png" for i in range(len(UINT8))]


@pytest.mark.parametrize("method", DOORS)
@pytest.mark.filterwarnings("ignore:The fitted model predicts")
def test_uint8_equals_floats(method):
    floats = UINT8.astype(np.float32) / 255
    expected = linear(method, max_epochs=4).fit(floats, y).decision_function(floats)
    for same in (UINT8, torch.tensor(UINT8), UINT8[:, :, ::-1][:, :, ::-1]):
        found = linear(method, max_epochs=4).fit(same, y).decision_function(same)
        np.testing.assert_allclose(found, expected, atol=1e-6)


OTHER_RANGES = {"255 after 1": (IMAGES, 255 * IMAGES), "1 after 255": (255 * IMAGES, IMAGES)}


@pytest.mark.filterwarnings("ignore:`X` has values from .* grey levels held as floats")
@pytest.mark.parametrize("row", OTHER_RANGES)
def test_another_range_is_warned_about(row):
    train, test = OTHER_RANGES[row]
    clf = linear(lr=0.01 / train.max()).fit(train, y)
    clf.predict(train)
    with pytest.warns(
        DebiasWarning, match="`X` holds images with values up to .* another range"
    ) as caught:
        clf.predict(test)
    assert [w.filename for w in caught] == [__file__]


REFUSED = {
    "NHWC": (IMAGES.transpose(0, 2, 3, 1), "channel axis second.*Use X.transpose\\(0, 3, 1, 2\\)"),
    "a single image": (IMAGES[0], "4-D images.* a single sample needs X\\[None\\]"),
    "NaN": (np.full_like(IMAGES, np.nan), "X contains NaN"),
    "5-D": (IMAGES[None], "`X` must be 2-D .* or 4-D images"),
    "greys": (IMAGES[:, 0], "4-D images.*grey images \\(n, height, width\\) need X\\[:, None\\]"),
    "a list of NHWC": (
        list(IMAGES.transpose(0, 2, 3, 1)),
        "Use np.asarray\\(X\\).transpose\\(0, 3, 1, 2\\)",
    ),
    "ragged": (
        [*IMAGES[:5], IMAGES[5, :, 1:], *IMAGES[6:]],
        "one shape: `X\\[5\\]` has \\(3, 7, 8\\), and `X\\[0\\]` \\(3, 8, 8\\).*`image_size`",
    ),
    "ragged tensors": (
        [torch.zeros(3, 8, 8), torch.zeros(3, 8, 9)] * 20,
        "one shape: `X\\[1\\]` has \\(3, 8, 9\\), and `X\\[0\\]` \\(3, 8, 8\\)",
    ),
    "ragged in itself": (
        [[[[1.0], [2.0, 3.0]]], [[[1.0], [2.0]]]] * 20,
        "`X\\[1\\]` has \\(1, 2, 1\\), and `X\\[0\\]` rows of several lengths",
    ),
}


@pytest.mark.parametrize("row", REFUSED)
def test_refused_images(row, fitted):
    bad, words = REFUSED[row]
    with pytest.raises(ValueError, match=words):
        linear().fit(bad, y[: len(bad)])
    with pytest.raises(ValueError, match=words):
        fitted.predict(bad)


@pytest.mark.parametrize(
    "other", [IMAGES[:, :, :6], IMAGES[:, :1], np.zeros((2, 192))], ids=["size", "grey", "flat"]
)
def test_another_size_is_refused(other, fitted):
    with pytest.raises(
        ValueError, match="`X` must have rows of shape \\(3, 8, 8\\), as in fit, got .*`image_size`"
    ):
        fitted.predict(other)


def test_another_size_is_resized_where_asked_for():
    clf = linear(image_size=4).fit(IMAGES, y)
    assert clf.input_shape_ == (3, 4, 4)
    assert clf.predict(IMAGES[:, :, :6]).shape == (40,)


@pytest.mark.parametrize(
    "kind", [list, tuple, np.array, pd.Series, lambda p: [str(q) for q in p], lambda p: p[::1]]
)
def test_paths_equal_arrays(kind, paths):
    given = kind(paths)
    expected = linear().fit(UINT8, y).decision_function(UINT8)
    np.testing.assert_allclose(linear().fit(given, y).decision_function(given), expected, atol=1e-6)


def test_paths_in_a_series_with_an_odd_index_and_a_validation_fraction(paths):
    series = pd.Series([str(p) for p in paths], index=range(5, 45), dtype="string")
    clf = linear(validation=0.25).fit(series, y)
    assert clf.n_features_in_ == 3


def broken(paths, name, content):
    bad = paths[0].parent / name
    bad.write_bytes(content)
    return [*paths[:7], bad, *paths[8:]]


@pytest.mark.parametrize("row", ["truncated", "text", "empty", "missing", "folder"])
@pytest.mark.parametrize("call", ["fit", "predict", "validation_data"])
def test_a_file_that_cannot_be_read_is_named(row, call, paths):
    content = {"truncated": paths[7].read_bytes()[:100], "text": b"hello", "empty": b""}
    if row in content:
        bad = broken(paths, f"{row}.png", content[row])
    else:
        bad = [
            *paths[:7],
            paths[0].parent / "missing.png" if row == "missing" else paths[0].parent,
            *paths[8:],
        ]
    clf = linear(max_epochs=1, lr=0.1)
    calls = {
        "fit": lambda: clf.fit(bad, y),
        "predict": lambda: linear().fit(paths, y).predict(bad),
        "validation_data": lambda: clf.fit(paths, y, validation_data=(bad, y)),
    }
    with pytest.raises(ValueError, match=f"(?s)`X\\[7\\]`: cannot read the image .*{bad[7].name}"):
        calls[call]()
    assert fitted_names(clf) == []


MIXED = {"number": 3, "None": None, "NaN": np.nan}


@pytest.mark.parametrize("row", MIXED)
def test_paths_only(row, paths):
    with pytest.raises(TypeError, match="`X` must hold image paths only, got a .* at 39"):
        linear().fit([*paths[:-1], MIXED[row]], y)


def test_files_of_another_size(paths):
    Image.new("RGB", (9, 9)).save(paths[0].parent / "large.png")
    mixed = [*paths[:7], paths[0].parent / "large.png", *paths[8:]]
    for bad in (mixed, mixed[7:8] + paths[1:]):
        with pytest.raises(
            ValueError,
            match="`image_size` must be given where images differ in size: `X\\[\\d+\\]`",
        ):
            linear().fit(bad, y)
    linear(image_size=8).fit(mixed, y)
    with pytest.raises(
        ValueError, match="rows of shape \\(3, 8, 8\\), as in fit, got \\(3, 9, 9\\)"
    ):
        linear().fit(paths, y).predict(mixed[7:8])


rgb = Image.fromarray(UINT8[0].transpose(1, 2, 0))
grey16 = (UINT8[0, 0].astype(np.uint16)) * 257
MODES = {
    "palette": (rgb.quantize(8), lambda image: np.asarray(image.convert("RGB")).transpose(2, 0, 1)),
    "CMYK": (
        rgb.convert("CMYK"),
        lambda image: np.asarray(image.convert("RGB")).transpose(2, 0, 1),
    ),
    "alpha": (rgb.convert("RGBA"), lambda image: UINT8[0]),
    "grey": (rgb.convert("L"), lambda image: np.asarray(image)[None].repeat(3, 0)),
    "1 bit": (rgb.convert("1"), lambda image: 255 * np.asarray(image)[None].repeat(3, 0)),
    "16 bit": (Image.fromarray(grey16), lambda image: UINT8[0, :1].repeat(3, 0)),
}


@pytest.mark.parametrize("row", MODES)
def test_modes_are_scaled_right(row, paths, fitted):
    image, expected = MODES[row]
    path = paths[0].parent / f"{row}.tif"
    image.save(path)
    np.testing.assert_array_equal(
        fitted.decision_function([path]),
        fitted.decision_function(expected(image)[None].astype(np.uint8)),
    )


@pytest.mark.parametrize("mode", ["I", "F", "LAB"])
def test_modes_without_a_range_are_refused(mode, paths, fitted):
    path = paths[0].parent / f"{mode}.tif"
    (rgb.convert("L").convert(mode) if mode in "IF" else Image.new("LAB", (8, 8))).save(path)
    with pytest.raises(ValueError, match=f"`X\\[0\\]`.*mode '{mode}' is not one of"):
        fitted.predict([path])


def test_normalize_for_other_channels():
    with pytest.raises(
        ValueError, match="`normalize` must have one number for each of the 1 channels"
    ):
        erm(normalize="imagenet").fit(IMAGES[:, :1], y)


def test_a_frame_of_one_column_of_paths_is_read(tmp_path):
    paths = []
    for i, image in enumerate(UINT8):
        paths.append(tmp_path / f"{i}.png")
        Image.fromarray(image.transpose(1, 2, 0)).save(paths[-1])
    expected = linear().fit(paths, y).predict_proba(paths)
    frame = pd.DataFrame({"path": [str(path) for path in paths]})
    np.testing.assert_array_equal(linear().fit(frame, y).predict_proba(frame), expected)


@pytest.mark.parametrize("shape", [(8, 4, 4), (16, 1, 1), (5, 3, 3)])
def test_small_feature_maps_are_not_taken_for_channels_last(shape):
    maps = np.random.default_rng(0).random((40, *shape), dtype=np.float32) + y[:, None, None, None]
    assert linear().fit(maps, y).input_shape_ == shape


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor])
def test_grey_levels_of_another_type_are_warned_about(kind):
    """Libraries hand pixels on as int64: their range is no longer that of uint8."""
    levels = kind(UINT8.astype(int).tolist())
    with pytest.warns(DebiasWarning, match="whole numbers up to 2.. as int64.*np.uint8") as caught:
        linear(lr=1e-4).fit(levels, y)
    assert [w.filename for w in caught] == [__file__]


def test_masks_of_whole_numbers_are_no_grey_levels():
    linear().fit((IMAGES > 0.5).astype(int), y)


def test_a_single_image_is_no_list_of_images():
    with pytest.raises(TypeError, match="`X` must be a list of images, got a single image"):
        linear().fit(rgb, y)


@pytest.mark.parametrize("odd", ["image.png", None, UINT8[0]])
def test_images_of_pillow_only(odd):
    words = f"`X` must hold images of Pillow only, got a {type(odd).__name__} at 39"
    with pytest.raises(TypeError, match=words):
        linear().fit([rgb] * 39 + [odd], y)


def test_images_of_pillow_are_resized_as_files_are(paths):
    pictures = [Image.fromarray(image.transpose(1, 2, 0)) for image in UINT8]
    pictures[3] = pictures[3].resize((9, 11))
    pictures[3].save(paths[0].parent / "odd.png")
    files = [*paths[:3], paths[0].parent / "odd.png", *paths[4:]]
    found, expected = (linear(image_size=4).fit(X, y).predict_proba(X) for X in (pictures, files))
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(ValueError, match="`image_size` must be given where images differ in size"):
        linear().fit(pictures, y)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_not_waited_for(tmp_path, fitted):
    os.mkfifo(tmp_path / "image.png")
    with pytest.raises(ValueError, match="`X\\[0\\]`: cannot read the image .*it is no file"):
        fitted.predict([tmp_path / "image.png"])
