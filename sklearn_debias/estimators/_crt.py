"""Classifier re-training."""

from dataclasses import dataclass
from typing import ClassVar

from sklearn_debias.core import Phase
from sklearn_debias.estimators._base import BaseDebiasClassifier
from sklearn_debias.fitting import POSITIVE_INT
from sklearn_debias.objectives import ERM, RetrainHead
from sklearn_debias.search_spaces import SearchedRows, Space, crt_space


@dataclass(kw_only=True, eq=False, repr=False)
class CRTClassifier(BaseDebiasClassifier):
    """Classifier re-training: features from all rows, a head from balanced classes [1]_.

    The first stage trains the network by ERM, on the rows as they are. Then the head goes back to
    where it started, and the second stage trains it alone, on rows drawn so that every class comes
    equally often. No bias labels are needed.

    Parameters
    ----------
    {shared_parameters}
    retraining_epochs : int, default=100
        Epochs of the second stage. (10 after 90 in the paper, on ImageNet-LT.)

    Attributes
    ----------
    {shared_attributes}

    Notes
    -----
    The second stage draws n rows per epoch with replacement, every class with the same probability.
    Features are those of prediction: BatchNorm's statistics stay, dropout is off; ``augment`` acts.
    (The released code lets BatchNorm's statistics move.) ``optimizer``, ``lr`` and ``lr_schedule``
    are those of the first stage, restarted. Validation rows are scored, and the best epoch is kept,
    in the second stage.

    With a linear head on embeddings, or with ``freeze="body"``, there is no body to train. The
    first stage then leaves no trace: the method is ERM on balanced classes.

    References
    ----------
    .. [1] Kang et al., "Decoupling Representation and Classifier for Long-Tailed Recognition", ICLR
       2020; code: https://github.com/facebookresearch/classifier-balancing.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_debias import CRTClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = CRTClassifier(
    ...     module="mlp", lr=0.01, max_epochs=20, retraining_epochs=20, random_state=0
    ... ).fit(X, y)
    >>> clf.history_.groupby("phase").size().to_dict()
    {'retraining': 20, 'train': 20}
    """

    retraining_epochs: int = 100

    _parameter_constraints: ClassVar[dict] = {
        **BaseDebiasClassifier._parameter_constraints,
        "retraining_epochs": POSITIVE_INT,
    }

    def _search_space(self, rows: SearchedRows) -> Space:
        return super()._search_space(rows) | crt_space(rows)

    def _phases(self) -> tuple[Phase, ...]:
        # The paper initialises the head anew; here it goes back to the numbers it was built with.
        again = ("model.head",)
        return (
            Phase("train", (ERM(),), self.max_epochs),
            Phase("retraining", (RetrainHead(),), self.retraining_epochs, restarts=again),
        )
