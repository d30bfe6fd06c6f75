"""Try the configurations of all methods, and keep the best of each by rows held out."""

from typing import Any

import numpy as np

from sklearn_debias.comparison._contenders import Contender
from sklearn_debias.comparison._fits import Task, as_text, fit_arguments
from sklearn_debias.comparison._study import Study


def selection_seed(seed: int) -> int:
    """Return the seed that all configurations are tried with."""
    return int(np.random.SeedSequence([seed, 0]).generate_state(1)[0] % 2**31)


def fresh_seeds(seed: int, n_seeds: int) -> list[int]:
    """Return the seeds that selected configurations are fitted with; more begin with the same."""
    sequences = (np.random.SeedSequence([seed, 1, i]) for i in range(n_seeds))
    return [int(sequence.generate_state(1)[0] % 2**31) for sequence in sequences]


def n_fits(contender: Contender, n_seeds: int, *, drawn: bool) -> int:
    """Return the number of fits of a selected configuration.

    Without a seed, and on the same rows, they would be equal.
    """
    return n_seeds if contender.is_random or (drawn and contender.trains_on == "train") else 1


def select(
    study: Study, seed: int, most: int, leader: str | None = None
) -> dict[str, list[list[Task]]]:
    """Try configurations; return the tasks of each method, by configuration and fold.

    Each method tries ``most`` of them. With a ``leader`` it alone does, and the others try theirs
    until they have taken as many CPU seconds.
    """
    number = selection_seed(seed)
    names = sorted(study.contenders, key=lambda name: name != leader)
    every = {}
    seconds = 0.0
    for name in names:
        folds = range(len(study.splits[name]))
        tasks = [
            [Task("select", name, i, number, fold) for fold in folds]
            for i in range(len(study.contenders[name].configurations))
        ]
        if leader is None or name == leader:
            every[name] = tasks[:most]
            study.do([task for folds in every[name] for task in folds])
            seconds = _seconds(study, every[name])
        else:
            every[name] = _until(study, tasks, seconds)
        if not study.bar.disable and every[name] != [[]]:
            study.bar.write(_line(study, name, every[name]))
    return {name: every[name] for name in study.contenders}


def _until(study: Study, tasks: list[list[Task]], seconds: float) -> list[list[Task]]:
    """Try configurations until they have taken so many CPU seconds; at least one.

    After the first, as many at a time as the time may last for, for a stack is cheaper.
    """
    tried = tasks[:1]
    study.do(tried[0])
    while len(tried) < len(tasks) and (left := seconds - _seconds(study, tried)) > 0:
        each = _seconds(study, tried) / len(tried)
        more = tasks[len(tried) :][: max(1, int(left / max(each, 1e-6)))]
        study.do([task for folds in more for task in folds])
        tried = tried + more
    return tried


def _seconds(study: Study, tasks: list[list[Task]]) -> float:
    """Return the CPU seconds that fits have taken."""
    return sum(study.outcome(task).seconds for folds in tasks for task in folds)


def mean_scores(study: Study, tasks: list[list[Task]]) -> np.ndarray:
    """Return the mean score of each configuration over the folds; NaN where one failed."""
    scores = [[study.outcome(task).score for task in folds] for folds in tasks]
    return np.array([np.mean(own) if own else np.nan for own in scores])


def selected(study: Study, tasks: list[list[Task]]) -> int | None:
    """Return the number of the configuration with the best score; None where all failed."""
    if tasks == [[]]:  # a single one, of which nothing was to be selected
        return 0
    scores = mean_scores(study, tasks)
    return None if np.isnan(scores).all() else int(np.nanargmax(scores))


def _line(study: Study, name: str, tasks: list[list[Task]]) -> str:
    """Return what is said of a method once its configurations are tried."""
    best = selected(study, tasks)
    if best is None:
        return f"{name}: all {len(tasks)} configurations failed"
    score = mean_scores(study, tasks)[best]
    settings = as_text(study.contenders[name].configurations[best])
    return f"{name}: {score:.3f} on validation rows at {settings or 'its own settings'}"


def finals(study: Study, name: str, tasks: list[list[Task]], seeds: list[int]) -> list[Task]:
    """Return the fits of the selected configuration with fresh seeds; none where all failed."""
    best = selected(study, tasks)
    if best is None:
        return []
    n = n_fits(study.contenders[name], len(seeds), drawn=bool(study.draws))
    return [Task("test", name, best, number) for number in seeds[:n]]


def fitted(study: Study, task: Task) -> Any:
    """Return the estimator of a task, fitted."""
    contender = study.contenders[task.method]
    estimator = contender.made(contender.configurations[task.configuration], task.seed)
    rows = study.rows_of(task)
    arguments = fit_arguments(estimator, rows, study.validation)
    return estimator.fit(rows.X, rows.y, **arguments)
