"""Automatic feature reweighting."""

import numbers
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils._param_validation import Interval

from sklearn_debias.core import Phase
from sklearn_debias.estimators._base import BaseDebiasClassifier
from sklearn_debias.estimators._two_stages import split_of
from sklearn_debias.fitting import NON_NEGATIVE, POSITIVE_INT, TrainingSet
from sklearn_debias.objectives import ERMOnPart, ReweightHead
from sklearn_debias.objectives.internal import example_weights, two_parts
from sklearn_debias.presets import afr_preset, overridden
from sklearn_debias.search_spaces import SearchedRows, Space, afr_space


@dataclass(kw_only=True, eq=False, repr=False)
class AFRClassifier(BaseDebiasClassifier):
    """Automatic feature reweighting: retrain the last layer on what the network fits badly [1]_.

    The first stage trains the network by ERM on most rows of each class. The second trains the head
    alone on the other rows. It weighs each row by ``beta_y exp(-gamma p_y)``, where ``p_y`` is the
    probability that the first stage gives to its class, and ``beta_y = 1 / n_y``. No bias labels
    are needed.

    Parameters
    ----------
    {shared_parameters}
    gamma : float, default=4.0
        How strongly badly fitted rows count, at least 0; 0 weighs the rows of a class alike.
    lam : float, default=0.3
        Weight of the squared distance of the head from the first stage's, at least 0.
    reweighting_share : float, default=0.2
        Share of each class's rows that is left to the second stage, in (0, 1). Each stage gets at
        least one row of a class; a single row serves both.
    reweighting_epochs : int, default=100
        Steps of the second stage, each on all of its rows.

    Attributes
    ----------
    {shared_attributes}
    reweighted_rows_ : ndarray of int
        Rows of X that the second stage trained on, sorted.
    reweighted_weights_ : ndarray of float
        Their weights; they sum to 1.

    Notes
    -----
    The second stage computes the features of its rows once, in eval mode and without augmentation,
    and takes one full-batch step per epoch, as the paper does. ``optimizer``, ``lr`` and
    ``lr_schedule`` are those of the first stage, restarted. ``weight_decay`` acts in both stages;
    the paper has 0 in the second. Validation rows are scored, and the best epoch is kept, in the
    second stage.

    References
    ----------
    .. [1] Qiu et al., "Simple and Fast Group Robustness by Automatic Feature Reweighting", ICML
       2023.

    Examples
    --------
    >>> from sklearn_debias import AFRClassifier
    >>> from sklearn_debias.datasets import make_spurious_embeddings
    >>> train = make_spurious_embeddings(random_state=0).train
    >>> clf = AFRClassifier(
    ...     max_epochs=5, reweighting_epochs=5, random_state=0
    ... ).fit(train.data, train.target)
    >>> clf.reweighted_rows_.shape
    (200,)
    """

    gamma: float = 4.0
    lam: float = 0.3
    reweighting_share: float = 0.2
    reweighting_epochs: int = 100

    _parameter_constraints: ClassVar[dict] = {
        **BaseDebiasClassifier._parameter_constraints,
        "gamma": NON_NEGATIVE,
        "lam": NON_NEGATIVE,
        "reweighting_share": [Interval(numbers.Real, 0, 1, closed="neither")],
        "reweighting_epochs": POSITIVE_INT,
    }

    @classmethod
    def from_preset(cls, name: str, **overrides: Any) -> "AFRClassifier":
        """Return a classifier with the settings of the released code.

        The first stage trains a ResNet-50 from ImageNet weights, those that torchvision then had
        (it downloads them; ``net_params={"module__weights": "path/to/file.pt"}`` takes a file). The
        epoch of the second is chosen by the worst group of validation rows: hand ``fit`` such rows
        with their bias labels, as ``validation_data`` or by ``validation``. Give ``image_size`` for
        images of other sizes than 224.

        ``gamma`` and ``lam`` are those of the released examples. The authors search them by the
        same rows: on Waterbirds ``gamma`` from 4 to 20 and ``lam`` from 0 to .3, on CelebA from 1
        to 3 and from .001 to .1.

        Two things of the released code are not here. Its second stage has an optimiser of its own:
        SGD without momentum and weight decay, at .01 (Waterbirds) or .02 (CelebA), with gradients
        clipped to norm 1. Here that of the first stage begins anew: with momentum .9 its ``lr`` of
        .003 goes about as far as .03 without, and on CelebA its schedule swings on, 20 epochs down
        and 20 up. Its first stage augments by random resized crops and flips, which have no name
        here: pass ``augment``.

        Parameters
        ----------
        name : {"waterbirds", "celeba"}
        **overrides
            Parameters of this estimator that replace the preset's. Another ``max_epochs`` stretches
            its schedule: the cosine of CelebA ends with the first stage.

        Returns
        -------
        AFRClassifier

        Examples
        --------
        >>> from sklearn_debias import AFRClassifier
        >>> clf = AFRClassifier.from_preset("waterbirds", random_state=0)
        >>> clf.module, clf.max_epochs, clf.gamma, clf.reweighting_epochs
        ('resnet50', 50, 10.0, 500)
        """
        return cls(**overridden(afr_preset(name), overrides))

    def _search_space(self, rows: SearchedRows) -> Space:
        return super()._search_space(rows) | afr_space()

    def _phases(self) -> tuple[Phase, ...]:
        split: dict[str, Any] = self._split()
        reweight = ReweightHead(float(self.gamma), float(self.lam), **split)
        return (
            Phase("train", (ERMOnPart(**split),), self.max_epochs),
            Phase("reweighting", (reweight,), self.reweighting_epochs),
        )

    def _split(self) -> dict[str, Any]:
        """Return what decides which rows each stage trains on."""
        return split_of(self, self.reweighting_share, "reweighting split")

    def _finish(self, states: dict, training: TrainingSet) -> None:
        _, second = two_parts(torch.from_numpy(training.y), **self._split())
        state = states["reweighting"]
        weights = example_weights(state["p"], state["beta"], self.gamma)
        self.reweighted_rows_: np.ndarray = training.index[second.numpy()]
        self.reweighted_weights_: np.ndarray = weights.cpu().numpy()
