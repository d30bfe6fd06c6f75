"""ISDA and MetaSAug: implicit semantic augmentation, its covariances estimated or learned."""

import numbers
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_debias.core import Phase
from sklearn_debias.estimators._augmented import (
    COVARIANCE,
    SHARE_OR_EPOCHS,
    SpreadFeatures,
    diagonal,
    warmup_epochs,
)
from sklearn_debias.estimators._base import BaseDebiasClassifier
from sklearn_debias.estimators._meta_classifier import MetaClassifier
from sklearn_debias.fitting import NON_NEGATIVE, TrainingSet
from sklearn_debias.objectives import ERM, ISDA, MetaSAug
from sklearn_debias.search_spaces import SearchedRows, Space, isda_space, meta_saug_space


@dataclass(kw_only=True, eq=False, repr=False)
class ISDAClassifier(SpreadFeatures, BaseDebiasClassifier):
    """Implicit semantic data augmentation: features spread along their class's covariance [1]_.

    The features of a sample stand for a normal distribution around them. Its covariance is
    ``strength * t / T`` times that of the class, in epoch t of T. The loss bounds the expected
    cross entropy of what is drawn from it.

    Parameters
    ----------
    {shared_parameters}
    strength : float, default=0.5
        lambda_0 of the paper, at least 0; 0 is ERM.
    covariance : {"auto", "full", "diagonal"}, default="auto"
        "auto" is full up to 512 features, unless that takes more than 2 GiB. The authors' code has
        the diagonal on ImageNet.

    Attributes
    ----------
    {shared_attributes}
    covariances_ : ndarray of shape (classes, d, d) or (classes, d)
        Streaming estimates of the classes' feature covariances.

    Notes
    -----
    The paper trains by SGD with momentum. The default is Adam: on unscaled embeddings the
    covariances drive SGD away.

    References
    ----------
    .. [1] Wang et al., "Implicit Semantic Data Augmentation for Deep Networks", NeurIPS 2019.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_debias import ISDAClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> ISDAClassifier(max_epochs=20, random_state=0).fit(X, y).covariances_.shape
    (3, 4, 4)
    """

    lr: float = 1e-2
    strength: float = 0.5
    covariance: str = "auto"

    _parameter_constraints: ClassVar[dict] = {
        **BaseDebiasClassifier._parameter_constraints,
        "strength": NON_NEGATIVE,
        "covariance": COVARIANCE,
    }

    def _search_space(self, rows: SearchedRows) -> Space:
        return super()._search_space(rows) | isda_space()

    def _phases(self) -> tuple[Phase, ...]:
        form = diagonal(self.covariance)
        isda = ISDA(float(self.strength), epochs=int(self.max_epochs), diagonal=form)
        return (Phase("train", (isda,), self.max_epochs),)

    def _finish(self, states: dict, training: TrainingSet) -> None:
        self.covariances_: np.ndarray = states["train"]["covariance"].cpu().numpy()


@dataclass(kw_only=True, eq=False, repr=False)
class MetaSAugClassifier(SpreadFeatures, MetaClassifier):
    """MetaSAug: ISDA whose covariances are learned on a balanced meta set, for long tails [1]_.

    Parameters
    ----------
    {shared_parameters}
    strength : float, default=0.5
        lambda_0 of ISDA, at least 0.
    class_balance : float, default=0.9999
        In [0, 1): weigh the classes in the second stage by their effective numbers of samples,
        scaled to sum to the number of classes; 0 weighs them alike.
    warmup : float or int, default=0.8
        Length of the first stage, plain cross entropy: a share of ``max_epochs`` in [0, 1), or a
        number of epochs.
    covariance : {"auto", "full", "diagonal"}, default="auto"
        "auto" is full up to 512 features, unless that takes more than 2 GiB.
    virtual_step : {"auto", "head", "all"}, default="auto"
        What the virtual step moves: the whole network, as the authors do on CIFAR, or the last
        layer, as they do on ImageNet, which costs a fraction. "auto" is "all" up to 512 features,
        and "head" above.
    sigma_lr : float, default=0.1
        Learning rate of the covariances on the meta set, at least 0.
    {meta_parameters}

    Attributes
    ----------
    {shared_attributes}
    covariances_ : ndarray of shape (classes, d, d) or (classes, d)
        Streaming estimates of the classes' feature covariances.
    meta_indices_ : ndarray of int, or None
        Rows of X held out as the meta set.

    Notes
    -----
    A covariance learned on the meta set serves the step of its batch only; the estimates go on
    without it. ``validation`` and ``monitor`` look at the second stage.

    References
    ----------
    .. [1] Li et al., "MetaSAug: Meta Semantic Augmentation for Long-Tailed Visual Recognition",
       CVPR 2021.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_debias import MetaSAugClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = MetaSAugClassifier(max_epochs=20, random_state=0).fit(X, y)
    >>> len(clf.meta_indices_)
    30
    """

    strength: float = 0.5
    class_balance: float = 0.9999
    warmup: float = 0.8
    covariance: str = "auto"
    virtual_step: str = "auto"
    sigma_lr: float = 0.1

    _parameter_constraints: ClassVar[dict] = {
        **MetaClassifier._parameter_constraints,
        "strength": NON_NEGATIVE,
        "class_balance": [Interval(numbers.Real, 0, 1, closed="left")],
        "warmup": SHARE_OR_EPOCHS,
        "covariance": COVARIANCE,
        "virtual_step": [StrOptions({"auto", "head", "all"})],
        "sigma_lr": NON_NEGATIVE,
    }

    def _search_space(self, rows: SearchedRows) -> Space:
        return super()._search_space(rows) | meta_saug_space(rows)

    def _check_params(self) -> None:
        super()._check_params()
        warmup_epochs(self.warmup, self.max_epochs)

    def _phases(self) -> tuple[Phase, ...]:
        first = warmup_epochs(self.warmup, self.max_epochs)
        isda = ISDA(
            float(self.strength),
            float(self.class_balance),
            epochs=int(self.max_epochs),
            done=first,
            diagonal=diagonal(self.covariance),
        )
        ahead = MetaSAug(isda, float(self.sigma_lr), self.virtual_step, int(self.meta_interval))
        before = (Phase("warmup", (ERM(),), first),) if first else ()
        # The step that looks ahead has made the state already.
        steps = (ahead, replace(isda, starts=False))
        # One training: the schedule runs through both stages.
        return (*before, Phase("train", steps, self.max_epochs - first, continues=bool(before)))

    def _finish(self, states: dict, training: TrainingSet) -> None:
        self.covariances_: np.ndarray = states["train"]["covariance"].cpu().numpy()
