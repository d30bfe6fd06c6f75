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

from dataclasses import dataclass

import torch
from torch import Tensor

from sklearn_debias.core import Batch, Data, Net, Nets, State, Step, static
from sklearn_debias.losses import cross_entropy, true_probability
from sklearn_debias.objectives._sampling import class_balance
from sklearn_debias.objectives._two_stages import FullBatch, features_of_part, held_out_part


def example_weights(p: Tensor, beta: Tensor, gamma: float | Tensor) -> Tensor:
    """Return ``beta exp(-gamma p)``, normalised to sum to 1; shape (m,)."""
    # The shift by the smallest p cancels, and keeps the weights of a large gamma from being all 0.
    weight = beta * (-gamma * (p - p.min())).exp()
    return weight / weight.sum()


@dataclass(frozen=True)
class ReweightHead(FullBatch):
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
        second = held_out_part(data.y, self.share, self.seed)
        y = data.y[second]
        with torch.no_grad():
            features = features_of_part(frozen, data, "model", second)
            p = true_probability(frozen.head(features), y)
        beta = class_balance(y, data.n_classes, p.dtype)
        # Clones: the frozen net shares the storage of the live head, which is about to move.
        erm = {name: w.clone() for name, w in _head(frozen).items()}
        return {"features": features, "y": y, "p": p, "beta": beta, **erm}

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
