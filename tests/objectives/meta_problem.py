"""A small problem with a meta set, and helpers for the tests of methods that look ahead."""

import copy

import torch
from torch import nn

from sklearn_debias.core import Batch, Data, Net, SplitModule
from sklearn_debias.losses import cross_entropy

D = torch.float64
N, K, FEATURES, INPUTS = 12, 3, 5, 6
Y = torch.tensor([0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2])
LR = 0.3


class Rows:
    """Rows, a meta set, and networks for them; every one is drawn from a seed."""

    def __init__(self, seed=0, *, batch_norm=False):
        generator = torch.Generator().manual_seed(seed)

        def draw(*shape):
            return torch.randn(*shape, generator=generator, dtype=D)

        self.x, self.meta_x, self.meta_y = draw(N, INPUTS), draw(6, INPUTS), torch.arange(6) % K
        middle = [nn.BatchNorm1d(FEATURES)] if batch_norm else []
        self.model = SplitModule(
            nn.Sequential(nn.Linear(INPUTS, FEATURES), *middle, nn.Tanh()), nn.Linear(FEATURES, K)
        )
        self.perturber = nn.Sequential(nn.Linear(15, 7), nn.Tanh(), nn.Linear(7, 1))
        self.weigher = nn.Sequential(nn.Linear(1, 7), nn.Tanh(), nn.Linear(7, 1))
        for module in (self.model, self.perturber, self.weigher):
            for parameter in module.to(D).parameters():
                nn.init.normal_(parameter, std=0.7, generator=generator)
        self.covariance = self.spd(draw(K, FEATURES, FEATURES))

    @staticmethod
    def spd(root):
        return root @ root.mT / 2

    @property
    def nets(self):
        return {name: Net(getattr(self, name)) for name in ("model", "perturber", "weigher")}

    @property
    def data(self):
        return Data(Y, K, lambda role: [self.x])

    def batch(self, rows=slice(None), **fields):
        meta = Batch(self.meta_x, self.meta_y, torch.arange(6))
        return Batch(self.x[rows], Y[rows], torch.arange(N)[rows], meta=meta, lr=LR, **fields)

    def state(self, objective):
        """First state, as if four earlier rows of each class had had ``self.covariance``."""
        state = dict(objective.init(self.nets, self.data))
        diagonal = state["covariance"].ndim == 2
        state["covariance"] = (
            self.covariance.diagonal(dim1=1, dim2=2).clone() if diagonal else self.covariance
        )
        state["count"] = torch.full((K,), 4.0, dtype=D)
        return state


def learned_covariance(carry, covariance, weight):
    """Write out the covariances that a step has learned, class by class and term by term."""
    if "covariance" in carry:
        return carry["covariance"]
    w, v = weight.detach(), carry["way"]
    found = covariance.clone()
    for c in range(len(w)):
        for j in range(len(w)):
            u, s = w[j] - w[c], v[j] - v[c]
            found[c] -= carry["by_spread"][c, j] / 2 * torch.outer(u, u)
            found[c] -= carry["by_slope"][c, j] / 2 * (torch.outer(u, s) + torch.outer(s, u))
    return found


def explicit_meta_loss(rows, training_loss, virtual):
    """Return the cross entropy of the meta rows after one plain step of a copy of the model.

    The step is on ``training_loss(model)``.
    """
    model = copy.deepcopy(rows.model)
    parameters = list(model.parameters() if virtual != "head" else model.head.parameters())
    gradients = torch.autograd.grad(training_loss(model), parameters)
    with torch.no_grad():
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter -= LR * gradient
        return cross_entropy(model(rows.meta_x), rows.meta_y).mean()


def difference(value, step=1e-5):
    """Derivative of ``value(t)`` at 0, by central differences."""
    return float((value(step) - value(-step)) / (2 * step))


def buffers(module):
    return {name: value.clone() for name, value in module.named_buffers()}
