"""Deep feature reweighting."""

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator, _fit_context
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import nn
from torch.nn.utils import skip_init

from sklearn_debias.arguments import in_our_words
from sklearn_debias.core import Net, split
from sklearn_debias.exceptions import warn
from sklearn_debias.fitting import (
    HEAD_BATCH,
    POSITIVE,
    POSITIVE_INT,
    Inputs,
    Opened,
    OurNames,
    ScoredByRows,
    Searchable,
    Standardised,
    all_or_nothing,
    can_stay_mapped,
    check_rows,
    describe_groups,
    encode_known,
    encode_target,
    is_dataset,
    mapped,
    one_against_rest,
    parts,
    plain,
    plain_bias,
    rows_at,
    rows_blamed,
    scaler_of,
    split_by,
    warn_of_cells,
)
from sklearn_debias.metrics.internal import check_numeric
from sklearn_debias.rows import check_same_rows
from sklearn_debias.search_spaces import SearchedRows, Space, dfr_space
from sklearn_debias.training import ArraySource, MappedSource, Prepare, Streams, span

# Types that rows are kept in; others become the first. Computed with is float64.
KEPT = (np.float64, np.float32, np.float16)


@dataclass(eq=False, repr=False)
class DFRClassifier(OurNames, Searchable, ScoredByRows, BaseEstimator):
    """Deep feature reweighting: retrain the last layer on groups of equal size [1]_.

    An L1 logistic regression is fitted to standardised embeddings: to as many rows of each (class,
    bias value) group as the smallest has. Its coefficients are averaged over several such draws.
    Fit it on rows that the embedding network was not trained on. It needs ``bias_labels``; without
    them the classes are the groups, with a warning.

    Parameters
    ----------
    C : float or "auto", default="auto"
        Inverse strength of the L1 penalty, > 0. "auto" takes that of ``Cs`` with the best
        worst-group accuracy on one half of the rows, after a fit to the other half; the larger one
        among equals.
    Cs : sequence of float, default=(1.0, 0.7, 0.3, 0.1, 0.07, 0.03, 0.01)
        The values that "auto" chooses from, each > 0.
    n_resamples : int, default=20
        Number of refits to average, each on another draw from all rows, at least 1.
    max_iter : int, default=1000
        Iterations of each fit, at least 1.
    random_state : int, RandomState instance or None, default=None
        An int makes fits reproducible. The global generators are never touched.

    Attributes
    ----------
    classes_ : ndarray of shape (classes,)
        Class labels, sorted.
    coef_ : ndarray of shape (1, features) or (classes, features)
        Averaged weights, in the units of X: the standardisation is folded in.
    intercept_ : ndarray of shape (1,) or (classes,)
    C_ : float
        The C of the refits.
    selection_scores_ : dict
        With ``C="auto"``: worst-group accuracy on the selecting half, by C.
    n_iter_ : int
        Iterations of the refit that took most.
    group_sizes_ : dict
        Rows by (class, bias value), or by class without bias labels. Each refit sees the smallest
        of them from each group.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Where X was a frame with string column names.
    bias_classes_, aligned_bias_, group_shares_
        Where ``fit`` was given bias labels: the bias values, the one that goes with each class most
        often, the share of each (class, bias value) group.

    Notes
    -----
    This does as the authors' code [1]_ does, except that the halves for selecting C are stratified
    by group, so that no group is missing from either (a group of one row is in both). More than two
    classes are fitted one against the rest, as liblinear does. Draws of 50,000 rows and more of up
    to 512 features are fitted by Newton steps to the same optimum, without a copy in float64.
    Memory maps of any type of number stay on disk: what is kept of them is one draw, in that
    type. The mean and
    standard deviation are those of the rows given; the code takes them from the network's training
    rows. In the selection both take them from the draw of the fitted half. A (class, bias value)
    cell without any row is named in a warning, and nothing can be learned of it.

    References
    ----------
    .. [1] Kirichenko, Izmailov and Wilson, "Last Layer Re-Training is Sufficient for Robustness to
       Spurious Correlations", ICLR 2023. Code: github.com/PolinaKirichenko/deep_feature_reweighting

    Examples
    --------
    >>> from sklearn_debias import DFRClassifier
    >>> from sklearn_debias.datasets import make_spurious_embeddings
    >>> rows = make_spurious_embeddings(random_state=0).validation
    >>> clf = DFRClassifier(random_state=0).fit(
    ...     rows.data, rows.target, bias_labels=rows.bias_labels
    ... )
    >>> clf.coef_.shape, clf.C_ in clf.Cs
    ((1, 8), True)
    """

    _: KW_ONLY
    C: Any = "auto"
    Cs: Any = (1.0, 0.7, 0.3, 0.1, 0.07, 0.03, 0.01)
    n_resamples: int = 20
    max_iter: int = 1000
    random_state: Any = None

    _parameter_constraints: ClassVar[dict] = {
        "C": [StrOptions({"auto"}), *POSITIVE],
        "Cs": ["array-like"],
        "n_resamples": POSITIVE_INT,
        "max_iter": POSITIVE_INT,
        "random_state": ["random_state"],
    }
    __metadata_request__fit = {"bias_labels": True}
    _predicts_with: ClassVar[tuple[str, ...]] = ("coef_", "intercept_")

    def _search_space(self, rows: SearchedRows) -> Space:
        return dfr_space()

    def _needs_groups(self) -> bool:
        """Return that without bias labels this is another method: one by classes."""
        return True

    @_fit_context(prefer_skip_nested_validation=True)
    @in_our_words
    def fit(self, X: Any, y: Any, *, bias_labels: Any = None) -> Any:
        """Fit the classifier.

        Parameters
        ----------
        X : array-like of shape (n, features)
            Embeddings of held-out rows.
        y : array-like of shape (n,)
            Class labels of any type.
        bias_labels : array-like of shape (n,) or (n, attributes), default=None
            Bias attribute(s) of each sample.

        Returns
        -------
        self
        """
        with all_or_nothing(self):
            Cs = self._check_Cs()
            streams = Streams(self.random_state)
            check_same_rows({"X": X, "y": y, "bias_labels": bias_labels})
            X = self._matrix(X, reset=True)
            y, self.classes_ = encode_target(self, y, len(X))
            bias = None if bias_labels is None else plain_bias(bias_labels)
            group, names, facts = describe_groups(self.classes_, y, bias)
            self.__dict__.update(facts)
            if bias is None:
                warn(
                    f"{type(self).__name__} was given no bias_labels: the classes are taken as "
                    "groups."
                )
            else:
                warn_of_cells(self.classes_, group, names, "nothing can be learned of it.")
            self.group_sizes_ = dict(zip(names, np.bincount(group).tolist(), strict=True))
            if all((X[part] == X[0]).all() for part in parts(*X.shape)):
                warn(
                    "All rows of X are equal: nothing can be learned of them. Check the embeddings."
                )
            with rows_blamed([_source(X)], (ValueError, np.linalg.LinAlgError)):
                auto = self.C == "auto"
                self.C_ = self._select(X, y, group, Cs, streams) if auto else float(self.C)
                self._refit(X, y, group, streams)
        return self

    def _matrix(self, X: Any, *, reset: bool) -> np.ndarray:
        """Return X as a matrix of numbers, memory maps as they are; ``reset`` notes its columns."""
        X = plain(X, "X")
        if is_dataset(X):
            raise TypeError(
                f"`X` must be an array of shape (n, features), got a {type(X).__name__}. Embed it "
                "first."
            )
        check_rows(X)
        # scikit-learn says so of arrays only.
        if isinstance(X, complex | list | tuple) and np.iscomplexobj(X):
            raise ValueError("Complex data not supported: `X` must hold real numbers.")
        if can_stay_mapped(X) and X.ndim == 2:
            mapped(X, "float64", self)
            return np.asarray(validate_data(self, X, reset=reset, skip_check_array=True))
        return validate_data(self, X, dtype=KEPT, reset=reset)

    def _check_Cs(self) -> list[float]:
        """Return `Cs` as numbers; raise where they are none."""
        try:
            check_numeric(self.Cs, "Cs")
            Cs = [float(C) for C in self.Cs]
        except (TypeError, ValueError, OverflowError):
            Cs = []
        if not Cs or not all(0 < C < np.inf for C in Cs):
            raise ValueError(
                f"`Cs` must be a non-empty sequence of finite numbers > 0, got {self.Cs!r}."
            )
        return Cs

    def _select(
        self, X: np.ndarray, y: np.ndarray, group: np.ndarray, Cs: list[float], streams: Streams
    ) -> float:
        """Return the C that is best for the worst group of one half, fitted to the other half."""
        rng = np.random.default_rng(streams.seed("selection"))
        fitted, scored = split_by(group, 0.5, rng)
        drawn = fitted[equal_groups(group[fitted], rng)]
        rows = rows_at(X, drawn)
        Z = Standardised(rows, scaler_of(rows))
        # One seed for all: the scores then differ by C alone.
        seed = streams.seed("solver")
        weights = None
        by_C = []
        curvatures: dict[int, np.ndarray] = {}
        for C in Cs:
            weights, _ = one_against_rest(
                Z,
                y[drawn],
                len(self.classes_),
                C=C,
                max_iter=self.max_iter,
                seed=seed,
                start=weights,
                curvatures=curvatures,
            )
            by_C.append(weights)
        worst = _worst_group(X, y, group, scored, Z.scaler, by_C)
        self.selection_scores_ = dict(zip(Cs, worst, strict=True))
        best = max(self.selection_scores_.values())
        # The larger one among equals: it penalises less.
        return max(C for C, score in self.selection_scores_.items() if score == best)

    def _refit(self, X: np.ndarray, y: np.ndarray, group: np.ndarray, streams: Streams) -> None:
        """Average the coefficients of fits to draws from all rows."""
        rng = np.random.default_rng(streams.seed("resamples"))
        scaler = scaler_of(X)
        fits = []
        weights = None
        curvatures: dict[int, np.ndarray] = {}
        for i in range(self.n_resamples):
            drawn = equal_groups(group, rng)
            weights, n_iter = one_against_rest(
                Standardised(rows_at(X, drawn), scaler),
                y[drawn],
                len(self.classes_),
                C=self.C_,
                max_iter=self.max_iter,
                seed=streams.seed("solver", str(i)),
                start=weights,
                curvatures=curvatures,
            )
            fits.append((weights, n_iter))
        every, n_iters = zip(*fits, strict=True)
        mean = np.mean(every, axis=0)
        coef = mean[:, :-1]
        intercept = mean[:, -1]
        self.n_iter_ = max(n_iters)
        # Back in the units of X: w . (x - mean) / scale + b.
        self.coef_ = coef / scaler.scale_
        self.intercept_ = intercept - self.coef_ @ scaler.mean_

    def _opened(self, X: Any, y: Any = None) -> Opened:
        """Return rows, and the scores as a linear layer, for attacks and attention maps."""
        check_is_fitted(self)
        X = self._matrix(X, reset=False)
        y = None if y is None else torch.from_numpy(encode_known(self.classes_, y, len(X)))
        # A row of zeros, or none: of two classes the first has the score 0.
        blank = np.zeros((int(len(self.classes_) == 2), 1))
        weight = np.vstack([blank * self.coef_[:1], self.coef_])
        # A layer's own start would draw from torch's global generator.
        layer = skip_init(nn.Linear, weight.shape[1], weight.shape[0], dtype=torch.float64)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weight))
            layer.bias.copy_(torch.from_numpy(np.concatenate([blank[:, 0], self.intercept_])))
        prepare = Prepare(torch.device("cpu"), torch.float64)
        net = Net(split(layer)).frozen()
        inputs = Inputs(_source(X), X.shape[1:], *span(X))
        return Opened(net, inputs, prepare, y, small=True, batch_size=HEAD_BATCH)

    @property
    def _one_against_rest(self) -> bool:
        """Whether probabilities are sigmoids of the scores over their sum, not their softmax."""
        return len(self.classes_) > 2

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the scores of the classes, shape (n, classes), or (n,) for two: the second's."""
        check_is_fitted(self)
        X = self._matrix(X, reset=False)
        each = [X[part].astype(np.float64, copy=False) @ self.coef_.T for part in parts(*X.shape)]
        scores = np.concatenate(each) + self.intercept_
        return scores[:, 0] if len(self.classes_) == 2 else scores

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probabilities of the classes, shape (n, classes).

        Those of more than two are normalised to sum to 1.
        """
        scores = self.decision_function(X)
        if scores.ndim == 1:
            return np.column_stack([expit(-scores), expit(scores)])
        # The sigmoids over their sum, by logarithms: all of them may underflow.
        return softmax(-np.logaddexp(0, -scores), axis=1)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return the logarithms of the probabilities, shape (n, classes)."""
        # That of a probability which underflows to 0 is -inf, and means no harm.
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def predict(self, X: Any) -> np.ndarray:
        """Return the class of the largest score of each row, in the labels of ``fit``, (n,)."""
        scores = self.decision_function(X)
        codes = (scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)
        return self.classes_[codes]


def _source(X: np.ndarray) -> ArraySource:
    """Return a matrix of any type of number as rows in float64."""
    return ArraySource(X) if X.dtype == np.float64 else MappedSource(X, np.float64)


def equal_groups(group: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw, without replacement, as many rows of each group (n,) as the smallest has."""
    members = [np.flatnonzero(group == code) for code in np.unique(group)]
    smallest = min(map(len, members))
    return np.concatenate([rng.permutation(rows)[:smallest] for rows in members])


def _worst_group(
    X: np.ndarray,
    y: np.ndarray,
    group: np.ndarray,
    scored: np.ndarray,
    scaler: StandardScaler,
    candidates: list[np.ndarray],
) -> list[float]:
    """Return the worst-group accuracy on the rows ``scored`` by each of some weights.

    The rows are read once for all of them.
    """
    size = np.bincount(group[scored])
    right = np.zeros((len(candidates), len(size)))
    for part in parts(len(scored), X.shape[1]):
        index = scored[part]
        Z = Standardised(X[index], scaler)[:]
        for i, weights in enumerate(candidates):
            hits = _scores(Z, weights).argmax(1) == y[index]
            right[i] += np.bincount(group[index], hits, len(size))
    return (right / size).min(1).tolist()


def _scores(X: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return scores (n, classes), the largest of which is the prediction."""
    scores = X @ weights[:, :-1].T + weights[:, -1]
    if len(weights) > 1:
        return scores
    # Of two classes the first has the score 0.
    return np.column_stack([np.zeros(len(X)), scores])
