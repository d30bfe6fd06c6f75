"""Scorers bound to groups by a pandas index, as `monitor` and as the scoring of `ClassScaling`."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from sklearn_debias import ClassScaling, ERMClassifier
from sklearn_debias.metrics import make_group_scorer, worst_group_accuracy_score
from sklearn_debias.models import mlp

RNG = np.random.default_rng(0)
N = 240
Y = RNG.integers(0, 2, N)
X = (RNG.normal(size=(N, 4)) + Y[:, None]).astype(np.float32)
INDEX = [f"row{i}" for i in range(N)]
FRAME = pd.DataFrame(X, index=INDEX, columns=list("abcd"))
SERIES = pd.Series(Y, index=INDEX)
MEMBERS = pd.DataFrame({"p": RNG.random(N) < 0.5, "q": RNG.random(N) < 0.3}, index=INDEX)
BIAS = pd.Series(RNG.integers(0, 2, N), index=INDEX)
GIVEN = {"both": (FRAME, SERIES), "X": (FRAME, Y), "y": (X, SERIES)}


@pytest.mark.filterwarnings("ignore:The fitted model predicts")
@pytest.mark.parametrize("bound", [{"membership": MEMBERS}, {"bias_labels": BIAS}])
@pytest.mark.parametrize("freeze", [None, "body"])
@pytest.mark.parametrize("part", GIVEN)
@pytest.mark.parametrize("held_out", [True, False])
def test_monitors_score_the_groups_that_were_bound(bound, freeze, part, held_out):
    # In reverse: rows are found by the index.
    reverse = {name: groups[::-1] for name, groups in bound.items()}
    monitor = make_group_scorer(worst_group_accuracy_score, **reverse)
    clf = ERMClassifier(mlp, max_epochs=2, freeze=freeze, monitor=monitor, random_state=0)
    given_X, given_y = GIVEN[part]
    if held_out:
        clf.set_params(validation=0.25).fit(given_X, given_y)
        seen = []
        told = ERMClassifier("mlp", max_epochs=1, validation=0.25, random_state=0)
        told.set_params(monitor=lambda _, X, y: float(not seen.append(X))).fit(FRAME, SERIES)
        rows = np.flatnonzero(np.isin(INDEX, seen[0].index))
    else:
        rows = np.arange(180, N)
        clf.fit(given_X[:180], given_y[:180], validation_data=(given_X[180:], given_y[180:]))
    (name,) = bound
    groups = {name: bound[name].iloc[rows]}
    expected = worst_group_accuracy_score(Y[rows], clf.predict(given_X)[rows], **groups)
    assert clf.history_["validation_score"].max() == expected


@pytest.mark.parametrize("bound", [{"membership": MEMBERS}, {"bias_labels": BIAS}])
def test_class_scaling_chooses_by_the_groups_that_were_bound(bound):
    scoring = make_group_scorer(worst_group_accuracy_score, **bound)
    fits = [
        ClassScaling(LogisticRegression(), scoring=scoring, random_state=0).fit(
            *given, bias_labels=BIAS
        )
        for given in GIVEN.values()
    ]
    np.testing.assert_array_equal(fits[0].scale_, fits[1].scale_)
    np.testing.assert_array_equal(fits[0].scale_, fits[2].scale_)
