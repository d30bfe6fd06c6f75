import numpy as np
import pytest

from sklearn_debias.datasets import colour_mnist, patch_mnist
from sklearn_debias.datasets._biased_mnist import _MEAN_COLOURS


@pytest.fixture
def grey():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, size=(400, 14, 12), dtype=np.uint8), np.arange(400) % 10


def test_colours_equal_a_naive_transcription(grey):
    """Check image * clip(mean + N(0, std), 0, 1), pixel by pixel.

    The colour is read off the brightest pixels.
    """
    images, target = grey
    images[:, 0, 0] = 255  # a white pixel shows the colour itself
    coloured = colour_mnist(images, target, conflict_ratio=0.2, random_state=0)
    for image, result, value in zip(images[:40], coloured.data, coloured.bias_labels, strict=False):
        for channel in range(3):
            colour = result[channel, 0, 0] / 255
            assert abs(colour - _MEAN_COLOURS[value, channel]) < 5 * 0.005 + 0.5 / 255
            for pixel, shown in zip(image.ravel(), result[channel].ravel(), strict=True):
                assert abs(shown - colour * pixel) <= 1.001


@pytest.mark.parametrize(
    ("severity", "std"), [(1, 0.05), (2, 0.02), (3, 0.01), (4, 0.005), (5, 0.002)]
)
def test_severity_sets_the_spread_of_the_colours(severity, std):
    white = np.full((20_000, 1, 1), 255, dtype=np.uint8)
    target = np.full(len(white), 4)
    coloured = colour_mnist(white, target, conflict_ratio=0, severity=severity, random_state=0)
    middle = coloured.data[:, 1, 0, 0] / 255  # a channel with mean .778, far from the clips
    np.testing.assert_allclose(middle.mean(), 0.7780, atol=2e-3)
    rounding = 1 / 255 / np.sqrt(12)
    np.testing.assert_allclose(middle.std(), np.hypot(std, rounding), rtol=0.1)


def test_colour_layout(grey):
    images, target = grey
    coloured = colour_mnist(images, target, conflict_ratio=0.1, random_state=0)
    assert coloured.data.shape == (400, 3, 14, 12)
    assert coloured.data.dtype == np.uint8
    assert coloured.target.dtype == coloured.bias_labels.dtype == np.int64
    np.testing.assert_array_equal(coloured.target, target)
    assert "share 0.1" in coloured.DESCR


def test_patch_is_one_hot_and_the_rest_is_the_image(grey):
    images, target = grey
    patched = patch_mnist(images, target, conflict_ratio=0.1, random_state=0)
    np.testing.assert_array_equal(patched.data[:, 0, 0, :10], 255 * np.eye(10)[patched.bias_labels])
    np.testing.assert_array_equal(patched.data[:, 0, 1:], images[:, 1:])
    np.testing.assert_array_equal(patched.data[:, 0, 0, 10:], images[:, 0, 10:])
    assert patched.data.dtype == np.uint8


def test_patch_is_always_right_by_default(grey):
    np.testing.assert_array_equal(patch_mnist(*grey).bias_labels, grey[1])


@pytest.mark.parametrize("make", [colour_mnist, patch_mnist])
def test_conflict_ratio(make, grey):
    for ratio in (0, 0.005, 0.05, 0.9, 1):
        made = make(*grey, conflict_ratio=ratio, random_state=0)
        conflicting = made.bias_labels != made.target
        expected = max(round(ratio * 40), int(ratio > 0))
        assert (np.bincount(made.target, conflicting) == expected).all()
    even = make(*grey, conflict_ratio="unbiased", random_state=0)
    table = np.zeros((10, 10), dtype=int)
    np.add.at(table, (even.target, even.bias_labels), 1)
    assert (table == 4).all()


@pytest.mark.parametrize("make", [colour_mnist, patch_mnist])
def test_inputs_are_untouched_and_may_be_read_only(make, grey):
    images, target = (array.copy() for array in grey)
    images.flags.writeable = target.flags.writeable = False
    one = make(images, target, conflict_ratio=0.1, random_state=0)
    np.testing.assert_array_equal(images, grey[0])
    same = make(images[:, None], target.astype(">i2").tolist(), conflict_ratio=0.1, random_state=0)
    assert one.data.tobytes() == same.data.tobytes()
    other = make(images, target, conflict_ratio=0.1, random_state=1)
    assert one.data.tobytes() != other.data.tobytes()


@pytest.mark.parametrize("make", [colour_mnist, patch_mnist])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"images": np.zeros((3, 12), dtype=np.uint8)},
            r"`images` must be grey images .* got the shape \(3, 12\)",
        ),
        ({"images": np.zeros((3, 3, 12, 12), dtype=np.uint8)}, r"got the shape \(3, 3, 12, 12\)"),
        ({"images": np.zeros((0, 12, 12), dtype=np.uint8)}, "n >= 1"),
        (
            {"images": np.zeros((3, 12, 12))},
            r"`images` must be uint8 in 0\.\.255, got the dtype float64",
        ),
        ({"target": [0, 1]}, r"`target` must have the shape \(3,\), one per image; got \(2,\)"),
        ({"target": [0, 1, 10]}, r"`target` must lie in 0\.\.9"),
        ({"target": [0, 1, -1]}, "`target` must lie"),
        ({"target": ["0", "1", "2"]}, "`target` must hold integers"),
        ({"target": [0.0, 1.0, 2.0]}, "`target` must hold integers"),
        (
            {"conflict_ratio": 1.1},
            r"`conflict_ratio` must be a finite number in \[0, 1\], got 1.1. Use \"unb",
        ),
        ({"conflict_ratio": "none"}, "`conflict_ratio`"),
        ({"random_state": 1.5}, "`random_state`"),
    ],
)
def test_bad_input(make, change, message):
    settings = {
        "images": np.zeros((3, 12, 12), dtype=np.uint8),
        "target": [0, 1, 2],
        "conflict_ratio": 0.1,
    }
    with pytest.raises(ValueError, match=message):
        make(**(settings | change))


@pytest.mark.parametrize("severity", [0, 6, 2.0])
def test_bad_severity(grey, severity):
    with pytest.raises(ValueError, match=r"`severity` must be an int in 1\.\.5"):
        colour_mnist(*grey, conflict_ratio=0.1, severity=severity)


def test_images_too_narrow_for_the_patch():
    with pytest.raises(ValueError, match="`images` must be 10 or more pixels wide, got 8"):
        patch_mnist(np.zeros((1, 8, 8), dtype=np.uint8), [0])
