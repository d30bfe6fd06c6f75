"""Just Train Twice, second stage.

Liu et al., "Just Train Twice: Improving Group Robustness without Training Group Information", ICML
2021. The first stage is plain ERM of the "biased" net for T epochs.

=============  ==========================================
paper          here
=============  ==========================================
f_id           ``nets["biased"]``, fixed
E (Eq. 2)      `error_set`: what f_id gets wrong
lambda_up      ``upweight``, constant or by `upweight_of`
=============  ==========================================

The paper's upsampled set holds each error ``lambda_up`` times in all; the released code has one
copy more. Here it is the paper's. The error set comes from a pass in eval mode after the first
stage (the released code logs the predictions made while training).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sklearn_debias.core import Batch, Data, Nets, State, WeightedObjective, Weights, static
from sklearn_debias.objectives._sampling import on_host

# Ours, see docs/design/jtt_upweight.md.
SHARE = 0.5  # of the other rows' weight
MOST = 20.0  # fewer errors than 2.4 % weigh less together


def error_set(logits: Tensor, y: Tensor) -> Tensor:
    """Return which samples the identification model gets wrong, Eq. 2; bool, shape (n,)."""
    return logits.argmax(-1) != y


def upweight_of(error: Tensor) -> Tensor:
    """Return the weight by which all errors together weigh half as much as the others; 1 to 20.

    ``error`` is bool, of shape (n,). A handful of errors are wrong labels more often than a group.
    """
    wrong = error.sum()
    right = len(error) - wrong
    return (SHARE * right / wrong.clamp(min=1)).clamp(min=1, max=MOST)


@dataclass(frozen=True)
class UpweightErrors(WeightedObjective):
    """Train the model on a set where the errors of the biased net count ``upweight`` times.

    Parameters
    ----------
    upweight : float or None, default=5.0
        How often an error counts; a whole number where errors are duplicated. 1 is ERM. None is
        `upweight_of`, rounded where errors are duplicated.
    duplicate : bool, default=True
        Repeat the errors within an epoch (the paper) instead of weighting their loss.
    """

    upweight: float | None = 5.0
    duplicate: bool = static(True)
    roles = ("model", "biased")
    trained = ("model",)
    divides = True

    def init(self, nets: Nets, data: Data) -> State:
        """Find the error set."""
        return {"error": error_set(data.logits(nets, "biased"), data.y)}

    def times(self, error: Tensor) -> Tensor | float:
        """Return how often an error counts."""
        if self.upweight is not None:
            return self.upweight
        found = upweight_of(error)
        return found.round() if self.duplicate else found

    def visits(self, data: Data, state: State, generator: torch.Generator) -> Tensor | None:
        """Visit each row once, errors ``upweight`` times."""
        if not self.duplicate:
            return None
        error = on_host(state["error"])
        copies = torch.where(error, int(self.times(error)), 1)
        return torch.arange(len(error)).repeat_interleave(copies)

    def weigh(self, loss: Mapping[str, Tensor], batch: Batch, state: State) -> Weights:
        """Weigh the errors, unless they are duplicated."""
        if self.duplicate:
            return Weights({"model": None}, state)
        times = self.times(state["error"])
        weight = torch.where(state["error"][batch.index], times, 1.0).to(loss["model"].dtype)
        return Weights({"model": weight}, state, adversary_weight=weight)
