"""Small data that any classifier can be checked on."""

from typing import Any
from unittest import SkipTest

import numpy as np
from sklearn.base import clone

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


def weights(estimator: Any) -> dict[str, np.ndarray]:
    """Return all tensors of the fitted networks, or the fitted arrays where there are none."""
    if not hasattr(estimator, "net_"):
        values = {name: getattr(estimator, name) for name in fitted_names(estimator)}
        inner = weights(values["estimator_"]) if "estimator_" in values else {}
        return {
            **inner,
            **{name: value for name, value in values.items() if isinstance(value, np.ndarray)},
        }
    return {
        name: value.cpu().numpy() for name, value in estimator.net_.module_.state_dict().items()
    }


def fitted_names(estimator: Any) -> list[str]:
    """Return the names of the fitted attributes."""
    return [name for name in vars(estimator) if name.endswith("_") and not name.startswith("_")]
