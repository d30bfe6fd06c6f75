"""Random crop and flip, against a transcription; the number of threads."""

import pytest
import torch
from joblib import Parallel, delayed, parallel_config

from sklearn_debias.training import cpu_threads, crop_flip


def naive(x, draw, pad):
    """Crop and flip image by image, with the same draws."""
    b, _, h, w = x.shape
    out = torch.zeros_like(x)
    for i in range(b):
        top, left = (int(draw[k, i, 0] * (2 * pad + 1)) - pad for k in (0, 1))
        for row in range(h):
            for column in range(w):
                source = w - 1 - column if draw[2, i, 0] < 0.5 else column
                if 0 <= row + top < h and 0 <= source + left < w:
                    out[i, :, row, column] = x[i, :, row + top, source + left]
    return out


@pytest.mark.parametrize(
    ("h", "w", "pad"), [(8, 8, 1), (16, 24, 2), (32, 32, 4), (40, 48, 4), (3, 5, 1)]
)
def test_equals_a_transcription(h, w, pad):
    x = torch.randn(6, 2, h, w, generator=torch.Generator().manual_seed(0))
    draw = torch.rand(3, 6, 1, generator=torch.Generator().manual_seed(5))
    assert torch.equal(crop_flip(x, torch.Generator().manual_seed(5)), naive(x, draw, pad))


def test_shifts_and_flips_are_equally_likely():
    x = torch.arange(1.0, 65).view(1, 1, 8, 8).expand(4000, 1, 8, 8)
    out = crop_flip(x, torch.Generator().manual_seed(0))
    centre = out[:, 0, 4, 4]
    flipped = out[:, 0, 4, 3] > centre
    assert flipped.float().mean().item() == pytest.approx(0.5, abs=0.03)
    rows = (centre - 1) // 8
    assert torch.bincount(rows.long(), minlength=7)[3:6].div(4000).tolist() == pytest.approx(
        [1 / 3] * 3, abs=0.03
    )


def test_the_input_is_not_written_to():
    x = torch.rand(4, 1, 8, 8)
    before = x.clone()
    crop_flip(x)
    assert torch.equal(x, before)


@pytest.mark.parametrize("small", [True, False])
def test_the_number_of_threads_comes_back(small):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with cpu_threads(small=small), cpu_threads(small=small):
            assert torch.get_num_threads() == (1 if small else 2)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("outside", "workers", "share"), [(4, 2, 2), (2, 2, 1), (1, 2, 1), (5, 3, 1)]
)
def test_workers_of_a_pool_share_the_threads(outside, workers, share):
    def number(_):
        with cpu_threads(small=False):
            return torch.get_num_threads()

    before = torch.get_num_threads()
    torch.set_num_threads(outside)
    try:
        with parallel_config("threading", n_jobs=workers):
            found = Parallel()(delayed(number)(i) for i in range(4))
        assert found == [share] * 4
        assert torch.get_num_threads() == outside
    finally:
        torch.set_num_threads(before)
