"""Learning from Failure."""

import numbers
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils._param_validation import Interval
from torch import nn

from sklearn_debias.core import Phase
from sklearn_debias.estimators._base import BaseDebiasClassifier
from sklearn_debias.fitting import MODULE, Q, TrainingSet
from sklearn_debias.objectives import LfF
from sklearn_debias.search_spaces import SearchedRows, Space, lff_space


@dataclass(kw_only=True, eq=False, repr=False)
class LfFClassifier(BaseDebiasClassifier):
    """Learning from Failure: train on what a deliberately biased net finds hard [1]_.

    Two nets see the same batches. The biased one is trained by the generalised cross entropy, which
    dwells on what is already easy: the shortcut. The loss of the model weighs each sample by its
    relative difficulty ``W = l_biased / (l_biased + l_model)``.

    Parameters
    ----------
    {shared_parameters}
    q : float, default=0.7
        Exponent of the generalised cross entropy, in (0, 1].
    gce_factor : bool, default=True
        Whether GCE carries the factor q, as in the authors' code; the gradient of the published
        formula has none. It matters for SGD and for weight decay.
    ema : float, default=0.7
        Decay of the moving average of each sample's losses, in [0, 1). 0 takes the losses as they
        are.
    class_normalize : bool, default=True
        Divide each average by the largest of its class.
    biased_module : str, callable, nn.Module or None, default=None
        Another network for the biased net; None takes ``module``.

    Attributes
    ----------
    {shared_attributes}
    biased_module_ : nn.Module
        The biased net.
    sample_difficulty_ : ndarray of shape (n,)
        Last W of each row of X, in [0, 1]: near 1 for rows the shortcut does not explain. NaN for
        rows never visited: held out by ``validation``, or dropped with the last batch.

    Notes
    -----
    The defaults are the authors' released code. SpuCo's variant is ``gce_factor=False``. That of
    SubpopBench and of BiasAdv's Algorithm 3 is ``ema=0, class_normalize=False``: raw losses.

    References
    ----------
    .. [1] Nam et al., "Learning from Failure: Training Debiased Classifier from Biased Classifier",
       NeurIPS 2020.

    Examples
    --------
    >>> from sklearn_debias import LfFClassifier
    >>> from sklearn_debias.datasets import load_biased_digits
    >>> train = load_biased_digits(conflict_ratio=0.05, random_state=0).train
    >>> clf = LfFClassifier(max_epochs=5, random_state=0).fit(train.data, train.target)
    >>> clf.sample_difficulty_.shape == train.target.shape
    True
    """

    q: float = 0.7
    gce_factor: bool = True
    ema: float = 0.7
    class_normalize: bool = True
    biased_module: Any = None

    _parameter_constraints: ClassVar[dict] = {
        **BaseDebiasClassifier._parameter_constraints,
        "q": Q,
        "gce_factor": ["boolean"],
        "ema": [Interval(numbers.Real, 0, 1, closed="left")],
        "class_normalize": ["boolean"],
        "biased_module": MODULE,
    }

    def _search_space(self, rows: SearchedRows) -> Space:
        return super()._search_space(rows) | lff_space()

    @property
    def biased_module_(self) -> nn.Module:
        """The biased net."""
        return self._network("biased")

    def _objective(self) -> LfF:
        return LfF(
            q=self.q, ema=self.ema, gce_factor=self.gce_factor, class_normalize=self.class_normalize
        )

    def _phases(self) -> tuple[Phase, ...]:
        return (Phase("train", (self._objective(),), self.max_epochs),)

    def _finish(self, states: dict, training: TrainingSet) -> None:
        self.sample_difficulty_: np.ndarray = training.of_all(self._difficulty(states["train"]))

    def _difficulty(self, state: dict) -> np.ndarray:
        """Return the last W of each training row, NaN where it was never visited."""
        # A loss is never negative: the average of a row that was not seen is -1.
        index = torch.arange(len(state["y"]), device=state["y"].device)
        difficulty = self._objective().difficulty(state, index)
        return torch.where(state["loss_model"] < 0, torch.nan, difficulty).cpu().numpy()
