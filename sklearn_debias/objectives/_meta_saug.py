"""MetaSAug: implicit semantic augmentation whose covariances are learned on a balanced meta set.

Li et al., "MetaSAug: Meta Semantic Augmentation for Long-Tailed Visual Recognition", CVPR 2021.

==================  ===============================================
paper               here
==================  ===============================================
L^MetaSAug          `ISDA` with the class-balanced weights
theta~ (virtual)    `look_ahead`, plain SGD at the current lr
Sigma update        `MetaSAug`, for the same batch's real step only
==================  ===============================================
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from sklearn_debias.core import Batch, Data, Net, Nets, Objective, State, Step, static
from sklearn_debias.objectives._class_statistics import descended, with_batch
from sklearn_debias.objectives._isda import ISDA
from sklearn_debias.objectives._lookahead import look_ahead, view


@dataclass(frozen=True)
class MetaSAug(Objective):
    """Look ahead, and hand the covariances that serve the meta set to `ISDA`.

    `ISDA` is the phase's next step.

    Parameters
    ----------
    isda : ISDA
        The real step.
    sigma_lr : float, default=0.1
        Learning rate of the covariances, at least 0.
    virtual : {"head", "all"}, default="head"
        What the virtual step moves.
    every : int, default=1
        Look ahead on one batch in so many.
    """

    isda: ISDA = field(default_factory=ISDA)
    sigma_lr: float = 0.1
    virtual: str = static("head")
    every: int = static(1)
    requires = ISDA.requires | {"meta"}

    def init(self, nets: Nets, data: Data) -> State:
        """Begin as `ISDA` does."""
        return self.isda.init(nets, data)

    def step(self, nets: Nets, batch: Batch, state: State) -> Step:
        """Take the virtual step, then learn the covariances, Eqs. 7 and 8; no network learns."""
        assert batch.meta is not None
        net, x = view(nets["model"], batch.x, self.virtual)
        with torch.no_grad():
            state = with_batch(state, net.body(x), batch.y)
        meta = view(nets["model"], batch.meta.x, self.virtual)[1], batch.meta.y

        def loss(phi: Net, covariance: Tensor) -> Tensor:
            return self.isda.loss(phi, phi.body(x), batch.y, covariance, state).mean()

        value, (gradient,) = look_ahead(
            net, loss, (state["covariance"],), meta, batch.lr, live=nets["model"].params is None
        )
        covariance = descended(state["covariance"], gradient, self.sigma_lr)
        return Step({}, state, {"meta": value}, carry={"covariance": covariance})
