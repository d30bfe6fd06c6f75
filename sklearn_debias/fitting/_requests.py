"""Hand bias labels on, to a scorer or an estimator inside another; keep what users ask for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn import config_context, get_config
from sklearn.utils import _safe_indexing
from sklearn.utils.metadata_routing import MetadataRequest, get_routing_for_object
from sklearn.utils.validation import has_fit_parameter

from sklearn_debias.fitting._given import take_rows
from sklearn_debias.fitting._types import Estimator


def asks_for_bias(scorer: Any) -> bool:
    """Return whether ``scorer`` requests bias labels."""
    if not hasattr(scorer, "_get_metadata_request"):
        return False
    # Without routing a scorer does not tell what it would ask for.
    with config_context(enable_metadata_routing=True):
        return scorer._get_metadata_request().score.requests.get("bias_labels") is True


def bias_for(scorer: Any, bias_labels: Any, index: np.ndarray) -> dict[str, Any]:
    """Return the arguments of ``scorer`` for these rows: their bias labels, if it asks."""
    if not asks_for_bias(scorer):
        return {}
    if bias_labels is None:
        raise ValueError(f"`scoring`={scorer!r} needs bias labels. Pass bias_labels to fit.")
    return {"bias_labels": _safe_indexing(bias_labels, index)}


def fit_with_bias(
    estimator: Estimator, X: Any, y: np.ndarray, bias_labels: Any, index: np.ndarray
) -> Any:
    """Fit to these rows, with their bias labels if the estimator's ``fit`` asks for them."""
    given = {}
    if bias_labels is not None and _takes_bias(estimator):
        given["bias_labels"] = _safe_indexing(bias_labels, index)
    return estimator.fit(take_rows(X, index), y[index], **given)


def _takes_bias(estimator: Estimator) -> bool:
    """Return whether bias labels reach the estimator or, by routing, a part of it."""
    asked = bool(get_routing_for_object(estimator).consumes("fit", ["bias_labels"]))
    return asked and (
        get_config()["enable_metadata_routing"] or has_fit_parameter(estimator, "bias_labels")
    )


@dataclass(frozen=True)
class StoredRequests:
    """What a user has asked of metadata routing, without the estimator that scikit-learn adds.

    Parameters
    ----------
    by_method : dict of str to dict
        Requests by the name of the argument, as `set_fit_request` and its like were given them.
    """

    by_method: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, request: MetadataRequest) -> "StoredRequests":
        """Return what is asked for."""
        methods = {name: part for name, part in vars(request).items() if hasattr(part, "requests")}
        return cls({name: dict(part.requests) for name, part in methods.items()})

    def of_owner(self, owner: Any) -> MetadataRequest:
        """Return the same as scikit-learn has it."""
        request = MetadataRequest(owner=owner)
        for name, asked in self.by_method.items():
            for argument, alias in asked.items():
                getattr(request, name).add_request(param=argument, alias=alias)
        return request
