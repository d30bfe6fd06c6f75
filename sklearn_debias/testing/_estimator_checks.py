"""What every classifier leaves alone, and gives back. Each check takes an unfitted one."""

import contextlib
import copy
import io
import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import SkipTest

import numpy as np
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from torch import nn

from sklearn_debias.core import SplitModule
from sklearn_debias.exceptions import DivergedError
from sklearn_debias.testing._asserts import assert_equal_bits, generators_untouched
from sklearn_debias.testing._estimator_data import (
    LABELS,
    documented_arrays,
    drawn,
    fitted,
    fitted_names,
    needs,
    toy_rows,
    weights,
)


def check_classifier_global_state_untouched(estimator: Any) -> None:
    """Fit and predict leave global generators, the thread count and the gradient mode alone."""
    X, y, bias = toy_rows()
    threads = torch.get_num_threads()
    mode = torch.is_grad_enabled()
    with generators_untouched():
        model = clone(estimator).fit(X, y, bias_labels=bias)
        model.predict(X)
        model.predict_proba(X)
    assert torch.get_num_threads() == threads, "The number of torch threads changed."
    assert torch.is_grad_enabled() == mode, "The gradient mode changed."


def check_classifier_module_untouched(estimator: Any) -> None:
    """Copy a module passed as an instance: never trained, moved or switched."""
    needs(estimator, "module")
    own = SplitModule(
        nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Dropout(0.2)), nn.Linear(5, 3)
    )
    before = copy.deepcopy(own.state_dict())
    flags = [m.training for m in own.modules()]
    model = fitted(clone(estimator).set_params(module=own, net_params=None))
    assert model.module_ is not own
    assert_equal_bits(model.predict(toy_rows()[0]).shape, (60,), "The shape of the predictions")
    for name, value in own.state_dict().items():
        assert torch.equal(value, before[name]), f"The user's module was trained: {name} changed."
    assert flags == [m.training for m in own.modules()], (
        "The user's module changed its training mode."
    )
    assert all(p.grad is None and p.requires_grad for p in own.parameters())


def check_classifier_only_read_after_fit(estimator: Any) -> None:
    """Leave the networks in eval mode; threads that predict at once write to none of them."""
    needs(estimator, "module")
    body = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout()
    )
    own = SplitModule(body, nn.Linear(4, 3))
    X, y, bias = toy_rows(70, (3, 8, 8))
    quick = clone(estimator).set_params(module=own, net_params=None, max_epochs=1)
    model = fitted(quick, X, y, bias)
    assert not any(part.training for part in model.net_.module_.modules()), (
        "A network is in train mode after the fit."
    )
    before = {name: value.copy() for name, value in weights(model).items()}
    expected = model.predict_proba(X)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(model.predict_proba, [X] * 8):
            assert_equal_bits(found, expected, "The probability in a thread")
    for name, value in weights(model).items():
        assert_equal_bits(value, before[name], f"After predictions {name}")


def check_classifier_inputs_untouched(estimator: Any) -> None:
    """Fit and predict read X, y and the bias labels, which may be read-only."""
    rows = toy_rows()
    before = [array.tobytes() for array in rows]
    for array in rows:
        array.flags.writeable = False
    fitted(estimator, *rows).predict(rows[0])
    assert before == [array.tobytes() for array in rows], "An input was written to."


def check_classifier_labels_come_back(estimator: Any) -> None:
    """Codes or strings as labels give the same networks; `predict` gives the labels back."""
    X, y, bias = toy_rows()
    coded = fitted(estimator, X, y, bias)
    named = fitted(estimator, X, LABELS[y], bias)
    assert_equal_bits(named.classes_, LABELS, "`classes_`")
    assert_equal_bits(named.predict(X), LABELS[coded.predict(X)], "The prediction")
    assert_equal_bits(named.predict_proba(X), coded.predict_proba(X), "The probability")


def check_classifier_bias_names_do_not_matter(estimator: Any) -> None:
    """Other names for the bias values, in the same order, give the same networks."""
    X, y, bias = toy_rows()
    first = fitted(estimator, X, y, bias)
    second = fitted(estimator, X, y, np.array(["grass", "sand"])[bias])
    for name, value in weights(second).items():
        assert_equal_bits(value, weights(first)[name], name)


def check_classifier_says_if_it_trains_by_group(estimator: Any) -> None:
    """Bias labels change what is trained where `_trains_by_group` says so, and nowhere else."""
    if not hasattr(estimator, "_trains_by_group"):
        raise SkipTest("It is not derived from BaseDebiasClassifier.")
    if estimator.validation is not None or hasattr(estimator, "meta_size"):
        raise SkipTest("The rows that are held out are drawn by group.")
    X, y, bias = toy_rows()
    other = np.random.default_rng(0).permutation(bias)
    first, second = (weights(fitted(estimator, X, y, labels)) for labels in (bias, other))
    changed = any(not np.array_equal(value, second[name]) for name, value in first.items())
    assert changed == estimator._trains_by_group(), f"Other bias labels change it: {changed}."


def check_classifier_pickles(estimator: Any) -> None:
    """Predict the same from a file; only documented attributes grow with the data."""
    if "batch_size" in estimator.get_params():
        estimator = clone(estimator).set_params(batch_size=200)  # few steps for 600 rows
    sizes = {}
    for n in (60, 600):
        X, *labels = toy_rows(n)
        model = fitted(estimator, X, *labels)
        stored = pickle.dumps(model)
        assert_equal_bits(
            pickle.loads(stored).predict_proba(X), model.predict_proba(X), "The probability"
        )
        documented = documented_arrays(model)
        sizes[n] = len(stored) - sum(array.nbytes for array in documented if array.ndim == 1)
    assert sizes[600] - sizes[60] < 1000, f"The file grows with the training data: {sizes} bytes."


def check_classifier_failed_fit_leaves_nothing(estimator: Any) -> None:
    """After a fit that fails, nothing of it and nothing of the fit before it is left."""
    X, y, bias = toy_rows()
    wrong = X.copy()
    wrong[7, 1] = np.nan
    _check_failing(fitted(estimator), wrong, y, bias, ValueError)
    if "lr" in estimator.get_params():
        _check_failing(fitted(estimator).set_params(lr=1e30), X, y, bias, DivergedError)


def _check_failing(
    model: Any, X: np.ndarray, y: np.ndarray, bias: np.ndarray, expected: type[Exception]
) -> None:
    with contextlib.suppress(expected):
        model.fit(X, y, bias_labels=bias)
        raise AssertionError("The fit should have failed.")
    assert not fitted_names(model), f"A failed fit left {fitted_names(model)}."
    with contextlib.suppress(NotFittedError):
        model.predict(toy_rows()[0])
        raise AssertionError("A failed fit must not predict.")


def check_classifier_quiet(estimator: Any) -> None:
    """Nothing is printed at ``verbose=0``, one line or more per epoch at ``verbose=1``."""
    needs(estimator, "verbose")
    printed = []
    for verbose in (0, 1):
        stream = io.StringIO()
        with (
            contextlib.redirect_stdout(stream),
            contextlib.redirect_stderr(stream),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")  # a fit this short may warn that it learned little
            model = fitted(clone(estimator).set_params(verbose=verbose))
        printed.append(stream.getvalue())
    assert printed[0] == "", f"`verbose=0` printed {printed[0]!r}."
    assert printed[1].count("\n") >= model.n_iter_, "`verbose=1` must print a line per epoch."


def check_classifier_history(estimator: Any) -> None:
    """`history_` has a row per epoch; what a phase records is finite in all its epochs."""
    needs(estimator, "max_epochs")
    model = fitted(estimator)
    history = model.history_
    assert len(history) == model.n_iter_
    assert list(history.index) == list(range(len(history)))
    for phase, rows in history.groupby("phase", sort=False):
        recorded = rows.dropna(axis=1, how="all").select_dtypes("number")
        assert list(rows["epoch"]) == list(range(1, len(rows) + 1)), (
            f"The epochs of {phase!r}: {list(rows['epoch'])}."
        )
        assert np.isfinite(recorded.to_numpy()).all(), (
            f"{phase!r} recorded a number that is not finite."
        )


def check_classifier_search_space(estimator: Any) -> None:
    """Say what to search: parameters that there are, draws that are valid, the same each time."""
    if not hasattr(estimator, "search_space"):
        raise SkipTest("It is not derived from BaseDebiasClassifier.")
    for kind, shape in (("embeddings", (4,)), ("tabular", (4,)), ("images", (3, 8, 8))):
        X, _, _ = toy_rows(shape=shape)
        first, second = (drawn(estimator.search_space(kind, X)) for _ in range(2))
        assert first, f"There is nothing to search on {kind}."
        # By their text: estimators and arrays do not compare to a single truth.
        assert repr(first) == repr(second), f"Two calls for {kind} draw otherwise."
        for draw in first:
            candidate = clone(estimator).set_params(**draw)
            candidate._validate_params()
            if hasattr(candidate, "_check_params"):
                candidate._check_params()


def check_classifier_neighbours_do_not_matter(estimator: Any) -> None:
    """Predict a row whatever its neighbours are: features to 1e-12, images exactly."""
    quick = {"max_epochs": 1} if "max_epochs" in estimator.get_params() else {}
    for shape, tolerance in (((4,), 1e-12), ((3, 8, 8), 0.0))[: 2 if quick else 1]:
        X, y, bias = toy_rows(70, shape)
        model = fitted(clone(estimator).set_params(**quick), X, y, bias)
        order = np.random.default_rng(1).permutation(len(X))
        for method, allowed in ((model.predict, 0.0), (model.predict_proba, tolerance)):
            whole = method(X)
            parts = [method(X[rows]) for rows in (order[:1], order[1:34], order[34:])]
            gap = np.abs(np.concatenate(parts) - whole[order]).max()
            assert gap <= allowed, (
                f"{method.__name__} of rows of {shape} depends on their neighbours: {gap:.1e}."
            )
