"""Who is compared: an estimator, the settings drawn for it, and the rows it may be trained on."""

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import ParameterGrid, ParameterSampler
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import get_routing_for_object

from sklearn_debias.content import describe

TRIES = 20  # draws for each new configuration, before the space counts as used up


@dataclass(frozen=True)
class Contender:
    """A method in a comparison.

    Parameters
    ----------
    name : str
    estimator : classifier
        As the user gave it.
    configurations : tuple of dict
        Parameters to try; the first are the estimator's own.
    trains_on : {"train", "validation"}
    """

    name: str
    estimator: Any
    configurations: tuple[dict[str, Any], ...]
    trains_on: str = "train"

    def made(self, configuration: Mapping[str, Any], seed: int) -> Any:
        """Return an unfitted estimator with these parameters and this seed."""
        # Values are cloned: a network among them must not be trained twice.
        values = {name: clone(value, safe=False) for name, value in configuration.items()}
        estimator = clone(self.estimator)
        if values:
            estimator.set_params(**values)
        if seeds := dict.fromkeys(seed_names(estimator), seed):
            estimator.set_params(**seeds)
        return estimator

    @property
    def is_random(self) -> bool:
        """Whether a fit depends on a seed."""
        return bool(seed_names(self.estimator))


def seed_names(estimator: Any) -> list[str]:
    """Return the names of the seeds of an estimator and of what it holds, unless that is frozen."""
    if isinstance(estimator, FrozenEstimator):
        return []
    parameters = estimator.get_params(deep=True)
    frozen = tuple(
        f"{k}__" for k, value in parameters.items() if isinstance(value, FrozenEstimator)
    )
    return [
        name
        for name in parameters
        if name.rpartition("__")[2] == "random_state" and not name.startswith(frozen)
    ]


def read_contenders(
    estimators: Any,
    spaces: Mapping[str, Any],
    trains_on: Mapping[str, str],
    n_configurations: int,
    kind: str,
    seed: int,
    parts: Mapping[str, Any],
) -> list[Contender]:
    """Return the methods of a comparison, with their draws.

    ``parts`` holds the rows that they are fitted to, whose scale the spaces follow.

    Raises
    ------
    TypeError, ValueError
        If one is no classifier, has no space to draw from, or a name is unknown or comes twice.
    """
    named = _named(estimators)
    for argument, given in (("search_spaces", spaces), ("train_on", trains_on)):
        if unknown := sorted(set(given) - set(named)):
            raise ValueError(
                f"`{argument}` must name methods of `estimators`, {sorted(named)}, got {unknown}."
            )
    contenders = []
    for name, estimator in named.items():
        if not is_classifier(estimator) or not hasattr(estimator, "get_params"):
            raise TypeError(
                f"`estimators[{name!r}]` must be a classifier, got a {type(estimator).__name__}."
            )
        rows = trains_on.get(name, "train")
        if rows not in ("train", "validation"):
            raise ValueError(f"`train_on[{name!r}]` must be 'train' or 'validation', got {rows!r}.")
        if rows not in parts:
            raise ValueError(f"`train_on[{name!r}]`='validation' needs `validation`, got None.")
        X = parts[rows].X
        space = _space(name, estimator, spaces, kind, X, alone=n_configurations == 1)
        drawn = _draw(name, estimator, space, n_configurations, seed)
        contenders.append(Contender(name, estimator, tuple(drawn), rows))
    return contenders


def _named(estimators: Any) -> dict[str, Any]:
    """Return estimators by name; those of a list are called by their class."""
    if isinstance(estimators, Mapping):
        named = {str(name): estimator for name, estimator in estimators.items()}
    elif isinstance(estimators, list | tuple):
        named = {type(e).__name__.removesuffix("Classifier"): e for e in estimators}
        if len(named) < len(estimators):
            raise ValueError(
                "`estimators` must be a dict where two are of one class: name them, "
                'as in {"ERM": ..., "ERM, large": ...}.'
            )
    else:
        raise TypeError(
            "`estimators` must be a dict of classifiers by name, or a list of them, got a "
            f"{type(estimators).__name__}."
        )
    if not named:
        raise ValueError("`estimators` must hold at least one classifier, got none.")
    return named


def _space(
    name: str, estimator: Any, spaces: Mapping[str, Any], kind: str, X: Any, *, alone: bool
) -> Any:
    """Return what the parameters are drawn from."""
    if name in spaces:
        if not isinstance(spaces[name], Mapping):
            raise TypeError(
                f"`search_spaces[{name!r}]` must be a dict of lists and distributions, got a "
                f"{type(spaces[name]).__name__}."
            )
        space = dict(spaces[name])
        known = estimator.get_params(deep=True)
        if unknown := sorted(set(space) - set(known)):
            raise ValueError(
                f"`search_spaces[{name!r}]` must name parameters of {type(estimator).__name__}, "
                f"got {unknown[0]!r}."
            )
        return space
    if alone:
        return {}
    last, prefix = estimator, ""
    while isinstance(last, Pipeline):
        step, last = last.steps[-1]
        prefix += f"{step}__"
    if not hasattr(last, "search_space"):
        raise ValueError(
            f"`search_spaces` must have an entry for {name!r}: {type(last).__name__} knows no "
            "search space of its own. Pass a dict of distributions or lists, or {} to take its "
            "settings as they are."
        )
    # Radii have the unit of what the last step sees; behind other steps that is not known here.
    seen = {} if prefix else {"X": X}
    return {prefix + key: value for key, value in last.search_space(kind, **seen).items()}


def _draw(
    name: str, estimator: Any, space: dict[str, Any], n: int, seed: int
) -> list[dict[str, Any]]:
    """Return up to ``n`` different configurations; more of them begin with the same."""
    own = estimator.get_params(deep=True)
    drawn = [{key: own[key] for key in space}]
    known = {repr(describe(drawn[0]))}
    if all(isinstance(values, list | tuple) for values in space.values()):
        n = min(n, len(ParameterGrid(space) if space else [{}]) + 1)
    tries = _samples(name, space, seed) if space else iter(())
    for _ in range(TRIES * n):
        if len(drawn) >= n or (sample := next(tries, None)) is None:
            break
        if (text := repr(describe(sample))) not in known:
            known.add(text)
            drawn.append(sample)
    return drawn


def _samples(name: str, space: dict[str, Any], seed: int) -> Iterator[dict[str, Any]]:
    """Yield draws, one by one: sampling without replacement would depend on their number."""
    entropy = np.random.SeedSequence([seed, zlib.crc32(name.encode())])
    rng = np.random.RandomState(entropy.generate_state(1)[0] % 2**31)
    while True:
        (sample,) = ParameterSampler(space, 1, random_state=rng)
        yield {key: sample[key] for key in space}


def takes(estimator: Any, name: str, method: str = "fit") -> bool:
    """Return whether a method of an estimator, or what it holds, asks for this metadata."""
    return name in get_routing_for_object(estimator).consumes(method, [name])


def last_step(estimator: Any) -> Any:
    """Return the last step of a pipeline, and of one in its place; anything else as it is."""
    while isinstance(estimator, Pipeline):
        estimator = estimator.steps[-1][1]
    return estimator


def needs_bias_labels(estimator: Any) -> bool:
    """Return whether a method is another one without bias labels of its rows."""
    last = last_step(estimator)
    if hasattr(last, "_needs_groups"):
        return bool(last._needs_groups())
    # A search, a calibration: what stands around one needs what it needs.
    held = last.get_params(deep=False).values()
    return any(needs_bias_labels(value) for value in held if hasattr(value, "get_params"))
