"""What every exported attack keeps to, found by discovery."""

import copy
from inspect import signature

import pytest
import torch
from torch import nn

from sklearn_debias.attacks import Threat
from sklearn_debias.testing import all_attacks, variants
from sklearn_debias.testing._asserts import generators_untouched

CLASSES = 4
CLIP = (0.0, 1.0)
RADII = {"linf": 0.2, "l2": 0.8}
X = torch.rand(6, 3, 4, 4, generator=torch.Generator().manual_seed(0))


def network():
    """A small network in eval mode, with statistics, dropout and trainable parameters."""
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.Tanh(),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(64, CLASSES),
    )
    return module.eval()


NET = network()
Y = NET(X).argmax(1)


def suits(attack, norm):
    """Whether the attack itself says that it works in this norm."""
    try:
        attack.check(Threat(RADII[norm], norm, CLIP), CLASSES, X.shape[1:])
    except ValueError:
        return False
    except ImportError:  # `run` skips
        pass
    return True


def norms(attack):
    return [norm for norm in RADII if suits(attack, norm)]


CASES = [
    pytest.param(attack, norm, id=f"{name}{i}-{norm}")
    for name, cls in all_attacks()
    for i, attack in enumerate(variants(cls))
    for norm in norms(attack)
]
each = pytest.mark.parametrize(("attack", "norm"), CASES)


def run(attack, threat, *, net=NET, x=X, y=Y, seed=0):
    """Attack with random numbers that depend on the seed alone."""
    if "seed" in signature(attack.attack).parameters:
        pytest.importorskip("pyautoattack")
        if torch.get_default_dtype() != torch.float32:
            pytest.skip("the package mixes precisions")
        return attack.attack(net, x, y, threat, seed=seed)
    return attack.attack(net, x, y, threat, generator=torch.Generator().manual_seed(seed))


def threat_of(norm, radius=None):
    return Threat(RADII[norm] if radius is None else radius, norm, CLIP)


@each
def test_stays_in_the_ball_and_in_the_range(attack, norm):
    threat = threat_of(norm)
    moved = run(attack, threat)
    assert (moved.shape, moved.dtype, moved.requires_grad) == (X.shape, X.dtype, False)
    assert threat.size(moved - X).max() <= threat.epsilon * (1 + 1e-5)
    assert CLIP[0] <= moved.min()
    assert moved.max() <= CLIP[1]


@each
def test_fools_where_there_is_room(attack, norm):
    moved = run(attack, threat_of(norm, 5 * RADII[norm]))
    assert (NET(moved).argmax(1) != Y).any()


@each
def test_the_same_seed_gives_the_same_bits(attack, norm):
    with generators_untouched():
        first, again = (run(attack, threat_of(norm), seed=3) for _ in range(2))
    assert torch.equal(first, again)


@each
def test_the_network_and_the_rows_are_left_alone(attack, norm):
    net, x, y = network(), X.clone(), Y.clone()
    before = copy.deepcopy(net.state_dict())
    run(attack, threat_of(norm), net=net, x=x, y=y)
    assert not any(module.training for module in net.modules())
    assert all(p.grad is None and p.requires_grad for p in net.parameters())
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert torch.equal(x, X)
    assert torch.equal(y, Y)


@each
def test_without_a_radius_nothing_moves(attack, norm):
    torch.testing.assert_close(run(attack, threat_of(norm, 0.0)), X, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", dict(all_attacks()))
def test_there_is_a_norm_for_every_attack(name):
    assert all(norms(attack) for attack in variants(dict(all_attacks())[name]))
