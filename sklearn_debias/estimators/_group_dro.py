"""Group distributionally robust optimisation."""

from dataclasses import dataclass
from typing import Any, ClassVar

from sklearn.utils._param_validation import StrOptions

from sklearn_debias.core import Phase
from sklearn_debias.estimators._base import BaseDebiasClassifier
from sklearn_debias.exceptions import warn
from sklearn_debias.fitting import NON_NEGATIVE, TrainingSet, warn_of_cells
from sklearn_debias.objectives import GroupDRO
from sklearn_debias.presets import group_dro_preset, overridden
from sklearn_debias.search_spaces import SearchedRows, Space, group_dro_space


@dataclass(kw_only=True, eq=False, repr=False)
class GroupDROClassifier(BaseDebiasClassifier):
    """Group DRO: minimise the loss of the group that fares worst [1]_.

    Each (class, bias value) group has a weight, which grows with the group's loss; the network
    minimises the weighted sum of the groups' mean losses. It needs ``bias_labels``; without them
    the classes are the groups, with a warning.

    Parameters
    ----------
    {shared_parameters}
    step_size : float, default=0.01
        How fast the weights follow the losses, at least 0: ``q_g <- q_g exp(step_size L_g) / Z`` in
        each step. 0 keeps them equal, which is group-balanced ERM.
    adjustment : float, default=0.0
        C of ``L_g + C / sqrt(n_g)``, at least 0: small groups are weighted as if their loss was
        larger, since they generalise worse.
    balance : "group" or None, default=None
        How an epoch's rows are drawn; how their losses are weighted is another matter. None takes
        each row once. "group" draws n rows with replacement, every group with the same probability,
        as in the paper.

    Attributes
    ----------
    {shared_attributes}
    group_weights_ : dict
        The last weight of each group, by (class, bias value), or by class without bias labels; they
        sum to 1.

    Notes
    -----
    Strong regularisation, or stopping early by ``monitor="worst_group_accuracy"``, is part of the
    method: a network that fits every training row has nothing left to weigh [1]_. A group that a
    batch does not hold adds nothing to that step, and keeps its weight up to the normalisation.
    Rare groups are seldom seen in small batches, and their weights then grow slowly: use
    ``balance="group"`` or larger batches.

    References
    ----------
    .. [1] Sagawa et al., "Distributionally Robust Neural Networks for Group Shifts: On the
       Importance of Regularization for Worst-Case Generalization", ICLR 2020.

    Examples
    --------
    >>> from sklearn_debias import GroupDROClassifier
    >>> from sklearn_debias.datasets import make_spurious_embeddings
    >>> train = make_spurious_embeddings(random_state=0).train
    >>> clf = GroupDROClassifier(max_epochs=5, random_state=0)
    >>> clf = clf.fit(train.data, train.target, bias_labels=train.bias_labels)
    >>> sorted(clf.group_weights_)
    [(0, 0), (0, 1), (1, 0), (1, 1)]
    """

    step_size: float = 0.01
    adjustment: float = 0.0
    balance: str | None = None

    _parameter_constraints: ClassVar[dict] = {
        **BaseDebiasClassifier._parameter_constraints,
        "step_size": NON_NEGATIVE,
        "adjustment": NON_NEGATIVE,
        "balance": [StrOptions({"group"}), None],
    }

    @classmethod
    def from_preset(cls, name: str, **overrides: Any) -> "GroupDROClassifier":
        """Return a classifier with the settings of the authors.

        That is the paper's strong penalty, at which it trains to the end: a ResNet-50 from ImageNet
        weights, those that torchvision then had (it downloads them;
        ``net_params={"module__weights": "path/to/file.pt"}`` takes a file), whose batches hold all
        groups alike. The commands of the released code have ``lr=1e-3, weight_decay=1e-4``.
        ``adjustment`` is 0 in them; the paper searches it up to 5. Nothing is augmented. Give
        ``image_size`` for images of other sizes than 224.

        Parameters
        ----------
        name : {"waterbirds"}
        **overrides
            Parameters of this estimator that replace the preset's.

        Returns
        -------
        GroupDROClassifier

        Examples
        --------
        >>> from sklearn_debias import GroupDROClassifier
        >>> clf = GroupDROClassifier.from_preset("waterbirds", random_state=0)
        >>> clf.optimizer, clf.lr, clf.weight_decay, clf.balance
        ('sgd', 1e-05, 1.0, 'group')
        """
        return cls(**overridden(group_dro_preset(name), overrides))

    def _search_space(self, rows: SearchedRows) -> Space:
        return super()._search_space(rows) | group_dro_space()

    def _trains_by_group(self) -> bool:
        return True

    def _phases(self) -> tuple[Phase, ...]:
        # Drawing is an option of its own: is it the method that helps, or its sampling?
        objective = GroupDRO(float(self.step_size), float(self.adjustment), self.balance == "group")
        return (Phase("train", (objective,), self.max_epochs),)

    def _training_set(self, training: TrainingSet) -> TrainingSet:
        if training.group is None or training.groups is None:
            warn(
                f"{type(self).__name__} was given no bias_labels: the classes are taken as groups."
            )
        else:
            unused = "they have no weight."
            warn_of_cells(training.classes, training.group, training.groups, unused)
        return training

    def _finish(self, states: dict, training: TrainingSet) -> None:
        groups = training.classes.tolist() if training.groups is None else training.groups
        weights = states["train"]["q"].tolist()
        self.group_weights_: dict[Any, float] = dict(zip(groups, weights, strict=True))
