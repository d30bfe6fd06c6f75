"""BiasAdv on images: torchvision's ResNet-18, 32x32, batch 128, LfF as the base, on the CPU."""

import numpy as np
import torch
import torch.nn.functional as F
from torchvision.models import resnet18

from sklearn_debias import BiasAdvClassifier, LfFClassifier

N, C, BATCH, STEPS, EPOCHS = 256, 10, 128, 5, 4
LAM, EPSILON, BETA, Q = 0.5, 0.3, 0.5, 0.7
rng = np.random.default_rng(0)
X = rng.random((N, 3, 32, 32), dtype=np.float32)
y = np.arange(N) % C


def per_sample(net, x, t):
    return F.cross_entropy(net(x), t, reduction="none")


def attack_by_hand(model, biased, x, t):
    model.eval(), biased.eval()
    delta, step = torch.zeros_like(x), 2.5 * EPSILON / STEPS
    for _ in range(STEPS):
        moved = (x + delta).requires_grad_(True)
        loss = (per_sample(biased, moved, t) - LAM * per_sample(model, moved, t)).sum()
        g = torch.autograd.grad(loss, moved)[0]
        delta = delta + step * g / (g.flatten(1).norm(dim=1)[:, None, None, None] + 1e-12)
        norm = delta.flatten(1).norm(dim=1)[:, None, None, None].clamp(min=1e-12)
        delta = delta * (EPSILON / norm).clamp(max=1)
    model.train(), biased.train()
    return (x + delta).detach()


def biasadv_by_hand(epochs=EPOCHS):
    """Algorithm 3 with raw losses."""
    x, t = torch.from_numpy(X), torch.from_numpy(y)
    model, biased = resnet18(num_classes=C), resnet18(num_classes=C)
    optimizers = [
        torch.optim.Adam(m.parameters(), lr=1e-3, weight_decay=1e-4) for m in (model, biased)
    ]
    for _ in range(epochs):
        for i in torch.randperm(N).split(BATCH):
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


def test_image_biasadv_against_a_loop_by_hand(compare):
    base = LfFClassifier(ema=0.0, class_normalize=False)
    clf = BiasAdvClassifier(
        "resnet18", base=base, max_epochs=EPOCHS, batch_size=BATCH, device="cpu", random_state=0
    )
    compare(lambda: clf.fit(X, y), biasadv_by_hand, rounds=3, limit=1.1)
