"""The scorer that asks for bias labels, and learns the rest from the fitted estimator."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy.typing as npt
from sklearn.metrics._scorer import _cached_call, _Scorer
from sklearn.utils.metadata_routing import MetadataRequest, get_routing_for_object
from sklearn.utils.validation import check_is_fitted

from sklearn_debias.metrics._fitted import refuse_unseen, trained_fact, unseen_classes
from sklearn_debias.metrics._group_metric import GroupMetric
from sklearn_debias.metrics._lookup import Finder
from sklearn_debias.metrics._types import Predictor
from sklearn_debias.rows import check_same_rows

__all__ = ["GroupScorer"]

_METADATA = ("bias_labels", "membership", "sample_weight")


# scikit-learn has no public base class for scorers, and its searches ask for this private one.
class GroupScorer(_Scorer):
    """Score a fitted estimator by group: ``scorer(estimator, X, y, bias_labels=...)``.

    Build it with :func:`make_group_scorer`. It requests `bias_labels` by metadata routing, fills
    `aligned` and `group_shares` from the fitted estimator, and refuses to score without bias
    labels. A metric that needs these two refuses bias values that training never saw; accuracies by
    group take any.
    """

    _score_func: GroupMetric

    def __init__(
        self,
        score_func: Callable[..., float],
        sign: int,
        kwargs: dict[str, Any],
        response_method: str | Sequence[str] = "predict",
        bound: Mapping[str, Finder] | None = None,
    ) -> None:
        super().__init__(GroupMetric(score_func, bound), sign, kwargs, response_method)

    def __repr__(self) -> str:
        arguments = [self._score_func.__name__]
        if self._response_method != "predict":
            arguments.append(f"response_method={self._response_method!r}")
        if self._sign < 0:
            arguments.append("greater_is_better=False")
        bound = self._score_func.bound
        arguments += [f"{name}={lookup!r}" for name, lookup in bound.items()]
        arguments += [f"{name}={value!r}" for name, value in self._kwargs.items()]
        return f"make_group_scorer({', '.join(arguments)})"

    def __call__(
        self, estimator: Predictor, X: Any, y_true: npt.ArrayLike, **metadata: Any
    ) -> float:
        """Score a fitted estimator.

        Parameters
        ----------
        estimator : object
            Fitted classifier.
        X : array-like of shape (n_samples, ...)
            Test data.
        y_true : array-like of shape (n_samples,)
            True class labels.
        **metadata : dict
            `bias_labels`, `membership` and `sample_weight`, where the metric takes them; works with
            metadata routing enabled or not.

        Returns
        -------
        score : float
            The score; greater is better.
        """
        unknown = sorted(set(metadata) - set(self._metadata_names()))
        if unknown:
            raise TypeError(f"{self!r} takes the metadata {self._metadata_names()}, got {unknown}.")
        # Not by the parent's `__call__`: it refuses all metadata while routing is off.
        return self._score(partial(_cached_call, None), estimator, X, y_true, **metadata)

    def set_score_request(self, **kwargs: bool | str | None) -> "GroupScorer":
        """Request further metadata, keeping the request for `bias_labels`.

        Parameters
        ----------
        **kwargs : dict
            Name of a metadata argument (such as `sample_weight`) -> True, False, None or an alias.

        Returns
        -------
        scorer : GroupScorer
            The scorer itself.
        """
        # The parent would start from an empty request, and `bias_labels` would be forgotten.
        requests = self._get_metadata_request()
        for name, alias in kwargs.items():
            if name not in self._metadata_names():
                raise TypeError(
                    f"{self!r} takes the metadata {self._metadata_names()}, got {name!r}."
                )
            requests.score.add_request(param=name, alias=alias)
        self._metadata_request = requests
        return self

    def _metadata_names(self) -> list[str]:
        """Return the metadata that the metric takes and that are not fixed by `kwargs`."""
        accepted = self._score_func.arguments
        return [name for name in _METADATA if name in accepted and name not in self._kwargs]

    def _get_metadata_request(self) -> MetadataRequest:
        """Return a copy of the request, or the default one."""
        if hasattr(self, "_metadata_request"):
            return get_routing_for_object(self._metadata_request)
        requests = MetadataRequest(owner=self)
        for name in self._metadata_names():
            # A bound scorer leaves routed labels to fit; anything else is requested only when the
            # user says so.
            alias = not self._score_func.bound if name == "bias_labels" else None
            requests.score.add_request(param=name, alias=alias)
        return requests

    def _score(
        self,
        method_caller: Callable[..., Any],
        estimator: Predictor,
        X: Any,
        y_true: Any,
        **metadata: Any,
    ) -> float:
        """Complete the metadata, then score as scikit-learn does."""
        self._check_estimator(estimator)
        if y_true is None:
            raise ValueError(f"`y_true` must be given to {self!r}, got None.")
        # None stands for what is not given, as it does in the metrics.
        metadata = {name: value for name, value in metadata.items() if value is not None}
        metric = self._score_func
        taken = [name for name in metric.bound if name in metadata]
        if taken:
            raise ValueError(
                f"`{taken[0]}` must not be passed to a scorer that is bound to some already."
            )
        given = metric.with_groups(X, y_true, {**self._kwargs, **metadata})
        check_same_rows({"X": X, "y": y_true, **metadata})
        metadata |= {name: given[name] for name in metric.bound}
        learned = [name for name in metric.facts if name not in self._kwargs]
        unseen = unseen_classes(estimator, y_true)
        for name in learned:
            metadata[name] = trained_fact(estimator, name, unseen)
        if learned and "bias_labels" in given:
            refuse_unseen(estimator, y_true, given["bias_labels"])
        try:
            return super()._score(method_caller, estimator, X, y_true, **metadata)
        except AttributeError:
            check_is_fitted(estimator)  # what scikit-learn looked for comes from a fit
            raise

    def _check_estimator(self, estimator: Any) -> None:
        """Raise a TypeError unless scikit-learn can score it: in its own words it could not say."""
        one = isinstance(self._response_method, str)
        methods = [self._response_method] if one else self._response_method
        is_estimator = hasattr(estimator, "__sklearn_tags__") and not isinstance(estimator, type)
        if not is_estimator or not any(hasattr(estimator, method) for method in methods):
            raise TypeError(
                "`estimator` must be a fitted scikit-learn classifier with "
                f"{' or '.join(methods)}, got {estimator!r:.60} of type {type(estimator).__name__}."
            )
