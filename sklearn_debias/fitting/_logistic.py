"""L1 logistic regressions, one class against the rest, by the solver that suits their size."""

import threading
import warnings
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

# liblinear draws from one generator of the whole process, without the GIL: two fits at once would
# take each other's numbers.
_LIBLINEAR = threading.Lock()
# From so many rows on, and up to so many columns, Newton steps take a fraction of the time: they
# read the rows a few times, liblinear some hundred times.
MANY = 50_000
NARROW = 128

CHUNK = 2**15  # rows at a time: a weighted copy of all would double the memory
TOLERANCE = 1e-4  # of the largest weight: liblinear's
HALVINGS = 20  # of a step, at most


def one_against_rest(
    X: np.ndarray,
    y: np.ndarray,
    n_classes: int,
    *,
    C: float,
    max_iter: int,
    seed: int,
    start: np.ndarray | None = None,
) -> tuple[np.ndarray, int]:
    """Return weights (1 or k, d + 1), the intercepts last, and the most iterations.

    Of two classes the second has the only row. ``start`` holds such weights of a similar fit.
    """
    classes = [1] if n_classes == 2 else range(n_classes)
    if len(X) >= MANY and X.shape[1] <= NARROW:
        starts = [None] * len(classes) if start is None else start
        fits = [
            newton(X, y == c, C, max_iter, first) for c, first in zip(classes, starts, strict=True)
        ]
    else:
        # Not above: of all methods one needs it, and it costs an import a tenth.
        from sklearn.linear_model import LogisticRegression

        # Class by class: scikit-learn's liblinear refuses more than two at once.
        model = LogisticRegression(
            C=C, l1_ratio=1, solver="liblinear", max_iter=max_iter, random_state=seed % 2**32
        )
        with _LIBLINEAR:
            fits = [_weights(model.fit(X, y == c)) for c in classes]
    weights, n_iters = zip(*fits, strict=True)
    return np.stack(weights), int(max(n_iters))


def _weights(model: "LogisticRegression") -> tuple[np.ndarray, int]:
    return np.append(model.coef_[0], model.intercept_[0]), model.n_iter_[0]


def newton(
    X: np.ndarray, y: np.ndarray, C: float, max_iter: int, start: np.ndarray | None = None
) -> tuple[np.ndarray, int]:
    """Minimise liblinear's ``|w|_1 + C sum log(1 + exp(-s z.w))``, z being a row and a last 1.

    Each step minimises the quadratic model at the present weights plus the penalty, which is a
    lasso on the factor of the Hessian (as in glmnet; Friedman, Hastie and Tibshirani, Journal of
    Statistical Software 33, 2010).

    Parameters
    ----------
    X : ndarray of shape (n, d), float64
    y : ndarray of shape (n,), bool
    C : float
    max_iter : int
    start : ndarray of shape (d + 1,), default=None
        Weights to begin with.

    Returns
    -------
    w : ndarray of shape (d + 1,)
        The last entry is the intercept.
    n_iter : int
    """
    w = np.zeros(X.shape[1] + 1) if start is None else start
    margin = X @ w[:-1] + w[-1]
    value = _objective(margin, w, y, C)
    for step in range(1, max_iter + 1):
        target = _minimum_of_model(X, y, C, w, margin)
        ahead = X @ target[:-1] + target[-1]
        share = 1.0
        for _ in range(HALVINGS):
            moved = w + share * (target - w)
            moved_margin = margin + share * (ahead - margin)
            moved_value = _objective(moved_margin, moved, y, C)
            if moved_value <= value:
                break
            share = share / 2
        else:
            return w, step  # no better point on the way: the minimum, to rounding
        change = np.abs(moved - w).max()
        w = moved
        margin = moved_margin
        value = moved_value
        if change <= TOLERANCE * np.abs(w).max(initial=1.0):
            return w, step
    warnings.warn(
        f"`max_iter`={max_iter} steps of an L1 logistic regression did not converge. Raise it.",
        ConvergenceWarning,
        stacklevel=2,
    )
    return w, max_iter


def _objective(margin: np.ndarray, w: np.ndarray, y: np.ndarray, C: float) -> float:
    return np.abs(w).sum() + C * float(np.logaddexp(0, np.where(y, -margin, margin)).sum())


def _minimum_of_model(
    X: np.ndarray, y: np.ndarray, C: float, w: np.ndarray, margin: np.ndarray
) -> np.ndarray:
    """Return the minimum of the penalty and the quadratic model at ``w``."""
    d = len(w)
    gradient = np.zeros(d)
    hessian = np.zeros((d, d))
    for first in range(0, len(X), CHUNK):
        part = slice(first, first + CHUNK)
        Z = np.column_stack([X[part], np.ones(len(X[part]))])
        p = expit(margin[part])
        gradient += C * (Z.T @ (p - y[part]))
        hessian += C * (Z.T @ (Z * (p * (1 - p))[:, None]))
    # A constant column, or perfectly fitted rows, leave directions without curvature.
    hessian[np.diag_indices(d)] += 1e-10 * hessian.trace() / d + 1e-12
    factor = cholesky(hessian)
    pulled = solve_triangular(factor, hessian @ w - gradient, trans="T")
    from sklearn.linear_model import Lasso

    lasso = Lasso(alpha=1 / d, fit_intercept=False, tol=1e-8, max_iter=10_000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # another step follows
        return lasso.fit(factor, pulled).coef_
