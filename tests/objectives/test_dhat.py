"""DHAT: a step against a naive transcription, in all readings, and its identities."""

import copy
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from test_adversarial_training import (
    SETTINGS,
    attacked,
    batch,
    divergence,
    inverse_adversary,
    module,
    uniform,
)
from torch import nn

from sklearn_debias.core import Batch, Net, SplitModule
from sklearn_debias.objectives import DHAT
from sklearn_debias.objectives._dhat import (
    background_of,
    debiased_high_confidence_loss,
    foreground_orthogonal_loss,
)

SMALL = {**SETTINGS, "inverse_epsilon": 0.15}


def own_cut(values):
    """Return where one map's values part, by trying every cut."""
    found = (-1.0, float(values.min()))
    for cut in values.tolist():
        low, high = values[values <= cut], values[values > cut]
        if len(high):
            shares = len(low) * len(high) / len(values) ** 2
            found = max(found, (shares * float(high.mean() - low.mean()) ** 2, cut))
    return found[1]


def naive_dhat(net, attention_net, rows, dhlr, floe, lam1, lam2, omega, p=2.0):
    """Algorithm 1 as a plain loop; gradient x input as attention."""
    x_adv = attacked(
        net, rows.x, lambda z: F.cross_entropy(z, rows.y, reduction="none"), uniform(rows)
    )
    x_inv = inverse_adversary(net, rows, x_adv)
    x = rows.x.clone().requires_grad_()
    own = attention_net(x).gather(1, rows.y[:, None]).sum()
    (gradient,) = torch.autograd.grad(own, x)
    positive = (gradient * rows.x).clamp(min=0)
    low, high = positive.amin(1, keepdim=True), positive.amax(1, keepdim=True)
    attention = (positive - low) / (high - low)
    if omega == "adaptive":
        omega = torch.tensor([[own_cut(own)] for own in attention], dtype=attention.dtype)
    foreground = attention > omega
    z_adv, z, z_back = net(x_adv), net(x_inv), net(x_inv * ~foreground)
    debiased = z - z_back
    high_confidence = {
        "code": divergence(debiased, z_adv),
        "paper": divergence(z_adv, debiased),
        "as_printed": divergence(z, debiased),
    }[dhlr].mean()
    if floe == "code":
        share = (z @ z_back.T) / torch.linalg.matrix_norm(z_back @ z_back.T)
        orthogonal = torch.linalg.matrix_norm(z - share @ z_back) / len(z)
    else:
        projected = (
            (z * z_back).sum(1, keepdim=True) / (z_back * z_back).sum(1, keepdim=True) * z_back
        )
        orthogonal = -(z - projected).abs().pow(p).sum(1).pow(1 / p).mean()
    return F.cross_entropy(z_adv, rows.y) + lam1 * high_confidence + lam2 * orthogonal


@pytest.mark.parametrize("dhlr", ["code", "paper", "as_printed"])
@pytest.mark.parametrize("floe", ["code", "paper"])
def test_one_step_is_the_naive_one(dhlr, floe):
    net, attention = module(), module(seed=9)
    objective = DHAT(
        **SMALL, dhlr=dhlr, floe=floe, lam1=0.7, lam2=1.3, omega=0.4, attention="gradient_x_input"
    )
    out = objective.step({"model": Net(net), "attention": Net(attention)}, batch(), {})
    ours = torch.autograd.grad(out.losses["model"], list(net.parameters()))
    expected = naive_dhat(net, attention, batch(), dhlr, floe, 0.7, 1.3, 0.4)
    torch.testing.assert_close(out.losses["model"], expected, rtol=1e-9, atol=1e-10)
    theirs = torch.autograd.grad(expected, list(net.parameters()))
    torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("p", [1.0, 2.0, 3.5])
def test_one_step_with_a_cut_of_each_map_and_another_norm_is_the_naive_one(p):
    net, attention = module(), module(seed=9)
    options = {"dhlr": "code", "floe": "paper", "lam1": 0.7, "lam2": 1.3}
    objective = DHAT(**SMALL, **options, floe_norm=p, adaptive=True, attention="gradient_x_input")
    out = objective.step({"model": Net(net), "attention": Net(attention)}, batch(), {})
    expected = naive_dhat(net, attention, batch(), **options, omega="adaptive", p=p)
    torch.testing.assert_close(out.losses["model"], expected, rtol=1e-9, atol=1e-10)


def test_without_background_logits_dhlr_compares_adversaries_and_inverse_ones():
    z_adv, z = module()(batch().x), module(seed=1)(batch().x)
    debiased = z - torch.zeros_like(z)
    torch.testing.assert_close(
        debiased_high_confidence_loss(z_adv, debiased, "code"), divergence(z, z_adv)
    )
    torch.testing.assert_close(
        debiased_high_confidence_loss(z_adv, debiased, "paper"), divergence(z_adv, z)
    )


def test_the_readings_of_floe_differ_in_sign_on_a_batch_of_one():
    z, z_back = module()(batch().x)[:1], module(seed=1)(batch().x)[:1]
    code, paper = (foreground_orthogonal_loss(z, z_back, reading) for reading in ("code", "paper"))
    torch.testing.assert_close(code, -paper)


def test_background_is_what_attention_leaves():
    x = torch.ones(2, 3, 2, 2)
    attention = torch.tensor([[[0.0, 0.1], [0.2, 1.0]], [[0.1, 0.1], [0.0, 0.05]]])
    kept = background_of(x, attention <= 0.1)
    assert kept[0, 0].tolist() == [[1.0, 1.0], [0.0, 0.0]]
    assert kept[1].eq(1).all()
    assert torch.equal(kept[:, 0], kept[:, 2])
    assert background_of(x, attention <= 1.0).eq(1).all()


def cnn(seed=0):
    torch.manual_seed(seed)
    body = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(4, 5, 3, padding=1),
        nn.Tanh(),
    )
    return SplitModule(nn.Sequential(body, nn.Flatten()), nn.Linear(5 * 36, 3)).double()


def images():
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(6, 2, 6, 6, generator=generator, dtype=torch.float64)
    return Batch(
        x, torch.arange(6) % 3, torch.arange(6), generator=torch.Generator().manual_seed(1)
    )


def naive_grad_cam(net, x, y):
    """Grad-CAM at the body's last map, by autograd, resized and scaled."""
    activation = net.body[0](x.clone()).detach().requires_grad_()
    logits = net.head(net.body[1:](activation))
    (gradient,) = torch.autograd.grad(logits.gather(1, y[:, None]).sum(), activation)
    cam = (gradient.mean((2, 3), keepdim=True) * activation.detach()).sum(1).clamp(min=0)
    low, high = cam.amin((1, 2), keepdim=True), cam.amax((1, 2), keepdim=True)
    return (cam - low) / (high - low)


def test_attention_of_images_is_grad_cam_of_the_true_label():
    net, rows = cnn(seed=4), images()
    objective = DHAT(attention="gradcam", layer="body.0")
    found = objective.attend({"attention": Net(net)}, rows)
    torch.testing.assert_close(found, naive_grad_cam(net, rows.x, rows.y), rtol=1e-10, atol=1e-12)


def normalised(seed):
    torch.manual_seed(seed)
    first = [nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True)]
    last = [nn.Conv2d(4, 5, 3, stride=2, padding=1), nn.BatchNorm2d(5), nn.ReLU(inplace=True)]
    maps = nn.Sequential(*first, *last)
    return SplitModule(
        nn.Sequential(maps, nn.AdaptiveAvgPool2d(1), nn.Flatten()), nn.Linear(5, 3)
    ).double()


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_a_step_on_images_with_batch_norm_is_the_naive_one(mode):
    """Algorithm 1 with Grad-CAM; only the loss's forward passes move the running statistics."""
    net, attention, rows = normalised(0), normalised(4), images()
    for _ in range(3):  # statistics that are not the start's
        net(rows.x), attention(rows.x)
    there, under_attack = copy.deepcopy(net), copy.deepcopy(net).train(mode == "train")
    settings = {"epsilon": 0.06, "inverse_epsilon": 0.03, "step_size": 0.02, "n_steps": 4}
    objective = DHAT(**settings, omega=0.3, attack_mode=mode, attention="gradcam", layer="body.0")
    out = objective.step({"model": Net(net), "attention": Net(attention)}, rows, {})
    ours = torch.autograd.grad(out.losses["model"], list(net.parameters()))

    generator = images().generator

    def search(loss, radius):
        found = (
            rows.x + radius * torch.empty_like(rows.x).uniform_(-1, 1, generator=generator)
        ).clamp(0, 1)
        for _ in range(4):
            found.requires_grad_()
            (g,) = torch.autograd.grad(loss(under_attack(found)).sum(), found)
            found = (
                rows.x + (found.detach() + 0.02 * g.sign() - rows.x).clamp(-radius, radius)
            ).clamp(0, 1)
        return found.detach()

    x_adv = search(lambda z: F.cross_entropy(z, rows.y, reduction="none"), 0.06)
    clean, adversarial = under_attack(rows.x).detach(), under_attack(x_adv).detach()
    easier = lambda z: (  # noqa: E731
        divergence(z, adversarial)
        - divergence(z, clean)
        - F.cross_entropy(z, rows.y, reduction="none")
    )
    x_inv = search(easier, 0.03)
    cam = naive_grad_cam(attention.eval(), rows.x, rows.y)
    background = (
        F.interpolate(cam[:, None], rows.x.shape[2:], mode="bilinear", align_corners=False) <= 0.3
    )
    z_adv, z, z_back = there(x_adv), there(x_inv), there(x_inv * background)
    share = z @ z_back.T / (z_back @ z_back.T).norm()
    expected = F.cross_entropy(z_adv, rows.y) + divergence(z - z_back, z_adv).mean()
    expected = expected + (z - share @ z_back).norm() / len(z)
    torch.testing.assert_close(out.losses["model"], expected, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(
        ours, torch.autograd.grad(expected, list(there.parameters())), rtol=1e-8, atol=1e-10
    )
    for mine, other in zip(net.buffers(), there.buffers(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-10, atol=1e-12)


def test_given_maps_replace_the_attention_net():
    net, attention, rows = cnn(), cnn(seed=4), images()
    own = DHAT(epsilon=0.1, inverse_epsilon=0.05, step_size=0.02, n_steps=2, layer="body.0")
    maps = own.attend({"attention": Net(attention)}, rows)
    given = replace(own, attention="given")
    assert given.roles == ("model",)
    assert given.requires - own.requires == {"attention_maps"}
    mine = own.step({"model": Net(net), "attention": Net(attention)}, rows, {})
    theirs = given.step(
        {"model": Net(net)}, replace(images(), inputs={"attention_maps": maps[:, None]}), {}
    )
    assert torch.equal(mine.losses["model"], theirs.losses["model"])


def test_everything_background_leaves_no_debiased_logits():
    rows = replace(
        images(), inputs={"attention_maps": torch.zeros(6, 1, 6, 6, dtype=torch.float64)}
    )
    objective = DHAT(
        epsilon=0.1,
        inverse_epsilon=0.05,
        step_size=0.02,
        n_steps=2,
        attention="given",
        floe="paper",
    )
    net = cnn()
    out = objective.step({"model": Net(net)}, rows, {})
    torch.testing.assert_close(
        out.log["floe"], torch.zeros((), dtype=torch.float64), rtol=0, atol=1e-6
    )
    gradients = torch.autograd.grad(out.losses["model"], list(net.parameters()))
    assert all(torch.isfinite(g).all() for g in gradients)
