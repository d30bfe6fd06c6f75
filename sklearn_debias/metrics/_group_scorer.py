"""The scorer that asks for bias labels, and learns the rest from the fitted estimator."""

import inspect
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy.typing as npt
from sklearn.metrics._scorer import _cached_call, _Scorer
from sklearn.utils.metadata_routing import MetadataRequest, get_routing_for_object

from sklearn_debias.metrics._encoding import encode_bias
from sklearn_debias.metrics._fitted import find_fitted, trained_fact
from sklearn_debias.metrics._lookup import BiasLookup
from sklearn_debias.metrics._names import shorten
from sklearn_debias.metrics._types import Predictor

__all__ = ["GroupScorer"]

_METADATA = ("bias_labels", "membership", "sample_weight")


# scikit-learn has no public base class for scorers, and its searches ask for this private one.
class GroupScorer(_Scorer):
    """Score a fitted estimator by group: ``scorer(estimator, X, y, bias_labels=...)``.

    Build it with :func:`make_group_scorer`. It requests `bias_labels` by metadata routing, fills
    `aligned` and `group_shares` from the fitted estimator, and refuses to score without bias labels
    or with values that training never saw.
    """

    def __init__(
        self,
        score_func: Callable[..., float],
        sign: int,
        kwargs: dict[str, Any],
        response_method: str = "predict",
        lookup: BiasLookup | None = None,
    ) -> None:
        super().__init__(score_func, sign, kwargs, response_method)
        self._lookup = lookup

    def __repr__(self) -> str:
        arguments = [self._score_func.__name__]
        if self._response_method != "predict":
            arguments.append(f"response_method={self._response_method!r}")
        if self._sign < 0:
            arguments.append("greater_is_better=False")
        if self._lookup is not None:
            arguments.append(f"bias_labels={self._lookup!r}")
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
        accepted = inspect.signature(self._score_func).parameters
        return [name for name in _METADATA if name in accepted and name not in self._kwargs]

    def _get_metadata_request(self) -> MetadataRequest:
        """Return a copy of the request, or the default one."""
        if hasattr(self, "_metadata_request"):
            return get_routing_for_object(self._metadata_request)
        requests = MetadataRequest(owner=self)
        for name in self._metadata_names():
            # A bound scorer leaves routed labels to fit; anything else is requested only when the
            # user says so.
            alias = self._lookup is None if name == "bias_labels" else None
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
        if y_true is None:
            raise ValueError(f"`y_true` must be given to {self!r}, got None.")
        # None stands for what is not given, as it does in the metrics.
        metadata = {name: value for name, value in metadata.items() if value is not None}
        metadata = self._with_bias(estimator, X, y_true, metadata)
        accepted = inspect.signature(self._score_func).parameters
        for parameter in ("aligned", "group_shares"):
            if parameter in accepted and parameter not in self._kwargs:
                metadata[parameter] = trained_fact(estimator, parameter)
        return super()._score(method_caller, estimator, X, y_true, **metadata)

    def _with_bias(
        self, estimator: Predictor, X: Any, y_true: Any, metadata: dict[str, Any]
    ) -> dict[str, Any]:
        """Return the metadata with bias labels, which must be there and known to the estimator."""
        if self._lookup is not None:
            if "bias_labels" in metadata:
                raise ValueError(
                    "`bias_labels` must not be passed to a scorer that is bound to some already."
                )
            metadata = {**metadata, "bias_labels": self._lookup.find(X, y_true)}
        if "bias_labels" not in metadata:
            if "membership" in self._kwargs or "membership" in metadata:
                return metadata
            # An error, where the metric warns: in a search the worst class would pick the model.
            raise ValueError(
                f"`bias_labels` did not reach {self!r}. Call "
                "sklearn.set_config(enable_metadata_routing=True) and pass `bias_labels=` to fit, "
                "score or, inside `params=`, to cross_validate; without routing, bind a pandas "
                "Series: make_group_scorer(metric, bias_labels=series)."
            )
        trained = find_fitted(estimator, "bias_classes_")
        if trained is not None:
            _refuse_unseen(metadata["bias_labels"], len(y_true), trained)
        return metadata


def _refuse_unseen(bias_labels: npt.ArrayLike, n_samples: int, trained: Iterable[Any]) -> None:
    """Raise a ValueError if there are bias labels that training did not see.

    A misspelled value would be a group of its own, and count as conflicting, without a word.
    """
    _, values = encode_bias(bias_labels, n_samples)
    known = set(trained)
    unseen = [value for value in values if value not in known]
    if unseen:
        raise ValueError(
            "`bias_labels` must hold values seen in training, "
            f"{shorten(sorted(known, key=str))}, got {shorten(unseen)}."
        )
