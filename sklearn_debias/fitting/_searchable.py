"""What is worth trying of an estimator's parameters: the method ``search_space``."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from sklearn.pipeline import Pipeline
from torch import nn

from sklearn_debias.arguments import check_option
from sklearn_debias.core.internal import is_tokens
from sklearn_debias.exceptions import warn
from sklearn_debias.fitting._inputs import open_inputs
from sklearn_debias.fitting._params import SHARED_CONSTRAINTS, is_solved
from sklearn_debias.search_spaces import KINDS, SearchedRows, Space, shared_space
from sklearn_debias.training import as_seen

LOOKED_AT = 1000  # rows, for their spread


class Searchable:
    """Base of estimators that say what to search; the hook `_search_space` says what."""

    def search_space(self, kind: str = "embeddings", X: Any = None) -> dict[str, Any]:
        """Return what is worth trying of each parameter, for a random search.

        The parameters of this estimator have their say: those that choose among variants of the
        method, and ``optimizer`` and ``module``, decide what is searched, and how far.

        Parameters
        ----------
        kind : {"embeddings", "images", "tabular"}, default="embeddings"
            What X holds. "embeddings": features of a frozen network, for heads, which train in
            seconds: strong weight decay and few epochs are among the draws. "images": networks
            from pixels, or from weights where ``module__weights`` or an instance as ``module`` says
            so; also for rows of tokens. "tabular": columns, standardised; ``module=None`` tries a
            perceptron, too.
        X : array-like, default=None
            The rows that will be searched on, as this estimator sees them (behind a scaler, say).
            Radii of attacks have the units of X: they are drawn as shares of its spread, the median
            distance of a row from the mean row. At most 1000 rows are looked at. None draws radii
            of images as published for [0, 1], and leaves others out, with a warning.

        Returns
        -------
        dict
            Lists, and distributions of scipy, by parameter, as
            `sklearn.model_selection.RandomizedSearchCV`, `HalvingRandomSearchCV` and
            `ParameterSampler` take them. It is the caller's: take out what is fixed, and put in
            what is not here.

        Raises
        ------
        ValueError
            If ``kind`` is none of these, or X does not suit it, or all its rows are equal.

        Notes
        -----
        The ranges, and where each of them was published, are in ``sklearn_debias/search_spaces``.

        Examples
        --------
        >>> from sklearn.model_selection import ParameterSampler
        >>> from sklearn_debias import JTTClassifier
        >>> space = JTTClassifier().search_space("embeddings")
        >>> space["upweight"]
        [5, 10, 20, 50, 100]
        >>> draw, *_ = ParameterSampler(space, n_iter=8, random_state=0)
        >>> JTTClassifier().set_params(**draw).max_epochs in space["max_epochs"]
        True
        """
        check_option("kind", kind, KINDS)
        rows = SearchedRows(kind) if X is None else self._searched_rows(kind, X)
        found = self._search_space(rows)
        _check(self, found)
        unknown = [name for name, values in found.items() if values is None]
        if unknown:
            warn(
                f"{type(self).__name__} has radii in the units of X, {_listed(unknown)}, which are "
                "not searched: X as it gets there is not known. Pass `X` to `search_space` of the "
                "estimator that sees it."
            )
        # Some lists are constants of their room.
        return {
            name: list(values) if isinstance(values, list) else values
            for name, values in found.items()
            if values is not None
        }

    def _search_space(self, rows: SearchedRows) -> Space:
        """Return lists and distributions by parameter."""
        return {}

    def _searched_rows(self, kind: str, X: Any) -> SearchedRows:
        """Return what is known of the rows X."""
        size = getattr(self, "image_size", None)
        inputs = open_inputs(X, dtype=None, image_size=size, owner=self)
        named = is_tokens(inputs.shape)
        if (named or len(inputs.shape) == 3) != (kind == "images"):
            wanted = "4-D images" if kind == "images" else "2-D"
            raise ValueError(
                f"`X` must be {wanted} where `kind` is {kind!r}, got rows of the shape "
                f"{inputs.shape}. Pass the `kind` of what X holds; of tokens, 'images'."
            )
        n = len(inputs)
        if named:  # a network is trained, as on images; ids have no spread
            return SearchedRows(kind, n)
        chosen = np.unique(np.linspace(0, n - 1, min(n, LOOKED_AT), dtype=int))
        some = as_seen(inputs.source.take(chosen), torch.float64).flatten(1)
        distances = (some - some.mean(0)).norm(dim=1)
        spread = float(np.median(distances.numpy()))  # torch's is the lower of two
        # More than half of the rows may be equal, as those of rare words are.
        spread = spread or float(distances.max())
        if not 0 < spread < np.inf:
            raise ValueError(
                f"`X` must hold finite rows that differ, got a spread of {spread:g} in the "
                f"{len(chosen)} rows looked at."
            )
        low, high = float(some.min()), float(some.max())
        width = 1.0 if kind != "images" or 0 <= low <= high <= 1 else high - low
        return SearchedRows(kind, n, some.shape[1], spread, width)


class SearchableNet(Searchable):
    """Base of the torch estimators: their shared parameters are searched, too."""

    module: Any
    optimizer: Any
    freeze: str | None
    net_params: dict | None

    def _search_space(self, rows: SearchedRows) -> Space:
        """Return lists and distributions by parameter, of the shared parameters and the method's.

        A method adds its own: ``return super()._search_space(rows) | {"alpha": [0.1, 0.5]}``.
        """
        weights = (self.net_params or {}).get("module__weights")
        return shared_space(
            rows,
            module=self.module,
            solved=is_solved(self),
            sgd=str(getattr(self.optimizer, "__name__", self.optimizer)).lower() == "sgd",
            pretrained=weights is not None or isinstance(self.module, nn.Module),
            head=self.freeze == "body",
        )


def nested_space(name: str, estimator: Any, rows: SearchedRows) -> Space:
    """Return the space of an estimator that is the parameter ``name`` of another.

    Pipelines are looked into. What says nothing of a search adds nothing: another library's
    estimator, one that is frozen.
    """
    if isinstance(estimator, Pipeline):
        found: Space = {}
        for number, (step, inside) in enumerate(estimator.steps):
            # What the steps before make of X has another spread.
            seen = rows if number == 0 else replace(rows, n_values=None, spread=None)
            found |= nested_space(step, inside, seen)
    elif isinstance(estimator, Searchable):
        found = estimator._search_space(rows)
        _check(estimator, found)
    else:
        return {}
    return {f"{name}__{parameter}": values for parameter, values in found.items()}


def own_space(estimator: Any, rows: SearchedRows) -> Space:
    """Return the space of a method's own parameters, without those that all estimators share."""
    if not isinstance(estimator, Searchable):
        return {}
    found = estimator._search_space(rows)
    _check(estimator, found)
    return {
        name: values
        for name, values in found.items()
        if name.partition("__")[0] not in SHARED_CONSTRAINTS
    }


def _check(estimator: Any, found: Any) -> None:
    """Raise unless a hook returned lists and distributions of parameters that there are."""
    hook = f"{type(estimator).__name__}._search_space"
    if not isinstance(found, dict):
        raise TypeError(
            f"{hook} must return a dict by parameter, got {type(found).__name__}: "
            'return super()._search_space(rows) | {"name": [1, 2]}.'
        )
    known = estimator.get_params(deep=False)
    for name, values in found.items():
        if str(name).partition("__")[0] not in known:
            raise ValueError(f"{hook} names {name!r}, which is no parameter.")
        listed = isinstance(values, Sequence) and not isinstance(values, str) and len(values) > 0
        if values is not None and not listed and not hasattr(values, "rvs"):
            raise TypeError(
                f"{hook} must give {name!r} as a non-empty list or a distribution of scipy, got "
                f"{values!r}."
            )


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
