"""Plain training, optionally balanced."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import StrOptions

from sklearn_debias.core import Phase
from sklearn_debias.estimators._base import BaseDebiasClassifier
from sklearn_debias.exceptions import warn
from sklearn_debias.fitting import Given, TrainingSet, fit_method, warn_of_cells
from sklearn_debias.objectives import ERM
from sklearn_debias.search_spaces import SearchedRows, Space, erm_space


@dataclass(kw_only=True, eq=False, repr=False)
class ERMClassifier(BaseDebiasClassifier):
    """Empirical risk minimisation: the baseline, with optional balancing.

    Parameters
    ----------
    {shared_parameters}
    balance : {"class", "group"} or None, default=None
        Give every class, or every (class, bias value) group, the same share of the loss. "group"
        without bias labels balances the classes, with a warning.
    balance_by : {"weight", "sample", "subsample"}, default="weight"
        "weight" weighs the loss by n / (groups * n_group). "sample" draws each epoch's n rows with
        replacement, every group with the same probability. "subsample" draws as many rows of each
        group as the smallest has, without replacement, anew in each epoch [1]_. Without ``balance``
        it has no effect, and any but the default warns.

    Attributes
    ----------
    {shared_attributes}

    References
    ----------
    .. [1] Idrissi et al., "Simple data balancing achieves competitive worst-group-accuracy", CLeaR
       2022. It compares the three, by class and by group.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_debias import ERMClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = ERMClassifier(lr=0.1, max_epochs=30, random_state=0).fit(X, y)
    >>> clf.score(X, y) > 0.9
    True
    """

    balance: str | None = None
    balance_by: str = "weight"

    _parameter_constraints: ClassVar[dict] = {
        **BaseDebiasClassifier._parameter_constraints,
        "balance": [StrOptions({"class", "group"}), None],
        "balance_by": [StrOptions({"weight", "sample", "subsample"})],
    }

    def _search_space(self, rows: SearchedRows) -> Space:
        return super()._search_space(rows) | erm_space(self.balance)

    @fit_method
    def fit(
        self,
        X: Any,
        y: Any,
        *,
        bias_labels: Any = None,
        validation_data: Any = None,
        sample_weight: Any = None,
    ) -> Any:
        """Fit the classifier.

        Parameters
        ----------
        {shared_arguments}
        sample_weight : array-like of shape (n,), default=None
            Weights, finite and at least 0; a row of weight 0 is left out.

        Returns
        -------
        self
        """
        return Given(X, y, bias_labels, validation_data, sample_weight)

    def _check_params(self) -> None:
        super()._check_params()
        if self.balance is None and self.balance_by != "weight":
            warn(
                f"`balance_by`={self.balance_by!r} has no effect with `balance`=None: nothing is "
                f"balanced. Set `balance` to 'class' or 'group', or leave `balance_by` out."
            )

    def _trains_by_group(self) -> bool:
        return self.balance == "group"

    def _phases(self) -> tuple[Phase, ...]:
        balanced = self.balance is not None and self.balance_by != "weight"
        objective = ERM(balanced=balanced, replace=self.balance_by == "sample")
        return (Phase("train", (objective,), self.max_epochs),)

    def _training_set(self, training: TrainingSet) -> TrainingSet:
        if self.balance == "group" and training.group is None:
            warn("`balance`='group' was given no bias_labels: the classes are balanced instead.")
        if self.balance is None:
            return training
        # The objective balances the groups it is given: here these are the classes.
        if self.balance == "class" or training.group is None:
            return self._weighted(replace(training, group=training.y))
        unused = "`balance`='group' cannot weight them."
        warn_of_cells(self.classes_, training.group, training.groups or [], unused)
        return self._weighted(training)

    def _weighted(self, training: TrainingSet) -> TrainingSet:
        """Return the rows, all groups weighted alike; as they are where groups are drawn alike."""
        if self.balance_by != "weight" or training.group is None:
            return training
        size = np.bincount(training.group)
        # Groups without rows do not count, so that the weights have mean 1.
        share = len(training) / (np.count_nonzero(size) * size)
        weight = share[training.group]
        if training.weight is not None:
            weight = weight * training.weight
        return replace(training, weight=weight)
