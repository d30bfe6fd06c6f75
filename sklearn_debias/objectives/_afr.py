"""Automatic feature reweighting.

Qiu et al., "Simple and Fast Group Robustness by Automatic Feature Reweighting", ICML 2023.

==============  =================================  ==============================
paper           here                               shape
==============  =================================  ==============================
D_ERM, D_RW     `two_parts`                        masks (n,)
e(x)            ``state["features"]``              (m, d), the m rows of D_RW
w, w-hat        the head, ``state["erm.*"]``       as the head's parameters
p-hat_y         ``state["p"]``                     (m,)
beta_y          ``state["beta"]``                  (m,)
mu              `example_weights`, Eq. 1           (m,), sums to 1
lambda          ``lam``
==============  =================================  ==============================

The first stage is ERM on D_ERM. The second computes the features of D_RW once, in eval mode, and
takes one step of the head per epoch on all of them, as the paper does.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from sklearn_debias.core import Batch, Data, Net, Nets, Objective, State, Step, static
from sklearn_debias.losses import cross_entropy, true_probability
from sklearn_debias.objectives._erm import ERM
from sklearn_debias.objectives._sampling import random_ranks


def two_parts(y: Tensor, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Return which rows the first and the second stage train on; masks (n,).

    The second stage has ``share`` of each class. Both parts hold every class: of two rows or more
    at least one each, a single row is in both.
    """
    size = y.cpu().bincount()
    wanted = (share * size).round().long().clamp(min=1)
    wanted = wanted.minimum((size - 1).clamp(min=1))
    # A generator of the seed alone: each stage makes the split anew, and must find the same.
    ranks = random_ranks(y, torch.Generator().manual_seed(seed))
    second = ranks < wanted[y.cpu()]
    return ~second | (size == 1)[y.cpu()], second


def features_of_part(frozen: Net, data: Data, role: str, mask: Tensor) -> Tensor:
    """Return the features (m, ...) of the rows in ``mask`` (n,) by the net of a role."""
    return torch.cat(list(_features(frozen, data, role, mask)))


def _features(frozen: Net, data: Data, role: str, mask: Tensor) -> Iterator[Tensor]:
    """Yield the features of the rows in ``mask``, batch by batch in row order."""
    start = 0
    for x in data.batches(role):
        inside = mask[start : start + len(x)]
        start += len(x)
        if inside.any():
            yield frozen.body(x[inside])


def example_weights(p: Tensor, beta: Tensor, gamma: float | Tensor) -> Tensor:
    """Return ``beta exp(-gamma p)``, normalised to sum to 1; shape (m,)."""
    # The shift by the smallest p cancels, and keeps the weights of a large gamma from being all 0.
    weight = beta * (-gamma * (p - p.min())).exp()
    return weight / weight.sum()


@dataclass(frozen=True)
class ERMOnPart(ERM):
    """The first stage: ERM on the rows that the second does not reweight.

    Parameters
    ----------
    share : float, default=0.2
        Of each class's rows, left to the second stage.
    seed : int, default=0
        Of the split; the second stage must have the same.
    by_group : bool, default=False
        Leave that share of each group's rows, where groups are known, instead of each class's.
    """

    share: float = static(0.2)
    seed: int = static(0)
    by_group: bool = static(False)

    def init(self, nets: Nets, data: Data) -> State:
        """Split the rows."""
        group = data.group if self.by_group and data.group is not None else data.y
        first, _ = two_parts(group, self.share, self.seed)
        return {"first": first.to(data.y.device)}

    def visits(self, data: Data, state: State, generator: torch.Generator) -> Tensor | None:
        """Visit each row of the first part once."""
        return state["first"].cpu().nonzero().squeeze(1)


@dataclass(frozen=True)
class ReweightHead(Objective):
    """The second stage: the head alone, on rows weighted by how badly the first stage fits them.

    Parameters
    ----------
    gamma : float, default=4.0
        At least 0: how fast the weight falls with the probability of the true class; 0 weighs all
        alike.
    lam : float, default=0.3
        Weight of the squared distance from the first stage's head, at least 0.
    share : float, default=0.2
        Of each class's rows, to reweight.
    seed : int, default=0
        Of the split, as in the first stage.
    """

    requires = frozenset({"body", "every_row"})

    gamma: float = 4.0
    lam: float = 0.3
    share: float = static(0.2)
    seed: int = static(0)

    def init(self, nets: Nets, data: Data) -> State:
        """Compute the second part's features and the first stage's fit of them, in eval mode."""
        frozen = nets["model"].frozen()
        _, second = two_parts(data.y, self.share, self.seed)
        second = second.to(data.y.device)
        y = data.y[second]
        with torch.no_grad():
            features = features_of_part(frozen, data, "model", second)
            p = true_probability(frozen.head(features), y)
        beta = 1 / y.bincount().to(p.dtype)[y]
        # Clones: the frozen net shares the storage of the live head, which is about to move.
        erm = {name: w.clone() for name, w in _head(frozen).items()}
        return {"features": features, "y": y, "p": p, "beta": beta, **erm}

    def visits(self, data: Data, state: State, generator: torch.Generator) -> Tensor | None:
        """Visit one row, for one step an epoch: the rows that count are in the state."""
        return torch.zeros(1, dtype=torch.int64)

    def step(self, nets: Nets, batch: Batch, state: State) -> Step:
        """Weigh the cross entropy of the second part; add the distance that the head has moved."""
        loss = cross_entropy(nets["model"].head(state["features"]), state["y"])
        fit = example_weights(state["p"], state["beta"], self.gamma) @ loss
        moved = [(w - state[name]).square().sum() for name, w in _head(nets["model"]).items()]
        distance = torch.stack(moved).sum()
        return Step({"model": fit + self.lam * distance}, state, {"distance": distance})


def _head(net: Net) -> dict[str, Tensor]:
    """Return the parameters of the head, by the names that w-hat has in the state."""
    return {f"erm.{name}": p for name, p in net.parameters.items() if name.startswith("head.")}
