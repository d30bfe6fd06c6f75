"""The figure: what is drawn where, and on whose axes."""

import subprocess
import sys
import warnings

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from sklearn_debias import ERMClassifier
from sklearn_debias.attribution import attribute, saliency_share
from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.inspection import SaliencyDisplay

mpl.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

rng = np.random.default_rng(0)
IMAGES = rng.random((3, 3, 8, 10)).astype(np.float32)
MASK = np.zeros((8, 10), bool)
MASK[2:4, 3:7] = True


def module(channels=3, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(channels, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(192, 2))


MODELS = {"first": module(), "second": module(seed=1)}
BY_GRADIENT = {"method": "input_gradient"}


@pytest.fixture(autouse=True)
def no_figure_is_left():
    yield
    plt.close("all")


def drawn(axis):
    return [np.asarray(image.get_array()) for image in axis.images]


def test_a_row_per_image_and_a_column_per_model():
    display = SaliencyDisplay.from_estimator(MODELS, IMAGES, [0, 1, 0], mask=MASK, **BY_GRADIENT)
    assert isinstance(display, SaliencyDisplay)
    assert display.axes_.shape == (3, 3)
    assert display.figure_ is display.axes_[0, 0].figure
    assert list(display.maps) == list(display.shares_) == ["first", "second"]
    for k, (name, model) in enumerate(MODELS.items(), start=1):
        maps = attribute(model, IMAGES, [0, 1, 0], **BY_GRADIENT)
        np.testing.assert_array_equal(display.maps[name], maps)
        np.testing.assert_array_equal(display.shares_[name], saliency_share(maps, MASK))
        for i in range(3):
            image, overlay = drawn(display.axes_[i, k])
            np.testing.assert_array_equal(overlay, maps[i])
            assert np.ptp(image, axis=2).max() == 0  # greys
            title = display.axes_[i, k].get_title()
            assert title.endswith(f"{display.shares_[name][i]:.0%} in mask")
            assert title.startswith(f"{name}\n") == (i == 0)
    for i in range(3):
        (image,) = drawn(display.axes_[i, 0])
        np.testing.assert_allclose(image, IMAGES[i].transpose(1, 2, 0), atol=1e-6)
        assert display.axes_[i, 0].get_ylabel() == str([0, 1, 0][i])
    assert len(display.figure_.axes) == 9
    assert not any(len(axis.get_xticks()) + len(axis.get_yticks()) for axis in display.figure_.axes)
    display.figure_.canvas.draw()


def test_the_outline_runs_along_the_borders_of_the_pixels():
    display = SaliencyDisplay(IMAGES[:1], {"a": np.ones((1, 8, 10))}, mask=MASK).plot()
    for axis in display.axes_.flat:
        segments = np.array(axis.collections[0].get_segments())
        assert len(segments) == 2 * (4 + 2)
        np.testing.assert_allclose(segments.reshape(-1, 2).min(0), [2.5, 1.5])
        np.testing.assert_allclose(segments.reshape(-1, 2).max(0), [6.5, 3.5])
        np.testing.assert_allclose(np.abs(np.diff(segments, axis=1)).sum((1, 2)), 1)


def test_without_mask_and_labels_there_is_nothing_to_write():
    display = SaliencyDisplay.from_estimator(module(), IMAGES, **BY_GRADIENT)
    assert display.shares_ == {}
    assert display.axes_[0, 1].get_title() == "Sequential"
    assert display.axes_[1, 1].get_title() == display.axes_[0, 0].get_ylabel() == ""
    assert not display.axes_[0, 0].collections


def test_a_mask_for_each_image():
    masks = np.stack([MASK, ~MASK, MASK])
    display = SaliencyDisplay.from_estimator(MODELS, IMAGES, mask=masks, **BY_GRADIENT)
    for i in range(3):
        share = saliency_share(display.maps["first"][i : i + 1], masks[i])[0]
        assert display.axes_[i, 1].get_title().endswith(f"{share:.0%} in mask")


def test_a_zero_map_has_no_share():
    still = module()
    nn.init.zeros_(still[3].weight)
    with pytest.warns(DebiasWarning, match="3 of 3 maps are constant") as said:
        display = SaliencyDisplay.from_estimator({"still": still}, IMAGES, mask=MASK, **BY_GRADIENT)
    assert said[0].filename == __file__
    assert display.axes_[1, 1].get_title() == "no map"


def test_axes_may_be_given():
    ours, axes = plt.subplots(3, 3)
    display = SaliencyDisplay.from_estimator(MODELS, IMAGES, ax=axes, **BY_GRADIENT)
    assert display.figure_ is ours
    assert (display.axes_ == axes).all()
    _, row = plt.subplots(1, 3)
    one = {name: maps[:1] for name, maps in display.maps.items()}
    assert display.__class__(IMAGES[:1], one).plot(row).axes_.shape == (1, 3)
    ours, (left, right) = plt.subplots(1, 2)
    display.plot(right)
    assert display.figure_ is ours
    assert not right.axison
    assert len(ours.axes) == 2 + 9
    assert left.get_position().x1 < min(axis.get_position().x0 for axis in display.axes_.flat)
    by_hand = plt.figure().add_axes((0.5, 0.1, 0.4, 0.8))
    inside = by_hand.get_position()
    for axis in display.plot(by_hand).axes_.flat:
        box = axis.get_position()
        assert inside.x0 <= box.x0 < box.x1 <= inside.x1 + 1e-9
        assert inside.y0 <= box.y0 + 1e-9 < box.y1 <= inside.y1 + 1e-9
    n_figures = len(plt.get_fignums())
    with pytest.raises(
        ValueError, match=r"`ax` must be one Axes, or an array of them of shape \(3, 3\)"
    ):
        display.plot(axes[:2])
    assert len(plt.get_fignums()) == n_figures


def test_models_of_several_sizes_are_refused():
    sizes = {}
    for size in (6, 8):
        clf = ERMClassifier("simple_cnn", image_size=size, max_epochs=1, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DebiasWarning)
            sizes[str(size)] = clf.fit(IMAGES, [0, 1, 0])
    with pytest.raises(
        ValueError, match="`estimator` must hold models that see X at one size, got maps of"
    ):
        SaliencyDisplay.from_estimator(sizes, IMAGES)


KINDS = {
    "uint8": (IMAGES * 255).astype(np.uint8),
    "one channel": IMAGES[:, :1],
    "standardised": (IMAGES - 0.5) * 4,
    "four channels": np.concatenate([IMAGES, IMAGES[:, :1]], axis=1),
    "tensor": torch.from_numpy(IMAGES),
}


@pytest.mark.parametrize("kind", KINDS)
def test_images_of_many_kinds(kind):
    given = KINDS[kind]
    display = SaliencyDisplay.from_estimator(module(given.shape[1]), given, **BY_GRADIENT)
    (image,) = drawn(display.axes_[0, 0])
    assert image.shape == (8, 10, 3)
    assert 0 <= image.min() < image.max() <= 1
    if kind in ("uint8", "tensor"):
        np.testing.assert_allclose(image, IMAGES[0].transpose(1, 2, 0), atol=1 / 255)


def test_fitted_classifiers_with_labels_of_their_own():
    rng = np.random.default_rng(0)
    y = np.array(["cat", "dog"] * 20)
    X = (0.5 * rng.random((40, 1, 8, 8)) + 0.4 * (y == "dog")[:, None, None, None]).astype(
        np.float32
    )
    clf = ERMClassifier("simple_cnn", lr=0.01, max_epochs=5, random_state=0).fit(X, y)
    shown = pd.Series(y[:2], index=[7, 9])
    display = SaliencyDisplay.from_estimator(clf, X[:2], shown, **BY_GRADIENT)
    assert [axis.get_ylabel() for axis in display.axes_[:, 0]] == ["cat", "dog"]
    assert display.axes_[0, 1].get_title() == "ERMClassifier"


def test_what_is_no_image_is_refused():
    with pytest.raises(
        ValueError, match="must have shape .n, 1, 3 or 4 channels, height, width., got"
    ):
        SaliencyDisplay.from_estimator(
            nn.Linear(4, 2), np.ones((3, 4), np.float32) * [1, 2, 3, 4], **BY_GRADIENT
        )
    with pytest.raises(ValueError, match="dict with at least one"):
        SaliencyDisplay.from_estimator({}, IMAGES)
    with pytest.raises(ValueError, match=r"`mask` must have shape"):
        SaliencyDisplay.from_estimator(module(), IMAGES, mask=MASK.T, **BY_GRADIENT)
    assert not plt.get_fignums()


@pytest.mark.slow
def test_matplotlib_is_asked_for_only_when_drawing():
    code = """
import sys
sys.modules["matplotlib"] = sys.modules["matplotlib.pyplot"] = None
import numpy as np
from sklearn_debias.inspection import SaliencyDisplay
display = SaliencyDisplay(np.zeros((1, 1, 4, 4)), {"a": np.ones((1, 4, 4))})
try:
    display.plot()
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'sklearn-debias[plot]'" in done.stdout


@pytest.mark.parametrize(
    ("maps", "labels", "message"),
    [
        ({"first": np.zeros((2, 8, 10))}, None, r"`maps\['first'\]` must have shape \(3, 8, 10\)"),
        (np.zeros((3, 8, 10)), None, "`maps` must be a dict of arrays"),
        (
            {"first": np.zeros((3, 8, 10))},
            ["a"],
            "`labels` must hold one label for each of the 3 images, got 1",
        ),
    ],
)
def test_maps_and_labels_that_do_not_fit_the_images(maps, labels, message):
    with pytest.raises(ValueError, match=message):
        SaliencyDisplay(IMAGES, maps, labels=labels).plot()


SIGNS = np.zeros((2, 8, 10))
SIGNS[0, 2, 3:6] = [-1, -0.6, -0.3]
SIGNS[0, 5, 0] = 1
SIGNS[0, 6, 9] = -0.05  # too faint to be hatched
SIGNS[1, 7, 9] = -0.2


def hatched(axis):
    """Pixels (h, w) whose centres are hatched in one colour, by the colour."""
    centres = np.stack(np.meshgrid(np.arange(10), np.arange(8)), -1).reshape(-1, 2)
    return {
        mpl.colors.to_hex(patch.get_edgecolor()): patch.get_path()
        .contains_points(centres)
        .reshape(8, 10)
        for patch in axis.patches
        if patch.get_hatch()
    }


def test_signed_maps_are_hatched_below_0_along_their_pixels():
    display = SaliencyDisplay(IMAGES[:2], {"a": SIGNS}, mask=MASK, signed=True).plot()
    (map_,) = display.axes_[0, 1].images  # alone, not over the image
    np.testing.assert_array_equal(map_.get_array(), SIGNS[0])
    assert map_.get_clim() == (-1, 1)
    assert map_.get_cmap().name == "RdBu_r"
    found = hatched(display.axes_[0, 1])
    np.testing.assert_array_equal(found["#ffffff"], SIGNS[0] < -0.5)
    np.testing.assert_array_equal(found["#000000"], (SIGNS[0] < -0.1) & (SIGNS[0] >= -0.5))
    assert list(hatched(display.axes_[1, 1])) == ["#000000"]
    np.testing.assert_array_equal(display.shares_["a"], saliency_share(np.abs(SIGNS), MASK))
    assert display.axes_[-1, -1].get_xlabel() == "hatched: below 0"


def test_in_greys_a_sign_is_seen():
    maps = np.zeros((1, 8, 10))
    maps[0, :, :4] = 0.8
    maps[0, :, 6:] = -0.8
    display = SaliencyDisplay(IMAGES[:1], {"a": maps}, signed=True).plot()
    display.figure_.canvas.draw()
    seen = np.asarray(display.figure_.canvas.buffer_rgba())[..., :3] @ [0.299, 0.587, 0.114] / 255
    box = display.axes_[0, 1].get_window_extent()
    panel = seen[::-1][int(box.y0) + 4 : int(box.y1) - 4, int(box.x0) : int(box.x1)]
    wide = panel.shape[1]
    above = panel[:, 4 : int(0.36 * wide)]
    below = panel[:, int(0.64 * wide) : -4]
    assert np.ptp(above) < 0.05  # even
    assert below.std() > 0.1  # hatched


def test_signed_maps_of_models():
    display = SaliencyDisplay.from_estimator(MODELS, IMAGES, [0, 1, 0], signed=True, **BY_GRADIENT)
    for name, model in MODELS.items():
        expected = attribute(model, IMAGES, [0, 1, 0], signed=True, **BY_GRADIENT)
        np.testing.assert_array_equal(display.maps[name], expected)
        assert expected.min() < 0
    display.plot(cmap="PuOr")
    assert display.axes_[0, 1].images[0].get_cmap().name == "PuOr"
    with pytest.raises(ValueError, match="`signed`=True needs a method"):
        SaliencyDisplay.from_estimator(MODELS, IMAGES, signed=True)
    with pytest.raises(ValueError, match="at least 0"):
        SaliencyDisplay(IMAGES[:2], {"a": SIGNS}, mask=MASK)  # not told that they are signed
