"""Corrupted CIFAR-10 from any images."""

import io

import numpy as np
import pytest
from PIL import Image

from sklearn_debias.corruptions import corruption_names
from sklearn_debias.datasets import corrupted_images

rng = np.random.default_rng(0)
images = rng.integers(0, 256, (200, 3, 16, 16), dtype=np.uint8)
target = np.arange(200) % 10


@pytest.mark.parametrize("kind", ["type0", "type1"])
def test_each_class_has_its_corruption(kind):
    made = corrupted_images(images, target, kind=kind, conflict_ratio=0, random_state=0)
    np.testing.assert_array_equal(made.bias_labels, target)
    assert tuple(made.bias_names) == corruption_names(kind)
    assert made.data.dtype == np.uint8
    assert made.data.shape == images.shape
    assert made.data.flags.c_contiguous
    changed = (made.data != images).any((1, 2, 3))
    original = made.bias_names[made.bias_labels] == "original"
    assert changed[~original].all()
    assert not changed[original].any()
    assert "severity 5" in made.DESCR


def test_conflicts_are_counted_and_spread():
    for ratio in (0, 0.05, 0.5, 1):
        made = corrupted_images(images, target, conflict_ratio=ratio, severity=1, random_state=0)
        conflicting = made.bias_labels != made.target
        assert (np.bincount(made.target, conflicting) == round(ratio * 20)).all()
    table = np.zeros((10, 10), dtype=int)
    np.add.at(table, (target, made.bias_labels), 1)
    assert (np.diag(table) == 0).all()
    assert set(table[~np.eye(10, dtype=bool)]) == {2, 3}
    even = corrupted_images(images, target, conflict_ratio="unbiased", severity=1, random_state=0)
    np.add.at(table := np.zeros((10, 10), dtype=int), (target, even.bias_labels), 1)
    assert (table == 2).all()


def test_seeds_floats_and_inputs():
    before = images.copy()
    one, same, other = (corrupted_images(images, target, random_state=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.data, same.data)
    assert (one.data != other.data).any()
    np.testing.assert_array_equal(images, before)
    unit = corrupted_images(images / 255, target, random_state=0)
    assert unit.data.dtype == np.float64
    np.testing.assert_array_equal(unit.bias_labels, one.bias_labels)
    assert np.abs(unit.data * 255 - one.data).max() < 1.01


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": images[:, :1]}, "`images` must be colour images"),
        ({"images": images[:0]}, "`images` must be colour images"),
        ({"images": images.transpose(0, 2, 3, 1)}, "`images` must be colour images"),
        ({"images": images * 1.0}, r"`images` must be floats in \[0, 1\]"),
        ({"images": images[:, :, :4]}, "`images` must have channels of 8x8 pixels or more"),
        ({"target": target[:5]}, "`target` must have the shape"),
        ({"target": target + 1}, r"`target` must lie in 0\.\.9"),
        ({"kind": "type2"}, "`kind` must be one of 'type0', 'type1', got 'type2'"),
        ({"severity": 6}, r"`severity` must be an int in 1\.\.5"),
        ({"severity": None}, "`severity` must be an int"),
        ({"conflict_ratio": 2}, "`conflict_ratio`"),
        ({"random_state": -1}, "`random_state`"),
    ],
)
def test_bad_corrupted_images(change, message):
    with pytest.raises(ValueError, match=message):
        corrupted_images(**({"images": images, "target": target} | change))


def test_lists_are_no_images():
    with pytest.raises(TypeError, match="`images` must be an ndarray"):
        corrupted_images(images.tolist(), target)


def test_cifar(real_data):
    path = real_data / "cifar10_jpeg_12k.npz"
    if not path.exists():
        pytest.skip("needs cifar10_jpeg_12k.npz")
    with np.load(path, allow_pickle=False) as pack:
        content, off, y = pack["data"].tobytes(), pack["off"], pack["y"][:300]
    pictures = [
        np.asarray(Image.open(io.BytesIO(content[off[i] : off[i + 1]])).convert("RGB"))
        for i in range(300)
    ]
    made = corrupted_images(np.stack(pictures).transpose(0, 3, 1, 2), y.astype(int), random_state=0)
    assert made.data.shape == (300, 3, 32, 32)
    assert made.data[made.bias_labels == 4].std((1, 2, 3)).mean() < 30  # contrast
