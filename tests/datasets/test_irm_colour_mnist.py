import numpy as np
import pytest

from sklearn_debias import InvarianceClassifier
from sklearn_debias.datasets import irm_colour_mnist, read_mnist

SHARES = (0.2, 0.1, 0.9)


@pytest.fixture
def grey():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, size=(4800, 6, 5), dtype=np.uint8), np.arange(4800) % 10


def environments(bunch):
    """The three sets, one after the other."""
    for environment in (0, 1):
        rows = bunch.train.environments == environment
        yield {name: values[rows] for name, values in bunch.train.items()}
    yield bunch.test


def test_layout(grey):
    images, digits = grey
    bunch = irm_colour_mnist(*grey, random_state=0)
    start = 0
    for i, (part, n) in enumerate(zip(environments(bunch), (2000, 2000, 800), strict=True)):
        assert part["data"].shape == (n, 2, 3, 3)
        assert part["data"].dtype == np.uint8
        for name in ("target", "bias_labels", "environments", "digits"):
            assert part[name].dtype == np.int64
        assert (part["environments"] == i).all()
        rows = slice(start, start + n)
        np.testing.assert_array_equal(part["digits"], digits[rows])
        colours = part["bias_labels"]
        shown = part["data"][np.arange(n), colours]
        np.testing.assert_array_equal(shown, images[rows, ::2, ::2])
        assert not part["data"][np.arange(n), 1 - colours].any()
        start += n
    assert "0.2, 0.1, 0.9 of each label" in bunch.DESCR


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_shares_are_those_of_irm(grey, seed):
    """25 % of each class mislabelled; colours wrong on 20, 10 and 90 % of each label."""
    bunch = irm_colour_mnist(*grey, random_state=seed)
    for part, share in zip(environments(bunch), SHARES, strict=True):
        low = part["digits"] < 5
        for label in (0, 1):
            assert (part["target"][low == label] == label).mean() == 0.75
            assert (part["bias_labels"][part["target"] == label] != label).mean() == share


def test_the_first_class_is_that_of_high_digits():
    digits = np.arange(240) % 10
    bunch = irm_colour_mnist(
        np.zeros((240, 4, 4), dtype=np.uint8), digits, label_noise=0, conflict_ratio=(0, 0, 1)
    )
    np.testing.assert_array_equal(bunch.train.target, bunch.train.digits < 5)
    np.testing.assert_array_equal(bunch.train.bias_labels, bunch.train.target)
    np.testing.assert_array_equal(bunch.test.bias_labels, 1 - bunch.test.target)


def test_shares_of_domainbed_at_full_size(grey):
    bunch = irm_colour_mnist(*grey, conflict_ratio=[0.1, 0.2, 0.9], halve=False, random_state=0)
    assert bunch.train.data.shape == (4000, 2, 6, 5)
    found = [np.mean(p["bias_labels"] != p["target"]) for p in environments(bunch)]
    assert found == [0.1, 0.2, 0.9]


def test_inputs_are_untouched_and_a_seed_determines_every_byte(grey):
    images, digits = (array.copy() for array in grey)
    images.flags.writeable = digits.flags.writeable = False
    one = irm_colour_mnist(images, digits, random_state=0)
    same = irm_colour_mnist(images[:, None], digits.astype(">i2").tolist(), random_state=0)
    other = irm_colour_mnist(images, digits, random_state=1)
    for name in ("train", "test"):
        assert one[name].data.tobytes() == same[name].data.tobytes()
        assert one[name].target.tobytes() == same[name].target.tobytes()
        assert one[name].data.tobytes() != other[name].data.tobytes()


def test_environments_are_what_irm_compares(grey):
    train = irm_colour_mnist(*grey, random_state=0).train
    clf = InvarianceClassifier(module="linear", max_epochs=1, random_state=0)
    clf.fit(train.data.reshape(4000, -1) / 255, train.target, bias_labels=train.environments)
    assert clf.environments_ == [0, 1]


def test_real_mnist(real_data):
    mnist = read_mnist(real_data).train
    bunch = irm_colour_mnist(mnist.data, mnist.target, random_state=0)
    assert bunch.train.data.shape == (50_000, 2, 14, 14)
    assert np.bincount(bunch.train.environments).tolist() == [25_000, 25_000]
    assert len(bunch.test.target) == 10_000
    for part, share in zip(environments(bunch), SHARES, strict=True):
        assert abs((part["bias_labels"] != part["target"]).mean() - share) < 1e-4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((24, 5, 4))}, "`images` must be uint8"),
        ({"target": np.arange(24)}, r"`target` must lie in 0\.\.9"),
        ({"target": [0, 5]}, r"`target` must have the shape \(24,\)"),
        (
            {"target": np.repeat([0, 5], 12)},
            r"`target` must have digits .* the first training set \(10 of 24 rows.* Shuffle",
        ),
        (
            {"conflict_ratio": 0.2},
            "`conflict_ratio` must be a sequence of 3 numbers, for first training, second training",
        ),
        ({"conflict_ratio": (0.2, 0.1)}, "`conflict_ratio`"),
        (
            {"conflict_ratio": (0.2, 0.1, 1.5)},
            r"`conflict_ratio` must be a finite number in \[0, 1\], got 1.5",
        ),
        ({"label_noise": -0.1}, "`label_noise`"),
        ({"halve": 2}, "`halve` must be a bool, got 2"),
        ({"random_state": 1.5}, "`random_state`"),
    ],
)
def test_bad_input(change, message):
    settings = {"images": np.zeros((24, 5, 4), dtype=np.uint8), "target": np.arange(24) % 2 * 5}
    with pytest.raises(ValueError, match=message):
        irm_colour_mnist(**(settings | change))
