"""Objectives that say no more than how much each sample counts."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch.nn.functional as F
from torch import Tensor

from sklearn_debias.core._closed import log_probabilities, residual
from sklearn_debias.core._linear_net import LinearNet
from sklearn_debias.core._objective import Batch, Nets, Objective, State, Step


@dataclass(frozen=True)
class Weights:
    """How much the samples of a batch count in the losses of the roles.

    Parameters
    ----------
    of : mapping of str to (Tensor of shape (b,) or None)
        By trained role; None stands for ones. The loss of the role is the mean of weight times
        cross entropy. No weight carries a gradient. A role that is left out does not learn from
        this batch; one at least must learn.
    state : mapping of str to Tensor, default={}
        The state for the next step.
    log : mapping of str to Tensor, default={}
        Scalars worth a column in the history.
    adversary_weight : Tensor of shape (b,), default=None
        See `Step`.
    """

    of: Mapping[str, Tensor | None]
    state: State = field(default_factory=dict)
    log: Mapping[str, Tensor] = field(default_factory=dict)
    adversary_weight: Tensor | None = None


class WeightedObjective(Objective):
    """An objective whose losses are weighted means of the samples' cross entropies.

    Subclasses define ``weigh``, and ``step`` follows. Of plain linear networks the gradients follow
    as well, in closed form: the engine then needs no autograd.

    Examples
    --------
    Rows count as much as they are hard:

    >>> from sklearn_debias.core import Weights, WeightedObjective
    >>> class Hard(WeightedObjective):
    ...     def weigh(self, loss, batch, state):
    ...         return Weights({"model": loss["model"] / loss["model"].mean()}, state)
    """

    def weigh(self, loss: Mapping[str, Tensor], batch: Batch, state: State) -> Weights:
        """Return how much each sample counts.

        Parameters
        ----------
        loss : mapping of str to Tensor of shape (b,)
            Cross entropies by trained role, detached.
        batch : Batch
        state : mapping of str to Tensor
        """
        raise NotImplementedError(
            f"{type(self).__name__} must define weigh(loss, batch, state), or a step of its own."
        )

    def step(self, nets: Nets, batch: Batch, state: State) -> Step:
        """Return the weighted mean of the cross entropies, for each trained role."""
        loss = {
            role: F.cross_entropy(nets[role](batch.of(role)), batch.y, reduction="none")
            for role in self.trained
        }
        weights = self.weigh({role: value.detach() for role, value in loss.items()}, batch, state)
        self._check(weights, batch)
        losses = {role: weighted_mean(loss[role], weight) for role, weight in weights.of.items()}
        return Step(losses, weights.state, weights.log, weights.adversary_weight)

    def _check(self, weights: Weights, batch: Batch) -> None:
        """Raise unless the weights are those of the batch, by role."""
        hook = f"`{type(self).__name__}.weigh`"
        if not weights.of:
            raise ValueError(
                f"{hook} must weigh at least one of the roles {self.trained}, got none. Give rows "
                "that should not count a weight of 0."
            )
        for role, weight in weights.of.items():
            if role not in self.trained:
                raise ValueError(f"{hook} must weigh the roles {self.trained}, got {role!r}.")
            if weight is not None and weight.shape != batch.y.shape:
                raise ValueError(
                    f"{hook} must give {role!r} a weight for each of the {len(batch.y)} rows, "
                    f"got a tensor of shape {tuple(weight.shape)}."
                )

    @property
    def closed(self) -> bool:
        """Whether `closed_step` is what ``step`` is: a subclass may have one of its own."""
        return type(self).step is WeightedObjective.step and "step" not in vars(self)

    def closed_step(self, nets: Mapping[str, LinearNet], batch: Batch, state: State) -> Step:
        """Return the losses as ``step`` does; pull their gradients into the linear nets."""
        log_p = {}
        loss = {}
        for role in self.trained:
            logits = nets[role].logits(batch.of(role))
            log_p[role], loss[role] = log_probabilities(logits, batch.y)
        weights = self.weigh(loss, batch, state)
        self._check(weights, batch)
        for role, weight in weights.of.items():
            by_logits = residual(log_p[role], loss[role], batch.y, weight)
            nets[role].pull(by_logits, batch.of(role))
        losses = {role: weighted_mean(loss[role], weight) for role, weight in weights.of.items()}
        return Step(losses, weights.state, weights.log, weights.adversary_weight)


def weighted_mean(loss: Tensor, weight: Tensor | None) -> Tensor:
    """Return the mean of weight times loss (b,); no weight stands for ones."""
    return loss.mean() if weight is None else (weight * loss).mean()
