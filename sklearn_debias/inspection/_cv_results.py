"""What a search found for each value of a parameter, from its `cv_results_`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sklearn_debias.arguments import check_option, hint, is_real
from sklearn_debias.rows import as_array

OTHERS = ("best", "mean", "fixed")
WORST = ("worst", "conflicting")  # words in the names of scores that look at a minority


@dataclass(frozen=True)
class Results:
    """The candidates of a search, with two scores at most.

    Parameters
    ----------
    params : list of dict
        Per candidate its parameters.
    scores : dict of str to tuple of (ndarray, ndarray, ndarray or None)
        Per score the mean and the deviation over folds, of shape (candidates,), and the folds, of
        shape (candidates, folds), where the results have them.
    judge : str
        The score that says which candidate is best.
    """

    params: list[dict[str, Any]]
    scores: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray | None]]
    judge: str


def read_results(cv_results: Any, average: str | None, worst: str | None) -> Results:
    """Return the candidates and the scores asked for; raise a ValueError saying what is there."""
    table = _table(cv_results)
    known = [name.removeprefix("mean_test_") for name in table if name.startswith("mean_test_")]
    if "params" not in table or not known or not len(table["params"]):
        raise ValueError(
            "`cv_results` must be the `cv_results_` of a fitted search, with 'params' and "
            f"'mean_test_...', got {list(table)!s:.300}."
        )
    names = _asked(known, average, worst)
    n = len(table["params"])
    scores = {}
    for name in names:
        mean = as_array(table[f"mean_test_{name}"], f"cv_results['mean_test_{name}']", dtype=float)
        std = table.get(f"std_test_{name}", np.full(n, np.nan))
        splits = [c for c in table if c.startswith("split") and c.endswith(f"_test_{name}")]
        # "split0_test_x" ends as "split0_test_y_test_x" would; the place of the name decides.
        splits = [c for c in splits if c.partition("_test_")[2] == name]
        folds = np.stack([np.asarray(table[c], dtype=float) for c in splits], 1) if splits else None
        if not np.isfinite(mean).any():
            raise ValueError(
                f"`cv_results` must have a finite score, but all of 'mean_test_{name}' are NaN: "
                "every fit, or every scoring, failed. See the warnings of the search."
            )
        scores[name] = (mean, np.asarray(std, dtype=float), folds)
    return Results([dict(params) for params in table["params"]], scores, names[-1])


def along(
    results: Results, param: Any, others: Any
) -> tuple[list[Any], dict[str, np.ndarray], dict[str, np.ndarray], tuple[str, ...]]:
    """Return the values of a parameter, the scores and deviations at each, and what else varies."""
    check_option("others", others, OTHERS)
    known = list(dict.fromkeys(name for params in results.params for name in params))
    name = param.removeprefix("param_") if isinstance(param, str) else param
    if name not in known:
        advice = hint(name, known) if isinstance(name, str) else ""
        raise ValueError(
            f"`param` must be one of the parameters searched, {known}, got {param!r:.60}. {advice}"
            .rstrip()
        )  # fmt: skip
    has = [i for i, params in enumerate(results.params) if name in params]
    varied = tuple(other for other in known if other != name and _varies(results.params, other))
    if others == "fixed":
        judged = results.scores[results.judge][0][has]
        best = results.params[has[int(np.nanargmax(judged))]] if np.isfinite(judged).any() else {}
        has = [i for i in has if _rest(results.params[i], name) == _rest(best, name)]
    rows: dict[str, list[int]] = {}
    for i in has:
        rows.setdefault(_key(results.params[i][name]), []).append(i)
    values = [results.params[found[0]][name] for found in rows.values()]
    order = _order(values)
    groups = [list(rows.values())[i] for i in order]
    means = {}
    stds = {}
    for score in results.scores:
        pairs = [_one(results, score, found, others) for found in groups]
        means[score], stds[score] = np.array(pairs).T
    return [values[i] for i in order], means, stds, varied


def is_numeric(values: list[Any]) -> bool:
    """Return whether all values are finite numbers, bools being none."""
    return all(is_real(value) and np.isfinite(float(value)) for value in values)


def _one(results: Results, score: str, rows: list[int], others: str) -> tuple[float, float]:
    """Return the score at one value of the parameter, and its deviation over folds."""
    mean, std, folds = results.scores[score]
    if others == "mean" and len(rows) > 1:
        ran = [i for i in rows if np.isfinite(mean[i])]
        if not ran:
            return np.nan, np.nan
        # Over folds of what each fold has on average: candidates that differ are no noise.
        spread = float(folds[ran].mean(axis=0).std()) if folds is not None else np.nan
        return float(mean[ran].mean()), spread
    judged = results.scores[results.judge][0][rows]
    if not np.isfinite(judged).any():
        return np.nan, np.nan
    best = rows[int(np.nanargmax(judged))]
    return float(mean[best]), float(std[best])


def _table(cv_results: Any) -> dict[str, Any]:
    """Return the columns of results, or of a DataFrame made of them."""
    if isinstance(cv_results, pd.DataFrame):
        return {str(name): cv_results[name].to_numpy() for name in cv_results}
    return {str(k): v for k, v in cv_results.items()} if isinstance(cv_results, Mapping) else {}


def _asked(known: list[str], average: str | None, worst: str | None) -> list[str]:
    """Return the names of the scores, the one that judges last."""
    asked = {"average": average, "worst": worst}
    for role, name in asked.items():
        if name is None:
            continue
        bare = name.removeprefix("mean_test_") if isinstance(name, str) else name
        if bare not in known:
            raise ValueError(
                f"`{role}` must be one of the scores in `cv_results`, {known}, got {name!r:.60}."
            )
        asked[role] = bare
    given = [name for name in asked.values() if name is not None]
    if given:
        return list(dict.fromkeys(given))
    if len(known) == 1:
        return known
    minority = [name for name in known if any(word in name for word in WORST)]
    rest = [name for name in known if name not in minority]
    if len(minority) == 1 and len(rest) == 1:
        return rest + minority
    raise ValueError(
        f"`cv_results` has the scores {known}: name the `average` and the `worst` to draw."
    )


def _order(values: list[Any]) -> list[int]:
    """Return the order of the values: numbers by size, others as they come."""
    if not is_numeric(values):
        return list(range(len(values)))
    return sorted(range(len(values)), key=lambda i: float(values[i]))


def _key(value: Any) -> str:
    """Return a text that is the same for equal values, 1 and 1.0 among them."""
    return repr(float(value)) if is_real(value) else repr(value)


def _rest(params: dict[str, Any], name: Any) -> dict[str, str]:
    return {other: _key(value) for other, value in params.items() if other != name}


def _varies(params: list[dict[str, Any]], name: str) -> bool:
    return len({_key(given[name]) if name in given else None for given in params}) > 1
