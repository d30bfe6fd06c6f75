"""Parameters that ISDA, MetaSAug and Meta-IADA share, and how they are read."""

import numbers

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_debias.core import Phase
from sklearn_debias.fitting import MEMORY_ADVICE as ADVICE
from sklearn_debias.fitting import Networks, check_fits

COVARIANCE = [StrOptions({"auto", "full", "diagonal"})]
SHARE_OR_EPOCHS = [
    Interval(numbers.Integral, 0, None, closed="left"),
    Interval(numbers.Real, 0, 1, closed="left"),
]


def diagonal(covariance: str) -> bool | None:
    """Return the objectives' ``diagonal``, from the parameter ``covariance``."""
    if covariance == "auto":
        return None
    return covariance == "diagonal"


class SpreadFeatures:
    """Base of the methods with a parameter ``covariance``: what does not fit is said before."""

    covariance: str

    @property
    def _memory_advice(self) -> str:
        return ADVICE if self.covariance == "diagonal" else f"Use covariance='diagonal'. {ADVICE}"

    def _settle(self, phases: tuple[Phase, ...], networks: Networks) -> tuple[Phase, ...]:
        settled = super()._settle(phases, networks)  # type: ignore[misc]
        if self.covariance == "full":
            weight = networks.modules["model"].get_parameter("head.weight")
            k, d = weight.shape
            # The covariances, their successors, their products with the weights, a gradient.
            n_bytes = weight.element_size() * 2 * (k * d * d + k * k * d)
            what = f"`covariance`='full' of {k} classes and {d} features"
            check_fits(n_bytes, weight.device, what, "Use 'diagonal'.")
        return settled


def warmup_epochs(warmup: float, max_epochs: int) -> int:
    """Return the epochs of the first stage: ``warmup`` itself, or that share of all.

    At least one epoch is left to the second stage.
    """
    # By type: 1 is one epoch, and 0.5 half of them.
    if isinstance(warmup, (int, np.integer)):
        if warmup >= max_epochs:
            raise ValueError(
                f"`warmup`={warmup} epochs leave none of `max_epochs`={max_epochs} to the method "
                f"itself. Lower it, or pass a share of the epochs, such as 0.8."
            )
        return int(warmup)
    return min(round(warmup * max_epochs), max_epochs - 1)
