"""The attack on linear nets in closed form: autograd finds the same, in sweeps too."""

from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn
from torch.func import functional_call, vmap

from sklearn_debias.attacks import ascend
from sklearn_debias.core import Net, SplitModule
from sklearn_debias.core.internal import linear_layer
from sklearn_debias.losses import cross_entropy
from sklearn_debias.objectives import ERM, BiasAdv, LfF
from sklearn_debias.objectives._biasadv import bias_adversarial_loss, bias_adversarial_slope
from sklearn_debias.testing import Problem
from sklearn_debias.training import Streams


def linear_head(role):
    module = SplitModule(nn.Identity(), nn.Linear(6, 3)).double()
    generator = Streams(0).generator("linear head", role)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5, generator=generator)
    return module


def not_known_as_linear(role):
    """The same function, which says nothing of being linear."""
    module = linear_head(role)
    return SplitModule(nn.Sequential(nn.Identity()), module.head)


OPTIONS = {
    "l2": {},
    "steps of their own": {"step_size": 0.07, "n_steps": 7},
    "no reach": {"epsilon": 0.0},
    "far": {"epsilon": 30.0, "lam": 2.0},
    "random start": {"random_start": True},
    "clip": {"clip": (-1.0, 1.0)},
    "linf": {"norm": "linf"},
    "linf, random start, clip": {"norm": "linf", "random_start": True, "clip": (-2.0, 2.0)},
}


@pytest.mark.parametrize("base", [ERM(), LfF()], ids=["erm", "lff"])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_step_on_linear_heads_equals_that_by_autograd(base, options):
    steps = []
    for module in (linear_head, not_known_as_linear):
        problem = Problem(BiasAdv(base=base, **options), module)
        batch = problem.batch()
        assert (linear_layer(problem.nets["model"], batch.x) is None) == (
            module is not_known_as_linear
        )
        out = problem.step()
        parameters = list(problem.modules.parameters())
        gradients = torch.autograd.grad(sum(out.losses.values()), parameters)
        attacked = problem.objective.attack(problem.nets, batch.x, batch.y)
        steps.append([*out.losses.values(), *gradients, attacked])
        assert not attacked.requires_grad
        assert torch.equal(attacked, batch.x) == (options.get("epsilon") == 0)
    for closed, by_autograd in zip(*steps, strict=True):
        torch.testing.assert_close(closed, by_autograd, rtol=1e-10, atol=1e-10)


def test_the_slope_is_the_gradient_of_the_loss():
    generator = torch.Generator().manual_seed(0)
    logits = [torch.randn(9, 4, generator=generator, dtype=torch.float64) for _ in range(2)]
    y = torch.arange(9) % 4
    for z in logits:
        z.requires_grad_()
    model, biased = (lambda _, z=z: z for z in logits)
    loss = bias_adversarial_loss(model, biased, torch.zeros(9), y, 0.7)
    expected = torch.autograd.grad(loss.sum(), logits)
    found = bias_adversarial_slope(*logits, y, 0.7)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_between_equal_linear_heads_the_attack_moves_nothing_at_lam_one(norm, dtype):
    problem = Problem(BiasAdv(lam=1.0, norm=norm, epsilon=1.0), linear_head, dtype=dtype)
    batch = problem.batch()
    problem.modules["biased"].load_state_dict(problem.modules["model"].state_dict())
    assert torch.equal(problem.objective.attack(problem.nets, batch.x, batch.y), batch.x)


@pytest.mark.parametrize("apart", [1e-2, 1e-6, 1e-10])
def test_heads_that_are_nearly_equal_lose_no_digits(apart):
    found = []
    for module in (linear_head, not_known_as_linear):
        problem = Problem(BiasAdv(lam=1.0), module)
        biased, model = problem.modules["biased"].head, problem.modules["model"].head
        with torch.no_grad():
            biased.weight.copy_(model.weight + apart * biased.weight)
            biased.bias.copy_(model.bias)
        batch = problem.batch()
        found.append(problem.objective.attack(problem.nets, batch.x, batch.y))
    # Autograd takes the difference of two products, and so loses what they share.
    torch.testing.assert_close(*found, rtol=0, atol=1e-14 / apart + 1e-12)


def test_heads_of_zeros_and_of_more_classes_than_features():
    problem = Problem(BiasAdv(), linear_head)
    batch = problem.batch()
    for role in problem.modules:
        nn.init.zeros_(problem.modules[role].head.weight)
    assert torch.equal(problem.objective.attack(problem.nets, batch.x, batch.y), batch.x)
    wide = {}
    for role in ("model", "biased"):
        torch.manual_seed(len(role))
        wide[role] = SplitModule(nn.Identity(), nn.Linear(6, 30)).double()
    hidden = {role: SplitModule(nn.Sequential(nn.Identity()), m.head) for role, m in wide.items()}
    found = [
        problem.objective.attack({r: Net(m) for r, m in nets.items()}, batch.x, batch.y)
        for nets in (wide, hidden)
    ]
    torch.testing.assert_close(*found, rtol=1e-10, atol=1e-10)


def test_vmapped_heads_are_attacked_as_each_alone():
    problem = Problem(BiasAdv(), linear_head)
    batch = problem.batch()
    generator = torch.Generator().manual_seed(0)
    stacked = {
        role: {
            name: torch.randn(4, *p.shape, generator=generator, dtype=p.dtype)
            for name, p in problem.modules[role].named_parameters()
        }
        for role in problem.modules
    }
    lam = torch.linspace(0, 1, 4, dtype=torch.float64)

    def loss(params, lam):
        nets = {role: replace(net, params=params[role]) for role, net in problem.nets.items()}
        found = replace(problem.objective, lam=lam)._search(nets, batch.x, batch.y)
        return found.inputs, cross_entropy(found.logits(nets["model"]), batch.y)

    together = vmap(loss)(stacked, lam)
    for i in range(4):
        own = {role: {n: p[i] for n, p in params.items()} for role, params in stacked.items()}
        nets = {role: replace(net, params=own[role]) for role, net in problem.nets.items()}
        alone = ascend(
            lambda x, nets=nets, i=i: bias_adversarial_loss(
                nets["model"], nets["biased"], x, batch.y, float(lam[i])
            ),
            batch.x,
            ball=problem.objective.ball,
            n_steps=problem.objective.n_steps,
        )
        torch.testing.assert_close(together[0][i], alone, rtol=1e-10, atol=1e-10)
        logits = functional_call(problem.modules["model"], own["model"], (alone,))
        torch.testing.assert_close(together[1][i], cross_entropy(logits, batch.y))


def hooked(module):
    module.register_forward_hook(lambda *event: 2 * event[-1])
    return module


class Doubled(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


X = torch.zeros(5, 6, dtype=torch.float64)
OTHERS = {
    "a body": SplitModule(nn.Tanh(), nn.Linear(6, 3)),
    "a hook": hooked(SplitModule(nn.Identity(), nn.Linear(6, 3))),
    "a hook of the head": SplitModule(nn.Identity(), hooked(nn.Linear(6, 3))),
    "a hook of the body": SplitModule(hooked(nn.Identity()), nn.Linear(6, 3)),
    "a subclass": SplitModule(nn.Identity(), Doubled(6, 3)),
    "a parametrisation": SplitModule(
        nn.Identity(), nn.utils.parametrizations.weight_norm(nn.Linear(6, 3))
    ),
    "a sequence": nn.Sequential(nn.Linear(6, 3)),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_does_more_than_a_linear_layer_is_not_taken_for_one(name):
    assert linear_layer(Net(OTHERS[name]), X) is None


def test_linear_layers_are_known_live_given_without_bias_and_in_full_precision_only():
    layer = nn.Linear(6, 3, bias=False).double()
    for module in (layer, SplitModule(nn.Identity(), layer)):
        net = Net(module)
        weight, bias = linear_layer(net, X)
        assert weight is layer.weight
        assert torch.equal(bias, torch.zeros(3, dtype=torch.float64))
        given = replace(net, params={n: p + 1 for n, p in module.named_parameters()})
        assert torch.equal(linear_layer(given, X)[0], layer.weight + 1)
        assert linear_layer(net, X[None]) is None
        with torch.autocast("cpu", torch.bfloat16):
            assert linear_layer(net, X) is None
    half = nn.Linear(6, 3, dtype=torch.bfloat16)
    assert linear_layer(Net(half), X.bfloat16()) is None


def test_an_attack_has_a_loss_or_a_gradient():
    x, ball = torch.zeros(2, 3), BiasAdv().ball
    with pytest.raises(ValueError, match="`loss` must be a callable"):
        ascend(None, x, ball=ball, n_steps=1)
    slope = torch.tensor([1.0, -2.0, 0.5])
    found = [
        ascend(lambda x: x @ slope, x, ball=ball, n_steps=3),
        ascend(None, x, ball=ball, n_steps=3, gradient=lambda x: slope.expand_as(x)),
    ]
    torch.testing.assert_close(*found)


@dataclass(frozen=True)
class Shifted(BiasAdv):
    def attack(self, nets, x, y, start=None):
        return super().attack(nets, x, y, start) + 1


def test_a_step_takes_an_attack_of_ones_own():
    problem = Problem(Shifted(), linear_head)
    batch = problem.batch()
    found = BiasAdv().attack(problem.nets, batch.x, batch.y) + 1
    assert torch.equal(problem.objective.attack(problem.nets, batch.x, batch.y), found)
    loss = cross_entropy(problem.nets["model"](found), batch.y)
    torch.testing.assert_close(
        problem.step().log["adversarial"], (batch.weight * loss).mean(), rtol=1e-12, atol=0
    )
    assert BiasAdv().closed
    assert not Shifted().closed
