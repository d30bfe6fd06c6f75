"""Small data that any classifier can be checked on."""

from typing import Any
from unittest import SkipTest

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import ParameterGrid, ParameterSampler

LABELS = np.array(["ant", "bee", "cat"])


def toy_rows(
    n: int = 60, shape: tuple[int, ...] = (4,)
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return X (n, *shape) in [0, 1], three classes, two bias values.

    Each class raises one feature, or one channel; every tenth label is wrong, so that no short fit
    is perfect.
    """
    rng = np.random.default_rng(0)
    X = 0.4 * rng.random((n, *shape), dtype=np.float32)
    y = np.arange(n) % 3
    X[np.arange(n), y] += 0.6
    return X, np.where(np.arange(n) % 10 == 0, (y + 1) % 3, y), rng.integers(2, size=n)


def fitted(estimator: Any, X: Any = None, y: Any = None, bias: Any = None) -> Any:
    """Fit a clone of ``estimator`` with a fixed seed, on the toy rows where none are given."""
    X, y, bias = toy_rows() if X is None else (X, y, bias)
    model = clone(estimator)
    if model.random_state is None:
        model.set_params(random_state=0)
    return model.fit(X, y, bias_labels=bias)


def needs(estimator: Any, *parameters: str) -> None:
    """Skip a check of what a classifier without these parameters does not have."""
    lacking = set(parameters) - set(estimator.get_params(deep=False))
    if lacking:
        raise SkipTest(f"{type(estimator).__name__} has no {', '.join(sorted(lacking))}.")


def drawn(space: dict[str, Any], n: int = 5) -> list[dict[str, Any]]:
    """Return a few draws of a search space, no more than it has, by a fixed seed."""
    if not space:
        return []
    listed = all(not hasattr(values, "rvs") for values in space.values())
    most = len(ParameterGrid(space)) if listed else n
    return list(ParameterSampler(space, min(n, most), random_state=0))


def weights(estimator: Any) -> dict[str, np.ndarray]:
    """Return all tensors of the fitted networks, or the fitted arrays where there are none."""
    if not hasattr(estimator, "net_"):
        values = {name: getattr(estimator, name) for name in fitted_names(estimator)}
        arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
        for part in inner_estimators(estimator):
            arrays = {**weights(part), **arrays}
        return arrays
    return {
        name: value.cpu().numpy() for name, value in estimator.net_.module_.state_dict().items()
    }


def inner_estimators(estimator: Any) -> list[Any]:
    """Return the fitted estimators that one of several parts holds."""
    values = [getattr(estimator, name) for name in fitted_names(estimator)]
    return [value for value in values if isinstance(value, BaseEstimator)]


def documented_arrays(estimator: Any) -> list[np.ndarray]:
    """Return the arrays that the estimator, or one inside, says it keeps; none of them twice."""
    found = {
        id(value): value
        for name, value in vars(estimator).items()
        if isinstance(value, np.ndarray) and name in str(type(estimator).__doc__)
    }
    for part in inner_estimators(estimator):
        found |= {id(value): value for value in documented_arrays(part)}
    return list(found.values())


def fitted_names(estimator: Any) -> list[str]:
    """Return the names of the fitted attributes."""
    return [name for name in vars(estimator) if name.endswith("_") and not name.startswith("_")]
