"""How inferred groups reach the `fit` of a classifier: as bias labels, or as weights."""

from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.pipeline import Pipeline
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.validation import has_fit_parameter

from sklearn_debias.estimators import BaseDebiasClassifier
from sklearn_debias.exceptions import warn
from sklearn_debias.group_inference._check import parts_of

WAYS = ("auto", "bias_labels", "sample_weight", "sampling_weight")


def way_for(model: Any, way: str) -> str:
    """Return how an unfitted model is told of the groups; "auto" looks at what it takes.

    A model that takes bias labels and is trained as if it had none is given weights, where it takes
    these.
    """
    if way != "auto":
        return way
    takes = argument(model, "bias_labels") is not None
    weighted = argument(model, "sample_weight") is not None
    return "bias_labels" if takes and (_trains_by_group(model) or not weighted) else "sample_weight"


def handed_on(
    model: Any, way: str, codes: np.ndarray, labels: np.ndarray, sampling_weights: Any
) -> dict[str, Any]:
    """Return the argument of ``fit`` that tells an unfitted model of the groups.

    Parameters
    ----------
    model : classifier or Pipeline
    way : {"bias_labels", "sample_weight", "sampling_weight"}
    codes, labels : ndarray of shape (n,)
        Class codes, and inferred bias labels.
    sampling_weights : ndarray of shape (n,) or None
        Those of the inference.

    Raises
    ------
    TypeError
        Where the model does not take the argument.
    """
    wanted = "bias_labels" if way == "bias_labels" else "sample_weight"
    name = argument(model, wanted)
    if name is None:
        raise TypeError(
            f"`classifier` must take `{wanted}` in fit, or be a Pipeline whose last step does, got "
            f"{type(model).__name__}."
        )
    if way == "sample_weight":
        return {name: balancing(codes, labels)}
    if way == "sampling_weight":
        # Mean 1, as weights have: a penalty beside the sum of losses keeps its meaning.
        return {name: sampling_weights / np.mean(sampling_weights)}
    if not _trains_by_group(model):
        warn(
            f"{type(model).__name__} does not train on bias labels: the inferred ones reach its "
            "`validation` and `monitor` at most. Take GroupDROClassifier or "
            "ERMClassifier(balance='group'), or `groups_as`='sample_weight' where it has weights."
        )
    return {name: labels}


def _trains_by_group(model: Any) -> bool:
    """Return whether a model is trained otherwise where it has bias labels; of others, yes."""
    last = last_of(model)
    # A recorder of a search stands in for a classifier.
    last = getattr(last, "stands_in_for", last)
    return last._trains_by_group() if isinstance(last, BaseDebiasClassifier) else True


def last_of(model: Any) -> Any:
    """Return the classifier at the end of a Pipeline, or the model itself."""
    return last_of(model[-1]) if isinstance(model, Pipeline) else model


def argument(estimator: Any, name: str) -> str | None:
    """Return by what name an argument reaches an estimator's ``fit``, None where it cannot."""
    if not isinstance(estimator, Pipeline):
        return name if has_fit_parameter(estimator, name) else None
    last_name, last = estimator.steps[-1]
    inner = argument(last, name)
    if inner is None or not get_config()["enable_metadata_routing"]:
        return None if inner is None else f"{last_name}__{inner}"
    return name if get_routing_for_object(estimator).consumes("fit", [name]) else None


def asks_for_none(model: Any) -> bool:
    """Return whether a model is a Pipeline that asks neither for bias labels nor for weights."""
    wanted = ["bias_labels", "sample_weight"]
    routed = get_config()["enable_metadata_routing"] and isinstance(model, Pipeline)
    return routed and not get_routing_for_object(model).consumes("fit", wanted)


def balancing(codes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return weights (n,) with mean 1 by which all (class, bias value) groups weigh alike."""
    parts = parts_of(labels)
    return compute_sample_weight("balanced", codes * (parts.max() + 1) + parts)
