"""Outside of transforms autograd finds what torch.func finds."""

import torch
from torch import nn

from sklearn_debias.attacks import L2, Linf, ascend


def test_both_ways_of_differentiating_agree():
    torch.manual_seed(0)
    net, x = (
        nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3)).double(),
        torch.rand(6, 5, dtype=torch.float64),
    )
    for ball in (L2(0.5, 0.2), Linf(0.1, 0.03)):
        found = [
            ascend(
                lambda v: net(v).square().sum(1), x, ball=ball, n_steps=6, clip=(0, 1), live=live
            )
            for live in (False, True)
        ]
        torch.testing.assert_close(*found, rtol=1e-12, atol=1e-12)
        assert not found[1].requires_grad
    assert all(p.grad is None for p in net.parameters())


def test_a_loss_that_does_not_look_at_the_input_moves_nothing():
    x = torch.rand(2, 3)
    for live in (False, True):
        assert torch.equal(
            ascend(
                lambda v: torch.zeros(2) + 0 * v.sum(1),
                x,
                ball=Linf(0.1, 0.1),
                n_steps=2,
                live=live,
            ),
            x,
        )
