"""The look-ahead of a linear head in closed form finds what autograd finds."""

from dataclasses import replace

import pytest
import torch
from meta_problem import D, Rows
from torch import nn

from sklearn_debias.core import Net, SplitModule
from sklearn_debias.objectives import IADA, LearnStrategy, _learn_strategy
from sklearn_debias.objectives._linear_lookahead import knows_head

OPTIONS = {
    "full": {},
    "diagonal": {"diagonal": True},
    "no covariance": {"alpha": 0.0},
    "no proportions": {"beta": 0.0},
    "proportions as weights": {"weigh": True},
    "weights and diagonal": {"weigh": True, "beta": 0.5, "diagonal": True},
    "reach": {"reach": 0.3},
    "reach of the features": {"reach": None},
    "fixed": {"epsilon": 0.4},
    "no perturbation": {"epsilon": 0.0, "diagonal": True},
    "ramp": {"ramp": True, "epochs": 4, "done": 2},
}


def linear_rows():
    rows = Rows()
    rows.model = SplitModule(nn.Identity(), nn.Linear(6, 3)).to(D)
    generator = torch.Generator().manual_seed(0)
    for parameter in rows.model.parameters():
        nn.init.normal_(parameter, std=0.7, generator=generator)
    root = torch.randn(3, 6, 6, generator=generator, dtype=D)
    # Indefinite, so that terms are floored: what the floor hides has no gradient.
    rows.covariance = root + root.mT
    return rows


def outcome(rows, ahead, state, batch, nets):
    out = ahead.step(nets, batch, state)
    found = [*out.carry.values(), *out.log.values()]
    if out.losses:
        own = list(rows.perturber.parameters())
        found += [out.losses["perturber"], *torch.autograd.grad(out.losses["perturber"], own)]
    return found


@pytest.mark.parametrize("few", [False, True], ids=["many rows", "fewer rows than classes"])
@pytest.mark.parametrize("live", [True, False], ids=["live", "given"])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_closed_form_and_autograd_agree(options, live, few, monkeypatch):
    rows = linear_rows()
    ahead = LearnStrategy(IADA(**options))
    state = rows.state(ahead)
    batch = rows.batch(slice(6, 8) if few else slice(None))
    nets = rows.nets
    if not live:
        nets = {role: replace(net, params=net.parameters) for role, net in nets.items()}
    closed = outcome(rows, ahead, state, batch, nets)
    asked = []

    def never(net, x):
        asked.append(knows_head(net, x))
        return False

    monkeypatch.setattr(_learn_strategy, "knows_head", never)
    by_autograd = outcome(rows, ahead, state, batch, nets)
    assert asked == [True]
    torch.testing.assert_close(closed, by_autograd, rtol=1e-10, atol=1e-10)


def test_other_heads_are_left_to_autograd():
    x = torch.zeros(2, 6, dtype=D)
    rows = linear_rows()
    assert knows_head(Net(rows.model), x)
    rows.model.head.bias.requires_grad_(False)
    assert not knows_head(Net(rows.model), x)
    without = SplitModule(nn.Identity(), nn.Linear(6, 3, bias=False)).to(D)
    assert not knows_head(Net(without), x)
    assert not knows_head(Net(Rows().model), x)
