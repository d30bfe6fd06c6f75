"""Post-hoc class scaling of any classifier."""

import numbers
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, _fit_context, clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.validation import check_is_fitted
from torch import nn

from sklearn_debias.arguments import in_our_words
from sklearn_debias.core import Net, SplitModule
from sklearn_debias.exceptions import warn
from sklearn_debias.fitting import (
    POSITIVE_INT,
    Opened,
    OurNames,
    ScoredByRows,
    Searchable,
    Sweep,
    all_or_nothing,
    bias_for,
    count_rows,
    describe_groups,
    encode_known,
    encode_target,
    fit_with_bias,
    indexable_rows,
    indexed,
    look_ahead,
    nested_space,
    open_model,
    plain,
    plain_bias,
    split_by,
    take_rows,
)
from sklearn_debias.metrics import get_scorer
from sklearn_debias.rows import check_same_rows
from sklearn_debias.search_spaces import SearchedRows, Space, class_scaling_space
from sklearn_debias.training import Streams

TINY = np.finfo(np.float64).tiny  # stands in for a probability of 0, whose logarithm is -inf


@dataclass(eq=False, repr=False)
class ClassScaling(OurNames, Searchable, MetaEstimatorMixin, ScoredByRows, BaseEstimator):
    """Predict ``argmax_c s_c p_c``: scale the classes after training, for the worst group.

    This is a baseline for every method: plain training with scaled classes is reported to match
    recent ones [1]_. The curve shows what a better worst group costs on average.

    Parameters
    ----------
    estimator : classifier with ``predict_proba``
        A fitted one is used as it is, never refitted: the rows given to ``fit`` only choose the
        scales, and should be held out from its training. One that is not fitted is cloned, and
        fitted to the rows left when ``held_out`` of each group is set aside to choose the scales.
        Clones are not fitted, so that a search or a cross-validation refits; put a fitted estimator
        into ``sklearn.frozen.FrozenEstimator`` to keep it there.
    scoring : str or scorer, default="worst_group_accuracy"
        What the scales are chosen by; greater is better.
    held_out : float, default=0.2
        Share of each group's rows that choose the scales, in (0, 1), where the estimator is fitted
        here; the row of a group of one serves for both.
    max_scales : int, default=200
        Values to try of one class's scale, at most. Where fewer predict differently all of these
        are tried; where more do, this many of them, evenly spread.
    max_rounds : int, default=10
        Passes over the classes at most, where there are more than two.
    random_state : int, RandomState instance or None, default=None
        Chooses the rows set aside. The global generators are never touched.

    Attributes
    ----------
    estimator_ : classifier
        The fitted classifier.
    classes_ : ndarray of shape (classes,)
        Class labels, sorted.
    scale_ : ndarray of shape (classes,)
        The scales s, with geometric mean 1.
    curve_ : DataFrame
        A row for each s that was tried, the first with all scales 1: ``scale_<class>``,
        ``average_accuracy`` (the raw one), ``worst_group_accuracy`` and ``score``, on the rows that
        chose the scales.
    n_features_in_ : int
        That of the estimator, where it has one; ``feature_names_in_`` alike.
    bias_classes_, aligned_bias_, group_shares_
        Where the estimator was fitted here, with bias labels: the bias values, the one that goes
        with each class most often, the share of each (class, bias value) group. Of a fitted
        estimator they are its own.

    Notes
    -----
    With two classes only the ratio of the scales matters, and one sweep finds its best value. With
    more, the scale of one class after another is swept while the others are held, until a pass
    gains nothing: a local optimum. Scales are changed only for a better score, or for a better
    average accuracy at the same score; among equals the one closest to 1 is taken. Without bias
    labels the classes are the groups, with a warning. The score on the rows that chose the scales
    is optimistic, and the more so the fewer they are.

    References
    ----------
    .. [1] Seo and Han, "Re-Evaluating Group Robustness via Adaptive Class-Specific Scaling", WACV
       2025.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_debias import ClassScaling
    >>> from sklearn_debias.datasets import make_spurious_embeddings
    >>> data = make_spurious_embeddings(random_state=0)
    >>> fitted = LogisticRegression().fit(data.train.data, data.train.target)
    >>> rows = data.validation
    >>> clf = ClassScaling(fitted).fit(rows.data, rows.target, bias_labels=rows.bias_labels)
    >>> bool(clf.curve_.score.max() >= clf.curve_.score[0])
    True
    """

    estimator: Any
    _: KW_ONLY
    scoring: Any = "worst_group_accuracy"
    held_out: float = 0.2
    max_scales: int = 200
    max_rounds: int = 10
    random_state: Any = None

    _parameter_constraints: ClassVar[dict] = {
        "estimator": [HasMethods(["fit", "predict_proba"])],
        "scoring": [str, callable],
        "held_out": [Interval(numbers.Real, 0, 1, closed="neither")],
        "max_scales": POSITIVE_INT,
        "max_rounds": POSITIVE_INT,
        "random_state": ["random_state"],
    }
    __metadata_request__fit = {"bias_labels": True}
    _predicts_with: ClassVar[tuple[str, ...]] = ("estimator_", "scale_")

    def _search_space(self, rows: SearchedRows) -> Space:
        return class_scaling_space() | nested_space("estimator", self.estimator, rows)

    def _needs_groups(self) -> bool:
        """Return that without bias labels this is another method: one by classes."""
        return True

    # False: the estimator inside is the user's, and must check its own parameters.
    @_fit_context(prefer_skip_nested_validation=False)
    @in_our_words
    def fit(self, X: Any, y: Any, *, bias_labels: Any = None) -> Any:
        """Choose the scales, after fitting the estimator if it is not fitted.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            As the estimator takes it.
        y : array-like of shape (n,)
            Class labels, known to the estimator if it is fitted.
        bias_labels : array-like of shape (n,) or (n, attributes), default=None
            Bias attribute(s) of each sample; handed on to the estimator's ``fit`` where that
            requests them.

        Returns
        -------
        self
        """
        with all_or_nothing(self):
            # The default needs no scorer: `Sweep` computes it in any case.
            scorer = None if self.scoring == "worst_group_accuracy" else get_scorer(self.scoring)
            check_same_rows({"X": X, "y": y, "bias_labels": bias_labels})
            X = indexable_rows(X)
            n = count_rows(X)
            codes, classes = encode_target(self, y, n)
            fitted = _is_fitted(self.estimator)
            self.classes_ = self.estimator.classes_ if fitted else classes
            # The rows that choose need not hold every class that the estimator knows.
            if fitted:
                codes = encode_known(self.classes_, y, n)
            bias = None if bias_labels is None else plain_bias(bias_labels)
            group, _, facts = describe_groups(self.classes_, codes, bias)
            if bias is None:
                warn(
                    f"{type(self).__name__} was given no bias_labels: the classes are taken as "
                    "groups."
                )
            if fitted:
                self.estimator_ = self.estimator
                rows = np.arange(n)
            else:
                self.__dict__.update(facts)
                look_ahead([self.estimator], X)
                rng = np.random.default_rng(Streams(self.random_state).seed("held out"))
                train, rows = split_by(group, self.held_out, rng)
                self.estimator_ = fit_with_bias(
                    clone(self.estimator), X, classes[codes], bias, train
                )
            self._inherit()
            given = {} if scorer is None else bias_for(scorer, bias, rows)
            choosing = X if fitted else take_rows(X, rows)
            labels = indexed(self.classes_[codes[rows]], y, rows)
            self._choose(choosing, labels, codes[rows], group[rows], scorer, given)
        return self

    def _inherit(self) -> None:
        """Take over what the estimator says of its features."""
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.estimator_, name):
                setattr(self, name, getattr(self.estimator_, name))

    def _choose(
        self,
        X: Any,
        y: Any,
        codes: np.ndarray,
        group: np.ndarray,
        scorer: Callable | None,
        given: dict[str, Any],
    ) -> None:
        """Set the scales and the curve by the rows X with the labels y, and their codes."""

        def score(scaled: np.ndarray) -> float:
            assert scorer is not None
            value = float(scorer(_Scaled(self, scaled), X, y, **given))
            # Nothing is better than NaN, or worse: the search would keep what it began with.
            if not np.isfinite(value):
                raise ValueError(
                    f"`scoring` must give finite numbers, got {value} from {self.scoring!r}."
                )
            return value

        sweep = Sweep(self._log_proba(X), codes, group, self.classes_, scorer and score)
        self.scale_, self.curve_ = sweep.run(self.max_scales, self.max_rounds)

    def _log_proba(self, X: Any) -> np.ndarray:
        """Return the logarithms of the estimator's probabilities (n, k), finite."""
        proba = np.asarray(self.estimator_.predict_proba(X), dtype=np.float64)
        if proba.shape[1:] != self.classes_.shape or not np.isfinite(proba).all():
            raise ValueError(
                f"`estimator` must give finite probabilities of its {len(self.classes_)} classes, "
                f"got the shape {proba.shape}, or NaN in it."
            )
        return np.log(proba.clip(TINY))

    def _scaled(self, X: Any) -> np.ndarray:
        """Return the logarithms of the scaled probabilities (n, k), not normalised."""
        check_is_fitted(self)
        return self._log_proba(plain(X, "X")) + np.log(self.scale_)

    def _opened(self, X: Any, y: Any = None) -> Opened:
        """Return rows, and the network that gives the scaled logarithms, for attacks and maps."""
        check_is_fitted(self)
        opened = open_model(self.estimator_, plain(X, "X"), y)
        module: Any = opened.net.module
        shift = torch.from_numpy(np.log(self.scale_))
        shift = shift.to(opened.prepare.device, opened.prepare.dtype)
        sigmoid = getattr(self.estimator_, "_one_against_rest", False)
        # Split where the network is: attention maps look at the features.
        if hasattr(module, "body") and hasattr(module, "head"):
            head = _ScaledLogits(module.head, shift, sigmoid=sigmoid)
            scaled: nn.Module = SplitModule(module.body, head)
        else:
            scaled = _ScaledLogits(module, shift, sigmoid=sigmoid)
        return replace(opened, net=Net(scaled).frozen())

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return the logarithms of the scaled probabilities, shape (n, classes)."""
        return log_softmax(self._scaled(X), axis=1)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the scaled probabilities, normalised to sum to 1, shape (n, classes)."""
        return softmax(self._scaled(X), axis=1)

    def predict(self, X: Any) -> np.ndarray:
        """Return the class with the largest scaled probability, in the labels of ``fit``, (n,)."""
        codes = self._scaled(X).argmax(axis=1)
        return self.classes_[codes]

    def __sklearn_tags__(self) -> Any:
        # It takes what the estimator takes.
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.estimator).input_tags
        return tags


class _ScaledLogits(nn.Module):
    """A module whose outputs are the logarithms of the scaled probabilities, up to a constant."""

    shift: torch.Tensor

    def __init__(self, logits: nn.Module, shift: torch.Tensor, *, sigmoid: bool) -> None:
        super().__init__()
        self.logits = logits
        self.sigmoid = sigmoid  # the logits are of each class against the rest
        self.register_buffer("shift", shift)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits of ``x``, shape (b, k)."""
        logits = self.logits(x)
        if self.sigmoid:
            logits = nn.functional.logsigmoid(logits)
        return torch.log_softmax(logits, dim=1) + self.shift


class _Scaled(ClassifierMixin, BaseEstimator):
    """A classifier for scorers: it predicts the rows that choose, by given scales.

    Scorers get the rows X, too, but nothing is computed from them again.
    """

    def __init__(self, estimator_: Any, scaled: Any) -> None:
        self.estimator_ = estimator_
        self.scaled = scaled
        self.classes_ = estimator_.classes_

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probabilities, whatever X is."""
        return softmax(self.scaled, axis=1)

    def predict(self, X: Any) -> np.ndarray:
        """Return the classes, whatever X is."""
        return self.classes_[self.scaled.argmax(axis=1)]


def _is_fitted(estimator: Any) -> bool:
    """Return whether an estimator is fitted."""
    if isinstance(estimator, type):
        raise TypeError(
            f"`estimator` must be an instance, got the class {estimator.__name__}. Call it."
        )
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        return False
    return True
