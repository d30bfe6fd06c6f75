"""Every corruption keeps kind, dtype and range, and depends on nothing but the image itself."""

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed

from sklearn_debias.corruptions import corrupt, corruption_names

ALL = [(name, None) for name in corruption_names("biasadv")] + [
    (name, 5) for name in corruption_names("classic")
]
ALL.append(("original", None))
IDS = [name if severity is None else f"{name}-{severity}" for name, severity in ALL]
each = pytest.mark.parametrize(("name", "severity"), ALL, ids=IDS)


def test_families():
    assert len(corruption_names("biasadv")) == 8
    assert len(corruption_names("classic")) == 19
    both = set(corruption_names("biasadv")) & set(corruption_names("classic"))
    assert both == {"gaussian_noise", "gaussian_blur", "jpeg"}
    types = corruption_names("type0"), corruption_names("type1")
    assert [len(set(names)) for names in types] == [10, 10]
    assert set().union(*types) == {*corruption_names("classic"), "original"}
    assert types[0][0] == "snow"
    assert types[1][-1] == "original"
    assert set(corruption_names()) == {name for name, _ in ALL}


@each
def test_dtype_range_and_kind_are_kept(name, severity, photographs):
    images = photographs[:6]
    unit = images / 255
    before = images.copy()
    for dtype in (np.uint8, np.float16, np.float32, np.float64):
        given = images if dtype == np.uint8 else unit.astype(dtype)
        out = corrupt(given, name, severity)
        assert isinstance(out, np.ndarray)
        assert (out.dtype, out.shape) == (dtype, images.shape)
        assert out.max() <= (255 if dtype == np.uint8 else 1)
        assert out.min() >= 0
        assert not np.shares_memory(out, given)
    tensor = torch.from_numpy(images.copy())
    twin = corrupt(tensor, name, severity)
    assert torch.equal(twin, torch.from_numpy(corrupt(images, name, severity)))
    assert torch.equal(tensor, torch.from_numpy(before))
    np.testing.assert_array_equal(images, before)


@each
def test_bit_identical_in_any_order_batch_and_worker(name, severity, photographs):
    out = corrupt(photographs, name, severity)
    order = np.random.default_rng(0).permutation(len(photographs))
    np.testing.assert_array_equal(corrupt(photographs[order], name, severity), out[order])
    alone = [corrupt(photographs[i : i + 1], name, severity) for i in range(3)]
    np.testing.assert_array_equal(np.concatenate(alone), out[:3])
    threads = Parallel(2, prefer="threads")(
        delayed(corrupt)(photographs[rows], name, severity) for rows in (slice(0, 7), slice(7, 30))
    )
    np.testing.assert_array_equal(np.concatenate(threads), out)


@each
def test_floats_are_bit_identical_in_any_batch_too(name, severity, photographs):
    # Odd sizes: rows end inside of a vector.
    images = np.random.default_rng(1).random((9, 3, 33, 29), dtype=np.float32)
    out = corrupt(images, name, severity)
    np.testing.assert_array_equal(
        np.concatenate([corrupt(images[i : i + 1], name, severity) for i in range(9)]), out
    )
    np.testing.assert_array_equal(corrupt(images[::-1], name, severity), out[::-1])


@each
def test_large_inputs_are_worked_on_in_parts(name, severity, photographs, monkeypatch):
    out = corrupt(photographs[:10], name, severity)
    monkeypatch.setattr("sklearn_debias.corruptions._corrupt.PIXELS", 3 * photographs[0].size)
    np.testing.assert_array_equal(corrupt(photographs[:10], name, severity), out)


@each
def test_an_image_in_0_1_and_its_twin_in_0_255_are_corrupted_alike(name, severity, photographs):
    levels = corrupt(photographs[:8], name, severity)
    unit = corrupt((photographs[:8] / 255).astype(np.float32), name, severity)
    # Half a level may be rounded to either side.
    assert np.abs(np.rint(unit * 255) - levels).max() <= 1


RANDOM = [
    (name, severity)
    for name, severity in ALL
    if name
    not in {
        "original",
        "brightness",
        "contrast",
        "pixelate",
        "saturate",
        "defocus_blur",
        "zoom_blur",
    }
    and (name, severity) not in {("gaussian_blur", 5), ("jpeg", 5)}
]


@pytest.mark.parametrize(("name", "severity"), RANDOM)
def test_seeds(name, severity, photographs):
    images = photographs[:20]
    one = corrupt(images, name, severity, random_state=1)
    np.testing.assert_array_equal(one, corrupt(images, name, severity, random_state=np.int64(1)))
    assert (one != corrupt(images, name, severity, random_state=2)).any()
    fresh = [corrupt(images, name, severity, random_state=None) for _ in range(2)]
    assert (fresh[0] != fresh[1]).any()
    drawn = [
        corrupt(images, name, severity, random_state=np.random.RandomState(3)) for _ in range(2)
    ]
    np.testing.assert_array_equal(*drawn)
    generator = np.random.default_rng(3)
    assert (
        corrupt(images, name, severity, generator) != corrupt(images, name, severity, generator)
    ).any()


@each
@pytest.mark.parametrize(
    "shape", [(2, 3, 8, 8), (2, 3, 9, 21), (3, 1, 28, 28), (2, 1, 8, 40), (0, 3, 32, 32)]
)
def test_small_grey_long_and_no_images(name, severity, shape):
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    if name == "saturate" and shape[1] == 1:
        with pytest.raises(ValueError, match="`images` must have 3 channels for 'saturate', got 1"):
            corrupt(images, name, severity)
        return
    out = corrupt(images, name, severity)
    assert (out.shape, out.dtype) == (shape, np.uint8)


@each
def test_flat_images_stay_finite(name, severity):
    for level in (0.0, 0.5, 1.0):
        assert np.isfinite(corrupt(np.full((2, 3, 16, 16), level), name, severity)).all()


@each
def test_strange_strides_and_read_only_memory(name, severity, photographs):
    expected = corrupt(photographs[:4], name, severity)
    sealed = photographs[:4].copy()
    sealed.flags.writeable = False
    np.testing.assert_array_equal(corrupt(sealed, name, severity), expected)
    last = np.ascontiguousarray(photographs[:4].transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(corrupt(last, name, severity), expected)
    channels_last = torch.from_numpy(photographs[:4].copy()).contiguous(
        memory_format=torch.channels_last
    )
    np.testing.assert_array_equal(corrupt(channels_last, name, severity).numpy(), expected)


def test_original_is_a_copy(photographs):
    for severity in (None, 3):
        out = corrupt(photographs, "original", severity)
        np.testing.assert_array_equal(out, photographs)
        assert not np.shares_memory(out, photographs)


def test_an_image_meets_the_same_noise_at_each_severity(photographs):
    grey = np.full((1, 3, 32, 32), 0.5)
    mild, strong = (corrupt(grey, "gaussian_noise", s) - 0.5 for s in (1, 5))
    np.testing.assert_allclose(strong, mild * 0.10 / 0.04, atol=1e-7)


def test_gradients_are_left_alone():
    images = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert not corrupt(images, "contrast", 3).requires_grad


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_images_stay_on_their_device(photographs):
    images = torch.from_numpy(photographs[:8]).cuda()
    for name, severity in ALL:
        out = corrupt(images, name, severity)
        assert out.device == images.device
        assert (
            out.cpu().int() - torch.from_numpy(corrupt(photographs[:8], name, severity)).int()
        ).abs().max() <= 1
