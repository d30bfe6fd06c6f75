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
from sklearn_debias.objectives._class_statistics import head_weight, stepped, with_batch
from sklearn_debias.objectives._inner_attack import is_live
from sklearn_debias.objectives._isda import ISDA
from sklearn_debias.objectives._lookahead import look_ahead, view
from sklearn_debias.objectives._seen_covariance import argument, at_argument, learned, seen


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
    virtual : {"auto", "head", "all"}, default="auto"
        What the virtual step moves; "auto" is all up to 512 features.
    every : int, default=1
        Look ahead on one batch in so many.
    """

    isda: ISDA = field(default_factory=ISDA)
    sigma_lr: float = 0.1
    virtual: str = static("auto")
    every: int = static(1)
    requires = ISDA.requires | {"meta"}

    def init(self, nets: Nets, data: Data) -> State:
        """Begin as `ISDA` does."""
        return self.isda.init(nets, data)

    def step(self, nets: Nets, batch: Batch, state: State) -> Step:
        """Take the virtual step, then learn the covariances, Eqs. 7 and 8; no network learns."""
        assert batch.meta is not None
        part = stepped(nets["model"], self.virtual)
        net, x = view(nets["model"], batch.x, part)
        with torch.no_grad():
            state = with_batch(state, net.body(x), batch.y, live=is_live(nets))
            covariance = seen(state["covariance"], head_weight(net), batch.y)
        meta = view(nets["model"], batch.meta.x, part)[1], batch.meta.y

        def loss(phi: Net, value: Tensor) -> Tensor:
            given = at_argument(covariance, value)
            return self.isda.loss(phi, phi.body(x), batch.y, given, state).mean()

        start = (argument(covariance),)
        ahead = look_ahead(net, loss, start, meta, batch.lr, live=is_live(nets))
        carry = learned(covariance, ahead, self.sigma_lr)
        return Step({}, state, {"meta": ahead.value}, carry=carry)
