"""An int seed gives one model, wherever it is fitted."""

from contextlib import suppress
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import joblib
import numpy as np
from sklearn.base import clone

from sklearn_debias.testing._asserts import assert_equal_bits
from sklearn_debias.testing._estimator_data import (
    documented_arrays,
    fitted,
    needs,
    toy_rows,
    weights,
)
from sklearn_debias.training import Engine


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


def check_classifier_goes_on_from_a_checkpoint(estimator: Any) -> None:
    """End with the same bits where the fit is interrupted, and called again."""
    needs(estimator, "checkpoint")
    steps = Steps()
    with steps:
        expected = fitted(estimator)
    history = expected.history_.drop(columns="seconds")
    for share in (0.3, 0.8):
        with TemporaryDirectory() as folder:
            # The interrupt itself must write: no epoch is due before it.
            kept = clone(estimator).set_params(checkpoint=folder, checkpoint_every="1h")
            with Steps(until=1 + int(share * steps.taken)), suppress(KeyboardInterrupt):
                fitted(kept)
                raise AssertionError("The interrupt did not reach the caller.")
            model = fitted(kept)
        after = f"A fit that went on after {share:.0%}"
        _assert_same(weights(model), weights(expected), after)
        assert model.history_.drop(columns="seconds").equals(history), f"{after}: its history"
        pairs = zip(documented_arrays(model), documented_arrays(expected), strict=True)
        for number, (actual, wanted) in enumerate(pairs):
            assert_equal_bits(actual, wanted, f"{after}: its documented array {number}")


class Steps:
    """Counts the steps that engines take meanwhile, and interrupts the last one.

    Parameters
    ----------
    until : int or None, default=None
        None interrupts nothing.
    """

    def __init__(self, until: int | None = None) -> None:
        self.taken = 0
        self.until = until

    def __enter__(self) -> "Steps":
        take = Engine.train_step

        def step(engine: Engine, *args: Any, **kwargs: Any) -> Any:
            self.taken += 1
            if self.taken == self.until:
                raise KeyboardInterrupt
            return take(engine, *args, **kwargs)

        self.patch = patch.object(Engine, "train_step", step)
        self.patch.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.patch.stop()
