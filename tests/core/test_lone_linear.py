"""What is nothing but one linear layer, and what is more: one question, asked everywhere."""

import types

import pytest
import torch
from torch import nn
from torch.nn.modules import module as of_all
from torch.nn.utils import prune

from sklearn_debias.core import Net, SplitModule
from sklearn_debias.core.internal import is_altered, is_linear, linear_layer, lone_linear


class Own(nn.Linear):
    """Its forward may be another."""


def scaled(module):
    """Put a forward on the object, as wrappers do that learn a temperature."""

    def forward(self, x):
        return type(self).forward(self, x) / 2

    module.forward = types.MethodType(forward, module)
    return module


def hooked(module):
    module.register_forward_hook(lambda module, args, out: out / 2)
    return module


def layer():
    return nn.Linear(4, 2)


MORE = {
    "subclass": lambda: Own(4, 2),
    "pruned": lambda: prune.random_unstructured(layer(), "weight", amount=1),
    "weight norm": lambda: nn.utils.parametrizations.weight_norm(layer()),
    "own forward": lambda: scaled(layer()),
    "hook": lambda: hooked(layer()),
    "split, own forward": lambda: scaled(SplitModule(nn.Identity(), layer())),
    "split, hook": lambda: hooked(SplitModule(nn.Identity(), layer())),
    "body's own forward": lambda: SplitModule(scaled(nn.Identity()), layer()),
    "body's hook": lambda: SplitModule(hooked(nn.Identity()), layer()),
    "head's own forward": lambda: SplitModule(nn.Identity(), scaled(layer())),
    "head's hook": lambda: SplitModule(nn.Identity(), hooked(layer())),
    "other body": lambda: SplitModule(nn.ReLU(), layer()),
    "other type": lambda: nn.Sequential(nn.Identity(), layer()),
}


@pytest.mark.parametrize("make", [layer, lambda: SplitModule(nn.Identity(), layer())])
def test_a_layer_stands_alone_or_behind_a_body_that_does_nothing(make):
    module = make()
    found = lone_linear(module)
    assert type(found) is nn.Linear
    assert torch.equal(found(torch.ones(3, 4)), module(torch.ones(3, 4)))


@pytest.mark.parametrize("name", MORE)
def test_what_is_more_is_no_lone_layer(name):
    module = MORE[name]()
    assert lone_linear(module) is None
    assert linear_layer(Net(module), torch.ones(3, 4)) is None


def test_hooks_alone_leave_the_layer_a_layer():
    assert is_linear(hooked(layer()))
    assert not is_linear(scaled(layer()))
    assert not is_linear(None)


@pytest.mark.parametrize(
    "register",
    [
        of_all.register_module_forward_hook,
        of_all.register_module_forward_pre_hook,
        of_all.register_module_full_backward_hook,
        of_all.register_module_full_backward_pre_hook,
    ],
    ids=lambda register: register.__name__,
)
def test_hooks_on_all_modules_count(register):
    module = layer()
    assert not is_altered(module)
    handle = register(lambda *given: None)
    try:
        assert is_altered(module)
        assert lone_linear(module) is None
    finally:
        handle.remove()
    assert lone_linear(module) is module


def test_a_head_with_given_parameters_keeps_its_own_forward():
    net = Net(SplitModule(nn.Identity(), scaled(layer())))
    x = torch.ones(3, 4)
    assert torch.equal(net.detached()(x), net(x).detach())
    assert torch.equal(net.detached().head(x), net.head(x).detach())
