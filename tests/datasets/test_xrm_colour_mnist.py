import numpy as np
import pytest

from sklearn_debias.datasets import irm_colour_mnist, read_mnist, xrm_colour_mnist

# Shares of labels that are not the shape's, and of colours that are not the label's.
SHARES = {
    "ColorMNIST": [(0.25, 0.2), (0.25, 0.1), (0.25, 0.9)],
    "InverseColorMNIST": [(0.15, 0.2), (0.15, 0.3), (0.15, 0.9)],
    "MColor": [(0.2, 0.15), (0.3, 0.15), (0.9, 0.15)],
    "ColorMNIST_V3": [(0.2, 0.25), (0.1, 0.25), (0.9, 0.25)],
}
PARTS = ("train", "validation", "test")


@pytest.fixture
def grey():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(28_000, 6, 5), dtype=np.uint8)
    return images, np.arange(28_000) // 2 % 10


def environments(bunch):
    """Every environment, with its place in the list of shares."""
    for name in PARTS:
        part = bunch[name]
        for i in np.unique(part.environments):
            rows = part.environments == i
            yield 2 if name == "test" else i, {key: part[key][rows] for key in part}


@pytest.mark.parametrize("name", SHARES)
@pytest.mark.parametrize("seed", [0, 1])
def test_shares_of_each_class_are_those_of_xrm(grey, name, seed):
    bunch = xrm_colour_mnist(*grey, name, random_state=seed)
    found = list(environments(bunch))
    assert [place for place, _ in found] == [0, 1, 0, 1, 2]
    for place, part in found:
        labels, colours = SHARES[name][place]
        shape = part["digits"] < 5
        for code in (0, 1):
            wrong = part["target"][shape == code] != code
            assert wrong.sum() == round(labels * len(wrong))
            off = part["colours"][part["target"] == code] != code
            assert off.sum() == round(colours * len(off))


def test_layout(grey):
    images, digits = grey
    bunch = xrm_colour_mnist(*grey, random_state=0)
    start = 0
    for name, n in zip(PARTS, (20_000, 4000, 4000), strict=True):
        part = bunch[name]
        assert part.data.shape == (n, 2, 3, 3)
        assert part.data.dtype == np.uint8
        for key in ("target", "bias_labels", "colours", "environments", "digits"):
            assert part[key].dtype == np.int64
        rows = np.arange(start, start + n)
        if name != "test":  # in turn to the first and to the second environment
            rows = np.concatenate([rows[::2], rows[1::2]])
            assert np.bincount(part.environments).tolist() == [n // 2, n // 2]
        np.testing.assert_array_equal(part.digits, digits[rows])
        shown = part.data[np.arange(n), part.colours]
        np.testing.assert_array_equal(shown, images[rows][:, ::2, ::2])
        assert not part.data[np.arange(n), 1 - part.colours].any()
        start += n
    assert not bunch.test.environments.any()
    assert "MColor of XRM" in bunch.DESCR
    assert "0.2 and 0.15, 0.3 and 0.15; in the test set 0.9 and 0.15" in bunch.DESCR


@pytest.mark.parametrize("name", SHARES)
def test_bias_labels_are_what_turns_in_the_test_set(grey, name):
    bunch = xrm_colour_mnist(*grey, name, random_state=0)
    aligned = [(bunch[part].bias_labels == bunch[part].target).mean() for part in PARTS]
    assert min(aligned[:2]) > 0.7
    assert aligned[2] == pytest.approx(0.1, abs=1e-3)
    misleading = {"shape": bunch.test.digits < 5, "colour": bunch.test.colours}
    which = "shape" if name in ("MColor", "ColorMNIST_V3") else "colour"
    np.testing.assert_array_equal(bunch.test.bias_labels, misleading[which])


def test_mcolor_is_the_default(grey):
    given = xrm_colour_mnist(*grey, "MColor", random_state=0)
    by_default = xrm_colour_mnist(*grey, random_state=0)
    np.testing.assert_array_equal(given.train.target, by_default.train.target)


def test_color_mnist_has_the_shares_of_irm(grey):
    irm = irm_colour_mnist(*grey, random_state=0)
    xrm = xrm_colour_mnist(*grey, "ColorMNIST", random_state=0)
    for part in ("train", "test"):
        of_irm, of_xrm = [
            ((one.bias_labels != one.target).mean(), ((one.digits < 5) != one.target).mean())
            for one in (irm[part], xrm[part])
        ]
        assert of_irm == pytest.approx(of_xrm, abs=1e-3)


def test_all_pixels_without_halving(grey):
    assert xrm_colour_mnist(*grey, halve=False).train.data.shape == (20_000, 2, 6, 5)


def test_inputs_are_untouched_and_a_seed_determines_every_byte(grey):
    images, digits = (array.copy() for array in grey)
    images.flags.writeable = digits.flags.writeable = False
    one = xrm_colour_mnist(images, digits, random_state=0)
    same = xrm_colour_mnist(images[:, None], digits.astype(">i2").tolist(), random_state=0)
    other = xrm_colour_mnist(images, digits, random_state=1)
    for name in PARTS:
        assert one[name].data.tobytes() == same[name].data.tobytes()
        assert one[name].target.tobytes() == same[name].target.tobytes()
        assert one[name].data.tobytes() != other[name].data.tobytes()


def test_real_mnist(real_data):
    mnist = read_mnist(real_data)
    images = np.concatenate([mnist.train.data, mnist.test.data])
    digits = np.concatenate([mnist.train.target, mnist.test.target])
    bunch = xrm_colour_mnist(images, digits, random_state=0)
    assert [len(bunch[part].target) for part in PARTS] == [50_000, 10_000, 10_000]
    assert bunch.train.data.shape[1:] == (2, 14, 14)
    np.testing.assert_array_equal(bunch.test.digits, mnist.test.target)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((28, 5, 4))}, "`images` must be uint8"),
        ({"target": np.arange(28)}, r"`target` must lie in 0\.\.9"),
        ({"target": [0, 5]}, r"`target` must have the shape \(28,\)"),
        (
            {"target": np.repeat([0, 5], 14)},
            r"`target` must have digits .* the validation set \(2 of 28 rows.* Shuffle",
        ),
        ({"name": "mcolor"}, "`name` must be one of 'ColorMNIST', .*'MColor', .*got 'mcolor'"),
        ({"halve": 1}, "`halve` must be a bool, got 1"),
        ({"random_state": -1}, "`random_state`"),
    ],
)
def test_bad_input(change, message):
    settings = {"images": np.zeros((28, 5, 4), dtype=np.uint8), "target": np.arange(28) // 2 % 10}
    with pytest.raises(ValueError, match=message):
        xrm_colour_mnist(**(settings | change))
