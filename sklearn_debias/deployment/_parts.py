"""A fitted classifier taken apart: torch modules and steps of scikit-learn, one after another."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.base import is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted
from torch import nn

from sklearn_debias.core.internal import is_tokens
from sklearn_debias.deployment._modules import (
    Double,
    Entrance,
    Linear,
    Logarithm,
    OneAgainstRest,
    Scaled,
)
from sklearn_debias.estimators import BaseDebiasClassifier, ClassScaling, DFRClassifier
from sklearn_debias.feature_extraction import Embedder
from sklearn_debias.group_inference import InferredGroupsClassifier

CAN = (
    "What can be exported: the classifiers of sklearn_debias, ClassScaling and "
    "InferredGroupsClassifier around what can, those of scikit-learn that skl2onnx knows, and a "
    "Pipeline of an Embedder or of scikit-learn's transformers and one of these."
)


@dataclass(frozen=True)
class Step:
    """A fitted estimator of scikit-learn, from float64 rows (n, features) to float64."""

    estimator: Any


Part = nn.Module | Step


@dataclass(frozen=True)
class Rows:
    """What the whole classifier takes.

    Parameters
    ----------
    shape : tuple of int
        Of one row, as ``fit`` has seen it.
    any_size : bool
        Whether images of any height and width are resized.
    high : float
        Largest value in ``fit``, uint8 images as they are seen.
    """

    shape: tuple[int, ...]
    any_size: bool = False
    high: float = 1.0

    @property
    def images(self) -> bool:
        """Whether the rows are images."""
        return len(self.shape) == 3


def parts_of(classifier: Any, heads: torch.dtype) -> list[Part]:
    """Return parts that give scores (n, classes), whose softmax is ``predict_proba``.

    ``heads`` is the type in which networks of 2-D X compute.
    """
    if not hasattr(classifier, "predict") or isinstance(classifier, type):
        raise _refused(classifier)
    check_is_fitted(classifier)
    inside = _inside(classifier)
    if inside is not None:
        return parts_of(inside, heads)
    if isinstance(classifier, Pipeline):
        *steps, last = _steps(classifier)
        return [*_transforming(steps, heads), *parts_of(last, heads)]
    if isinstance(classifier, BaseDebiasClassifier):
        return _network(classifier, heads)
    if isinstance(classifier, ClassScaling):
        return [*parts_of(classifier.estimator_, heads), Scaled(classifier.scale_)]
    if isinstance(classifier, DFRClassifier):
        return _linear(classifier)
    if _is_of_sklearn(classifier) and is_classifier(classifier):
        if not hasattr(classifier, "predict_proba"):
            raise TypeError(
                f"`estimator` must have predict_proba to be exported, got a "
                f"{type(classifier).__name__}."
            )
        return [Step(classifier), Logarithm()]
    raise _refused(classifier)


def rows_of(estimator: Any) -> Rows:
    """Return what a fitted estimator takes."""
    inside = _inside(estimator)
    if inside is not None:
        return rows_of(inside)
    if isinstance(estimator, Pipeline):
        return rows_of(_steps(estimator)[0])
    if isinstance(estimator, ClassScaling):
        return rows_of(estimator.estimator_)
    if isinstance(estimator, BaseDebiasClassifier | Embedder):
        fitted = estimator._fitted
        if is_tokens(fitted.facts.shape):
            raise ValueError(
                f"`estimator` must be fitted to features or images to be exported, got a "
                f"{type(estimator).__name__} of rows of tokens. Save it by joblib, or export its "
                "`module_` with the tools of transformers."
            )
        sized = fitted.params["image_size"] is not None
        return Rows(fitted.facts.shape, sized, fitted.facts.high)
    return Rows((int(estimator.n_features_in_),))


def _inside(estimator: Any) -> Any:
    """Return the estimator that an estimator hands X on to as it is; None for others."""
    if isinstance(estimator, FrozenEstimator):
        return estimator.estimator
    if isinstance(estimator, InferredGroupsClassifier):
        return estimator.classifier_
    return getattr(estimator, "best_estimator_", None)  # of a search


def _steps(pipeline: Pipeline) -> list[Any]:
    """Return the steps of a pipeline that do something."""
    kept = [step for _, step in pipeline.steps if step is not None and step != "passthrough"]
    return [part for step in kept for part in (_steps(step) if _is_nested(step) else [step])]


def _is_nested(step: Any) -> bool:
    return isinstance(step, Pipeline)


def _transforming(steps: Sequence[Any], heads: torch.dtype) -> list[Part]:
    """Return the parts of transformers."""
    found: list[Part] = []
    for step in steps:
        step = step.estimator if isinstance(step, FrozenEstimator) else step
        if isinstance(step, Embedder):
            found += _network(step, heads)
        elif _is_of_sklearn(step):
            found.append(Step(step))
        else:
            raise _refused(step)
    return found


def _network(estimator: Any, heads: torch.dtype) -> list[Part]:
    """Return the network of a classifier or an embedder, and what goes in front of it."""
    fitted = estimator._fitted
    seen = getattr(torch, fitted.params["dtype"])
    # Images in float32: runtimes have few kernels of float64 for them. An embedder's networks, too:
    # they are no heads.
    head = len(fitted.facts.shape) == 1 and not isinstance(estimator, Embedder)
    dtype = heads if head else torch.float32
    size = fitted.facts.shape[1:] if fitted.params["image_size"] is not None else None
    module = copy.deepcopy(estimator.module_).cpu().to(dtype).eval().requires_grad_(False)
    return [Entrance(seen if head else torch.float32, dtype, size), module, Double()]


def _linear(classifier: DFRClassifier) -> list[Part]:
    if len(classifier.classes_) > 2:
        return [Linear(classifier.coef_, classifier.intercept_), OneAgainstRest()]
    # Of two classes the first has the score 0.
    weight = np.vstack([0 * classifier.coef_, classifier.coef_])
    return [Linear(weight, np.concatenate([[0.0], classifier.intercept_]))]


def _is_of_sklearn(estimator: Any) -> bool:
    return type(estimator).__module__.split(".")[0] == "sklearn"


def _refused(estimator: Any) -> TypeError:
    name = estimator.__name__ if isinstance(estimator, type) else type(estimator).__name__
    what = f"the class {name}, which is not fitted" if isinstance(estimator, type) else f"a {name}"
    return TypeError(f"`estimator` cannot be exported: it is or contains {what}. {CAN}")
