"""L1 logistic regressions, one class against the rest, by the solver that suits their size."""

import threading
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning

from sklearn_debias.fitting._standardised import parts

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

# liblinear draws from one generator of the whole process, without the GIL: two fits at once would
# take each other's numbers.
_LIBLINEAR = threading.Lock()
# From so many rows on, and up to so many columns, Newton steps need no rows in float64, and no more
# time: refits of 50,000 rows of 512 columns took 1.9 s, by liblinear 2.4 s; of 1024 columns 6 s.
MANY = 50_000
NARROW = 512

TOLERANCE = 1e-4  # of the largest weight: liblinear's
CLOSER = 1e-6  # of the same, where the curvature is of elsewhere and a step ends short
SHRINKS = 0.25  # a step to so much of the one before, or the curvature is computed anew
HALVINGS = 20  # of a step, at most


def one_against_rest(
    X: Any,
    y: np.ndarray,
    n_classes: int,
    *,
    C: float,
    max_iter: int,
    seed: int,
    start: np.ndarray | None = None,
    curvatures: dict[int, np.ndarray] | None = None,
) -> tuple[np.ndarray, int]:
    """Return weights (1 or k, d + 1), the intercepts last, and the most iterations.

    Of two classes the second has the only row.

    Parameters
    ----------
    X : ndarray of shape (n, d), float64, or what returns such rows by slice
    y : ndarray of shape (n,)
        Class codes.
    n_classes : int
    C : float
    max_iter : int
    seed : int
        Of liblinear.
    start : ndarray of shape (1 or k, d + 1), default=None
        Weights of a similar fit.
    curvatures : dict, default=None
        By class, those of a similar fit; replaced by those of this one where it computes others.
    """
    classes = [1] if n_classes == 2 else range(n_classes)
    if len(X) >= MANY and X.shape[1] <= NARROW:
        starts = [None] * len(classes) if start is None else start
        held = {} if curvatures is None else curvatures
        fits = []
        for c, first in zip(classes, starts, strict=True):
            *fit, held[c] = newton(X, y == c, C, max_iter, first, held.get(c))
            fits.append(fit)
    else:
        # Not above: of all methods one needs it, and it costs an import a tenth.
        from sklearn.linear_model import LogisticRegression

        # Class by class: scikit-learn's liblinear refuses more than two at once.
        model = LogisticRegression(
            C=C, l1_ratio=1, solver="liblinear", max_iter=max_iter, random_state=seed % 2**32
        )
        whole = X[:]
        with _LIBLINEAR:
            fits = [_weights(model.fit(whole, y == c)) for c in classes]
    weights, n_iters = zip(*fits, strict=True)
    return np.stack(weights), int(max(n_iters))


def _weights(model: "LogisticRegression") -> list:
    return [np.append(model.coef_[0], model.intercept_[0]), model.n_iter_[0]]


def newton(
    X: Any,
    y: np.ndarray,
    C: float,
    max_iter: int,
    start: np.ndarray | None = None,
    curvature: np.ndarray | None = None,
) -> tuple[np.ndarray, int, np.ndarray]:
    """Minimise liblinear's ``|w|_1 + C sum log(1 + exp(-s z.w))``, z being a row and a last 1.

    Each step minimises the quadratic model at the present weights plus the penalty, which is a
    lasso on the factor of the Hessian (as in glmnet; Friedman, Hastie and Tibshirani, Journal of
    Statistical Software 33, 2010). The Hessian costs d times what the gradient costs. So that of
    another point, or of similar rows, serves as long as steps shrink fast; gradients are exact, and
    so is the end.

    Parameters
    ----------
    X : ndarray of shape (n, d), float64, or what returns such rows by slice
    y : ndarray of shape (n,), bool
    C : float
    max_iter : int
    start : ndarray of shape (d + 1,), default=None
        Weights to begin with.
    curvature : ndarray of shape (d + 1, d + 1), default=None
        Mean Hessian of the loss of a row, to begin with.

    Returns
    -------
    w : ndarray of shape (d + 1,)
        The last entry is the intercept.
    n_iter : int
    curvature : ndarray of shape (d + 1, d + 1)
        The last one that was computed.
    """
    w = np.zeros(X.shape[1] + 1) if start is None else start
    margin = _margin(X, w)
    value = _objective(margin, w, y, C)
    before = np.inf
    fresh = curvature is None
    held = _curvature(X, margin) if curvature is None else curvature
    for step in range(1, max_iter + 1):
        target = _minimum_of_model(_gradient(X, y, margin), held, C * len(y), w)
        ahead = _margin(X, target)
        share = 1.0
        for _ in range(HALVINGS):
            moved = w + share * (target - w)
            moved_margin = margin + share * (ahead - margin)
            moved_value = _objective(moved_margin, moved, y, C)
            if moved_value <= value:
                break
            share = share / 2
        else:
            if fresh:
                return w, step, held  # no better point on the way: the minimum, to rounding
            moved = w
            moved_margin = margin
            moved_value = value
            share = 0.0
        change = np.abs(moved - w).max()
        w = moved
        margin = moved_margin
        value = moved_value
        enough = TOLERANCE if fresh else CLOSER
        if share and change <= enough * np.abs(w).max(initial=1.0):
            return w, step, held
        fresh = change > SHRINKS * before or share < 1
        if fresh:
            held = _curvature(X, margin)
        before = change
    warnings.warn(
        f"`max_iter`={max_iter} steps of an L1 logistic regression did not converge. Raise it.",
        ConvergenceWarning,
        stacklevel=2,
    )
    return w, max_iter, held


def _margin(X: Any, w: np.ndarray) -> np.ndarray:
    """Return the score of each row, (n,)."""
    return np.concatenate([X[part] @ w[:-1] for part in parts(*X.shape)]) + w[-1]


def _objective(margin: np.ndarray, w: np.ndarray, y: np.ndarray, C: float) -> float:
    return np.abs(w).sum() + C * float(np.logaddexp(0, np.where(y, -margin, margin)).sum())


def _gradient(X: Any, y: np.ndarray, margin: np.ndarray) -> np.ndarray:
    """Return the gradient of the mean loss of a row, (d + 1,)."""
    residual = expit(margin) - y
    total = np.zeros(X.shape[1])
    for part in parts(*X.shape):
        total += residual[part] @ X[part]
    return np.append(total, residual.sum()) / len(y)


def _curvature(X: Any, margin: np.ndarray) -> np.ndarray:
    """Return the mean Hessian of the loss of a row, (d + 1, d + 1)."""
    d = X.shape[1] + 1
    hessian = np.zeros((d, d))
    for part in parts(*X.shape):
        p = expit(margin[part])
        rows = X[part]
        # The product of a matrix with its own transpose takes half of the work.
        Z = np.column_stack([rows, np.ones(len(rows))]) * np.sqrt(p * (1 - p))[:, None]
        hessian += Z.T @ Z
    return hessian / len(margin)


def _minimum_of_model(
    gradient: np.ndarray, curvature: np.ndarray, strength: float, w: np.ndarray
) -> np.ndarray:
    """Return the minimum of the penalty and ``strength`` times the quadratic model at ``w``."""
    d = len(w)
    hessian = strength * curvature
    # A constant column, or perfectly fitted rows, leave directions without curvature.
    hessian[np.diag_indices(d)] += 1e-10 * hessian.trace() / d + 1e-12
    factor = cholesky(hessian)
    pulled = solve_triangular(factor, hessian @ w - strength * gradient, trans="T")
    from sklearn.linear_model import Lasso

    lasso = Lasso(alpha=1 / d, fit_intercept=False, tol=1e-8, max_iter=10_000, warm_start=True)
    lasso.coef_ = w.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # another step follows
        return lasso.fit(factor, pulled).coef_
