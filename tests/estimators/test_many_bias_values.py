"""Many bias values are values of samples, never of the few cells that they form."""

import numpy as np
import pandas as pd
import pytest

from sklearn_debias import (
    BiasAdvClassifier,
    DFRClassifier,
    ERMClassifier,
    FishClassifier,
    GroupDROClassifier,
    InvarianceClassifier,
    MixUpClassifier,
)
from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.metrics import aligned_map, encode_bias, group_shares_map

# 25 hospitals with about twenty rows of each class, and none of class 1 in the eighth.
RNG = np.random.default_rng(0)
Y = RNG.integers(0, 2, 980)
HOSPITAL = np.arange(980) % 25
THERE = ~((Y == 1) & (HOSPITAL == 7))
Y, HOSPITAL = Y[THERE], HOSPITAL[THERE]
X = (RNG.normal(size=(len(Y), 5)) + Y[:, None]).astype(np.float32)
QUICK = {"max_epochs": 1, "random_state": 0}
CELLS = [(y, h) for y in (0, 1) for h in range(25) if (y, h) != (1, 7)]
EMPTY = r"No training row has \(class, bias value\) in \[\(1, 7\)\]"


@pytest.mark.filterwarnings("ignore:The fitted model predicts")
@pytest.mark.parametrize("n_values", [24, 150])
def test_methods_that_use_groups_see_them_all(n_values):
    y = np.arange(900) // 450
    hospital = np.arange(900) % n_values
    x = X[:900]
    groups = [(label, value) for label in (0, 1) for value in range(n_values)]
    clf = GroupDROClassifier(**QUICK).fit(x, y, bias_labels=hospital)
    assert list(clf.group_weights_) == groups
    assert clf.bias_classes_ == list(range(n_values))
    dfr = DFRClassifier(C=1.0, n_resamples=1).fit(x, y, bias_labels=hospital)
    assert list(dfr.group_sizes_) == groups


@pytest.mark.parametrize(
    "clf",
    [
        GroupDROClassifier(**QUICK),
        DFRClassifier(C=1.0, n_resamples=1),
        ERMClassifier(balance="group", **QUICK),
        MixUpClassifier(balance="group", **QUICK),
        BiasAdvClassifier(base=GroupDROClassifier(), **QUICK),
    ],
    ids=lambda clf: type(clf).__name__,
)
def test_an_empty_cell_is_warned_of_and_the_facts_are_those_of_the_rows(clf):
    with pytest.warns(DebiasWarning, match=EMPTY):
        clf.fit(X, Y, bias_labels=HOSPITAL)
    assert clf.bias_classes_ == list(range(25))
    assert clf.aligned_bias_ == aligned_map(Y, HOSPITAL, ties="omit")
    assert clf.group_shares_ == group_shares_map(Y, HOSPITAL)
    assert list(clf.group_shares_) == CELLS


@pytest.mark.parametrize(
    "clf",
    [
        InvarianceClassifier(**QUICK),
        FishClassifier(**QUICK),
        MixUpClassifier(partners="lisa", **QUICK),
        MixUpClassifier(partners="domain", **QUICK),
    ],
    ids=lambda clf: f"{type(clf).__name__} {getattr(clf, 'partners', '')}",
)
def test_every_hospital_is_an_environment(clf):
    clf.fit(X, Y, bias_labels=HOSPITAL)
    assert getattr(clf, "environments_", list(range(25))) == list(range(25))
    assert clf.bias_classes_ == list(range(25))


def test_few_held_out_rows_of_many_values_are_scored():
    clf = ERMClassifier(validation=0.04, monitor="worst_group_accuracy", **QUICK)
    clf.fit(X, Y, bias_labels=HOSPITAL)
    assert clf.history_["validation_worst_group_accuracy"].between(0, 1).all()


def test_a_declared_category_is_one():
    few = np.arange(40) % 25
    with pytest.raises(
        ValueError, match=r"looks continuous.*25 values in 40.*astype\('category'\)"
    ):
        encode_bias(few, 40)
    declared = pd.Series(few).astype("category")
    codes, values = encode_bias(declared, 40)
    assert values == list(range(25))
    np.testing.assert_array_equal(codes, few)
    frame = pd.DataFrame({"hospital": declared, "night": np.arange(40) % 2 == 0})
    assert encode_bias(frame, 40)[1][:2] == [(0, False), (0, True)]
    # Measurements are none, even where they are declared elsewhere.
    with pytest.raises(ValueError, match="looks continuous"):
        encode_bias(frame.assign(age=np.linspace(0, 1, 40)), 40)
    y = np.arange(50) // 25
    for clf in (GroupDROClassifier(**QUICK), DFRClassifier(C=1.0, n_resamples=1)):
        clf.fit(X[:50], y, bias_labels=pd.Series(np.arange(50) % 25).astype("category"))
        assert clf.bias_classes_ == list(range(25))
