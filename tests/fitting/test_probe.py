import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from sklearn_debias.fitting._probe import mixes_rows


class Through(nn.Module):
    """A linear layer on what a function makes of the rows."""

    def __init__(self, change):
        super().__init__()
        self.change = change
        self.layer = nn.Linear(12, 2)

    def forward(self, x):
        return self.layer(self.change(x.flatten(1)))


def rows():
    return torch.rand(2, 3, 2, 2, generator=torch.Generator().manual_seed(0))


def noisy(x):
    return x + torch.as_tensor(np.random.default_rng().random(tuple(x.shape)), dtype=x.dtype)


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x - x.mean(0),
        lambda x: x / x.norm(),
        lambda x: F.batch_norm(x, None, None, training=True),
        noisy,
    ],
    ids=["centred", "scaled", "a BatchNorm by hand", "numbers of NumPy"],
)
def test_networks_that_mix_rows_are_found(change):
    assert mixes_rows(Through(change), rows())


def test_weights_of_zero_hide_no_mixing():
    module = Through(lambda x: x - x.mean(0))
    nn.init.zeros_(module.layer.weight)
    assert mixes_rows(module, rows())
    assert not module.layer.weight.any()


def half(x):
    return (x.bfloat16() @ torch.ones(12, 12, dtype=torch.bfloat16)).float()


@pytest.mark.parametrize(
    "module",
    [
        Through(lambda x: x),
        Through(half),
        Through(lambda x: x.squeeze()),
        nn.Sequential(nn.Conv2d(3, 4, 2), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2)),
        nn.Sequential(nn.GroupNorm(1, 3), nn.Flatten(), nn.LayerNorm(12), nn.Linear(12, 2)),
        nn.Sequential(nn.InstanceNorm2d(3), nn.Flatten(), nn.Linear(12, 2)),
        nn.Sequential(nn.Flatten(), nn.utils.parametrizations.spectral_norm(nn.Linear(12, 2))),
    ],
    ids=["plain", "bfloat16", "squeezed", "BatchNorm", "LayerNorm", "InstanceNorm", "spectral"],
)
def test_networks_that_look_at_each_row_alone_are_not_suspected(module):
    before = {name: value.clone() for name, value in module.state_dict().items()}
    assert not mixes_rows(module, rows())
    assert module.training
    for name, value in module.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


def test_a_network_that_cannot_be_tried_is_not_suspected():
    def refuse(x):
        raise ValueError("three rows at least")

    assert not mixes_rows(Through(refuse), rows())
    assert not mixes_rows(Through(lambda x: x * float("nan")), rows())
