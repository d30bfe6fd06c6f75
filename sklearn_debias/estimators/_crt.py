"""Classifier re-training."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from sklearn_debias.core import Net, Phase
from sklearn_debias.estimators._base import BaseDebiasClassifier
from sklearn_debias.fitting import FITTED, POSITIVE_INT, Rows, forget
from sklearn_debias.objectives import ERM, RetrainHead


@dataclass(kw_only=True, eq=False, repr=False)
class CRTClassifier(BaseDebiasClassifier):
    """Classifier re-training: features from all rows as they are, a head from balanced classes [1]_.

    The network is trained as by ERM. Then its head starts anew, as it was before, and is trained
    alone on rows drawn such that every class comes equally often. No bias labels are needed.

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

    Where there is no body to train, a linear head on embeddings or ``freeze="body"``, the first
    stage leaves no trace: the method is ERM on balanced classes.

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

    _knobs: ClassVar[str] = "`lr`, `max_epochs` and `retraining_epochs`"
    _parameter_constraints: ClassVar[dict] = {
        **BaseDebiasClassifier._parameter_constraints,
        "retraining_epochs": POSITIVE_INT,
    }

    def _check_modules(self, roles: nn.ModuleDict, example: Callable[[str], torch.Tensor]) -> None:
        net = Net(roles["model"]).frozen()  # or the second stage would find out after the first
        net.head(net.body(example("model")))
        head = roles["model"].get_submodule("head")
        self._start = head, {name: value.clone() for name, value in head.state_dict().items()}

    def _phases(self) -> tuple[Phase, ...]:
        return (
            Phase("train", (ERM(),), self.max_epochs),
            Phase("retraining", (RetrainHead(),), self.retraining_epochs),
        )

    def _inspect(self, phase: Phase, state: dict, rows: Rows) -> None:
        if phase.name == "retraining":
            head, start = self._start
            head.load_state_dict(start)

    def _finish(self, states: dict, rows: Rows) -> None:
        del self._start

    def _forget(self) -> None:
        forget(self, (*FITTED, "_start"))
