"""Checks of what a user gives: estimators as parameters, and rows."""

from typing import Any

from sklearn.utils import indexable

from sklearn_debias.fitting import is_dataset, plain


def check_instances(owner: Any, *names: str) -> None:
    """Raise a TypeError where a parameter holds a class, which has the methods of an estimator."""
    for name in names:
        value = getattr(owner, name)
        if isinstance(value, type):
            raise TypeError(
                f"`{name}` of {type(owner).__name__} must be an estimator, got the class "
                f"{value.__name__}. Write {value.__name__}()."
            )


def indexable_rows(X: Any) -> Any:
    """Return the rows of X in a form that folds can be taken of."""
    X = plain(X, "X")
    if not is_dataset(X):
        (X,) = indexable(X)
    return X
