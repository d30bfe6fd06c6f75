"""A net bound to live parameters, to given ones, or frozen."""

import pytest
import torch
from torch import nn
from torch.func import functional_call

from sklearn_debias.core import Net, SplitModule


@pytest.fixture
def module():
    torch.manual_seed(0)
    body = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Dropout(0.5))
    return SplitModule(body, nn.Linear(5, 3)).double()


@pytest.fixture
def x():
    return torch.randn(8, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_a_net_is_its_module_and_head_after_body(module, x):
    module.eval()
    net = Net(module)
    assert torch.equal(net(x), module(x))
    assert torch.equal(net.head(net.body(x)), module(x))


def test_given_parameters_replace_the_live_ones(module, x):
    module.eval()
    given = {name: p + 0.1 for name, p in module.named_parameters()}
    net = Net(module, given)
    assert torch.equal(net(x), functional_call(module, given, (x,)))
    assert torch.equal(net.head(net.body(x)), net(x))
    assert net.parameters is given


def test_frozen_follows_every_update_of_the_live_net(module, x):
    net = Net(module)
    frozen = net.frozen()
    module(x)  # moves BatchNorm's statistics
    with torch.no_grad():
        for p in module.parameters():
            p.add_(1.0)
    module.eval()
    assert torch.equal(frozen(x), module(x))


@pytest.mark.parametrize("given", [False, True])
def test_frozen_is_detached_in_eval_mode_and_leaves_the_live_net_in_its_own(module, x, given):
    net = Net(module, dict(module.named_parameters()) if given else None)
    before = {name: b.clone() for name, b in module.named_buffers()}
    first, second = net.frozen()(x), net.frozen()(x)
    assert torch.equal(first, second)  # no dropout
    assert not first.requires_grad
    assert all(m.training for m in module.modules())
    assert all(torch.equal(b, before[name]) for name, b in module.named_buffers())
    assert all(p.requires_grad for p in module.parameters())


def test_a_gradient_reaches_the_input_of_a_frozen_net_and_nothing_else(module, x):
    x.requires_grad_()
    Net(module).frozen()(x).sum().backward()
    assert x.grad is not None
    assert all(p.grad is None for p in module.parameters())


def test_moved_subtracts_and_stays_differentiable_in_both(module, x):
    module.eval()
    delta = {
        name: torch.full_like(p, 0.1, requires_grad=True) for name, p in module.named_parameters()
    }
    net = Net(module).moved(delta)
    expected = functional_call(
        module, {n: p - delta[n] for n, p in module.named_parameters()}, (x,)
    )
    assert torch.equal(net(x), expected)
    net(x).sum().backward()
    assert all(torch.equal(p.grad, -delta[n].grad) for n, p in module.named_parameters())


def test_a_virtual_step_never_writes_the_buffers(module, x):
    before = {name: b.clone() for name, b in module.named_buffers()}
    net = Net(module.train(), dict(module.named_parameters()))
    net(x)
    net.body(x)
    assert all(torch.equal(b, before[name]) for name, b in module.named_buffers())


def test_a_module_that_cannot_be_split_says_so_when_its_body_is_asked_for():
    net = Net(nn.Linear(2, 2))
    assert net(torch.ones(1, 2)).shape == (1, 2)
    for part in (net.body, net.head):
        with pytest.raises(TypeError, match="SplitModule"):
            part(torch.ones(1, 2))


class Binding(nn.Module):
    """Binds its buffer and its counter anew in every pass of training."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.passes = 0
        self.register_buffer("mean", torch.zeros(2))

    def forward(self, x):
        z = self.layer(x)
        if self.training:
            self.passes += 1
            self.mean = 0.5 * self.mean + 0.5 * z.detach().mean(0)
        return z - self.mean + self.passes


def test_a_frozen_net_follows_what_a_pass_binds_anew():
    torch.manual_seed(0)
    module = Binding()
    net = Net(module)
    x = torch.randn(5, 3)
    net.frozen()
    for _ in range(2):
        net(x)
        expected = module.layer(x) - module.mean + module.passes
        torch.testing.assert_close(net.frozen()(x), expected)
        torch.testing.assert_close(net.moved({}).frozen()(x), expected)
    assert module.training
    assert not net.frozen().module.training
