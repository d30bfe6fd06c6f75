"""GridSearchCV that trains all candidates, folds and seeds of a head in a few vmapped runs."""

import copy
import re
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, ParameterGrid
from sklearn.utils import indexable
from sklearn.utils._param_validation import Interval
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.validation import _check_method_params
from tqdm.auto import tqdm

from sklearn_debias.model_selection._candidates import Candidate, last_step, reseeded, train

__all__ = ["BatchedGridSearchCV"]

UNITS = {"KB": 2**10, "MB": 2**20, "GB": 2**30}
MANY = 8  # candidates with which one fold at a time makes large enough stacks


class BatchedGridSearchCV(GridSearchCV):
    """Exhaustive search over parameters in which the candidates are trained together.

    A drop-in :class:`~sklearn.model_selection.GridSearchCV` for the torch classifiers of this package on 2-D X, and
    for pipelines that end in one. Candidates that differ in numbers only (``lr``, ``weight_decay``, ``lam``,
    ``q``, ``epsilon``, seeds ...) share one vmapped run; those that differ in structure (``max_epochs``,
    ``module__hidden``, switches ...) make separate runs. Scoring, routing, ``cv_results_`` and refit are
    scikit-learn's own. With an int `random_state` the results are those of GridSearchCV up to rounding.

    Parameters
    ----------
    estimator : classifier of this package, or Pipeline ending in one
        The earlier steps of a pipeline are fitted once per fold and setting of theirs. With
        ``random_state=None`` all candidates of a search share one fresh seed.
    param_grid : dict or list of dicts
        As for GridSearchCV.
    scoring : str, callable, list, tuple, dict or None, default=None
        As for GridSearchCV.
    n_jobs : int or None, default=None
        Without effect: one process trains and scores all candidates.
    refit : bool, str or callable, default=True
        As for GridSearchCV; the refit has the first seed.
    cv : int, splitter or iterable, default=None
        As for GridSearchCV.
    verbose : int, default=0
        1 shows a progress bar, in epochs summed over candidates.
    pre_dispatch : int or str, default="2*n_jobs"
        Without effect.
    error_score : "raise" or number, default=nan
        As for GridSearchCV. A candidate that diverges does not touch the others.
    return_train_score : bool, default=False
        As for GridSearchCV.
    n_seeds : int, default=1
        Fits of every candidate on every fold, with the seeds ``random_state``, ``random_state + 1`` and so on.
        ``split{i}_test_score`` belongs to fold ``i // n_seeds`` and seed ``i % n_seeds``; mean and std run over
        all of them.
    memory : int or str, default="1GB"
        Bytes that a run may take beside the data: parameters, gradients, slots of the optimiser, states and
        activations. More candidates make more runs.

    Attributes
    ----------
    cv_results_, best_estimator_, best_params_, best_score_, best_index_, scorer_, refit_time_, multimetric_, \
classes_, n_features_in_, feature_names_in_
        As for GridSearchCV. ``mean_fit_time`` is a candidate's share of the time of its run.
    n_splits_ : int
        Folds times ``n_seeds``.

    Raises
    ------
    TypeError
        If the estimator is not a torch classifier of this package.
    ValueError
        If a candidate cannot be trained in a stack: images, modules with buffers (BatchNorm), ``augment``,
        ``monitor`` and others. The message names the parameter or the module.

    Examples
    --------
    >>> from sklearn_debias import ERMClassifier
    >>> from sklearn_debias.datasets import load_biased_digits
    >>> from sklearn_debias.model_selection import BatchedGridSearchCV
    >>> train = load_biased_digits(conflict_ratio=0.05, random_state=0).train
    >>> X = train.data.reshape(len(train.data), -1)
    >>> clf = ERMClassifier(max_epochs=5, random_state=0)
    >>> search = BatchedGridSearchCV(clf, {"lr": [1e-5, 1e-2], "weight_decay": [0, 1e-3]}, cv=3)
    >>> search.fit(X, train.target).best_params_["lr"]
    0.01
    """

    _parameter_constraints: ClassVar[dict] = {
        **GridSearchCV._parameter_constraints,
        "n_seeds": [Interval(Integral, 1, None, closed="left")],
        "memory": [str, Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        estimator,
        param_grid,
        *,
        scoring=None,
        n_jobs=None,
        refit=True,
        cv=None,
        verbose=0,
        pre_dispatch="2*n_jobs",
        error_score=np.nan,
        return_train_score=False,
        n_seeds=1,
        memory="1GB",
    ):
        super().__init__(
            estimator,
            param_grid,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.n_seeds = n_seeds
        self.memory = memory

    def fit(self, X: Any, y: Any = None, **params: Any) -> "BatchedGridSearchCV":
        """Train and score all candidates, and refit the best.

        Parameters
        ----------
        X : array-like of shape (n, features)
        y : array-like of shape (n,)
        **params : dict
            As for GridSearchCV: ``bias_labels`` and others, for the estimator, the scorer and the splitter.

        Returns
        -------
        self
        """
        last_step(self.estimator)
        self._validate_params()
        budget = read_memory(self.memory)
        X, y = indexable(X, y)
        search = _Search(self, X, y, budget)
        search.run(params)
        self.__dict__.update(search.fitted())
        return self


class _Search(GridSearchCV):
    """One run of scikit-learn's search, in which every `fit` but the last takes what a stack has trained.

    scikit-learn clones the estimator once for each candidate and fold, in a known order. Here these clones come
    from `_next_clone`, and their `fit` hands over the outcome that belongs to them.
    """

    def __init__(self, owner: BatchedGridSearchCV, X: Any, y: Any, budget: int) -> None:
        self.__dict__.update({k: v for k, v in vars(owner).items() if not _is_fitted(k)})
        self.own, self.X, self.y, self.budget, self.n_jobs = owner.estimator, X, y, budget, 1
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
                    estimator = clone(self.own).set_params(**clone(setting, safe=False))
                    made[c, i, seed] = Candidate(reseeded(estimator, seed, fresh))
                    made[c, i, seed].open(X, y, given, prepared)
                    pending.append(made[c, i, seed])
                if len(settings) >= MANY or i == len(splits) - 1:
                    train(pending, budget=self.budget, bar=bar)
                    pending = []
        return [made[key] for key in sorted(made)]

    def _format_results(
        self, candidate_params: Any, n_splits: int, out: list[dict], more_results: Any = None
    ) -> dict[str, Any]:
        for result, seconds in zip(out, self.seconds, strict=True):
            result["fit_time"] = seconds
        return super()._format_results(candidate_params, n_splits, out, more_results)


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


def read_memory(memory: int | str) -> int:
    """Bytes of the `memory` parameter."""
    if not isinstance(memory, str):
        return int(memory)
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]B)", memory.strip().upper())
    if found is None or float(found[1]) <= 0:
        raise ValueError(f"`memory` must be a number of bytes, or a text such as '500MB' or '2GB', got {memory!r}.")
    return int(float(found[1]) * UNITS[found[2]])
