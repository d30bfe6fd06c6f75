"""L2 steps have their length whatever the gradient's, down to the smallest number of a type."""

import pytest
import torch
from torch import nn

from sklearn_debias.attacks import L2, PGD, Linf, Threat, dlr_loss
from sklearn_debias.core import Net
from sklearn_debias.objectives._inner_attack import worst_weights

TYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("size", ["least", "1e-12", "1", "most"])
def test_directions_have_length_1(dtype, size):
    info = torch.finfo(dtype)
    scale = {"least": info.tiny, "1e-12": max(1e-12, info.tiny), "1": 1.0, "most": info.max}[size]
    expected = torch.tensor([[0.6, 0.8, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    found = L2(1.0, 0.5).direction((expected * scale).to(dtype))
    torch.testing.assert_close(found, expected.to(dtype))


def test_usual_gradients_keep_their_bits():
    gradient = torch.randn(7, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    for scale in (1e-4, 1.0, 1e8):
        moved = scale * gradient
        old = moved / (moved.flatten(1).norm(dim=1).view(-1, 1, 1, 1) + 1e-12)
        assert torch.equal(L2(1.0, 1.0).direction(moved), old)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("radius", [0.0, 0.5])
def test_projections_are_finite(dtype, radius):
    delta = torch.tensor([[0.0, 0.0], [3.0, 4.0]], dtype=dtype)
    expected = torch.tensor([[0.0, 0.0], [0.6, 0.8]], dtype=dtype) * radius
    torch.testing.assert_close(L2(radius, 0.1).project(delta), expected, rtol=2e-2, atol=1e-3)


class Scaled(nn.Module):
    """z = scale * (x_0 - 0.5) against 0: a step of L2 along x_0 fools where x_0 > 0.5."""

    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def forward(self, x):
        z = self.scale * (x[:, :1] - 0.5)
        return torch.cat([-z, z], 1)


@pytest.mark.parametrize("scale", [1.0, 1e-12, 1e-25, 1e-35])
@pytest.mark.parametrize("loss", ["ce", "margin"])
def test_the_scale_of_the_logits_changes_no_step(scale, loss):
    x, y = torch.tensor([[0.4, 0.0], [0.1, 0.0]]), torch.tensor([0, 0])
    attack = PGD(4, loss=loss, random_start=False)
    moved = attack.attack(Scaled(scale), x, y, Threat(0.2, "l2"))
    torch.testing.assert_close(moved, x + torch.tensor([0.2, 0.0]))


@pytest.mark.parametrize("ball", [L2(0.2, 0.1), Linf(0.2, 0.1)])
def test_half_precision_stays_where_there_is_no_slope(ball):
    zeros = torch.zeros(2, 3, dtype=torch.float16)
    assert torch.equal(ball.project(ball.step_size * ball.direction(zeros)), zeros)


@pytest.mark.parametrize("scale", [1.0, 1e-12, 1e-30])
def test_dlr_is_the_same_at_any_scale(scale):
    logits = torch.tensor([[1.0, 4.0, 2.5], [0.0, 0.0, 0.0]]) * scale
    assert dlr_loss(logits, torch.tensor([1, 2])).tolist() == [-0.5, 0.0]


def test_weights_are_moved_as_far_where_the_loss_is_flat():
    torch.manual_seed(0)
    net, x = Net(nn.Linear(3, 2)), torch.randn(5, 3)
    steep, flat = (
        worst_weights(net, lambda at, scale=scale: scale * at(x)[:, 0].sum(), 0.1)["weight"]
        for scale in (1.0, 1e-20)
    )
    torch.testing.assert_close(flat, steep)
    torch.testing.assert_close(flat.norm(), 0.1 * net.module.weight.detach().norm())
