"""A class that a training fold lacks: its rows count as wrong, and the fold has a score."""

import warnings

import numpy as np
import pandas as pd
import pytest
from routed import RoutedClassifier
from sklearn import config_context
from sklearn.model_selection import KFold, cross_validate

from sklearn_debias import ERMClassifier
from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.metrics import (
    get_scorer,
    get_scorer_names,
    make_group_scorer,
    worst_group_accuracy_score,
)
from sklearn_debias.robustness import robust_accuracy

RNG = np.random.default_rng(0)
N = 120
Y = np.array(["a", "b"])[RNG.integers(0, 2, N)].astype(object)
BIAS = np.where(RNG.random(N) < 0.85, Y == "a", Y == "b").astype(int)
X = (RNG.normal(size=(N, 3)) + (Y == "b")[:, None]).astype(np.float32)
Y[-2:] = "rare"  # in the last fold only
BIAS[-2:] = [0, 1]
CV = KFold(3)
TRAIN, TEST = list(CV.split(X))[-1]
WARNING = r"holds classes that training did not see, 'rare': their rows count as wrong"


def by_hand(model):
    """Return every score of the last fold, counted without this package."""
    y, bias = Y[TEST], BIAS[TEST]
    right = model.predict(X[TEST]) == y
    frame = pd.DataFrame({"y": y, "bias": bias, "right": right})
    groups = frame.groupby(["y", "bias"]).right.mean()
    trained = pd.DataFrame({"y": Y[TRAIN], "bias": BIAS[TRAIN]})
    mostly = trained.groupby("y").bias.agg(lambda values: values.mode()[0])
    aligned = (frame.y.map(mostly) == frame.bias).to_numpy()
    shares = trained.value_counts(normalize=True).reindex(groups.index, fill_value=0)
    sides = [right[aligned].mean(), right[~aligned].mean()]
    return {
        "harmonic_accuracy": 2 * sides[0] * sides[1] / sum(sides),
        "worst_group_accuracy": groups.min(),
        "group_mean_accuracy": groups.mean(),
        "adjusted_accuracy": (groups * shares).sum() / shares.sum(),
        "aligned_accuracy": right[aligned].mean(),
        "conflicting_accuracy": right[~aligned].mean(),
        "bias_gap": right[~aligned].mean() - right[aligned].mean(),
    }


@pytest.mark.parametrize("name", get_scorer_names())
@pytest.mark.parametrize("model", [RoutedClassifier(), ERMClassifier(max_epochs=3, random_state=0)])
def test_the_fold_has_the_score_that_counts_its_rows_as_wrong(name, model):
    with (
        config_context(enable_metadata_routing=True),
        pytest.warns(DebiasWarning, match=WARNING) as caught,
    ):
        found = cross_validate(
            model,
            X,
            Y,
            scoring=get_scorer(name),
            cv=CV,
            params={"bias_labels": BIAS},
            return_estimator=True,
        )
    assert len(caught) == 1
    expected = by_hand(found["estimator"][-1])[name]
    assert found["test_score"][-1] == pytest.approx(expected, abs=1e-12)
    assert np.isfinite(found["test_score"]).all()


def test_bound_scorers_do_the_same():
    index = [f"row{i}" for i in range(N)]
    scorer = make_group_scorer(worst_group_accuracy_score, bias_labels=pd.Series(BIAS, index=index))
    with pytest.warns(DebiasWarning, match=WARNING):
        found = cross_validate(
            RoutedClassifier(), X, pd.Series(Y, index=index), scoring=scorer, cv=CV
        )
    assert found["test_score"][-1] == 0.0


@pytest.mark.parametrize("worst_group", [False, True])
def test_robust_scorers_do_the_same(worst_group):
    model = ERMClassifier(max_epochs=3, random_state=0).fit(X[TRAIN], Y[TRAIN])
    scorer = robust_accuracy("fgsm", epsilon=0.0, worst_group=worst_group)
    with pytest.warns(DebiasWarning, match=WARNING) as caught:
        score = scorer(model, X[TEST], Y[TEST], BIAS[TEST])
    assert len(caught) == 1
    expected = 0.0 if worst_group else (model.predict(X[TEST]) == Y[TEST]).mean()
    assert score == pytest.approx(expected)
    only = np.flatnonzero(Y == "rare")
    with pytest.warns(DebiasWarning, match=WARNING):
        assert scorer(model, X[only], Y[only], BIAS[only]) == 0.0


def test_known_classes_are_not_warned_of():
    model = RoutedClassifier().fit(X, Y, bias_labels=BIAS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        get_scorer("worst_group_accuracy")(model, X[:50], Y[:50], bias_labels=BIAS[:50])
