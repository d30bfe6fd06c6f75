import numpy as np
import pytest

from sklearn_debias.datasets import read_mnist, spuco_mnist

LEVELS = {
    "magnitude_large": (28, 784),
    "magnitude_medium": (4, 16),
    "magnitude_small": (2, 4),
    "variance_low": (7, 49),
    "variance_medium": (14, 49),
    "variance_high": (28, 49),
}
BLACK = np.zeros((2000, 28, 28), dtype=np.uint8)
DIGITS = np.arange(2000) % 10


@pytest.fixture
def grey():
    rng = np.random.default_rng(0)
    images = rng.integers(1, 256, size=(2000, 28, 28), dtype=np.uint8)
    images[:, ::2] = 0
    return images


def table(values, codes, n=5):
    counts = np.zeros((n, n), dtype=int)
    np.add.at(counts, (codes, values), 1)
    return counts


def test_classes_are_pairs_of_digits_by_default(grey):
    made = spuco_mnist(grey, DIGITS, random_state=0)
    pairs = [sorted(set(made.digits[made.target == c].tolist())) for c in range(5)]
    assert pairs == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]
    assert made.data.shape == (2000, 3, 28, 28)
    assert made.data.dtype == np.uint8
    for name in ("target", "bias_labels", "clean_target", "digits", "rows"):
        assert made[name].dtype == np.int64
    assert "share 0.005 of each class" in made.DESCR
    assert "magnitude_large. Wrong labels: 0. Spoilt digits: 0." in made.DESCR


def test_images_of_digits_in_no_class_are_left_out(grey):
    made = spuco_mnist(grey, DIGITS, classes=[[9, 0], [4]], random_state=0)
    np.testing.assert_array_equal(made.rows, np.flatnonzero(np.isin(DIGITS, [0, 4, 9])))
    np.testing.assert_array_equal(made.digits, DIGITS[made.rows])
    np.testing.assert_array_equal(made.target, made.digits == 4)
    digit = grey[made.rows] > 0
    for channel in range(3):
        np.testing.assert_array_equal(made.data[:, channel][digit], grey[made.rows][digit])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_995_of_1000_have_the_colour_of_their_class_by_default(grey, seed):
    made = spuco_mnist(grey, DIGITS, random_state=seed)
    assert np.bincount(made.target, made.bias_labels != made.target).tolist() == [2] * 5  # of 400


@pytest.mark.parametrize("ratio", [0, 0.001, 0.1, 0.8, 1])
def test_conflicts_are_spread_evenly_over_the_other_colours(ratio):
    made = spuco_mnist(BLACK, DIGITS, conflict_ratio=ratio, random_state=0)
    for c, counts in enumerate(table(made.bias_labels, made.target)):
        others = np.delete(counts, c)
        assert others.sum() == max(round(ratio * 400), int(ratio > 0))
        assert np.ptp(others) <= 1


def test_unbiased():
    made = spuco_mnist(BLACK, DIGITS, conflict_ratio="unbiased", random_state=0)
    assert (table(made.bias_labels, made.target) == 80).all()


@pytest.mark.parametrize("difficulty", LEVELS)
def test_the_level_says_which_black_pixels_have_the_colour(difficulty):
    side, n_pixels = LEVELS[difficulty]
    made = spuco_mnist(BLACK, DIGITS, difficulty=difficulty, random_state=0)
    coloured = made.data.any(axis=1)
    assert (coloured.sum(axis=(1, 2)) == n_pixels).all()
    assert not coloured[:, side:].any()
    assert not coloured[:, :, side:].any()
    often = coloured[:, :side, :side].mean(axis=0)
    share = n_pixels / side**2
    assert np.abs(often - share).max() <= 5 * np.sqrt(share * (1 - share) / 2000)
    n_masks = len(np.unique(coloured.reshape(2000, -1), axis=0))
    assert n_masks == (2000 if difficulty in ("variance_medium", "variance_high") else 1)


def test_the_digit_stays_as_it_is(grey):
    made = spuco_mnist(grey, DIGITS, conflict_ratio="unbiased", random_state=0)
    digit = grey > 0
    for channel in range(3):
        np.testing.assert_array_equal(made.data[:, channel][digit], grey[digit])
    background = made.data.transpose(0, 2, 3, 1)[~digit].reshape(2000, -1, 3)
    assert (background == background[:, :1]).all()


@pytest.mark.parametrize("n_classes", [2, 3, 5, 10])
def test_colours_are_those_of_matplotlibs_hsv_at_equal_steps(n_classes):
    matplotlib = pytest.importorskip("matplotlib")
    classes = [[digit] for digit in range(n_classes)]
    made = spuco_mnist(BLACK, DIGITS, classes=classes, conflict_ratio=0, random_state=0)
    for c in range(n_classes):
        colours = np.unique(made.data[made.target == c][:, :, 0, 0], axis=0)
        assert len(colours) == 1
        expected = matplotlib.colormaps["hsv"](c / n_classes)[:3]
        assert np.abs(colours[0] / 255 - expected).max() < 0.03


def test_wrong_labels_leave_the_colour_that_of_the_digit():
    made = spuco_mnist(BLACK, DIGITS, label_noise=0.1, conflict_ratio=0, random_state=0)
    np.testing.assert_array_equal(made.clean_target, DIGITS // 2)
    np.testing.assert_array_equal(made.bias_labels, made.clean_target)
    counts = table(made.target, made.clean_target)
    np.testing.assert_array_equal(counts, np.full((5, 5), 10) + 350 * np.eye(5))


def test_of_a_spoilt_digit_two_pixels_in_five_stay():
    images = np.full((2000, 28, 28), 200, dtype=np.uint8)
    made = spuco_mnist(images, DIGITS, core_feature_noise=0.25, random_state=0)
    spoilt = made.core_feature_noise
    assert np.bincount(made.clean_target, spoilt).tolist() == [100] * 5
    assert (made.data[~spoilt] == 200).all()
    white = (made.data == 200).all(axis=1)[spoilt]
    assert abs(white.mean() - 0.4013) < 0.004  # 5 standard errors of 392,000 pixels
    background = made.data[spoilt].transpose(0, 2, 3, 1)[~white]
    assert len(np.unique(background, axis=0)) == 5  # each hole shows the colour


def test_holes_out_of_reach_of_the_colour_are_black():
    images = np.full((2000, 28, 28), 200, dtype=np.uint8)
    made = spuco_mnist(
        images, DIGITS, core_feature_noise=1, difficulty="magnitude_small", random_state=0
    )
    assert set(np.unique(made.data[:, :, 2:])) == {0, 200}
    assert len(np.unique(made.data[:, :, :2, :2])) > 2


def test_no_noise_by_default():
    made = spuco_mnist(BLACK, DIGITS, random_state=0)
    np.testing.assert_array_equal(made.target, made.clean_target)
    assert not made.core_feature_noise.any()


def test_inputs_are_untouched_and_a_seed_determines_every_byte(grey):
    noisy = {"label_noise": 0.1, "core_feature_noise": 0.1, "difficulty": "variance_high"}
    digits = DIGITS.copy()
    grey.flags.writeable = digits.flags.writeable = False
    one = spuco_mnist(grey, digits, **noisy, random_state=0)
    same = spuco_mnist(grey[:, None], digits.astype(">i2").tolist(), **noisy, random_state=0)
    other = spuco_mnist(grey, digits, **noisy, random_state=1)
    for name in ("data", "target", "bias_labels", "core_feature_noise"):
        assert one[name].tobytes() == same[name].tobytes()
        assert one[name].tobytes() != other[name].tobytes()


def test_noise_moves_no_colour():
    plain = spuco_mnist(BLACK, DIGITS, random_state=0)
    noisy = spuco_mnist(BLACK, DIGITS, label_noise=0.2, core_feature_noise=0.5, random_state=0)
    np.testing.assert_array_equal(plain.bias_labels, noisy.bias_labels)


def test_real_mnist(real_data):
    mnist = read_mnist(real_data).test
    made = spuco_mnist(mnist.data, mnist.target, random_state=0)
    sizes = np.bincount(made.target)
    assert sizes.tolist() == [2115, 2042, 1874, 1986, 1983]
    conflicting = np.bincount(made.target, made.bias_labels != made.target)
    assert conflicting.tolist() == [round(0.005 * n) for n in sizes]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((10, 28, 28))}, "`images` must be uint8"),
        (
            {"images": np.zeros((10, 14, 28), dtype=np.uint8)},
            r"`images` must have 28 x 28 pixels, .*; got 14 x 28\. Resize them",
        ),
        ({"target": np.arange(1, 11)}, r"`target` must lie in 0\.\.9"),
        ({"target": [0, 5]}, r"`target` must have the shape \(10,\)"),
        (
            {"target": [0, 1] * 5},
            r"`target` must have digits of every class; it has none of \[2, 3\], class 1 of",
        ),
        ({"classes": [[0, 1]]}, "`classes` must be two or more lists of digits"),
        ({"classes": [[0, 1], [1]]}, "`classes` must be two or more lists of digits"),
        ({"classes": [[0, 1], []]}, "`classes` must be two or more lists of digits"),
        ({"classes": [[0, 1], [10]]}, "`classes` must be two or more lists of digits"),
        ({"classes": [[0, 1], [2.5]]}, "`classes` must be two or more lists of digits"),
        ({"classes": [0, 1]}, r"`classes` must be two .*; got \[0, 1\]"),
        ({"classes": 5}, r"`classes` must be two .*; got 5"),
        ({"difficulty": "hard"}, "`difficulty` must be one of 'magnitude_large', .*got 'hard'"),
        ({"conflict_ratio": 1.5}, r"`conflict_ratio` .* in \[0, 1\].*unbiased"),
        ({"conflict_ratio": "even"}, "`conflict_ratio`"),
        ({"label_noise": -0.1}, "`label_noise`"),
        ({"core_feature_noise": 1.1}, "`core_feature_noise`"),
        ({"random_state": 1.5}, "`random_state`"),
    ],
)
def test_bad_input(change, message):
    settings = {"images": np.zeros((10, 28, 28), dtype=np.uint8), "target": np.arange(10)}
    with pytest.raises(ValueError, match=message):
        spuco_mnist(**(settings | change))
