"""Groups of the rows that are scored, told by a fitted model: no bias label is looked at."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from sklearn_debias.exceptions import once, warn
from sklearn_debias.fitting import plain
from sklearn_debias.group_inference import GroupInferrer
from sklearn_debias.metrics import aligned_map
from sklearn_debias.metrics.internal import FEW


class FoundGroups(ABC):
    """Stand where a scorer has bias labels bound to it; they are found from the rows."""

    metric = ""  # by which a user scores labels that were inferred before
    labels = ""  # how the user gets them

    def __init__(self) -> None:
        self.said: set[str] = set()  # warnings, which every candidate of a search would repeat

    def __getstate__(self) -> dict[str, Any]:
        # What has been said is of this process, and tells no scorer from another.
        return {**vars(self), "said": set()}

    def find(self, X: Any, y: Any) -> Any:
        """Return the groups of rows (n, ...) with labels (n,).

        Raises
        ------
        ValueError
            Where the rows are missing.
        """
        if X is None:
            raise ValueError(
                "`X` is needed to find the groups, and this scorer is used on labels alone, as "
                "TunedThresholdClassifierCV does. Find them before, and bind them: "
                f"make_group_scorer({self.metric}, bias_labels=pd.Series({self.labels}, "
                "index=y.index))."
            )
        with once(self.said):
            return self.groups(X, y)

    @abstractmethod
    def groups(self, X: Any, y: Any) -> Any:
        """Return the groups of the rows."""


class InferredCells(FoundGroups):
    """The inferred labels, to be crossed with the classes."""

    metric = "worst_group_accuracy_score"
    labels = "inferrer.predict(X, y)"

    def __init__(self, inferrer: GroupInferrer) -> None:
        super().__init__()
        self.inferrer = inferrer

    def groups(self, X: Any, y: Any) -> Any:
        """Return inferred bias labels (n,)."""
        return self.inferrer.predict(X, y)


class InferredParts(InferredCells):
    """The rows that the shortcut explains, of all classes, and those that it does not.

    Groups of few rows have an accuracy by luck, and there are as many as classes: their minimum is
    0 for all candidates. Pooled, the rows are enough to tell candidates apart.
    """

    def __init__(self, inferrer: GroupInferrer, min_group_size: int) -> None:
        super().__init__(inferrer)
        self.min_group_size = min_group_size

    def groups(self, X: Any, y: Any) -> np.ndarray:
        """Return memberships (n, 2): of the rows that the shortcut explains, and of the others."""
        labels = super().groups(X, y)
        unexplained = labels != self._majority(y, labels)
        self._warn_of_size(int(unexplained.sum()), len(labels))
        return np.column_stack([~unexplained, unexplained])

    def _majority(self, y: Any, labels: np.ndarray) -> Any:
        """Return the label of each row's class (n,) that stands for its larger part."""
        if self.inferrer.method != "ssa":
            return 0
        # The values are the user's own, and each class has another one that goes with it.
        most = aligned_map(y, labels, ties="omit")
        known = zip(np.asarray(plain(y, "y")).tolist(), labels.tolist(), strict=True)
        return np.array([most.get(label, own) for label, own in known], dtype=labels.dtype)

    def _warn_of_size(self, n: int, n_rows: int) -> None:
        """Warn where one part is missing, or has an accuracy by luck."""
        smaller = min(n, n_rows - n)
        if smaller == 0 or smaller < self.min_group_size:
            warn(
                f"{n} of {n_rows} scored rows are inferred to be of the minority: one part is left "
                "out, and the score is the accuracy of the other. By it, the shortcut wins. Hold "
                "out more rows, or let the inferrer find more of them."
            )
        elif smaller < FEW:
            warn(
                f"{n} of {n_rows} scored rows are inferred to be of the minority: the accuracy of "
                "so few is a matter of luck. Hold out more rows, by fewer folds or a larger share."
            )


class BiasedPredictions(FoundGroups):
    """What a biased model predicts for the rows."""

    metric = "group_mean_accuracy_score"
    labels = "model.predict(X)"

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def groups(self, X: Any, y: Any) -> np.ndarray:
        """Return the predictions (n,)."""
        predicted = np.asarray(self.model.predict(X))
        if np.array_equal(predicted, np.asarray(plain(y, "y"))):
            warn(
                f"`model` is right about all {len(predicted)} scored rows, so that every group is "
                "a class and the score is the balanced accuracy: by it, the shortcut wins. "
                "Regularise `model` more, until it makes mistakes."
            )
        return predicted
