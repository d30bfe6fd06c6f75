"""The estimator that infers groups: one front for all methods."""

from dataclasses import KW_ONLY, dataclass, fields, replace
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.pipeline import Pipeline
from sklearn.utils import Tags
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from sklearn_debias.arguments import in_our_words
from sklearn_debias.exceptions import warn
from sklearn_debias.fitting import (
    Facts,
    Fitted,
    OurNames,
    Searchable,
    all_or_nothing,
    encode_known,
    encode_target,
    indexable_rows,
    look_ahead,
    nested_space,
    open_inputs,
    plain_params,
)
from sklearn_debias.group_inference._check import parts_of
from sklearn_debias.group_inference._clusters import ClustersInference
from sklearn_debias.group_inference._eiil import EIILInference
from sklearn_debias.group_inference._errors import ErrorsInference
from sklearn_debias.group_inference._inference import Inference, Task
from sklearn_debias.group_inference._known import check_complete, read_known
from sklearn_debias.group_inference._parameters import check_instances
from sklearn_debias.group_inference._ssa import SSAInference
from sklearn_debias.group_inference._xrm import XRMInference
from sklearn_debias.rows import check_same_rows
from sklearn_debias.search_spaces import SearchedRows, Space, inferrer_space
from sklearn_debias.training import Streams

FEW = 20  # rows of which a model's mistakes say little
METHODS: dict[str, type[Inference]] = {
    "xrm": XRMInference,
    "eiil": EIILInference,
    "clusters": ClustersInference,
    "errors": ErrorsInference,
    "ssa": SSAInference,
}


@dataclass(eq=False, repr=False)
class GroupInferrer(OurNames, Searchable, BaseEstimator):
    """Infer bias labels: which rows of a class the shortcut does not explain.

    The labels serve as `bias_labels` of any estimator, scorer or splitter of this package. They
    tell rows of a class apart, and have no meaning beyond that: 0 is the part that a model of the
    shortcut gets right, or the largest cluster.

    Parameters
    ----------
    method : {"xrm", "eiil", "clusters", "errors", "ssa"}, default="errors"
        Rule that finds the minority.

        * "errors": the rows that a plain model gets wrong, which was not fitted to them.
        * "eiil": the rows whose loss would rise if that model grew more confident [1]_. Of two
          classes these are the rows that it gets wrong, so that "errors" finds the same.
        * "xrm": two nets are fitted to random halves, and flip the labels of each other's half
          where they are sure; the rows that one of them gets wrong [2]_.
        * "clusters": clusters within each class, of an early model's outputs [3]_ or of features
          [4]_, as many as the silhouette has it.
        * "ssa": some rows have bias labels, and a net predicts the others [5]_.
    estimator : classifier, Pipeline or None, default=None
        The model that is fitted, cloned. Any classifier with ``predict_proba`` for "errors", "eiil"
        and "clusters"; an ERMClassifier, or a Pipeline that ends in one, for "xrm" and "ssa", which
        train nets of their own with its settings. It must not separate the classes, or its mistakes
        are gone. None is a strongly regularised logistic regression of standardised features for
        2-D X, and an ERMClassifier of two epochs for images; for "xrm" and "ssa" an ERMClassifier
        of 30 epochs with SGD at 0.01, on standardised features.
    n_splits : int or None, default=None
        Folds for "errors", "eiil", "clusters" and "ssa": a row is judged by the model of the folds
        without it. 1 judges rows by the model that was fitted to them, as JTT, EIIL and SPARE do.
        None is 5 for "errors" and "eiil", 3 for "ssa" (of the rows without bias labels, as in its
        paper), and no more than the rarest class has rows; 1 for "clusters".
    features : {"outputs", "embeddings"}, default="outputs"
        What "clusters" looks at: the model's logits, or what the last layer of a net takes in. For
        a linear model that is X as it gets there.
    max_clusters : int, default=4
        Most clusters of a class, at least 2, for "clusters".
    n_steps : int or None, default=None
        For "eiil": None takes the environments of largest penalty, which are known in closed form.
        A number climbs there by so many steps of Adam from random ones, as the authors' code does
        with 10,000.
    threshold : float, default=0.95
        For "ssa": how sure the net must be of a row to learn from its own prediction, in [0, 1].
    random_state : int, RandomState instance or None, default=None
        An int makes fits reproducible. The global generators are never touched.

    Attributes
    ----------
    bias_labels_ : ndarray of shape (n,)
        Inferred bias label of each row of X. 0 and 1 for "errors", "eiil" and "xrm", where 1 is the
        minority; numbers of clusters, the largest first in each class; for "ssa" the values that it
        was given.
    suspicion_ : ndarray of shape (n,) or None
        How much a row looks like the minority of its class: 1 - the probability of its class for
        "errors" and "xrm", the gradient for "eiil". None for "clusters" and "ssa".
    score_ : float or None
        How well the inference went by its own lights, without any bias label; greater is better.
        The share of flipped labels for "xrm", 0 where a class is not told apart; the penalty for
        "eiil"; the mean silhouette for "clusters". None for "errors" and "ssa".
    sampling_weights_ : ndarray of shape (n,) or None
        For "clusters": SPARE's weights, which sum to 1. A row of a cluster of size m has weight
        1 / m ** 2 within its class, or 1 / m where the silhouette of the class is at least 0.9;
        classes weigh alike.
    classes_ : ndarray of shape (classes,)
    n_features_in_ : int
        Features of a row, or channels of images.
    feature_names_in_ : ndarray of str
        Where X was a frame with string column names.
    input_shape_ : tuple of int
        Shape of a row.

    Notes
    -----
    No method can tell a shortcut from what is merely hard: mislabelled and odd rows end in the
    minority, too.

    With ``estimator=None`` and features, more than 125,000 rows (20,000 a class, if that is more)
    are judged by models that are fitted to so many of them, drawn class by class.

    Where these differ from the papers: "errors" and "eiil" judge held-out rows, unless ``n_splits``
    is 1. "xrm" trains for the epochs of its estimator; the authors' code draws its settings at
    random and keeps those with the most flips, which `score_` tells. "ssa" stops at no epoch of its
    own choice, since the labelled rows are few; its thresholds look at the last probability of
    every row, as the rows are visited. "clusters" has neither GEORGE's Gaussian mixtures nor its
    reduction of dimensions.

    References
    ----------
    .. [1] Creager, Jacobsen and Zemel, "Environment Inference for Invariant Learning", ICML 2021.
    .. [2] Pezeshki et al., "Discovering Environments with XRM", ICML 2024.
    .. [3] Yang et al., "Identifying Spurious Biases Early in Training through the Lens of
       Simplicity Bias", AISTATS 2024 (SPARE).
    .. [4] Sohoni et al., "No Subclass Left Behind: Fine-Grained Robustness in Coarse-Grained
       Classification Problems", NeurIPS 2020 (GEORGE).
    .. [5] Nam et al., "Spread Spurious Attribute: Improving Worst-group Accuracy with Spurious
       Attribute Estimation", ICLR 2022.

    Examples
    --------
    >>> from sklearn_debias.datasets import make_spurious_embeddings
    >>> from sklearn_debias.group_inference import GroupInferrer
    >>> train = make_spurious_embeddings(random_state=0).train
    >>> groups = GroupInferrer("errors", random_state=0).fit(train.data, train.target)
    >>> conflicting = train.bias_labels != train.target
    >>> bool(conflicting[groups.bias_labels_ == 1].mean() > 5 * conflicting.mean())
    True
    """

    method: str = "errors"
    _: KW_ONLY
    estimator: Any = None
    n_splits: int | None = None
    features: str = "outputs"
    max_clusters: int = 4
    n_steps: int | None = None
    threshold: float = 0.95
    random_state: Any = None

    _parameter_constraints: ClassVar[dict] = {
        "method": [StrOptions(set(METHODS))],
        "estimator": [HasMethods(["fit", "predict"]), None],
        "n_splits": [Interval(Integral, 1, None, closed="left"), None],
        "features": [StrOptions({"outputs", "embeddings"})],
        "max_clusters": [Interval(Integral, 2, None, closed="left")],
        "n_steps": [Interval(Integral, 1, None, closed="left"), None],
        "threshold": [Interval(Real, 0, 1, closed="both")],
        "random_state": ["random_state"],
    }
    __metadata_request__fit = {"bias_labels": True}
    _predicts_with: ClassVar[tuple[str, ...]] = ("_inference",)

    def _search_space(self, rows: SearchedRows) -> Space:
        return inferrer_space(self.method) | nested_space("estimator", self.estimator, rows)

    def _validate_params(self) -> None:
        plain_params(self)  # before scikit-learn compares what is no number
        super()._validate_params()
        check_instances(self, "estimator")

    # False: the estimator inside is the user's, and must check its own parameters.
    @_fit_context(prefer_skip_nested_validation=False)
    @in_our_words
    def fit(self, X: Any, y: Any, *, bias_labels: Any = None) -> Any:
        """Infer the groups of the rows of X.

        Parameters
        ----------
        X : array-like of shape (n, features) or (n, channels, height, width), or n image paths
            Numbers without NaN, or images, as the estimator takes them.
        y : array-like of shape (n,)
            Class labels of any type.
        bias_labels : array-like of shape (n,) or (n, attributes), default=None
            Bias values that are known, for "ssa"; -1, None and NaN stand for those that are not.
            The other methods learn nothing from them; they must be complete there.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If ``bias_labels`` are partly missing and the method is not "ssa", or wholly and it is.
        """
        with all_or_nothing(self):
            self._warn_of_unused()
            check_same_rows({"X": X, "y": y, "bias_labels": bias_labels})
            size = self._image_size()
            inputs = open_inputs(X, dtype=None, image_size=size, owner=self)
            codes, classes = encode_target(self, y, len(inputs))
            look_ahead([self], X)
            streams = Streams(self.random_state)
            facts = replace(Facts.of(inputs), classes=classes)
            self._fitted = Fitted({"dtype": None, "image_size": size}, facts, streams)
            self.__dict__.update(facts.attributes())
            if len(codes) < FEW:
                warn(
                    f"Groups are inferred from {len(codes)} rows: mistakes of so few are a matter "
                    "of luck."
                )
            known = None
            if self.method == "ssa":
                known = read_known(bias_labels, len(codes))
            else:
                check_complete(bias_labels, len(codes), self.method)
            self._inference = METHODS[self.method](
                Task(
                    indexable_rows(X),
                    codes,
                    classes,
                    known,
                    table=len(inputs.shape) == 1,
                    params={**self.get_params(deep=False), "n_splits": self._folds(codes)},
                    seed=streams.seed("inference") % 2**32,
                )
            )
            self.bias_labels_ = self._inference.labels
            # What is told of the rows is stored once.
            del self._inference.labels
            self.suspicion_ = self._inference.suspicion
            self.score_ = self._inference.score
            self.sampling_weights_ = self._inference.sampling_weights
            self._warn_of_groups(codes)
        return self

    def predict(self, X: Any, y: Any = None) -> np.ndarray:
        """Return the bias labels of other rows, such as validation rows.

        Parameters
        ----------
        X : array-like of m rows
            As in ``fit``.
        y : array-like of shape (m,), default=None
            Class labels that ``fit`` has seen. None takes the classes as the model predicts them,
            which leaves no mistake to find: only what two nets disagree on counts for "xrm", and
            "errors" finds nothing. "ssa" needs no y.

        Returns
        -------
        ndarray of shape (m,)
            Labels as in `bias_labels_`.
        """
        check_is_fitted(self)
        check_same_rows({"X": X, "y": y})
        inputs = self._fitted.open(self, X)
        codes = None if y is None else encode_known(self.classes_, y, len(inputs))
        return self._inference.predict(indexable_rows(X), codes)

    def _slim(self, slimmed: Any) -> None:
        super()._slim(slimmed)
        if "_inference" in vars(self):
            self._inference = self._inference.slim(slimmed)

    def _folds(self, codes: np.ndarray) -> int:
        """Return the number of folds; raise a ValueError where a class has fewer rows."""
        # Features of several nets do not compare; what these say of the classes does.
        if self.method == "clusters" and self.features == "embeddings":
            if self.n_splits not in (None, 1):
                warn(
                    f"`n_splits`={self.n_splits} has no effect with `features`='embeddings', which "
                    "are those of one model."
                )
            return 1
        rarest = np.bincount(codes).min()
        if self.n_splits is None:
            return int(min(METHODS[self.method].n_splits, max(2, rarest)))
        if 1 < self.n_splits > rarest and self.method != "ssa":
            rare = self.classes_[[np.bincount(codes).argmin()]].tolist()[0]
            raise ValueError(
                f"`n_splits`={self.n_splits} needs as many rows of each class, got {rarest} of "
                f"{rare!r}. Lower it, or leave the class out."
            )
        return int(self.n_splits)

    def _warn_of_unused(self) -> None:
        """Warn of parameters that the method does not read."""
        defaults = {field.name: field.default for field in fields(self)}
        for name in sorted(frozenset().union(*(method.reads for method in METHODS.values()))):
            reading = [repr(key) for key, method in METHODS.items() if name in method.reads]
            value = getattr(self, name)
            if repr(self.method) not in reading and value != defaults[name]:
                warn(
                    f"`{name}`={value!r} has no effect with `method`={self.method!r}: it is of "
                    f"{', '.join(reading)}."
                )

    def _warn_of_groups(self, codes: np.ndarray) -> None:
        """Warn where the rows of a class, or of all classes, are not told apart."""
        parts = parts_of(self.bias_labels_)
        whole = [
            self.classes_[[c]].tolist()[0]
            for c in range(len(self.classes_))
            if len(np.unique(parts[codes == c])) < 2
        ]
        if not whole:
            return
        which = "any class" if len(whole) == len(self.classes_) else f"the classes {whole}"
        why = "they have one bias label."
        if self.method in ("errors", "eiil") and not self.bias_labels_.any():
            why = f"the model is right about all {len(codes)}, and no mistake tells of a minority."
        advice = METHODS[self.method].advice
        if self.method in ("errors", "eiil") and any(
            parts[codes == c].all() for c in range(len(self.classes_))
        ):
            why = "the model is wrong about all rows of a class, and tells of none of a minority."
            advice = "Regularise `estimator` less, train it longer, or balance its classes."
        warn(f"`method`={self.method!r} does not tell the rows of {which} apart: {why} {advice}")

    def _image_size(self) -> Any:
        """Return to what size the first step of the estimator resizes images."""
        first = self.estimator[0] if isinstance(self.estimator, Pipeline) else self.estimator
        return getattr(first, "image_size", None)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags
