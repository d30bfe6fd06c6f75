import numpy as np
import pytest
from sklearn.datasets import load_digits

from sklearn_debias.datasets import load_biased_digits

SETS = ("train", "validation", "test")
SHAPES = {"colour": (3, 8, 8), "patch": (1, 12, 12)}


def cells(part):
    table = np.zeros((part.target.max() + 1, part.bias_labels.max() + 1), dtype=int)
    np.add.at(table, (part.target, part.bias_labels), 1)
    return table


def same(one, other):
    return all(
        one[name][key].tobytes() == other[name][key].tobytes() for name in SETS for key in one[name]
    )


@pytest.mark.parametrize("bias", SHAPES)
@pytest.mark.parametrize("target", ["digit", "low_high"])
def test_layout(bias, target):
    digits = load_biased_digits(bias, target=target, image_noise=0.1, bias_noise=0.1)
    n_classes = {"digit": 10, "low_high": 2}[target]
    assert len(digits.target_names) == len(digits.bias_names) == n_classes
    assert "Biased digits" in digits.DESCR
    for name, n in zip(SETS, (899, 449, 449), strict=True):
        part = digits[name]
        assert part.data.shape == (n, *SHAPES[bias])
        assert part.data.dtype == np.float32
        assert part.data.min() >= 0
        assert part.data.max() <= 1
        for key in ("target", "bias_labels", "digit", "index"):
            assert part[key].shape == (n,)
            assert part[key].dtype == np.int64
        assert set(part.target) == set(part.bias_labels) == set(range(n_classes))


def test_sets_are_disjoint_and_hold_every_image_once():
    digits = load_biased_digits()
    index = np.concatenate([digits[name].index for name in SETS])
    np.testing.assert_array_equal(np.sort(index), np.arange(1797))


def test_sets_are_stratified_by_digit():
    digits = load_biased_digits(target="low_high")
    whole = np.bincount(load_digits().target)
    for name, share in zip(SETS, (0.5, 0.25, 0.25), strict=True):
        assert np.abs(np.bincount(digits[name].digit) - share * whole).max() <= 1


@pytest.mark.parametrize("ratio", [0, 0.005, 0.05, 0.2])
@pytest.mark.parametrize("target", ["digit", "low_high"])
def test_train_holds_the_conflicting_samples_it_promises(ratio, target):
    train = load_biased_digits(conflict_ratio=ratio, target=target).train
    table = cells(train)
    conflicting = table.sum(axis=1) - table.diagonal()
    expected = [max(round(ratio * n), int(ratio > 0)) for n in np.bincount(train.target)]
    np.testing.assert_array_equal(conflicting, expected)
    for label, row in enumerate(table):
        assert np.ptp(np.delete(row, label)) <= 1


@pytest.mark.parametrize("name", ["validation", "test"])
def test_the_bias_is_independent_of_class_and_digit_elsewhere(name):
    for target in ("digit", "low_high"):
        part = load_biased_digits(target=target)[name]
        assert np.ptp(cells(part), axis=1).max() <= 1
        assert cells(part).min() >= 1
        assert np.ptp(np.bincount(part.bias_labels)) <= 1
        for digit in range(10):
            assert np.ptp(np.bincount(part.bias_labels[part.digit == digit])) <= 1


def test_images_are_scikit_learns_times_one_colour():
    grey = load_digits().images / 16
    for part in map(load_biased_digits(bias_noise=0.05).get, SETS):
        original = grey[part.index][:, None]
        brightest = original.max(axis=(2, 3), keepdims=True)
        colour = part.data.max(axis=(2, 3), keepdims=True) / brightest
        np.testing.assert_allclose(part.data, colour * original, atol=1e-6)
        np.testing.assert_array_equal(part.digit, load_digits().target[part.index])


def test_without_noise_the_colour_is_the_bias_label():
    part = load_biased_digits().test
    colours = (
        part.data.max(axis=(2, 3))
        / (load_digits().images[part.index] / 16).max(axis=(1, 2))[:, None]
    )
    means = np.array([colours[part.bias_labels == k].mean(axis=0) for k in range(10)])
    np.testing.assert_allclose(colours, means[part.bias_labels], atol=1e-6)
    gaps = np.linalg.norm(means[:, None] - means, axis=2) + np.eye(10)
    assert gaps.min() > 0.3


def test_the_patch_is_one_hot_above_an_untouched_digit():
    part = load_biased_digits("patch").train
    np.testing.assert_array_equal(part.data[:, 0, 0, :10], np.eye(10)[part.bias_labels])
    np.testing.assert_allclose(part.data[:, 0, 2:-2, 2:-2], load_digits().images[part.index] / 16)
    rest = part.data.copy()
    rest[:, 0, 2:-2, 2:-2] = rest[:, 0, 0, :10] = 0
    assert not rest.any()


def test_noise_moves_pixels_by_its_standard_deviation():
    clean, noisy = (load_biased_digits("patch", image_noise=std).train for std in (0, 0.1))
    middle = (clean.data > 0.4) & (clean.data < 0.6)  # far from the clips at 0 and 1
    np.testing.assert_allclose((noisy.data - clean.data)[middle].std(), 0.1, rtol=0.05)
    np.testing.assert_array_equal(noisy.data[:, 0, 0, :10], np.eye(10)[noisy.bias_labels])


def test_classes_keep_some_digits():
    digits = load_biased_digits(classes=(8, 3))
    np.testing.assert_array_equal(digits.target_names, ["3", "8"])
    np.testing.assert_array_equal(digits.bias_names, ["orange", "blue"])
    for part in map(digits.get, SETS):
        np.testing.assert_array_equal(part.digit, np.array([3, 8])[part.target])
        np.testing.assert_array_equal(part.digit, load_digits().target[part.index])


def test_sizes_are_shares_or_numbers():
    digits = load_biased_digits(validation_size=100, test_size=0.5)
    assert [len(digits[name].target) for name in SETS] == [1797 - 100 - 898, 100, 898]


def test_a_seed_determines_every_byte():
    settings = {"bias_noise": 0.05, "image_noise": 0.1}
    one = load_biased_digits(**settings)
    assert same(one, load_biased_digits(random_state=0, **settings))
    assert not same(one, load_biased_digits(random_state=1, **settings))


def test_a_sweep_over_the_ratio_changes_only_the_samples_that_turn_conflicting():
    few, many = (load_biased_digits(conflict_ratio=r, image_noise=0.1) for r in (0.05, 0.2))
    for name in ("validation", "test"):
        np.testing.assert_array_equal(few[name].data, many[name].data)
    np.testing.assert_array_equal(few.train.index, many.train.index)
    unchanged = few.train.bias_labels == many.train.bias_labels
    np.testing.assert_array_equal(few.train.data[unchanged], many.train.data[unchanged])
    assert unchanged[few.train.bias_labels != few.train.target].all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bias": "color"}, "`bias` must be one of 'colour', 'patch', got 'color'"),
        ({"target": "odd"}, "`target` must be one of 'digit', 'low_high'"),
        (
            {"conflict_ratio": 0.91},
            r"`conflict_ratio` must be a finite number in \[0, 0.9\], got 0.91",
        ),
        ({"conflict_ratio": 0.6, "target": "low_high"}, r"`conflict_ratio` .* in \[0, 0.5\]"),
        ({"conflict_ratio": -0.1}, "`conflict_ratio`"),
        ({"conflict_ratio": float("nan")}, "`conflict_ratio`"),
        ({"conflict_ratio": "0.1"}, "`conflict_ratio`"),
        ({"classes": [3]}, "`classes` must be None or two or more different digits"),
        ({"classes": [3, 3]}, "`classes`"),
        ({"classes": [3, 10]}, "`classes`"),
        (
            {"classes": [0, 1], "target": "low_high"},
            r"`classes` must hold digits in 0\.\.4 and in 5\.\.9",
        ),
        ({"validation_size": 0}, "`validation_size` must be an int >= 1, got 0"),
        ({"validation_size": 3}, r"`validation_size` .* in 10\.\.1777"),
        ({"test_size": 1.0}, "`test_size` must leave 10 or more"),
        ({"test_size": True}, "`test_size`"),
        (
            {"validation_size": 0.5, "test_size": 0.5},
            "`validation_size` and `test_size` must leave 10",
        ),
        ({"bias_noise": -1}, r"`bias_noise` must be a finite number in \[0, 1\], got -1"),
        ({"image_noise": None}, "`image_noise`"),
        ({"random_state": -1}, "`random_state`"),
    ],
)
def test_bad_input(settings, message):
    with pytest.raises(ValueError, match=message):
        load_biased_digits(**settings)


def test_the_largest_ratio_leaves_no_bias():
    assert np.ptp(cells(load_biased_digits(conflict_ratio=1 - 1 / 10).train), axis=1).max() <= 1
