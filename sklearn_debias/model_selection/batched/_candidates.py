"""The candidates of a search on its folds: opened one by one, trained in stacks, closed one by one."""

import copy
import traceback
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.pipeline import Pipeline
from tqdm.auto import tqdm

from sklearn_debias.estimators import BaseDebiasClassifier
from sklearn_debias.exceptions import OutOfMemoryError
from sklearn_debias.fitting import on_own_terms
from sklearn_debias.model_selection.batched._members import Member
from sklearn_debias.model_selection.batched._stackable import NotStackableError, check_callbacks
from sklearn_debias.model_selection.batched._structure import fingerprint
from sklearn_debias.model_selection.batched._sweep import sweep
from sklearn_debias.model_selection.batched._trial import Fold, Trial


@dataclass
class Prepared:
    """What the earlier steps of a pipeline, nested ones too, made of one fold for the last."""

    steps: list[list[tuple[str, Any]]]
    X: Any
    y: Any
    fit_params: dict[str, Any]
    fold: Fold = field(default_factory=Fold)


class Recorder(ClassifierMixin, BaseEstimator):
    """The last step of a pipeline while the earlier ones are fitted: it keeps what reaches it.

    Parameters
    ----------
    estimator : classifier
        What it stands in for: it asks for the same metadata.
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(self, X: Any, y: Any, **fit_params: Any) -> "Recorder":
        """Keep what is given."""
        self.X = X
        self.y = y
        self.fit_params = fit_params
        return self

    def get_metadata_routing(self) -> Any:
        """Return what the estimator asks for."""
        return self.estimator.get_metadata_routing()


@dataclass
class Candidate:
    """One setting on one fold with one seed.

    Parameters
    ----------
    estimator : classifier or Pipeline
        Unfitted; fitted in the end, unless ``error`` says why not.
    """

    estimator: Any
    trial: Trial | None = None
    error: Exception | None = None
    seconds: float = 0.0

    def open(
        self, X: Any, y: Any, fit_params: dict[str, Any], prepared: dict[Hashable, Prepared]
    ) -> None:
        """Begin the fit; what goes wrong is kept, as a search goes on."""
        start = perf_counter()
        try:
            for fitted in (*pipelines(self.estimator), last_step(self.estimator)):
                check_callbacks(fitted)
            known = self._prepare(X, y, fit_params, prepared)
            trial = Trial(last_step(self.estimator), known.fold)
            trial.open(known.X, known.y, **known.fit_params)
            self.trial = trial
        except NotStackableError:
            raise
        except Exception as error:
            traceback.clear_frames(error.__traceback__)  # they hold the rows
            self.error = error
        self.seconds += perf_counter() - start

    def _prepare(
        self, X: Any, y: Any, fit_params: dict[str, Any], prepared: dict[Hashable, Prepared]
    ) -> Prepared:
        """Run the earlier steps, or take what equal ones have made of this fold."""
        around = pipelines(self.estimator)
        if not around:
            return prepared.setdefault(None, Prepared([], X, y, fit_params))
        key = fingerprint([pipeline[:-1] for pipeline in around])
        if key in prepared:
            for pipeline, earlier in zip(around, prepared[key].steps, strict=True):
                pipeline.steps = [*earlier, pipeline.steps[-1]]
            return prepared[key]
        last = last_step(self.estimator)
        recorder = Recorder(last)
        around[-1].steps[-1] = (around[-1].steps[-1][0], recorder)
        try:
            self.estimator.fit(X, y, **fit_params)
        finally:
            around[-1].steps[-1] = (around[-1].steps[-1][0], last)
        fitted = [pipeline.steps[:-1] for pipeline in around]
        prepared[key] = Prepared(fitted, recorder.X, recorder.y, recorder.fit_params)
        return prepared[key]

    def close(self) -> None:
        """End the fit."""
        assert self.trial is not None
        trial = self.trial
        self.trial = None
        start = perf_counter()
        try:
            trial.close()
        except Exception as error:
            traceback.clear_frames(error.__traceback__)
            self.error = error
        self.seconds += perf_counter() - start


def pipelines(estimator: Any) -> list[Pipeline]:
    """The pipeline that ``estimator`` is, the one that it ends in, and so on."""
    found = []
    while isinstance(estimator, Pipeline):
        found.append(estimator)
        estimator = estimator.steps[-1][1]
    return found


def last_step(estimator: Any, setting: Iterable[str] = ()) -> BaseDebiasClassifier:
    """The classifier of this package that ``estimator`` is, or ends in, after a grid has set these parameters."""
    around = pipelines(estimator)
    last = around[-1].steps[-1][1] if around else estimator
    if isinstance(last, BaseDebiasClassifier):
        return last
    path = "__".join(pipeline.steps[-1][0] for pipeline in around)
    placed = max(
        (key for key in setting if path == key or path.startswith(f"{key}__")),
        key=len,
        default=None,
    )
    found = repr(last) if isinstance(last, str) else type(last).__name__
    raise TypeError(
        f"{f'`{placed}` in `param_grid`' if placed else '`estimator`'} must be a torch classifier "
        f"of sklearn_debias, or a Pipeline that ends in one, got {found}. Use "
        "sklearn.model_selection.GridSearchCV for it."
    )


def train(candidates: Sequence[Candidate], *, budget: int, bar: tqdm) -> None:
    """Train all candidates that are open, those of one structure together, and close them."""
    groups: dict[Hashable, list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        if candidate.trial is not None:
            groups[candidate.trial.key].append(candidate)
            bar.total += sum(phase.max_epochs for phase in candidate.trial.fit.phases)
    for group in groups.values():
        _train_group(group, budget, bar)


def _train_group(group: list[Candidate], budget: int, bar: tqdm) -> None:
    trials = [candidate.trial for candidate in group if candidate.trial is not None]
    members = [trial.member for trial in trials]
    owner = {id(member): candidate for member, candidate in zip(members, group, strict=True)}

    def finish(member: Member) -> None:
        candidate = owner[id(member)]
        candidate.close()
        closing.append(candidate.seconds)

    closing: list[float] = []
    start = perf_counter()
    before = sum(candidate.seconds for candidate in group)
    exact = trials[0].exact
    try:
        with on_own_terms(small=trials[0].fit.small):
            sweep(members, budget=budget, exact=exact, finish=finish, progress=bar.update)
    except OutOfMemoryError:
        raise
    except (torch.OutOfMemoryError, MemoryError) as error:
        traceback.clear_frames(error.__traceback__)
        raise OutOfMemoryError(
            f"Out of memory in a stack of candidates with `memory`={budget} bytes. Lower it."
        ) from None
    except RuntimeError as error:
        raise NotStackableError(
            "`module` cannot be run for several candidates at once (torch.vmap): "
            f"{str(error).splitlines()[0]} Use sklearn.model_selection.GridSearchCV."
        ) from error
    shared = perf_counter() - start - (sum(closing) - before)
    for candidate in group:
        candidate.seconds += shared / len(group)


def reseeded(estimator: Any, seed: int, fresh: int) -> Any:
    """``estimator`` with the random state of its ``seed``-th repetition; ``fresh`` stands in for None."""
    last = last_step(estimator)
    state = last.random_state
    if state is None:
        last.set_params(random_state=(fresh + seed) % 2**32)
    elif seed:
        first = state if not hasattr(state, "randint") else copy.deepcopy(state).randint(2**31 - 1)
        last.set_params(random_state=(int(first) + seed) % 2**32)
    return estimator
