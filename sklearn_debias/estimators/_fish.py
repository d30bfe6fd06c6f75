"""Gradient matching between environments."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from sklearn_debias.core import Phase
from sklearn_debias.estimators._base import BaseDebiasClassifier
from sklearn_debias.fitting import NON_NEGATIVE, TrainingSet, by_environment
from sklearn_debias.objectives import Fish
from sklearn_debias.search_spaces import SearchedRows, Space, fish_space


@dataclass(kw_only=True, eq=False, repr=False)
class FishClassifier(BaseDebiasClassifier):
    """Fish: raise the inner products of the environments' gradients [1]_.

    The environment of a row is its bias value. In each step a copy of the network takes one SGD
    step of length ``inner_lr`` per environment of the batch, in a random order. Then the network
    moves towards the copy. It needs ``bias_labels`` with at least two values; without them it is
    plain training, with a warning.

    Parameters
    ----------
    {shared_parameters}
    inner_lr : float, default=0.1
        alpha of the paper, at least 0. 0 is training that gives every environment the same share.

    Attributes
    ----------
    {shared_attributes}
    environments_ : list
        The bias values that were compared; empty where there were fewer than two.

    See Also
    --------
    InvarianceClassifier : penalties on what differs between environments.
    ERMClassifier : with ``balance="group"`` the upweighting that Fish is compared with.

    Notes
    -----
    The optimiser's gradient is ``(theta - theta~) / (inner_lr * S)`` with S environments in the
    batch: the mean of their gradients along the inner path. With torch's SGD without
    momentum, the default, a step is the paper's ``theta + (epsilon / S) (theta~ - theta)`` with
    ``epsilon = lr / inner_lr`` (S as in the authors' code); the defaults make it .5, DomainBed's.
    ``weight_decay`` acts on this step. With one environment in a batch a step is one of plain
    training, whatever the optimiser. The inner steps are SGD; the authors also use Adam.

    A step costs a pass over the whole batch per environment, plus one: Fish is meant for few
    environments. A large ``inner_lr`` diverges as a large ``lr`` does.

    References
    ----------
    .. [1] Shi et al., "Gradient Matching for Domain Generalization", ICLR 2022.

    Examples
    --------
    >>> from sklearn_debias import FishClassifier
    >>> from sklearn_debias.datasets import make_spurious_embeddings
    >>> train = make_spurious_embeddings(random_state=0).train
    >>> clf = FishClassifier(max_epochs=5, random_state=0)
    >>> clf.fit(train.data, train.target, bias_labels=train.bias_labels).environments_
    [0, 1]
    """

    lr: float = 0.05
    optimizer: Any = torch.optim.SGD  # "sgd" has momentum
    inner_lr: float = 0.1

    _parameter_constraints: ClassVar[dict] = {
        **BaseDebiasClassifier._parameter_constraints,
        "inner_lr": NON_NEGATIVE,
    }

    def _search_space(self, rows: SearchedRows) -> Space:
        return super()._search_space(rows) | fish_space()

    def _trains_by_group(self) -> bool:
        return True

    def _phases(self) -> tuple[Phase, ...]:
        return (Phase("train", (Fish(float(self.inner_lr)),), self.max_epochs),)

    def _training_set(self, training: TrainingSet) -> TrainingSet:
        return by_environment(training, type(self).__name__, "this is plain training")

    def _finish(self, states: dict, training: TrainingSet) -> None:
        self.environments_: list = training.groups or []
