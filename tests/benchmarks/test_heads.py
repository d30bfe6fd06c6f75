"""A head on embeddings: n=5000, d=512, batch 128, 30 epochs, Adam, on the CPU."""

import numpy as np
import torch
import torch.nn.functional as F
from skorch import NeuralNetClassifier
from torch import nn

from sklearn_debias import BiasAdvClassifier, ERMClassifier, LfFClassifier
from sklearn_debias.core import SplitModule

N, D, C, BATCH, EPOCHS = 5000, 512, 10, 128, 30
rng = np.random.default_rng(0)
X = rng.standard_normal((N, D), dtype=np.float32)
y = rng.integers(0, C, N)
SETTINGS = {"max_epochs": EPOCHS, "batch_size": BATCH, "device": "cpu", "random_state": 0}


def adam(module):
    return torch.optim.Adam(module.parameters(), lr=1e-3, weight_decay=1e-4)


def erm_by_hand():
    x, t = torch.from_numpy(X), torch.from_numpy(y)
    net = nn.Linear(D, C)
    optimizer = adam(net)
    for _ in range(EPOCHS):
        total = torch.zeros(())
        for i in torch.randperm(N).split(BATCH):
            loss = F.cross_entropy(net(x[i]), t[i])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach()
        assert torch.isfinite(total)


def lff_by_hand(q=0.7, ema=0.7):
    x, t = torch.from_numpy(X), torch.from_numpy(y)
    model, biased = nn.Linear(D, C), nn.Linear(D, C)
    optimizers = adam(model), adam(biased)
    average = {"b": torch.full((N,), -1.0), "d": torch.full((N,), -1.0)}
    for _ in range(EPOCHS):
        total = torch.zeros(2)
        for i in torch.randperm(N).split(BATCH):
            xb, tb = x[i], t[i]
            z_d, z_b = model(xb), biased(xb)
            loss = {
                "d": F.cross_entropy(z_d, tb, reduction="none"),
                "b": F.cross_entropy(z_b, tb, reduction="none"),
            }
            scaled = {}
            for k, value in loss.items():
                old = average[k][i]
                average[k][i] = torch.where(
                    old < 0, value.detach(), ema * old + (1 - ema) * value.detach()
                )
                top = torch.zeros(C).scatter_reduce(0, t, average[k], "amax")
                scaled[k] = average[k][i] / torch.where(top > 0, top, 1.0)[tb]
            w = scaled["b"] / (scaled["b"] + scaled["d"] + 1e-8)
            p = z_b.softmax(-1).gather(1, tb[:, None])[:, 0].detach()
            model_loss, biased_loss = (w * loss["d"]).mean(), (q * p**q * loss["b"]).mean()
            for optimizer in optimizers:
                optimizer.zero_grad()
            (model_loss + biased_loss).backward()
            for optimizer in optimizers:
                optimizer.step()
            total += torch.stack([model_loss.detach(), biased_loss.detach()])
        assert torch.isfinite(total).all()


def test_erm_against_a_loop_by_hand(compare):
    compare(lambda: ERMClassifier(**SETTINGS).fit(X, y), erm_by_hand, rounds=7, limit=1.3)


def test_lff_against_a_loop_by_hand(compare):
    compare(lambda: LfFClassifier(**SETTINGS).fit(X, y), lff_by_hand, rounds=7, limit=1.2)


def test_erm_against_skorch_as_it_comes(compare):
    net = NeuralNetClassifier(
        nn.Linear,
        module__in_features=D,
        module__out_features=C,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        optimizer__weight_decay=1e-4,
        lr=1e-3,
        max_epochs=EPOCHS,
        batch_size=BATCH,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )
    compare(
        lambda: ERMClassifier(**SETTINGS).fit(X, y), lambda: net.fit(X, y), rounds=3, limit=1 / 2.5
    )


def by_autograd(in_features=D, out_features=C):
    """A linear head that is not known as one: its attack is left to autograd."""
    return SplitModule(nn.Sequential(nn.Identity()), nn.Linear(in_features, out_features))


def test_biasadv_in_closed_form_against_autograd(compare):
    settings = {**SETTINGS, "max_epochs": 6}
    compare(
        lambda: BiasAdvClassifier(**settings).fit(X, y),
        lambda: BiasAdvClassifier(by_autograd, **settings).fit(X, y),
        rounds=5,
        limit=0.75,
    )
