"""Bootstrap replicates of metrics in three groups of 10,000 rows, and of all, to a loop by hand."""

import cases_rest
import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, f1_score, roc_auc_score

from sklearn_debias.metrics import (
    expected_calibration_error,
    group_report,
)

N, REPLICATES = 10_000, 200  # a loop over 2,000 takes a minute
rng = np.random.default_rng(0)
y = rng.integers(0, 2, N)
bias = rng.integers(0, 3, N)
score = 1 / (1 + np.exp(-(rng.normal(size=N) + 2 * y - 1)))
predicted = (score > 0.5).astype(int)
OF_SCORES = {
    "roc_auc": roc_auc_score,
    "brier": brier_score_loss,
    "ece": expected_calibration_error,
}
LIMITS = {"roc_auc": 1 / 10, "brier": 1 / 5, "ece": 1 / 2}  # the loop over the error is quick, too


def by_hand(function, response):
    draws = np.random.default_rng(0)
    rows_of = [np.flatnonzero(bias == group) for group in range(3)]
    found = np.empty((REPLICATES, 4))
    for r in range(REPLICATES):
        drawn = [rows[draws.integers(len(rows), size=len(rows))] for rows in rows_of]
        for g, rows in enumerate([*drawn, np.concatenate(drawn)]):
            found[r, g] = function(y[rows], response[rows])
    return np.quantile(found, [0.025, 0.975], axis=0)


def report(function, n_resamples=REPLICATES):
    needs = score if function in OF_SCORES.values() else None
    return group_report(
        y,
        predicted,
        bias_labels=bias,
        by="bias",
        metrics={"metric": function},
        y_score=needs,
        n_resamples=n_resamples,
        random_state=0,
    )


@pytest.mark.parametrize("name", OF_SCORES)
def test_metrics_of_scores(compare, name):
    function = OF_SCORES[name]
    compare(
        lambda: report(function), lambda: by_hand(function, score), rounds=5, limit=LIMITS[name]
    )


def test_metrics_of_labels(compare):
    compare(lambda: report(f1_score), lambda: by_hand(f1_score, predicted), rounds=5, limit=1 / 10)


def test_2000_replicates(compare):
    """As many as the report draws, in terms of what scikit-learn takes for one."""
    compare(
        lambda: report(roc_auc_score, 2000),
        lambda: [roc_auc_score(y, score) for _ in range(200)],
        rounds=3,
        limit=2,
    )


def test_a_million_rows_in_1000_groups(compare):
    """Of whole numbers, against nothing but the counts."""
    score, counts = cases_rest.groups(1_000_000)
    compare(score, counts, rounds=15, limit=5)
