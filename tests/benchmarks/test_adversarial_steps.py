"""Adversarial training on images: DHAT against a loop by hand and against PGD-AT, 10 steps each."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from sklearn_debias import AdversarialTrainingClassifier, DHATClassifier
from sklearn_debias.core import SplitModule

pytestmark = pytest.mark.filterwarnings("ignore:The fitted model predicts")  # noise teaches nothing
N, C, BATCH, EPOCHS = 512, 10, 128, 4
EPSILON, INVERSE, STEP, OMEGA = 8 / 255, 4 / 255, 2 / 255, 0.1
rng = np.random.default_rng(0)
X = rng.random((N, 3, 32, 32), dtype=np.float32)
y = np.arange(N) % C
SHARED = {"max_epochs": EPOCHS, "batch_size": BATCH, "device": "cpu", "random_state": 0}


def network():
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


def learn(net, loss_of, epochs=EPOCHS):
    x, t = torch.from_numpy(X), torch.from_numpy(y)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    net.train()
    for _ in range(epochs):
        for i in torch.randperm(N).split(BATCH):
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


def dhat_by_hand():
    attention, net = network(), network()
    learn(attention, lambda net, x, t: F.cross_entropy(net(x), t))
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

    learn(net, loss)


def test_image_dhat_against_a_loop_by_hand(compare):
    ours = DHATClassifier(network, **SHARED)
    compare(lambda: ours.fit(X, y), dhat_by_hand, rounds=5, limit=1.05)


def test_image_dhat_against_pgd_at(compare):
    """The attention's training included, which PGD-AT has not."""
    ours, at = DHATClassifier(network, **SHARED), AdversarialTrainingClassifier(network, **SHARED)
    compare(lambda: ours.fit(X, y), lambda: at.fit(X, y), rounds=5, limit=2.6)
