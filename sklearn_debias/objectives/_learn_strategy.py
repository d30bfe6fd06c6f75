"""The look-ahead of Meta-IADA, Eqs. 7 to 9: what learns the strategies and the covariances.

Zhou et al., "Boosting Model Resilience via Implicit Adversarial Data Augmentation", IJCAI 2024; the
symbols are those of `_meta_iada`.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from sklearn_debias.core import Batch, Data, Net, Nets, Objective, State, Step, static
from sklearn_debias.objectives._class_statistics import head_weight, stepped, with_batch
from sklearn_debias.objectives._inner_attack import is_live
from sklearn_debias.objectives._linear_lookahead import knows_head, look_ahead_of_head
from sklearn_debias.objectives._lookahead import chained, look_ahead, view
from sklearn_debias.objectives._meta_iada import IADA, outputs
from sklearn_debias.objectives._seen_covariance import argument, at_argument, learned


@dataclass(frozen=True)
class LearnStrategy(Objective):
    """Update the perturbation network by the meta set, and hand on the covariances that serve it.

    Parameters
    ----------
    iada : IADA
        The real step, the phase's next.
    sigma_lr : float, default=0.1
        Learning rate of the covariances, at least 0.
    virtual : {"auto", "head", "all"}, default="auto"
        What the virtual step moves; "auto" is all up to 512 features.
    every : int, default=1
        Look ahead on one batch in so many.
    """

    iada: IADA = field(default_factory=IADA)
    sigma_lr: float = 0.1
    virtual: str = static("auto")
    every: int = static(1)
    requires = IADA.requires | {"meta"}

    @property
    def roles(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of the real step."""
        return self.iada.roles

    def init(self, nets: Nets, data: Data) -> State:
        """Begin as the real step does."""
        return self.iada.init(nets, data)

    def step(self, nets: Nets, batch: Batch, state: State) -> Step:
        """Take the virtual step (Eq. 7); learn Omega (Eq. 8) and Sigma (Eq. 9)."""
        assert batch.meta is not None
        part = stepped(nets["model"], self.virtual)
        net, x = view(nets["model"], batch.x, part)
        # f^t comes from the net before the virtual step, and counts as given.
        with torch.no_grad():
            h, logits = outputs(net, x)
        state = with_batch(state, h, batch.y, live=is_live(nets))
        covariance = self.iada.seen(net, batch.y, state)
        perturber = nets["perturber"] if self.iada.epsilon is None else None
        epsilon, f, new = self.iada.strategy(perturber, net, h, logits, batch, state)

        meta = view(nets["model"], batch.meta.x, part)[1], batch.meta.y
        if knows_head(net, x) and not self.iada.copies:
            weight = head_weight(net).detach()
            given = epsilon.detach()
            own = self.iada.augmented(weight, logits, batch.y, given, covariance, state)
            ahead = look_ahead_of_head(net, h, batch.y, own, meta, batch.lr)
        else:

            def loss(phi: Net, value: Tensor, given: Tensor) -> Tensor:
                z = outputs(phi, x)[1]
                at = at_argument(covariance, value)
                return self.iada.loss(phi, z, batch.y, given, at, state, batch.generator).mean()

            start = (argument(covariance), epsilon)
            ahead = look_ahead(net, loss, start, meta, batch.lr, live=is_live(nets))
        # Carried, not kept in the state: what is learned of a covariance serves one step only.
        carry = learned(covariance, ahead, self.sigma_lr)
        if f is None:
            return Step({}, new, {"meta": ahead.value}, carry=carry)
        carry["characteristics"] = f
        losses = {"perturber": chained(ahead.value, ahead.gradients[1], epsilon)}
        # In the log, so that an error of the epoch names what was not finite first.
        log = {"characteristics": f.mean()}
        return Step(losses, new, log, carry=carry)
