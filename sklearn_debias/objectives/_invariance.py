"""Invariance across environments: a penalty on what differs between them.

IRMv1 (Arjovsky et al. 2019), IB-IRM (Ahuja et al., NeurIPS 2021), V-REx (Krueger et al., ICML
2021), CORAL (Sun and Saenko 2016) and MMD (Li et al., CVPR 2018), the last two between all pairs of
environments as in DomainBed (Gulrajani and Lopez-Paz, ICLR 2021).

=================  ================================================  =========
papers             here                                              shape
=================  ================================================  =========
e, R^e             ``batch.group``, mean cross entropy in it         (b,), (e,)
Phi                ``nets["model"].body``                            (b, d)
lambda, beta       ``penalty_weight``                                scalar
gamma of IB-IRM    ``bottleneck_weight``                             scalar
=================  ================================================  =========

    L = (mean_e R^e + lambda penalty + gamma Var(Phi)) / max(lambda, 1)

The mean is over the environments that a batch holds. The division keeps the gradients in a range
that one learning rate serves, as in the public code of IRM and of V-REx.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from sklearn_debias.core import Batch, Data, Nets, Objective, State, Step, static
from sklearn_debias.losses import (
    coral_distance,
    cross_entropy,
    environment_means,
    feature_variance,
    irm_penalty,
    mean_over_present,
    membership,
    mmd_distance,
    risk_variance,
)
from sklearn_debias.objectives._erm import ERM

OF_FEATURES = ("ib_irm", "coral", "mmd")


@dataclass(frozen=True)
class Invariance(Objective):
    """Mean risk of the environments, plus a penalty on what differs between them.

    The environments are the batch's ``group``; without any it is ERM.

    Parameters
    ----------
    penalty : {"irm", "ib_irm", "vrex", "coral", "mmd"}, default="irm"
    penalty_weight : float, default=1.0
        At least 0; 0 is the mean of the environments' risks.
    bottleneck_weight : float, default=1.0
        Weight of the features' variance in "ib_irm", at least 0.
    balanced : bool, default=False
        Draw each epoch so that every environment comes equally often (n draws with replacement).
    """

    penalty: str = static("irm")
    penalty_weight: float = 1.0
    bottleneck_weight: float = 1.0
    balanced: bool = static(False)

    def init(self, nets: Nets, data: Data) -> State:
        """Return the codes of the environments."""
        if data.group is None:
            return {}
        return {"environments": torch.arange(data.n_groups, device=data.y.device)}

    @property
    def compares_features(self) -> bool:
        """Whether the penalty looks at features, not at the risks alone."""
        return self.penalty in OF_FEATURES

    def visits(self, data: Data, state: State, generator: torch.Generator) -> Tensor | None:
        """Draw n rows, each environment with the same probability, if ``balanced``."""
        return ERM(balanced=self.balanced and data.group is not None).visits(data, state, generator)

    def step(self, nets: Nets, batch: Batch, state: State) -> Step:
        """Return the risk and the penalty of one batch, weighed together."""
        if batch.group is None:
            return ERM().step(nets, batch, state)
        x = batch.of("model")
        logits, features = self._look(nets, x)
        member = membership(batch.group, state["environments"], x)
        # Sums over environments, and their differences, want all the digits.
        with torch.autocast(x.device.type, enabled=False):
            loss, log = self._compare(logits.to(x.dtype), features.to(x.dtype), batch.y, member)
        return Step({"model": loss}, state, log)

    def _compare(
        self, logits: Tensor, features: Tensor, y: Tensor, member: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of one batch, and its terms."""
        loss = cross_entropy(logits, y)
        risk = mean_over_present(environment_means(loss, member), member)
        penalty = self._penalty(logits, features, loss, y, member)
        total = risk + self.penalty_weight * penalty
        log = {"risk": risk, "penalty": penalty}
        if self.penalty == "ib_irm":
            log["bottleneck"] = feature_variance(features, member)
            total = total + self.bottleneck_weight * log["bottleneck"]
        return total / _at_least_one(self.penalty_weight), log

    def _look(self, nets: Nets, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits (b, k), and the features (b, d) where they are compared.

        Features that are images are averaged over their pixels.
        """
        if not self.compares_features:
            # A module that cannot be split will do here; the second value is not looked at.
            logits = nets["model"](x)
            return logits, logits
        features = nets["model"].body(x)
        pooled = features if features.ndim == 2 else features.flatten(2).mean(-1)
        return nets["model"].head(features), pooled

    def _penalty(
        self, logits: Tensor, features: Tensor, loss: Tensor, y: Tensor, member: Tensor
    ) -> Tensor:
        """Return the penalty alone; that of "ib_irm" is IRM's, its bottleneck is added apart."""
        if self.penalty == "vrex":
            return risk_variance(loss, member)
        if self.penalty == "coral":
            return coral_distance(features, member)
        if self.penalty == "mmd":
            return mmd_distance(features, member)
        return irm_penalty(logits, y, member)


def _at_least_one(weight: float | Tensor) -> float | Tensor:
    """Return ``max(weight, 1)``, of a tensor in a vmapped run, too."""
    return weight.clamp(min=1) if isinstance(weight, Tensor) else max(weight, 1.0)
