"""scikit-learn's search, with fits that were trained beforehand."""

import copy
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, ParameterGrid
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.validation import _check_method_params
from tqdm.auto import tqdm

from sklearn_debias.model_selection.batched._candidates import Candidate, last_step, reseeded, train

MANY = 8  # candidates with which one fold at a time makes large enough stacks


class Replay(GridSearchCV):
    """One run of scikit-learn's search, in which every `fit` but the last takes what a stack has trained.

    scikit-learn clones the estimator once for each candidate and fold, in a known order. Here these
    clones come from `_next_clone`, and their `fit` hands over the outcome that belongs to them.

    Parameters
    ----------
    owner : BatchedGridSearchCV
        The search to run; it is left as it is.
    X, y : array-like
    budget : int
        Bytes of a stack.
    """

    def __init__(self, owner: Any, X: Any, y: Any, budget: int) -> None:
        self.__dict__.update({k: v for k, v in vars(owner).items() if not _is_fitted(k)})
        self.own = owner.estimator
        self.X = X
        self.y = y
        self.budget = budget
        self.n_jobs = 1
        self.estimator = copy.copy(owner.estimator)
        self.outcomes: deque[Candidate] = deque()
        self.seconds: list[float] = []

    def run(self, params: dict[str, Any]) -> None:
        """Fit as scikit-learn does."""
        base = clone(self.own)
        vars(base)["__sklearn_clone__"] = self._next_clone
        vars(self.estimator)["__sklearn_clone__"] = lambda: base
        try:
            GridSearchCV.fit(self, self.X, self.y, **params)
        finally:
            del vars(self.estimator)["__sklearn_clone__"]

    def fitted(self) -> dict[str, Any]:
        """What the fit has set."""
        return {name: value for name, value in vars(self).items() if _is_fitted(name)}

    @classmethod
    def _get_param_names(cls) -> list[str]:
        return GridSearchCV._get_param_names()

    def _next_clone(self) -> Any:
        estimator = clone(self.own)
        if self.outcomes:
            vars(estimator)["fit"] = partial(_hand_over, estimator, self.outcomes.popleft())
        return estimator

    def _get_routed_params_for_fit(self, params: dict[str, Any]) -> Any:
        self.routed = super()._get_routed_params_for_fit(params)
        return self.routed

    def _run_search(self, evaluate_candidates: Callable, *, callback_ctx: Any = None) -> None:
        candidates = list(ParameterGrid(self.param_grid))
        for setting in candidates:
            last_step(self._set(setting), setting)
        splits = list(self._checked_cv_orig.split(self.X, self.y, **self.routed.splitter.split))
        self.outcomes.extend(self._train(candidates, splits))
        self.seconds = [outcome.seconds for outcome in self.outcomes]
        self.n_splits_ *= self.n_seeds
        repeated = _Splits([split for split in splits for _ in range(self.n_seeds)])
        super()._run_search(partial(evaluate_candidates, cv=repeated), callback_ctx=callback_ctx)

    def _train(self, settings: list[dict], splits: list[tuple]) -> list[Candidate]:
        """Outcome of every setting on every split, in scikit-learn's order."""
        fresh = int(np.random.SeedSequence().generate_state(1)[0])
        made: dict[tuple[int, int, int], Candidate] = {}
        with tqdm(total=0, unit="epoch", disable=not self.verbose) as bar:
            pending: list[Candidate] = []
            for i, (rows, _) in enumerate(splits):
                X, y = _safe_split(self.own, self.X, self.y, rows)
                given = _check_method_params(self.X, params=self.routed.estimator.fit, indices=rows)
                prepared: dict = {}
                for (c, setting), seed in product(enumerate(settings), range(self.n_seeds)):
                    made[c, i, seed] = Candidate(reseeded(self._set(setting), seed, fresh))
                    made[c, i, seed].open(X, y, given, prepared)
                    pending.append(made[c, i, seed])
                if len(settings) >= MANY or i == len(splits) - 1:
                    train(pending, budget=self.budget, bar=bar)
                    pending = []
        return [made[key] for key in sorted(made)]

    def _set(self, setting: dict[str, Any]) -> Any:
        """An unfitted estimator with these parameters."""
        return clone(self.own).set_params(**clone(setting, safe=False))

    def _format_results(
        self, candidate_params: Any, n_splits: int, out: list[dict], more_results: Any = None
    ) -> dict[str, Any]:
        for result, seconds in zip(out, self.seconds, strict=True):
            result["fit_time"] = seconds
        return super()._format_results(candidate_params, n_splits, out, more_results)


Replay.__name__ = "BatchedGridSearchCV"  # in the messages of scikit-learn


class _Splits:
    """The splits of one search, as a splitter."""

    def __init__(self, splits: list[tuple]) -> None:
        self.splits = splits

    def split(self, *data: Any, **params: Any) -> Iterator[tuple]:
        """Yield the indices of each split."""
        return iter(self.splits)


def _hand_over(estimator: Any, outcome: Candidate, X: Any, y: Any = None, **params: Any) -> Any:
    """Make ``estimator`` what a stack has made of it."""
    del vars(estimator)["fit"]
    if outcome.error is not None:
        raise outcome.error
    vars(estimator).update(vars(outcome.estimator))
    return estimator


def _is_fitted(name: str) -> bool:
    return name.endswith("_") and not name.startswith("_")
