"""Scikit-learn's search, run over fits that were trained beforehand.

Scikit-learn clones the estimator for the search, that clone for each candidate and fold, and once
more for the refit. Here each of these clones is another class: `Searched` becomes a `Turn`, and
this gives `Trained` ones in order, and a plain estimator in the end.
"""

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, ParameterGrid
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.validation import _check_method_params
from tqdm.auto import tqdm

from sklearn_debias.fitting import is_fitted_name
from sklearn_debias.model_selection.batched._around import last_step
from sklearn_debias.model_selection.batched._candidates import Candidate, reseeded, train

# Settings with which a single fold makes large enough stacks.
MANY = 8


class StandIn(FrozenEstimator):
    """An estimator that others take for the one it holds; its clones say what happens next."""

    def get_metadata_routing(self) -> Any:
        """Return what the estimator asks for."""
        # The requests of a FrozenEstimator are its own: they know nothing of bias labels.
        return self.estimator.get_metadata_routing()

    def set_params(self, **params: Any) -> "StandIn":
        """Do nothing: what was trained has its parameters."""
        return self


class Searched(StandIn):
    """The estimator of a search, whose clone is the one to be cloned for the candidates."""

    def __init__(self, estimator: Any, outcomes: "deque[Candidate]") -> None:
        super().__init__(estimator)
        self.outcomes = outcomes

    def __sklearn_clone__(self) -> Any:
        return Turn(self.estimator, self.outcomes)


class Turn(Searched):
    """A source of clones: one trained candidate after another, then a fresh estimator."""

    def __sklearn_clone__(self) -> Any:
        # None is left for the refit, which trains on all rows.
        return Trained(self.outcomes.popleft()) if self.outcomes else clone(self.estimator)


class Trained(StandIn):
    """A candidate that a stack has trained; `fit` has nothing left to do, or raises its error."""

    def __init__(self, outcome: Candidate) -> None:
        super().__init__(outcome.estimator)
        self.error = outcome.error

    def fit(self, X: Any, y: Any = None, *args: Any, **params: Any) -> "Trained":
        """Raise what stopped the training, if anything did."""
        if self.error is not None:
            raise self.error
        return self


class Unwrapping:
    """A scorer that is handed the estimator itself, not its stand-in; else like ``scorer``.

    A scorer may ask for the estimator's class or parameters, or fit a clone of it.
    """

    def __init__(self, scorer: Callable) -> None:
        self.__wrapped__ = scorer

    def __call__(self, estimator: StandIn, *args: Any, **kwargs: Any) -> Any:
        return self.__wrapped__(estimator.estimator, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(vars(self)["__wrapped__"], name)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        # Scikit-learn tells several metrics from one by the class.
        return type(self.__wrapped__)


class Replay(GridSearchCV):
    """One run of scikit-learn's search over what stacks have trained.

    Scikit-learn clones the estimator once for each candidate and fold, in a known order, fits the
    clone and scores it. Here the clones are `Trained`, but for that of the refit.

    Parameters
    ----------
    owner : BatchedGridSearchCV
        The search to run; it is left as it is.
    X, y : array-like
    budget : int
        Bytes of a stack.
    """

    def __init__(self, owner: Any, X: Any, y: Any, budget: int) -> None:
        settings = {name: value for name, value in vars(owner).items() if not is_fitted_name(name)}
        self.__dict__.update(settings)
        self.owner = owner
        self.own = owner.estimator
        self.X = X
        self.y = y
        self.budget = budget
        # Scoring is all that is left to do: other processes would be sent whole fits for it.
        self.n_jobs = 1
        self.outcomes: deque[Candidate] = deque()
        self.estimator = Searched(self.own, self.outcomes)
        self.seconds: list[float] = []

    def run(self, params: dict[str, Any]) -> None:
        """Fit as scikit-learn does."""
        GridSearchCV.fit(self, self.X, self.y, **params)

    def fitted(self) -> dict[str, Any]:
        """Return what the fit has set."""
        found = {name: value for name, value in vars(self).items() if is_fitted_name(name)}
        if type(found["scorer_"]) is Unwrapping:
            found["scorer_"] = found["scorer_"].__wrapped__
        return found

    @classmethod
    def _get_param_names(cls) -> list[str]:
        # Read off the constructor, which here takes other arguments.
        return GridSearchCV._get_param_names()

    def _get_scorers(self) -> Any:
        # Scorers that pass an estimator's own `score` on keep the estimator they are made for.
        scorers, refit_metric = self.owner._get_scorers()
        return Unwrapping(scorers), refit_metric

    def _get_routed_params_for_fit(self, params: dict[str, Any]) -> Any:
        # Kept, for the training before the search needs what is routed to fit and to the splitter.
        self.routed = super()._get_routed_params_for_fit(params)
        return self.routed

    def _run_search(self, evaluate_candidates: Callable, *, callback_ctx: Any = None) -> None:
        candidates = list(ParameterGrid(self.param_grid))
        # All of them before the first is trained: a wrong one may come last in a long search.
        for setting in candidates:
            last_step(self._set(setting), setting)
        # Drawn once, for training and for scoring: a splitter may shuffle anew at each call.
        splits = list(self._checked_cv_orig.split(self.X, self.y, **self.routed.splitter.split))
        self.outcomes.extend(self._train(candidates, splits))
        self.seconds = [outcome.seconds for outcome in self.outcomes]
        self.n_splits_ *= int(self.n_seeds)
        repeated = _Splits([split for split in splits for _ in range(self.n_seeds)])
        super()._run_search(partial(evaluate_candidates, cv=repeated), callback_ctx=callback_ctx)

    def _train(self, settings: list[dict], splits: list[tuple]) -> list[Candidate]:
        """Return the outcome of every setting on every split, in scikit-learn's order."""
        # One for all settings: with seeds of their own, no two of them would share a lane.
        fresh = int(np.random.SeedSequence().generate_state(1)[0])
        made: dict[tuple[int, int, int], Candidate] = {}
        with tqdm(total=0, unit="epoch", disable=not self.verbose) as bar:
            pending: list[Candidate] = []
            for i, (rows, _) in enumerate(splits):
                X, y = _safe_split(self.own, self.X, self.y, rows)
                given = _check_method_params(self.X, params=self.routed.estimator.fit, indices=rows)
                prepared: dict = {}
                for (c, setting), seed in product(enumerate(settings), range(self.n_seeds)):
                    candidate = Candidate(reseeded(self._set(setting), seed, fresh))
                    candidate.open(X, y, given, prepared)
                    made[c, i, seed] = candidate
                    pending.append(candidate)
                # Few settings wait for all folds, or their stacks would be small. Many are trained
                # fold by fold, so that the rows of a single fold are held at a time.
                if len(settings) >= MANY or i == len(splits) - 1:
                    train(pending, budget=self.budget, bar=bar)
                    pending = []
        return [made[key] for key in sorted(made)]

    def _set(self, setting: dict[str, Any]) -> Any:
        """Return an unfitted estimator with these parameters."""
        # The values are cloned, as scikit-learn does it: fits must not share an estimator.
        return clone(self.own).set_params(**clone(setting, safe=False))

    def _format_results(
        self, candidate_params: Any, n_splits: int, out: list[dict], more_results: Any = None
    ) -> dict[str, Any]:
        # What scikit-learn has timed is the fit of a stand-in.
        for result, seconds in zip(out, self.seconds, strict=True):
            result["fit_time"] = seconds
        return super()._format_results(candidate_params, n_splits, out, more_results)


# Scikit-learn's messages name the class, and users know this one.
Replay.__name__ = "BatchedGridSearchCV"


class _Splits:
    """The splits of one search, as a splitter."""

    def __init__(self, splits: list[tuple]) -> None:
        self.splits = splits

    def split(self, *data: Any, **params: Any) -> Iterator[tuple]:
        """Yield the indices of each split."""
        return iter(self.splits)
