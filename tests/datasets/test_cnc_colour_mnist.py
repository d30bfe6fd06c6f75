import numpy as np
import pytest

from sklearn_debias.datasets import cnc_colour_mnist, read_mnist


@pytest.fixture
def grey():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, size=(2000, 6, 5), dtype=np.uint8), np.arange(2000) % 10


def test_classes_are_pairs_of_digits(grey):
    made = cnc_colour_mnist(*grey, random_state=0)
    pairs = [sorted(set(made.digits[made.target == c].tolist())) for c in range(5)]
    assert pairs == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]
    np.testing.assert_array_equal(made.digits, grey[1])
    assert made.target.dtype == made.bias_labels.dtype == made.digits.dtype == np.int64
    assert "share 0.005 of each class" in made.DESCR


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_995_of_1000_have_the_colour_of_their_class(grey, seed):
    made = cnc_colour_mnist(*grey, random_state=seed)
    assert np.bincount(made.target, made.bias_labels != made.target).tolist() == [2] * 5  # of 400


@pytest.mark.parametrize("ratio", [0, 0.001, 0.1, 0.8, 1])
def test_conflicts_are_spread_evenly_over_the_other_colours(grey, ratio):
    made = cnc_colour_mnist(*grey, conflict_ratio=ratio, random_state=0)
    table = np.zeros((5, 5), dtype=int)
    np.add.at(table, (made.target, made.bias_labels), 1)
    for c, counts in enumerate(table):
        others = np.delete(counts, c)
        assert others.sum() == max(round(ratio * 400), int(ratio > 0))
        assert np.ptp(others) <= 1


def test_unbiased(grey):
    made = cnc_colour_mnist(*grey, conflict_ratio="unbiased", random_state=0)
    table = np.zeros((5, 5), dtype=int)
    np.add.at(table, (made.target, made.bias_labels), 1)
    assert (table == 80).all()


def test_images_are_multiplied_by_five_colours_far_apart(grey):
    images, digits = grey
    images[:, 0, 0] = 255  # a white pixel shows the colour itself
    made = cnc_colour_mnist(images, digits, conflict_ratio="unbiased", random_state=0)
    assert made.data.shape == (2000, 3, 6, 5)
    assert made.data.dtype == np.uint8
    colours = made.data[:, :, 0, 0].astype(float)
    expected = np.rint(colours[:, :, None, None] / 255 * images[:, None])
    assert np.abs(made.data - expected).max() <= 1
    palette = [np.unique(colours[made.bias_labels == a], axis=0) for a in range(5)]
    assert [len(found) for found in palette] == [1] * 5
    gaps = [np.abs(p - q).max() for p in palette for q in palette if p is not q]
    assert min(gaps) > 100


def test_inputs_are_untouched_and_a_seed_determines_every_byte(grey):
    images, digits = (array.copy() for array in grey)
    images.flags.writeable = digits.flags.writeable = False
    one = cnc_colour_mnist(images, digits, random_state=0)
    same = cnc_colour_mnist(images[:, None], digits.astype(">i2").tolist(), random_state=0)
    other = cnc_colour_mnist(images, digits, random_state=1)
    assert one.data.tobytes() == same.data.tobytes()
    assert one.data.tobytes() != other.data.tobytes()


def test_real_mnist(real_data):
    mnist = read_mnist(real_data).train
    made = cnc_colour_mnist(mnist.data[..., ::7, ::7], mnist.target, random_state=0)
    sizes = np.bincount(made.target)
    assert sizes.tolist() == [12_665, 12_089, 11_263, 12_183, 11_800]
    conflicting = np.bincount(made.target, made.bias_labels != made.target)
    assert conflicting.tolist() == [round(0.005 * n) for n in sizes]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((10, 5, 4))}, "`images` must be uint8"),
        ({"target": np.arange(1, 11)}, r"`target` must lie in 0\.\.9"),
        ({"target": [0, 5]}, r"`target` must have the shape \(10,\)"),
        ({"conflict_ratio": 1.5}, r"`conflict_ratio` .* in \[0, 1\].*unbiased"),
        ({"conflict_ratio": "even"}, "`conflict_ratio`"),
        ({"random_state": 1.5}, "`random_state`"),
    ],
)
def test_bad_input(change, message):
    settings = {"images": np.zeros((10, 5, 4), dtype=np.uint8), "target": np.arange(10)}
    with pytest.raises(ValueError, match=message):
        cnc_colour_mnist(**(settings | change))
