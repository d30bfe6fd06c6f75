"""An int seed gives one model, wherever it is fitted."""

from typing import Any

import joblib
import numpy as np
from sklearn.base import clone

from sklearn_debias.testing._asserts import assert_equal_bits
from sklearn_debias.testing._estimator_data import fitted, toy_rows, weights


def check_classifier_seed_reproduces_refits(estimator: Any) -> None:
    """End with the same bits in a clone, in a second fit, and in a first fit elsewhere."""
    estimator = clone(estimator).set_params(random_state=7)
    model = fitted(estimator)
    first = weights(model)
    X, y, bias = toy_rows()
    _assert_same(weights(model.fit(X, y, bias_labels=bias)), first, "A refit")
    _assert_same(weights(fitted(model)), first, "A clone")


def check_classifier_seed_matters(estimator: Any) -> None:
    """Two seeds give two models."""
    first, second = (
        weights(fitted(clone(estimator).set_params(random_state=seed))) for seed in (0, 1)
    )
    assert any(not np.array_equal(first[name], second[name]) for name in first), (
        "The seed changes nothing."
    )


def check_classifier_seed_reproduces_in_threads(estimator: Any) -> None:
    """Fits that run at the same time in threads end with the bits of one that runs alone."""
    _check_in_pool(estimator, "threading")


def check_classifier_seed_reproduces_in_processes(estimator: Any) -> None:
    """End with the same bits in another process."""
    _check_in_pool(estimator, "loky")


def _check_in_pool(estimator: Any, backend: str) -> None:
    estimator = clone(estimator).set_params(random_state=7)
    first = weights(fitted(estimator))
    with joblib.parallel_config(backend=backend, n_jobs=2):
        for one in joblib.Parallel()(joblib.delayed(_fitted_weights)(estimator) for _ in range(3)):
            _assert_same(one, first, f"A fit in {backend}")


def _fitted_weights(estimator: Any) -> dict[str, np.ndarray]:
    return weights(fitted(estimator))


def _assert_same(actual: dict, expected: dict, what: str) -> None:
    for name, value in expected.items():
        assert_equal_bits(actual[name], value, f"{what}: {name}")
