"""A ULE head on embeddings: n=4795, d=512, batch 128, SGD with momentum, on the CPU."""

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.model_selection import PredefinedSplit
from torch import nn

from sklearn_debias import ULEClassifier
from sklearn_debias.model_selection import BatchedGridSearchCV

N, D, C, BATCH, EPOCHS, LAM, SCALE = 4795, 512, 2, 128, 10, 0.5, 10.0
rng = np.random.default_rng(0)
X = rng.standard_normal((N, D), dtype=np.float32)
y = rng.integers(0, C, N)
SETTINGS = {
    "lam": LAM,
    "scale": SCALE,
    "max_epochs": EPOCHS,
    "batch_size": BATCH,
    "device": "cpu",
    "random_state": 0,
}


def train_by_hand(opposition, epochs=EPOCHS):
    x, t = torch.from_numpy(X), torch.from_numpy(y)
    student, teacher = nn.Linear(D, C), nn.Linear(D, C)
    optimizer = torch.optim.SGD(
        [*student.parameters(), *teacher.parameters()],
        1e-2,
        momentum=0.9,
        weight_decay=1e-4,
        fused=True,
    )
    for _ in range(epochs):
        total = torch.zeros(3)
        for i in torch.randperm(N).split(BATCH):
            xb, tb = x[i], t[i]
            z_s, z_t, mse = opposition(student, teacher, xb)
            ce_s, ce_t = F.cross_entropy(z_s, tb), F.cross_entropy(z_t, tb)
            optimizer.zero_grad()
            (ce_s + LAM * ce_t + (1 - LAM) * SCALE * mse).backward()
            optimizer.step()
            total += torch.stack([ce_s, ce_t, mse]).detach()
        assert torch.isfinite(total).all()


def double_backward(student, teacher, x):
    maps, logits = [], []
    for net in (student, teacher):
        moving = x.clone().requires_grad_(True)
        z = net(moving)
        g = torch.autograd.grad(z.amax(1).sum(), moving, create_graph=True)[0]
        maps.append(g / g.abs().amax(1, keepdim=True))
        logits.append(z)
    return *logits, (maps[0].detach() + maps[1]).square().mean()


def closed_form(student, teacher, x):
    z_s, z_t = student(x), teacher(x)
    w_s, w_t = (net.weight / net.weight.abs().amax(1, keepdim=True) for net in (student, teacher))
    w_s = w_s.detach()
    pair = z_s.argmax(1) * C + z_t.argmax(1)
    share = torch.bincount(pair, minlength=C * C).view(C, C) / len(x)
    table = (w_s.square().sum(1)[:, None] + w_t.square().sum(1) + 2 * w_s @ w_t.T) / D
    return z_s, z_t, (share * table).sum()


def test_ule_against_double_backward(compare):
    # Two forwards, two cross entropies, their backward and the update are some .9 ms of each step
    # of either; the maps add 1.7 ms differentiated twice, .3 ms in closed form. So one fit cannot
    # be six times faster, a stack can.
    reference = lambda: train_by_hand(double_backward)  # noqa: E731
    compare(lambda: ULEClassifier(**SETTINGS).fit(X, y), reference, rounds=7, limit=1 / 1.5)


def test_ule_in_a_stack_against_double_backward(compare):
    fold = PredefinedSplit(np.where(np.arange(2 * N) < N, -1, 0))
    search = BatchedGridSearchCV(
        ULEClassifier(**SETTINGS), {"lr": np.logspace(-4, -1, 22)}, cv=fold, refit=False
    )
    twice = np.concatenate([X, X]), np.concatenate([y, y])
    compare(
        lambda: search.fit(*twice), lambda: train_by_hand(double_backward), rounds=5, limit=22 / 6
    )


def test_ule_against_a_closed_form_by_hand(compare):
    compare(
        lambda: ULEClassifier(**SETTINGS).fit(X, y),
        lambda: train_by_hand(closed_form),
        rounds=7,
        limit=1.3,
    )
