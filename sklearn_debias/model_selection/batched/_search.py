"""A GridSearchCV that trains all candidates, folds and seeds of a head in a few vmapped runs."""

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from joblib import parallel_config
from sklearn.model_selection import GridSearchCV
from sklearn.utils import indexable
from sklearn.utils._param_validation import Interval

from sklearn_debias.documented import Documented
from sklearn_debias.fitting import plain_params
from sklearn_debias.model_selection.batched._around import last_step
from sklearn_debias.model_selection.batched._replay import Replay
from sklearn_debias.model_selection.batched._stackable import check_pickable
from sklearn_debias.training import n_bytes

__all__ = ["BatchedGridSearchCV"]


class BatchedGridSearchCV(Documented, GridSearchCV):
    """Exhaustive search over parameters in which the candidates are trained together.

    A drop-in :class:`~sklearn.model_selection.GridSearchCV` for the torch classifiers of this
    package on 2-D X, for pipelines that end in one, be it in a pipeline of their own, and for an
    InferredGroupsClassifier around one, which infers the groups of a fold once.
    Candidates that differ in numbers only (``lr``, ``weight_decay``, ``lam``, ``q``, ``epsilon``,
    seeds ...) share one vmapped run; those that differ in structure (``max_epochs``,
    ``module__hidden``, switches ...) make separate runs, and so do the seeds of methods that hold
    rows out of a first stage (AFR, SELF), which set how they split the rows. Scoring, routing,
    ``cv_results_`` and refit are scikit-learn's own. With an int `random_state` the results are
    those of GridSearchCV up to rounding.

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
        Fits of every candidate on every fold, with the seeds ``random_state``, ``random_state + 1``
        and so on. ``split{i}_test_score`` belongs to fold ``i // n_seeds`` and seed ``i %
        n_seeds``; mean and std run over all of them.
    memory : int or str, default="1GB"
        Bytes (1GB is 10**9) that one run may take beside the data: parameters, gradients, slots of
        the optimiser, states and activations. More candidates make more runs. It does not bound the
        search: the fitted candidates of all folds and seeds (of one fold at a time from 8 settings
        on) are held until they are scored, each with its networks and fitted attributes.

    Attributes
    ----------
    cv_results_, best_estimator_, best_params_, best_score_, best_index_, scorer_, refit_time_, \
multimetric_, classes_, n_features_in_, feature_names_in_
        As for GridSearchCV. ``mean_fit_time`` is a candidate's share of the time of its run.
    n_splits_ : int
        Folds times ``n_seeds``.

    Raises
    ------
    TypeError
        If the estimator, or what the grid puts in its place, is not a torch classifier of this
        package. The message names the parameter of the grid.
    ValueError
        If a candidate cannot be trained in a stack: images, modules with buffers (BatchNorm),
        ``augment``, callbacks and others. The message names the parameter or the
        module.

    Examples
    --------
    >>> from sklearn_debias import ERMClassifier
    >>> from sklearn_debias.datasets import load_biased_digits
    >>> from sklearn_debias.model_selection import BatchedGridSearchCV
    >>> train = load_biased_digits(conflict_ratio=0.05, random_state=0).train
    >>> X = train.data.reshape(len(train.data), -1)
    >>> clf = ERMClassifier(max_epochs=5, random_state=0)
    >>> search = BatchedGridSearchCV(clf, {"lr": [1e-3, 1e-2], "weight_decay": [0, 1e-3]}, cv=3)
    >>> search.fit(X, train.target).best_params_["lr"]
    0.01
    """

    _parameter_constraints: ClassVar[dict] = {
        **GridSearchCV._parameter_constraints,
        "n_seeds": [Interval(Integral, 1, None, closed="left")],
        "memory": [str, Interval(Integral, 1, None, closed="left")],
    }

    # Written out: scikit-learn reads the parameters off the signature, and allows no **kwargs.
    def __init__(
        self,
        estimator: Any,
        param_grid: Any,
        *,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: int | str = "2*n_jobs",
        error_score: Any = np.nan,
        return_train_score: bool = False,
        n_seeds: int = 1,
        memory: int | str = "1GB",
    ) -> None:
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
            As for GridSearchCV: ``bias_labels`` and others, for the estimator, the scorer and the
            splitter.

        Returns
        -------
        self
        """
        last_step(self.estimator)
        plain_params(self)  # raises for a bool, a span of time, and an integer too large
        self._validate_params()
        budget = n_bytes(self.memory, "memory")
        check_pickable(X)
        X, y = indexable(X, y)
        # A run of its own, so that one that fails, or is stopped, sets nothing here.
        search = Replay(self, X, y, budget)
        # Candidates are trained here: a backend around the search must not carry them off.
        with parallel_config(backend="sequential", n_jobs=1):
            search.run(params)
        self.__dict__.update(search.fitted())
        return self
