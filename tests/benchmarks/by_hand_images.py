"""Loops on images as one writes them by hand: BiasAdv on LfF with raw losses, and DHAT.

Images (n, c, h, w) lie on the device from the beginning, in the layout that cuDNN likes there.
"""

import torch
import torch.nn.functional as F
from torch import nn

from sklearn_debias.core import SplitModule

C, BATCH = 10, 128
LAM, RADIUS, BETA, Q, STEPS = 0.5, 0.3, 0.5, 0.7, 5  # BiasAdv
EPSILON, INVERSE, STEP, OMEGA = 8 / 255, 4 / 255, 2 / 255, 0.1  # DHAT


def on_device(X, y, device):
    layout = torch.channels_last if device == "cuda" else torch.contiguous_format
    x = torch.from_numpy(X).to(device).contiguous(memory_format=layout)
    return x, torch.from_numpy(y).to(device), layout


def per_sample(net, x, t):
    return F.cross_entropy(net(x), t, reduction="none")


def attack_by_hand(model, biased, x, t):
    model.eval(), biased.eval()
    delta, step = torch.zeros_like(x), 2.5 * RADIUS / STEPS
    for _ in range(STEPS):
        moved = (x + delta).requires_grad_(True)
        loss = (per_sample(biased, moved, t) - LAM * per_sample(model, moved, t)).sum()
        g = torch.autograd.grad(loss, moved)[0]
        delta = delta + step * g / (g.flatten(1).norm(dim=1)[:, None, None, None] + 1e-12)
        norm = delta.flatten(1).norm(dim=1)[:, None, None, None].clamp(min=1e-12)
        delta = delta * (RADIUS / norm).clamp(max=1)
    model.train(), biased.train()
    return (x + delta).detach()


def biasadv(make, X, y, epochs, device="cpu"):
    """Algorithm 3 with raw losses; `make()` builds a network."""
    x, t, layout = on_device(X, y, device)
    model, biased = (make().to(device, memory_format=layout) for _ in range(2))
    optimizers = [
        torch.optim.Adam(m.parameters(), lr=1e-3, weight_decay=1e-4) for m in (model, biased)
    ]
    for _ in range(epochs):
        for i in torch.randperm(len(t)).to(device).split(BATCH):
            xb, tb = x[i], t[i]
            adversarial = attack_by_hand(model, biased, xb, tb)
            z_b = biased(xb)
            l_d, l_b = per_sample(model, xb, tb), F.cross_entropy(z_b, tb, reduction="none")
            w = (l_b / (l_b + l_d + 1e-8)).detach()
            p = z_b.softmax(-1).gather(1, tb[:, None])[:, 0].detach()
            loss = (w * l_d).mean() + BETA * ((1 - w) * per_sample(model, adversarial, tb)).mean()
            loss = loss + (Q * p**Q * l_b).mean()
            for optimizer in optimizers:
                optimizer.zero_grad()
            loss.backward()
            for optimizer in optimizers:
                optimizer.step()


def small_network():
    """Three convolutions with BatchNorm; the body ends in the last map, pooled and flattened."""
    layers = []
    for a, b, stride in ((3, 16, 1), (16, 32, 2), (32, 64, 2)):
        layers += [nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
    return SplitModule(
        nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), nn.Linear(64, C)
    )


def divergence(p, q):
    """KL(p || q) of logits, per sample."""
    log_p, log_q = p.log_softmax(1), q.log_softmax(1)
    return (log_p.exp() * (log_p - log_q)).sum(1)


def search(x, loss, radius, sign, steps=10):
    found = (x + radius * torch.empty_like(x).uniform_(-1, 1)).clamp(0, 1)
    for _ in range(steps):
        found.requires_grad_()
        (g,) = torch.autograd.grad(loss(found).sum(), found)
        found = found.detach() + sign * STEP * g.sign()
        found = (x + (found - x).clamp(-radius, radius)).clamp(0, 1)
    return found


def grad_cam(net, x, t):
    body = net.body
    with torch.no_grad():
        a = body[:-2](x)
    a.requires_grad_()
    z = net.head(body[-2:](a))
    (g,) = torch.autograd.grad(z.gather(1, t[:, None]).sum(), a)
    cam = (g.mean((2, 3), keepdim=True) * a.detach()).sum(1).relu()
    low, high = cam.amin((1, 2), keepdim=True), cam.amax((1, 2), keepdim=True)
    cam = (cam - low) / (high - low).clamp(min=1e-12)
    return F.interpolate(cam[:, None], x.shape[2:], mode="bilinear", align_corners=False)


def learn(net, loss_of, x, t, epochs):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    net.train()
    for _ in range(epochs):
        for i in torch.randperm(len(t)).to(t.device).split(BATCH):
            loss = loss_of(net, x[i], t[i])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def with_fixed_weights(net, run):
    for p in net.parameters():
        p.requires_grad_(False)
    out = run()
    for p in net.parameters():
        p.requires_grad_(True)
    return out


def dhat(make, X, y, epochs, device="cpu"):
    """Train the attention, then the network; `make()` builds a body of [..., pool, flatten]."""
    x, t, layout = on_device(X, y, device)
    attention, net = (make().to(device, memory_format=layout) for _ in range(2))
    learn(attention, lambda net, x, t: F.cross_entropy(net(x), t), x, t, epochs)
    attention.eval()

    def loss(net, x, t):
        def attack():
            hard = search(x, lambda v: F.cross_entropy(net(v), t, reduction="none"), EPSILON, 1)
            with torch.no_grad():
                clean, adversarial = net(x), net(hard)

            def easier(v):
                z = net(v)
                return (
                    F.cross_entropy(z, t, reduction="none")
                    + divergence(clean, z)
                    - divergence(adversarial, z)
                )

            return hard, search(x, easier, INVERSE, -1)

        hard, inverse = with_fixed_weights(net, attack)
        background = inverse * (grad_cam(attention, x, t) <= OMEGA)
        z_hard, z, z_back = net(hard), net(inverse), net(background)
        share = z @ z_back.T / (z_back @ z_back.T).norm()
        orthogonal = (z - share @ z_back).norm() / len(z)
        return F.cross_entropy(z_hard, t) + divergence(z_hard, z - z_back).mean() + orthogonal

    learn(net, loss, x, t, epochs)
