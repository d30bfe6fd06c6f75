"""L1 logistic regressions: Newton steps end where liblinear ends, and where the optimum is."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from sklearn_debias import DFRClassifier
from sklearn_debias.fitting import _logistic, one_against_rest

rng = np.random.default_rng(0)
X = rng.normal(size=(600, 8)) @ (np.eye(8) + rng.normal(size=(8, 8)) / 4)
y = expit(2 * X[:, 0] - X[:, 1] + 0.5) > rng.random(600)


def liblinear(X, y, C):
    model = LogisticRegression(
        C=C, l1_ratio=1, solver="liblinear", tol=1e-10, max_iter=100_000, random_state=0
    ).fit(X, y)
    return np.append(model.coef_[0], model.intercept_[0])


@pytest.mark.parametrize("C", [1e-4, 0.01, 0.03, 1.0, 100.0])
def test_newton_ends_where_liblinear_ends(C):
    w, n_iter, _ = _logistic.newton(X, y, C, 100)
    np.testing.assert_allclose(w, liblinear(X, y, C), atol=1e-5)
    assert n_iter <= 10


@pytest.mark.parametrize("C", [0.01, 0.1, 1.0])
def test_it_is_the_optimum(C):
    """Subgradients: the loss pulls as much as the penalty holds, and no more where w is 0."""
    w, *_ = _logistic.newton(X, y, C, 100)
    Z = np.column_stack([X, np.ones(len(X))])
    pull = C * Z.T @ (y - expit(Z @ w))
    active = w != 0
    np.testing.assert_allclose(pull[active], np.sign(w[active]), atol=1e-4)
    assert (np.abs(pull[~active]) <= 1 + 1e-9).all()


def test_columns_that_say_nothing_and_rows_that_are_split_clean():
    odd = np.column_stack([X, X[:, 0], np.full(600, 3.0), np.zeros(600)])
    clean = X[:, 0] > 0
    w, *_ = _logistic.newton(odd, clean, 10.0, 200)
    other = liblinear(odd, clean, 10.0)
    assert np.isfinite(w).all()
    values = [_logistic._objective(odd @ v[:-1] + v[-1], v, clean, 10.0) for v in (w, other)]
    assert values[0] <= values[1] * (1 + 1e-6)


def test_a_near_start_takes_few_steps_and_too_few_are_told():
    w, cold, _ = _logistic.newton(X, y, 1.0, 100)
    again, warm, _ = _logistic.newton(X[1:], y[1:], 1.0, 100, start=w)
    assert warm < cold
    np.testing.assert_allclose(again, _logistic.newton(X[1:], y[1:], 1.0, 100)[0], atol=1e-5)
    with pytest.warns(ConvergenceWarning, match="`max_iter`=1 steps .* did not converge"):
        _logistic.newton(X, y, 1.0, 1)


def test_each_class_against_the_rest(monkeypatch):
    codes = np.digitize(X[:, 0], [-0.5, 0.5])
    by_liblinear, _ = one_against_rest(X, codes, 3, C=0.5, max_iter=1000, seed=0)
    monkeypatch.setattr(_logistic, "MANY", 1)
    by_newton, _ = one_against_rest(X, codes, 3, C=0.5, max_iter=1000, seed=0)
    assert by_newton.shape == (3, 9)
    np.testing.assert_allclose(by_newton, by_liblinear, atol=0.05)
    warm, n_iter = one_against_rest(X, codes, 3, C=0.5, max_iter=9, seed=0, start=by_newton)
    np.testing.assert_allclose(warm, by_newton, atol=1e-5)
    assert n_iter <= 2


def test_dfr_of_many_rows(monkeypatch):
    rng = np.random.default_rng(0)
    n = 2 * _logistic.MANY
    group = rng.integers(4, size=n)
    rows = rng.normal(size=(n, 3))
    rows[:, 0] += group // 2
    rows[:, 1] += 2 * (group % 2)
    given = {"X": rows, "y": group // 2, "bias_labels": group % 2}
    clf = DFRClassifier(C=0.1, n_resamples=2, random_state=0).fit(**given)
    monkeypatch.setattr(_logistic, "MANY", n + 1)
    other = DFRClassifier(C=0.1, n_resamples=2, random_state=0).fit(**given)
    assert not np.array_equal(clf.coef_, other.coef_)  # by two solvers
    np.testing.assert_allclose(clf.coef_, other.coef_, atol=1e-3)
    np.testing.assert_allclose(clf.intercept_, other.intercept_, atol=1e-3)
