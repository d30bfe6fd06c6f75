"""The eight of BiasAdv's supplement: are the stated strengths what happens?"""

import io
from functools import partial

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage, stats

from sklearn_debias.corruptions import _biasadv, corrupt
from sklearn_debias.corruptions._biasadv import quality

rng = np.random.default_rng(0)
# Distinct images, far from 0 and 1, so that nothing is clipped and each draws its own numbers.
GREY = 0.5 + 0.01 * rng.random((400, 1, 32, 32))


def test_gaussian_noise_has_a_standard_deviation_from_0_to_1_percent():
    stds = (corrupt(GREY, "gaussian_noise") - GREY).std((1, 2, 3))
    assert stds.max() < 0.0106
    assert stats.kstest(stds / 0.01, "uniform").pvalue > 0.01
    noise = (corrupt(GREY, "gaussian_noise") - GREY) / stds[:, None, None, None]
    assert abs(stats.kurtosis(noise.ravel())) < 0.05
    assert abs(noise.mean()) < 0.01


def test_gaussian_noise_is_one_for_all_channels_as_imgaug_has_it():
    images = np.repeat(GREY[:20], 3, axis=1) + np.array([0, 0.1, 0.2])[:, None, None]
    noise = corrupt(images, "gaussian_noise") - images
    np.testing.assert_allclose(noise, noise[:, :1].repeat(3, axis=1), rtol=0, atol=1e-12)
    assert (noise.std((1, 2, 3)) > 0).all()


def test_salt_and_pepper_change_one_pixel_in_a_thousand_all_channels_together():
    images = np.repeat(GREY, 3, axis=1)
    out = corrupt(images, "salt_and_pepper")
    changed = out != images
    assert (changed.all(1) == changed.any(1)).all()
    n = changed[:, 0].size
    assert abs(changed[:, 0].sum() - 0.001 * n) < 4 * np.sqrt(0.001 * n)
    values = out[:, 0][changed[:, 0]]
    assert stats.kstest(values, stats.beta(0.5, 0.5).cdf).pvalue > 0.001  # as imgaug draws greys
    assert (out == out[:, :1])[changed].all()


@pytest.mark.parametrize("shape", [(32, 32), (20, 40)])
def test_cutout_lays_two_grey_squares_of_a_fifth_of_the_side(shape):
    rng = np.random.default_rng(0)
    images = rng.random((300, 3, *shape)) * 0.3
    out = corrupt(images, "cutout")
    changed = (out != images).all(1)
    assert ((out != images).any(1) == changed).all()
    assert np.allclose(out.transpose(0, 2, 3, 1)[changed], 128 / 255)
    side = round(0.2 * min(shape))
    areas = changed.sum((1, 2))
    assert areas.max() <= 2 * side**2
    assert (areas == 2 * side**2).mean() > 0.25  # apart, and inside of the image
    assert areas.min() < side**2 * 1.5  # overlapping, or cut off at the edge
    pieces = [ndimage.label(mask)[1] for mask in changed]
    assert set(pieces) == {1, 2}


def test_cutout_keeps_grey_levels_whole():
    assert (corrupt(np.zeros((1, 1, 32, 32), dtype=np.uint8), "cutout") == 128).any()


def test_coarse_dropout_blackens_up_to_5_percent_in_rectangles():
    out = corrupt(GREY, "coarse_dropout")
    dropped = out[:, 0] == 0
    assert ((out[:, 0] == GREY[:, 0]) | dropped).all()
    assert dropped.mean() == pytest.approx(0.025, abs=0.008)  # the mean of U(0, .05)
    sizes = np.concatenate(
        [
            ndimage.sum(mask, *ndimage.label(mask)[:1], range(1, ndimage.label(mask)[1] + 1))
            for mask in dropped
        ]
    )
    # Cells of at most 8 x 8 on 32 x 32: 4 pixels a side, none of single pixels.
    assert sizes.min() >= 9


def test_the_share_that_is_dropped_is_uniform():
    kept = [_biasadv._kept(np.random.default_rng(seed), 64, 64) for seed in range(2000)]
    assert set(np.unique(kept)) <= {0.0, 1.0}
    shares = 1 - np.array(kept).mean((1, 2))
    assert shares.mean() == pytest.approx(0.025, abs=0.003)
    assert np.quantile(shares, 0.9) < 0.08


def angles(out):
    """Direction of a bright bar through the middle, in degrees, by its second moments."""
    side = out.shape[-1]
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    disc = np.hypot(x, y) < side / 2 - 1
    found = []
    for image in out[:, 0]:
        w = image * disc
        found.append(np.rad2deg(0.5 * np.arctan2(2 * (w * x * y).sum(), (w * (x**2 - y**2)).sum())))
    return np.array(found)


def bars(n):
    images = np.zeros((n, 1, 49, 49))
    images[:, :, 22:27] = 0.9
    images[:, 0, 0, 0] = np.linspace(0, 0.5, n)  # off the disc: makes each image another one
    return images


def test_rotation_turns_by_uniform_angles_up_to_30_degrees():
    found = angles(corrupt(bars(400), "rotation"))
    assert np.abs(found).max() < 30.5
    assert np.abs(found).max() > 28
    assert stats.kstest((found + 30) / 60, "uniform").pvalue > 0.01


def test_rotation_equals_scipys_with_mirrored_edges(monkeypatch):
    rng = np.random.default_rng(0)
    images = rng.random((3, 2, 17, 23))
    for degrees in (-30.0, 12.5):
        monkeypatch.setattr(
            _biasadv, "_turn", partial(lambda d, _: (np.cos(d), np.sin(d)), np.deg2rad(degrees))
        )
        expected = ndimage.rotate(
            images, degrees, axes=(2, 3), reshape=False, order=1, mode="reflect"
        )
        alternative = ndimage.rotate(
            images, -degrees, axes=(2, 3), reshape=False, order=1, mode="reflect"
        )
        out = corrupt(images, "rotation")
        assert min(np.abs(out - expected).max(), np.abs(out - alternative).max()) < 1e-9


def test_perspective_moves_corners_inwards_by_half_normal_shares():
    drawn = np.array([_biasadv._corners(np.random.default_rng(seed)) for seed in range(2000)])
    square = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])
    shift = np.abs(drawn - square)
    assert ((drawn >= 0) & (drawn <= 1)).all()
    assert shift.mean() == pytest.approx(0.10 * np.sqrt(2 / np.pi), rel=0.04)
    spread = np.sqrt((shift**2).mean((1, 2)))
    assert 0.05 < np.median(spread) < 0.15


def test_perspective_maps_the_corners_of_the_image_to_those_drawn():
    corners = np.array([(0.1, 0.0), (0.9, 0.2), (0.8, 1.0), (0.0, 0.7)])
    m = _biasadv._homography(corners, 20, 30)
    for (x, y), (u, v) in zip([(0, 0), (29, 0), (29, 19), (0, 19)], corners, strict=True):
        scale = m[6] * x + m[7] * y + 1
        assert (m[0] * x + m[1] * y + m[2]) / scale == pytest.approx(u * 29)
        assert (m[3] * x + m[4] * y + m[5]) / scale == pytest.approx(v * 19)


def encoded(image, q):
    """PIL's own encoder and decoder."""
    stream = io.BytesIO()
    pixels = image.transpose(1, 2, 0)
    Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0]).save(
        stream, "JPEG", quality=q
    )
    found = np.asarray(Image.open(stream))
    return found.transpose(2, 0, 1) if found.ndim == 3 else found[None]


def test_compression_80_to_95_is_quality_22_to_7():
    assert (quality(80), quality(95)) == (22, 7)


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_equals_what_pil_encodes_at_one_of_the_qualities(photographs, channels):
    images = photographs[:, :channels]
    out = corrupt(images, "jpeg")
    met = []
    for image, result in zip(images, out, strict=True):
        equal = [q for q in range(7, 23) if (encoded(image, q) == result).all()]
        assert equal
        met += equal
    assert min(met) <= 8
    assert max(met) >= 19


def test_blur_has_a_standard_deviation_of_1_to_3_pixels():
    dots = np.zeros((300, 1, 41, 41))
    dots[:, 0, 20, 20] = 1
    dots[:, 0, 0, 0] = np.linspace(0, 1, 300)
    out = corrupt(dots, "gaussian_blur")[:, 0, 20]
    # Of the ratio of two neighbours: a kernel that is cut off is less wide than its Gaussian.
    sigma = np.sqrt(-0.5 / np.log(out[:, 21] / out[:, 20]))
    assert sigma.min() == pytest.approx(1, abs=0.03)
    assert sigma.max() == pytest.approx(3, abs=0.05)
    assert stats.kstest((sigma - 1) / 2, "uniform").pvalue > 0.001


@pytest.mark.parametrize(
    ("sigma", "radius"), [(1.0, 2), (1.8, 2), (1.9, 3), (2.4, 3), (2.5, 4), (3.0, 4)]
)
def test_blur_is_as_wide_as_imgaugs_and_mirrors_at_the_pixel_of_the_edge(
    sigma, radius, monkeypatch
):
    """A kernel of int(max(3.3 sigma, 5)) pixels, one more where that is even."""
    rng = np.random.default_rng(0)
    monkeypatch.setattr(_biasadv, "_width_drawn", lambda rng: sigma)
    images = rng.random((2, 3, 16, 12))
    expected = ndimage.gaussian_filter(images, sigma, mode="mirror", radius=radius, axes=(2, 3))
    np.testing.assert_allclose(corrupt(images, "gaussian_blur"), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["gaussian_blur", "jpeg", "perspective"])
def test_high_frequencies_are_lost(name, photographs):
    def high(images):
        inner = images.astype(float)[..., 3:-3, 3:-3]
        return (np.diff(inner, n=2, axis=2) ** 2).mean((1, 2, 3)) + (
            np.diff(inner, n=2, axis=3) ** 2
        ).mean((1, 2, 3))

    out = corrupt(photographs, name)
    assert (
        np.median(high(out) / high(photographs))
        < {"gaussian_blur": 0.02, "jpeg": 0.7, "perspective": 0.9}[name]
    )
