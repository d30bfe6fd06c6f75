"""Robust accuracy (some 30 %) of a small CNN on 1000 images, with and without leaving early."""

import torch
import torch.nn.functional as F
from torch import nn

from sklearn_debias.attacks import PGD
from sklearn_debias.robustness import robust_accuracy_score

N, EPSILON = 1000, 0.006
ATTACK = PGD(20, step_size=EPSILON / 4)  # the papers' step
generator = torch.Generator().manual_seed(0)


def network():
    """Weights as torch draws them, which have no say in the ratio."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 32, 4, 2, 1),
            nn.ReLU(),
            nn.Conv2d(32, 64, 4, 2, 1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(4096, 10),
        )


def images():
    """Smooth images, and the network's own answers as labels but for 15 %."""
    x = F.interpolate(torch.rand(N, 3, 8, 8, generator=generator), (32, 32), mode="bilinear")
    with torch.no_grad():
        y = NET(x).argmax(1)
    wrong = torch.rand(N, generator=generator) < 0.15
    return x, torch.where(wrong, (y + 1) % 10, y)


NET = network()
X, y = images()


def score(judge):
    return robust_accuracy_score(NET, X, y, attack=ATTACK, epsilon=EPSILON, judge=judge)


def test_rows_that_are_fooled_leave(compare):
    assert 0.25 < score("any") < 0.35
    compare(lambda: score("any"), lambda: score("last"), rounds=5, limit=1 / 2)
