"""Class-balanced last-layer retraining on held-out rows."""

import numbers
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval

from sklearn_debias.core import Phase
from sklearn_debias.estimators._base import BaseDebiasClassifier
from sklearn_debias.estimators._two_stages import split_of
from sklearn_debias.fitting import POSITIVE_INT, TrainingSet
from sklearn_debias.objectives import ERMOnPart, RetrainHeadOnPart
from sklearn_debias.search_spaces import SearchedRows, Space, class_balanced_retraining_space


@dataclass(kw_only=True, eq=False, repr=False)
class ClassBalancedRetrainingClassifier(BaseDebiasClassifier):
    """Class-balanced retraining: a new last layer from rows that the network has not seen [1]_.

    The first stage trains the network by ERM on most rows of each class. Then the head goes back to
    where it started, and the second stage trains it alone on the other rows, drawn so that every
    class comes equally often. No bias labels are needed.

    Parameters
    ----------
    {shared_parameters}
    held_out_share : float, default=0.2
        Share of each class's rows that is left to the second stage, in (0, 1). Each stage gets at
        least one row of a class; a single row serves both.
    retraining_epochs : int, default=100
        Epochs of the second stage.

    Attributes
    ----------
    {shared_attributes}
    held_out_rows_ : ndarray of int
        Rows of X that the second stage trained on, sorted.

    Notes
    -----
    `CRTClassifier` does the same with all rows in both stages; `SELFClassifier` keeps the head, and
    finetunes it on a few of the held-out rows. An epoch of the second stage draws as many rows as
    are held out, with replacement. Features are those of prediction: BatchNorm's statistics stay,
    dropout is off; ``augment`` acts. ``optimizer``, ``lr`` and ``lr_schedule`` are those of the
    first stage, restarted. Validation rows are scored, and the best epoch is kept, in the second
    stage.

    With a linear head on embeddings, or with ``freeze="body"``, there is no body to train. The
    first stage then leaves no trace: the method is ERM on balanced classes of the held-out rows.

    References
    ----------
    .. [1] LaBonte, Muthukumar and Kumar, "Towards Last-layer Retraining for Group Robustness with
       Fewer Annotations", NeurIPS 2023; code: https://github.com/tmlabonte/last-layer-retraining.

    Examples
    --------
    >>> from sklearn_debias import ClassBalancedRetrainingClassifier
    >>> from sklearn_debias.datasets import make_spurious_embeddings
    >>> train = make_spurious_embeddings(random_state=0).train
    >>> clf = ClassBalancedRetrainingClassifier(
    ...     module="mlp", max_epochs=5, retraining_epochs=5, random_state=0
    ... ).fit(train.data, train.target)
    >>> clf.held_out_rows_.shape
    (200,)
    """

    held_out_share: float = 0.2
    retraining_epochs: int = 100

    _parameter_constraints: ClassVar[dict] = {
        **BaseDebiasClassifier._parameter_constraints,
        "held_out_share": [Interval(numbers.Real, 0, 1, closed="neither")],
        "retraining_epochs": POSITIVE_INT,
    }

    def _search_space(self, rows: SearchedRows) -> Space:
        return super()._search_space(rows) | class_balanced_retraining_space()

    def _phases(self) -> tuple[Phase, ...]:
        split = split_of(self, self.held_out_share)
        retrain = RetrainHeadOnPart(**split)
        again = ("model.head",)
        return (
            Phase("train", (ERMOnPart(**split),), self.max_epochs),
            Phase("retraining", (retrain,), self.retraining_epochs, restarts=again),
        )

    def _finish(self, states: dict, training: TrainingSet) -> None:
        second = states["retraining"]["second"].cpu().numpy()
        self.held_out_rows_: np.ndarray = training.index[second]
