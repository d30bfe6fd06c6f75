"""The score of classifiers, for rows that belong together."""

from typing import Any

from sklearn.base import ClassifierMixin

from sklearn_debias.rows import check_same_rows


class ScoredByRows(ClassifierMixin):
    """scikit-learn's mixin, whose ``score`` looks at pandas indexes as ``fit`` does."""

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy on rows ``X`` with labels ``y``.

        Parameters
        ----------
        X : array-like of n rows
        y : array-like of shape (n,)
        sample_weight : array-like of shape (n,), default=None

        Returns
        -------
        float
            In [0, 1].
        """
        check_same_rows({"X": X, "y": y, "sample_weight": sample_weight})
        return super().score(X, y, sample_weight=sample_weight)
