"""An honest comparison in one call."""

import operator
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn import config_context
from tqdm.auto import tqdm

from sklearn_debias.arguments import check_option, in_our_words, is_seed, is_switch, is_whole
from sklearn_debias.comparison._contenders import Contender, read_contenders
from sklearn_debias.comparison._evaluation import evaluate
from sklearn_debias.comparison._fits import Judging
from sklearn_debias.comparison._parts import Part, classes_of, overlaps, read_draws, read_part
from sklearn_debias.comparison._result import ComparisonResult
from sklearn_debias.comparison._selection import (
    finals,
    fitted,
    fresh_seeds,
    n_fits,
    select,
    selection_seed,
)
from sklearn_debias.comparison._splits import all_splits, check_labels, check_scorer
from sklearn_debias.comparison._store import Memory, Store
from sklearn_debias.comparison._study import Study
from sklearn_debias.content import key_of
from sklearn_debias.fitting import look_ahead, token_rows
from sklearn_debias.metrics import get_scorer
from sklearn_debias.metrics.internal import check_confidence, check_resamples

MOST_MORE = 10  # times the configurations, of a method that takes little of the time


@in_our_words
def compare(
    estimators: Any,
    train: Any,
    *,
    validation: Any = None,
    test: Any = None,
    cv: Any = None,
    n_configurations: int = 12,
    budget: str = "configurations",
    n_seeds: int = 5,
    scoring: Any = "worst_group_accuracy",
    search_spaces: Mapping[str, Any] | None = None,
    train_on: Mapping[str, str] | None = None,
    reference: str | None = None,
    kind: str | None = None,
    allow_overlap: bool = False,
    confidence: float = 0.95,
    n_resamples: int = 2000,
    store: Any = None,
    refit: bool = True,
    n_jobs: int | None = None,
    verbose: int = 1,
    random_state: Any = None,
) -> ComparisonResult:
    """Compare methods under equal budgets, and say what of the difference is luck.

    Each method is tried with the same number of configurations: its own settings, and draws from
    its search space. The one with the best score on validation rows is fitted again with fresh
    seeds. Only then the classes of the test rows are looked at, once for all methods.

    Parameters
    ----------
    estimators : dict of str to classifier, or list of classifiers
        What is compared, by name; any scikit-learn classifier, or a Pipeline.
    train : Bunch or tuple (X, y) or (X, y, bias_labels), or callable
        Rows to train on. A Bunch has `data`, `target` and, where they are known, `bias_labels`. A
        function of a seed draws them anew for each fit of the selected configurations, the same
        for all methods; it must give the same rows for the same seed. One more draw selects, or is
        cut into folds. Intervals then hold for other draws, with the settings that were selected.
        All ``n_seeds + 1`` draws are held in memory.
    validation : Bunch or tuple, default=None
        Rows that select.
    test : Bunch or tuple, default=None
        Rows that the result is of. Without them it is of the validation rows, by which the settings
        were selected; the result says so.
    cv : int or splitter, default=None
        Select by folds of the training rows, instead of `validation`. A number of folds is
        stratified by class and bias label where these are known.
    n_configurations : int, default=12
        Configurations of each method, >= 1. With 1 every method keeps its own settings, and neither
        `validation` nor `cv` is needed.
    budget : {"configurations", "seconds"}, default="configurations"
        What is equal for all. With "seconds" the reference tries its configurations, and the others
        theirs, up to ten times as many, until they have taken as many CPU seconds; what these are
        depends on the machine, and on its load.
    n_seeds : int, default=5
        Fits of each selected configuration, >= 1. One tells nothing about other seeds.
    scoring : str or callable, default="worst_group_accuracy"
        The rule of selection, as for scikit-learn's searches; those without bias labels, too.
    search_spaces : dict of str to dict, default=None
        Per method, distributions and lists to draw from, instead of its own `search_space`; {}
        takes the settings as they are. Classifiers from elsewhere need an entry.
    train_on : dict of str to {"train", "validation"}, default=None
        Methods that are fitted to the validation rows, as DFR and class scaling are. Their settings
        are selected by five folds of these.
    reference : str, default=None
        The method that the others are compared to; None takes the first.
    kind : {"embeddings", "images", "tabular"}, default=None
        Which search spaces the methods take; None takes "embeddings" for 2-D X, and "images" for
        images and for rows of tokens.
    allow_overlap : bool, default=False
        Whether test rows may be among the others. The result says how many are.
    confidence : float, default=0.95
        Coverage of the intervals, in (0, 1).
    n_resamples : int, default=2000
        Bootstrap replicates of the test rows, from 100 on.
    store : str or Path, default=None
        An SQLite file. Every fit is kept there: a run that was killed goes on where it was, and
        methods or seeds that are added later run alone. Several processes may share it.
    refit : bool, default=True
        Whether the method that validation prefers is fitted once more, as `best_estimator_`.
    n_jobs : int, default=None
        Fits at a time, by joblib's backend. Methods whose heads stack are trained together in this
        process instead.
    verbose : int, default=1
        1 shows a progress bar, a line per method, and what failed; 0 nothing.
    random_state : int or None, default=None
        Seed of the draws, the fits and the bootstrap. With a `store` it must be an int.

    Returns
    -------
    ComparisonResult
        ``print`` it, or show it in a notebook.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid, before anything runs: no rows to select by, test rows among the
        others, a method that needs bias labels where there are none, a store of other data.

    Notes
    -----
    Test rows are predicted as fits come, so that the regret of the selection can be told without
    keeping every model. Their classes and bias labels are not used before all is selected.

    Examples
    --------
    >>> from sklearn_debias import ERMClassifier, GroupDROClassifier
    >>> from sklearn_debias.comparison import compare
    >>> from sklearn_debias.datasets import make_spurious_embeddings
    >>> data = make_spurious_embeddings(random_state=0)
    >>> methods = {"ERM": ERMClassifier(max_epochs=5), "GroupDRO": GroupDROClassifier(max_epochs=5)}
    >>> result = compare(
    ...     methods, data.train, validation=data.validation, test=data.test,
    ...     n_configurations=2, n_seeds=2, verbose=0, random_state=0,
    ... )
    >>> result.frame.index.tolist(), result.n_test_reads
    (['ERM', 'GroupDRO'], 1)
    """
    _check_numbers(n_configurations, n_seeds, n_resamples, n_jobs)
    confidence = check_confidence(confidence)
    seed = _seed(random_state, store)
    seeds = fresh_seeds(seed, n_seeds)
    first = train(selection_seed(seed)) if callable(train) else train
    parts = _read_parts(first, validation, test, cv, is_open=n_configurations > 1)
    if kind is None:
        X = parts["train"].X  # frames of tokens have two axes, too
        kind = "embeddings" if np.ndim(X) == 2 and token_rows(X) is None else "images"
    check_option("budget", budget, ("configurations", "seconds"))
    most = n_configurations * (1 if budget == "configurations" else MOST_MORE)
    contenders = read_contenders(
        estimators, search_spaces or {}, train_on or {}, most, kind, seed, parts
    )
    for name, part in parts.items():
        look_ahead([contender.estimator for contender in contenders], part.X, f"X of {name}")
    names = [contender.name for contender in contenders]
    reference = names[0] if reference is None else reference
    if reference not in names:
        raise ValueError(f"`reference` must be one of {names}, got {reference!r}.")
    with config_context(enable_metadata_routing=True):
        scorer = get_scorer(scoring) if isinstance(scoring, str) else scoring
        check_scorer(scorer)
        splits, folds = all_splits(contenders, parts, cv, seed)
        check_labels(contenders, parts, splits, scorer)
        # After what costs nothing to check: draws may take long.
        draws = read_draws(train, seeds, parts["train"]) if callable(train) else {}
        found = _check_overlap([*draws.values(), *parts.values()], allow_overlap)
        total = sum(len(c.configurations) * len(splits[c.name]) for c in contenders)
        total += sum(n_fits(c, n_seeds, drawn=bool(draws)) for c in contenders)
        leader = reference if budget == "seconds" else None
        with tqdm(
            total=total if leader is None else None, disable=not verbose, unit="fit", desc="compare"
        ) as bar:
            study = _study(contenders, parts, draws, splits, scorer, folds, store, n_jobs, bar)
            selection = select(study, seed, int(n_configurations), leader)
            chosen = {name: finals(study, name, selection[name], seeds) for name in names}
            study.do([task for tasks in chosen.values() for task in tasks])
        asked = [task for tasks in chosen.values() for task in tasks]
        asked += [task for tasks in selection.values() for folds in tasks for task in folds]
        question = key_of(sorted(study.key(task) for task in asked))
        n_reads = study.store.read(question) if test is not None else 0
        result = evaluate(
            study,
            parts,
            selection,
            chosen,
            reference=reference,
            scoring=scoring if isinstance(scoring, str) else repr(scoring),
            overlap=found,
            is_drawn=bool(draws),
            n_test_reads=n_reads,
            budget=budget,
            confidence=confidence,
            n_resamples=n_resamples,
            seed=seed,
        )
        if refit and result.best_method_ is not None:
            tasks = chosen[result.best_method_]
            worked = next(task for task in tasks if not study.outcome(task).error)
            result.best_estimator_ = fitted(study, worked)
    return result


def _check_numbers(n_configurations: Any, n_seeds: Any, n_resamples: Any, n_jobs: Any) -> None:
    """Raise unless these are numbers of something."""
    given = {"n_configurations": n_configurations, "n_seeds": n_seeds}
    for name, value in given.items():
        if not is_whole(value) or value < 1:
            raise ValueError(f"`{name}` must be an int >= 1, got {value!r}.")
    check_resamples(n_resamples)
    if n_jobs is not None and (not is_whole(n_jobs) or n_jobs == 0):
        raise ValueError(f"`n_jobs` must be an int other than 0, or None, got {n_jobs!r}.")


def _seed(random_state: Any, store: Any) -> int:
    """Return the seed of a study."""
    if random_state is None:
        if store is not None:
            raise ValueError(
                "`random_state` must be an int with a `store`, got None: a study that goes on must "
                "draw what it drew before."
            )
        return int(np.random.SeedSequence().generate_state(1)[0])
    if not is_seed(random_state):
        raise ValueError(f"`random_state` must be an int >= 0 or None, got {random_state!r}.")
    return operator.index(random_state)


def _read_parts(
    train: Any, validation: Any, test: Any, cv: Any, *, is_open: bool
) -> dict[str, Part]:
    """Return the rows by the argument that they came by; there may be something to select."""
    if is_open and validation is None and cv is None:
        raise ValueError(
            "`validation` or `cv` must be given: without rows held out, nothing can be selected. "
            "Pass cv=5 to select by folds of the training rows."
        )
    if validation is not None and cv is not None:
        raise ValueError("`validation` and `cv` must not both be given: keep the one that selects.")
    if validation is None and test is None:
        raise ValueError(
            "`test` or `validation` must be given: all training rows have been trained on."
        )
    given = {"train": train, "validation": validation, "test": test}
    return {name: read_part(rows, name) for name, rows in given.items() if rows is not None}


def _check_overlap(parts: list[Part], allowed: Any) -> dict[tuple[str, str], int]:
    """Return how many test rows are among the others; raise unless that is allowed."""
    if not is_switch(allowed):
        raise ValueError(f"`allow_overlap` must be True or False, got {allowed!r}.")
    found = overlaps(parts)
    in_test = {pair: n for pair, n in found.items() if pair[1] == "test"}
    if in_test and not allowed:
        said = ", ".join(f"{n} in `{one}`" for (one, _), n in in_test.items())
        raise ValueError(
            f"`test` must hold other rows than the fits have seen; of its {len(parts[-1])} "
            f"rows there are {said}. Remove them, or pass allow_overlap=True where rows may be "
            "equal by chance."
        )
    return found


def _study(
    contenders: list[Contender],
    parts: Mapping[str, Part],
    draws: dict[int, Part],
    splits: dict[str, list[tuple[Part, Part]]],
    scorer: Any,
    folds: list[Any],
    store: Any,
    n_jobs: int | None,
    bar: tqdm,
) -> Study:
    """Return the study, with its store opened."""
    classes = classes_of([*draws.values(), *parts.values()])
    rows = parts.get("test", parts.get("validation"))
    test_X = None if rows is None else rows.X
    kept: Memory = Memory()
    rules = seen = ""
    if store is not None:
        facts = {k: v for part in parts.values() for k, v in part.facts().items()}
        kept = Store(store, facts)
        labels = ("classes of `test`", "bias labels of `test`")
        rules = key_of(scorer, folds)
        seen = key_of({name: value for name, value in facts.items() if name not in labels})
    return Study(
        contenders={c.name: c for c in contenders},
        splits=splits,
        whole={c.name: parts[c.trains_on] for c in contenders},
        draws=draws,
        validation=parts.get("validation"),
        judging={
            "select": Judging(classes, scorer, test_X),
            "test": Judging(classes, None, test_X, with_probabilities=True),
        },
        store=kept,
        is_kept=store is not None,
        rules=rules,
        rows=seen,
        n_jobs=n_jobs,
        bar=bar,
    )
