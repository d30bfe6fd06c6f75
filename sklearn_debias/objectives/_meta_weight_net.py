"""Meta-Weight-Net: the weight of each sample is a learned function of its loss.

Shu et al., "Meta-Weight-Net: Learning an Explicit Mapping For Sample Weighting", NeurIPS 2019.

==============  ==========================================  ==============
paper           here                                        shape
==============  ==========================================  ==============
V(L; Theta)     sigmoid of ``nets["weigher"]``              (b,), in (0, 1)
w               ``model``
w^ (Eq. 6)      the virtual step of `look_ahead`
Theta (Eq. 7)   `LearnWeights`
w (Eq. 8)       `WeightedByNet`
==============  ==========================================  ==============

The weights are divided by their sum over the batch, as in the authors' code.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from sklearn_debias.core import Batch, Net, Nets, Objective, State, Step, static
from sklearn_debias.losses import cross_entropy
from sklearn_debias.objectives._lookahead import chained, look_ahead, view


def sample_weights(weigher: Net, loss: Tensor) -> Tensor:
    """Return the weights of samples by their losses (b,), which count as given; they sum to 1."""
    weight = weigher(loss.detach()[:, None])[:, 0].sigmoid()
    # All sigmoids of a batch may underflow to 0.
    return weight / weight.sum().clamp(min=1e-8)


@dataclass(frozen=True)
class LearnWeights(Objective):
    """Update the weight net by the loss on the meta set after a virtual step of the model.

    Parameters
    ----------
    virtual : {"head", "all"}, default="all"
        What the virtual step moves.
    every : int, default=1
        Look ahead on one batch in so many.
    """

    virtual: str = static("all")
    every: int = static(1)
    roles = ("model", "weigher")
    requires = frozenset({"meta"})

    def step(self, nets: Nets, batch: Batch, state: State) -> Step:
        """Take the virtual step, then learn the weight net: Eqs. 6 and 7."""
        assert batch.meta is not None
        net, x = view(nets["model"], batch.x, self.virtual)
        meta = view(nets["model"], batch.meta.x, self.virtual)[1], batch.meta.y
        with torch.no_grad():
            current = cross_entropy(net(x), batch.y)
        weight = sample_weights(nets["weigher"], current)

        def loss(phi: Net, given: Tensor) -> Tensor:
            return given @ cross_entropy(phi(x), batch.y)

        ahead = look_ahead(net, loss, (weight,), meta, batch.lr, live=nets["model"].params is None)
        return Step({"weigher": chained(ahead.value, ahead.gradients[0], weight)}, state)


@dataclass(frozen=True)
class WeightedByNet(Objective):
    """The real step: cross entropy weighted by the weight net."""

    roles = ("model", "weigher")

    def step(self, nets: Nets, batch: Batch, state: State) -> Step:
        """Return the weighted cross entropy, Eq. 8."""
        loss = cross_entropy(nets["model"](batch.x), batch.y)
        # Theta is new already: the step that learns it runs before this one.
        weight = sample_weights(nets["weigher"].frozen(), loss)
        return Step({"model": weight @ loss}, state)
