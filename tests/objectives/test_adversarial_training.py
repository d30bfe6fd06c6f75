"""PGD-AT, TRADES, MART, UIAT, AWP: a step against a naive transcription, and what must hold."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from sklearn_debias.core import Batch, Net, SplitModule
from sklearn_debias.objectives import DHAT, ERM, UIAT, AdversarialTraining

SETTINGS = {"epsilon": 0.3, "step_size": 0.1, "n_steps": 4, "clip": (-1.5, 1.5)}
KL = nn.KLDivLoss(reduction="none")


def module(norm=False, seed=0):
    torch.manual_seed(seed)
    layers = [nn.Linear(6, 8), *([nn.BatchNorm1d(8)] if norm else []), nn.Tanh()]
    return SplitModule(nn.Sequential(*layers), nn.Linear(8, 3)).double()


def batch(seed=7):
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(10, 6, generator=generator, dtype=torch.float64).clamp(-1.5, 1.5)
    return Batch(
        x, torch.arange(10) % 3, torch.arange(10), generator=torch.Generator().manual_seed(seed)
    )


def stepped(objective, net, rows=None):
    """The loss of a step, and its gradients."""
    nets = {
        "model": Net(net),
        **({"attention": Net(module(seed=9))} if "attention" in objective.roles else {}),
    }
    out = objective.step(nets, rows or batch(), {})
    return out, torch.autograd.grad(out.losses["model"], list(net.parameters()))


def attacked(net, x, loss, start, epsilon=0.3, ascent=True):
    """PGD as in a textbook, on the network as it is."""
    found = (x + start).clamp(-1.5, 1.5)
    for _ in range(4):
        found.requires_grad_()
        (gradient,) = torch.autograd.grad(loss(net(found)).sum(), found)
        found = found.detach() + (0.1 if ascent else -0.1) * gradient.sign()
        found = torch.max(torch.min(found, x + epsilon), x - epsilon).clamp(-1.5, 1.5)
    return found.detach()


def uniform(rows, epsilon=0.3):
    return epsilon * torch.empty_like(rows.x).uniform_(-1, 1, generator=rows.generator)


def normal(rows):
    return 0.001 * torch.empty_like(rows.x).normal_(generator=rows.generator)


def naive_ce(net, rows):
    x_adv = attacked(
        net, rows.x, lambda z: F.cross_entropy(z, rows.y, reduction="none"), uniform(rows)
    )
    return F.cross_entropy(net(x_adv), rows.y)


def divergence(logits, target):
    """KL(target || logits) per row, torch's way round."""
    return KL(logits.log_softmax(1), target.softmax(1)).sum(1)


def naive_trades(net, rows):
    clean = net(rows.x).detach()
    x_adv = attacked(net, rows.x, lambda z: divergence(z, clean), normal(rows))
    z = net(rows.x)
    return F.cross_entropy(z, rows.y) + 6 * divergence(net(x_adv), z).mean()


def naive_mart(net, rows):
    x_adv = attacked(
        net, rows.x, lambda z: F.cross_entropy(z, rows.y, reduction="none"), normal(rows)
    )
    p, p_adv = net(rows.x).softmax(1), net(x_adv).softmax(1)
    own = F.one_hot(rows.y, 3).bool()
    boosted = (
        F.cross_entropy(net(x_adv), rows.y, reduction="none")
        - (1.0001 - p_adv[~own].view(-1, 2).amax(1)).log()
    )
    missed = 1.0000001 - p[own]
    return (boosted + 6 * divergence(p_adv.log(), p.log()) * missed).mean()


def inverse_adversary(net, rows, x_adv):
    clean, adversarial = net(rows.x).detach(), net(x_adv).detach()

    def easier(z):
        return (
            F.cross_entropy(z, rows.y, reduction="none")
            + divergence(z, clean)
            - divergence(z, adversarial)
        )

    return attacked(net, rows.x, easier, uniform(rows, 0.15), epsilon=0.15, ascent=False)


def naive_uiat(net, rows):
    x_adv = attacked(
        net, rows.x, lambda z: F.cross_entropy(z, rows.y, reduction="none"), uniform(rows)
    )
    x_inv = inverse_adversary(net, rows, x_adv)
    z = net(x_adv)
    return F.cross_entropy(z, rows.y) + 0.7 * divergence(z, net(x_inv)).mean()


@pytest.mark.parametrize(
    ("objective", "naive"),
    [
        (AdversarialTraining(**SETTINGS), naive_ce),
        (AdversarialTraining(**SETTINGS, kind="trades"), naive_trades),
        (AdversarialTraining(**SETTINGS, kind="mart"), naive_mart),
        (UIAT(**SETTINGS, inverse_epsilon=0.15, lam=0.7), naive_uiat),
    ],
    ids=["pgd-at", "trades", "mart", "uiat"],
)
def test_one_step_is_the_naive_one(objective, naive):
    net = module()
    out, gradients = stepped(objective, net)
    expected = naive(net, batch())
    torch.testing.assert_close(out.losses["model"], expected, rtol=1e-10, atol=1e-10)
    theirs = torch.autograd.grad(expected, list(net.parameters()))
    torch.testing.assert_close(gradients, theirs, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("kind", ["ce", "trades", "mart"])
@pytest.mark.parametrize("norm", [False, True])
def test_awp_is_a_step_at_weights_that_are_moved_and_put_back(kind, norm):
    objective = AdversarialTraining(**SETTINGS, kind=kind, awp=0.05)
    net, gamma = module(norm), 0.05
    views = objective.views({"model": Net(net)}, batch())
    there = copy.deepcopy(net)
    moved = copy.deepcopy(net)
    (loss, _) = objective.loss(Net(there), views, batch().y)
    for weight, direction in zip(
        moved.parameters(), torch.autograd.grad(loss, list(there.parameters())), strict=True
    ):
        if weight.ndim > 1:
            weight.data += gamma * weight.norm() * direction / direction.norm()
    expected, _ = objective.loss(Net(moved), views, batch().y)
    theirs = torch.autograd.grad(expected, list(moved.parameters()))
    out, ours = stepped(objective, net)
    torch.testing.assert_close(out.losses["model"], expected, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-10)
    for mine, other in zip(
        net.buffers(), moved.buffers(), strict=True
    ):  # moved by the loss's forward passes only
        torch.testing.assert_close(mine, other)


def test_awp_makes_the_loss_larger():
    losses = [
        stepped(AdversarialTraining(**SETTINGS, awp=gamma), module())[0].losses["model"]
        for gamma in (0, 0.1)
    ]
    assert losses[1] > losses[0] + 0.05


ALL = [
    AdversarialTraining(**SETTINGS),
    AdversarialTraining(**SETTINGS, kind="trades"),
    AdversarialTraining(**SETTINGS, kind="mart"),
    UIAT(**SETTINGS, inverse_epsilon=0.15),
    DHAT(**SETTINGS, inverse_epsilon=0.15, attention="gradient_x_input"),
]
IDS = ["pgd-at", "trades", "mart", "uiat", "dhat"]


@pytest.mark.parametrize("objective", ALL, ids=IDS)
def test_attacks_stay_in_their_balls(objective):
    rows = batch()
    views = objective.views({"model": Net(module()), "attention": Net(module(seed=9))}, rows)
    for name, radius in {"adversarial": 0.3, "inverse": 0.15}.items():
        if name in views:
            assert (views[name] - rows.x).abs().max() <= radius + 1e-12
            assert views[name].abs().max() <= 1.5
            assert not torch.equal(views[name], rows.x)


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("objective", ALL, ids=IDS)
def test_running_statistics_are_those_of_the_losses_batches(objective, mode):
    from dataclasses import replace

    objective = replace(objective, attack_mode=mode)
    net = module(norm=True)
    nets = {"model": Net(net), "attention": Net(module(norm=True, seed=9))}
    before = {name: b.clone() for name, b in net.named_buffers()}
    views = objective.views(nets, batch())
    assert all(torch.equal(b, before[name]) for name, b in net.named_buffers())
    assert net.training
    objective.loss(nets["model"], views, batch().y)
    alone = {name: b.clone() for name, b in net.named_buffers()}
    again = module(norm=True)
    objective.step({**nets, "model": Net(again)}, batch(), {})
    for name, b in again.named_buffers():
        torch.testing.assert_close(b, alone[name])


def test_attack_mode_changes_the_adversaries_of_a_net_with_statistics():
    found = []
    for mode in ("train", "eval"):
        net = module(norm=True)
        net.body[1].running_mean += 3.0  # statistics that are not the batch's
        objective = AdversarialTraining(**SETTINGS, attack_mode=mode)
        found.append(objective.views({"model": Net(net)}, batch())["adversarial"])
    assert not torch.equal(*found)


def test_no_radius_is_plain_training():
    objective = AdversarialTraining(**{**SETTINGS, "epsilon": 0.0})
    _, ours = stepped(objective, module())
    plain = module()
    out = ERM().step({"model": Net(plain)}, batch(), {})
    theirs = torch.autograd.grad(out.losses["model"], list(plain.parameters()))
    for a, b in zip(ours, theirs, strict=True):
        assert torch.equal(a, b)


def test_trades_without_its_divergence_is_plain_training():
    _, ours = stepped(AdversarialTraining(**SETTINGS, kind="trades", beta=0.0), module())
    plain = module()
    out = ERM().step({"model": Net(plain)}, batch(), {})
    torch.testing.assert_close(
        ours, torch.autograd.grad(out.losses["model"], list(plain.parameters()))
    )


@pytest.mark.parametrize(
    "objective",
    [UIAT(**SETTINGS, lam=0.0), DHAT(**SETTINGS, lam1=0.0, lam2=0.0)],
    ids=["uiat", "dhat"],
)
def test_switched_off_it_is_pgd_at(objective):
    ours, theirs = stepped(objective, module()), stepped(AdversarialTraining(**SETTINGS), module())
    assert torch.equal(ours[0].losses["model"], theirs[0].losses["model"])
    for a, b in zip(ours[1], theirs[1], strict=True):
        assert torch.equal(a, b)


def test_adversaries_are_harder_and_inverse_ones_easier():
    net, rows = module(), batch()
    views = UIAT(**SETTINGS, inverse_epsilon=0.15).views({"model": Net(net)}, rows)
    clean, adversarial, inverse = (
        F.cross_entropy(net(x), rows.y) for x in (rows.x, views["adversarial"], views["inverse"])
    )
    assert inverse < clean < adversarial
