"""What a fit has seen of the data: attributes of the fitted estimator, and checks of later rows."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.utils.validation import _check_feature_names, _check_n_features

from sklearn_debias.core.internal import COLUMNS, TokenLimits, is_tokens
from sklearn_debias.exceptions import warn
from sklearn_debias.fitting._inputs import Inputs, open_inputs
from sklearn_debias.fitting._types import Estimator
from sklearn_debias.training import ArraySource


@dataclass(frozen=True)
class Facts:
    """What is known of the data after they were opened.

    Parameters
    ----------
    shape : tuple of int
        Of one row.
    high : float
        A bound of the values of images, as networks see them: 1, 2 or infinity. What the largest
        value is would be a value of the training data.
    names : ndarray of str or None
        Column names.
    classes : ndarray, default=[]
        Sorted labels.
    bias : mapping of str to Any, default={}
        Attributes that scorers ask a fitted estimator for, where bias labels were given.
    """

    shape: tuple[int, ...]
    high: float
    names: np.ndarray | None
    classes: np.ndarray = field(default_factory=lambda: np.array([]))
    bias: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, inputs: Inputs) -> "Facts":
        """Return what some inputs tell."""
        return cls(inputs.shape, _bound(inputs), inputs.names)

    def attributes(self) -> dict[str, Any]:
        """Return the public fitted attributes."""
        found = {"n_features_in_": self.shape[0], "input_shape_": self.shape, **self.bias}
        if self.names is not None:
            found["feature_names_in_"] = self.names
        if len(self.classes):
            found["classes_"] = self.classes
        return found


def reopen(estimator: Estimator, X: Any, facts: Facts, params: Mapping[str, Any]) -> Inputs:
    """Open rows that must be like those of the fit that ``facts`` and ``params`` are of."""
    inputs = open_inputs(X, dtype=params["dtype"], image_size=params["image_size"], owner=estimator)
    known = facts.names is None and isinstance(X, np.ndarray) and inputs.shape == facts.shape
    features = len(facts.shape) == 1 == len(inputs.shape)
    if features and not known and isinstance(inputs.source, ArraySource):
        # Scikit-learn's words name the columns that are missing or new; it reads them off an
        # estimator, and this one may be in the middle of its fit.
        seen = copy.copy(estimator)
        vars(seen).update(facts.attributes())
        array = X if hasattr(X, "columns") else inputs.source.items
        _check_feature_names(seen, array, reset=False)
        _check_n_features(seen, array, reset=False)
    if is_tokens(facts.shape):
        _check_columns(inputs, facts.shape)
        limits = TokenLimits.of(estimator.module_) if hasattr(estimator, "module_") else None
        return inputs if limits is None else inputs.limited(limits)
    if inputs.shape != facts.shape:
        raise ValueError(
            f"`X` must have rows of shape {facts.shape}, as in fit, got {inputs.shape}. For images "
            "of other sizes set `image_size` before fit."
        )
    if len(facts.shape) == 3:
        _check_range(inputs, facts.high)
    return inputs


def _check_columns(inputs: Inputs, shape: tuple[int, ...]) -> None:
    """Raise unless rows are rows of tokens with the columns of a fit."""
    if inputs.shape != shape:
        named = is_tokens(inputs.shape)
        found = list(COLUMNS[: inputs.shape[0]]) if named else f"rows of shape {inputs.shape}"
        raise ValueError(
            f"`X` must have rows of tokens with {list(COLUMNS[: shape[0]])}, as in fit, got "
            f"{found}."
        )


def _bound(inputs: Inputs) -> float:
    """Return 1, 2 or infinity, whichever is the first that no value of the rows exceeds."""
    bounds = (1.0, 2.0) if len(inputs.shape) == 3 else ()
    return next((bound for bound in bounds if inputs.high <= bound), float("inf"))


def _check_range(inputs: Inputs, high: float) -> None:
    """Warn where images seem to be scaled otherwise than in the fit."""
    brighter = high <= 1 and inputs.high > 2
    darker = high > 2 and inputs.low >= 0 and inputs.high <= 1
    if brighter or darker:
        seen = f"at most {high:g}" if high <= 1 else "more than 2"
        warn(
            f"`X` holds images with values up to {inputs.high:g}, but {seen} in fit: "
            "another range makes the predictions meaningless. Scale them alike (uint8 images are "
            "scaled for you)."
        )
