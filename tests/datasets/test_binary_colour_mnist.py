import numpy as np
import pytest

from sklearn_debias.datasets import binary_colour_mnist, read_mnist

SETS = ("train", "validation", "test")


@pytest.fixture
def grey():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, size=(2400, 5, 4), dtype=np.uint8), np.arange(2400) % 10


def test_layout(grey):
    images, digits = grey
    bunch = binary_colour_mnist(*grey, random_state=0)
    start = 0
    for name, n in zip(SETS, (1200, 400, 800), strict=True):
        part = bunch[name]
        assert part.data.shape == (n, 3, 5, 4)
        assert part.data.dtype == np.uint8
        assert part.target.dtype == part.bias_labels.dtype == part.digits.dtype == np.int64
        np.testing.assert_array_equal(part.digits, digits[start : start + n])
        for image, shown, colour in zip(
            images[start : start + n], part.data, part.bias_labels, strict=True
        ):
            np.testing.assert_array_equal(shown[colour], image)
            assert not shown[1 - colour].any()
            assert not shown[2].any()
        start += n
    assert "0.2, 0.5, 0.9 of each label" in bunch.DESCR


def test_shares_are_those_of_lisa(grey):
    """25 % of each class mislabelled; colours right on 80, 50 and 10 % of each label."""
    bunch = binary_colour_mnist(*grey, random_state=0)
    for name, right in zip(SETS, (0.8, 0.5, 0.1), strict=True):
        part = bunch[name]
        clean = part.digits >= 5
        for label in (0, 1):
            assert (part.target[clean == label] == label).mean() == 0.75
            assert (part.bias_labels[part.target == label] == label).mean() == right


def test_noise_and_colour_are_independent_given_the_label():
    digits = np.tile(np.arange(10), 6000)
    part = binary_colour_mnist(
        np.zeros((60_000, 1, 1), dtype=np.uint8), digits, random_state=0
    ).train
    wrong = (part.digits >= 5) != part.target
    conflicting = part.bias_labels != part.target
    assert abs(conflicting[wrong].mean() - 0.2) < 4.5 * np.sqrt(0.16 / wrong.sum())
    rates = np.array([wrong[part.digits == digit].mean() for digit in range(10)])
    assert np.abs(rates - 0.25).max() < 4.5 * np.sqrt(0.1875 / 3000)


def test_other_shares(grey):
    bunch = binary_colour_mnist(*grey, conflict_ratio=[0, 1, 0.05], label_noise=0, random_state=0)
    for part in map(bunch.get, SETS):
        np.testing.assert_array_equal(part.target, part.digits >= 5)
    np.testing.assert_array_equal(bunch.train.bias_labels, bunch.train.target)
    np.testing.assert_array_equal(bunch.validation.bias_labels, 1 - bunch.validation.target)
    assert (bunch.test.bias_labels != bunch.test.target).mean() == 0.05


def test_inputs_are_untouched_and_a_seed_determines_every_byte(grey):
    images, digits = (array.copy() for array in grey)
    images.flags.writeable = digits.flags.writeable = False
    one = binary_colour_mnist(images, digits, random_state=0)
    same = binary_colour_mnist(images[:, None], digits.astype(">i2").tolist(), random_state=0)
    other = binary_colour_mnist(images, digits, random_state=1)
    for name in SETS:
        assert one[name].data.tobytes() == same[name].data.tobytes()
        assert one[name].target.tobytes() == same[name].target.tobytes()
        assert one[name].data.tobytes() != other[name].data.tobytes()


def test_real_mnist_has_the_published_sizes(real_data):
    mnist = read_mnist(real_data).train
    bunch = binary_colour_mnist(mnist.data[..., ::7, ::7], mnist.target, random_state=0)
    assert [len(bunch[name].target) for name in SETS] == [30_000, 10_000, 20_000]
    assert abs((bunch.test.bias_labels == bunch.test.target).mean() - 0.1) < 1e-4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((12, 5, 4))}, "`images` must be uint8"),
        ({"target": np.arange(12)}, r"`target` must lie in 0\.\.9"),
        ({"target": [0, 5]}, r"`target` must have the shape \(12,\)"),
        (
            {"target": np.repeat([0, 5], 6)},
            r"`target` must have digits .* the train set \(6 of 12 rows.* Shuffle",
        ),
        (
            {"images": np.zeros((4, 5, 4), dtype=np.uint8), "target": [0, 5, 0, 5]},
            "the validation set .0 of 4",
        ),
        ({"conflict_ratio": 0.2}, "`conflict_ratio` must be a sequence of 3 numbers, for train"),
        ({"conflict_ratio": (0.2, 0.5)}, "`conflict_ratio`"),
        (
            {"conflict_ratio": (0.2, 0.5, 1.5)},
            r"`conflict_ratio` must be a finite number in \[0, 1\], got 1.5",
        ),
        ({"conflict_ratio": "abc"}, "`conflict_ratio`"),
        ({"label_noise": -0.1}, "`label_noise`"),
        ({"random_state": 1.5}, "`random_state`"),
    ],
)
def test_bad_input(change, message):
    settings = {"images": np.zeros((12, 5, 4), dtype=np.uint8), "target": np.arange(12) % 2 * 5}
    with pytest.raises(ValueError, match=message):
        binary_colour_mnist(**(settings | change))
