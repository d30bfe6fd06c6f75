"""Pandas indexes that name the rows in another order are refused; nothing is taken for another."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_debias import (
    AdversarialTrainingClassifier,
    ClassScaling,
    DFRClassifier,
    DHATClassifier,
    ERMClassifier,
    GroupDROClassifier,
    MetaWeightNetClassifier,
    ULEClassifier,
)
from sklearn_debias.attribution import input_gradients
from sklearn_debias.datasets import balanced_indices, make_spurious_embeddings
from sklearn_debias.metrics import (
    aligned_map,
    get_scorer,
    group_cells,
    group_report,
    group_shares_map,
    paired_difference,
    worst_group_accuracy_score,
)
from sklearn_debias.model_selection import BiasStratifiedKFold, bias_train_test_split
from sklearn_debias.robustness import robust_accuracy, robust_report
from sklearn_debias.rows import check_same_rows

TRAIN = make_spurious_embeddings(n_samples=120, random_state=0).train
N = len(TRAIN.target)
NAMES = [f"row{i}" for i in range(N)]
X = pd.DataFrame(TRAIN.data, index=NAMES).rename(columns=str)
Y = pd.Series(TRAIN.target, index=NAMES)
BIAS = pd.Series(TRAIN.bias_labels, index=NAMES)
WEIGHT = pd.Series(np.linspace(1, 2, N), index=NAMES)
QUICK = {"max_epochs": 1, "random_state": 0}
pytestmark = pytest.mark.filterwarnings("ignore:The fitted model predicts")


def moved(values):
    """The same rows in another order, each with its own label."""
    return values.iloc[np.random.default_rng(0).permutation(len(values))]


def refused(name):
    return pytest.raises(
        ValueError, match=rf"^`{re.escape(name)}` must have its rows in the order of `"
    )


def fit(cls, **beside):
    return cls(**QUICK).fit(X, Y, **beside)


@pytest.fixture(scope="module")
def erm():
    return fit(ERMClassifier, bias_labels=BIAS)


HELD = (X[:20], Y[:20], BIAS[:20])
FITS = {
    "y": lambda: ERMClassifier(**QUICK).fit(X, moved(Y)),
    "bias_labels": lambda: fit(GroupDROClassifier, bias_labels=moved(BIAS)),
    "sample_weight": lambda: fit(ERMClassifier, sample_weight=moved(WEIGHT)),
    "validation_data[1]": lambda: fit(
        ERMClassifier, validation_data=(HELD[0], moved(HELD[1]), HELD[2])
    ),
    "validation_data[2]": lambda: fit(ERMClassifier, validation_data=(*HELD[:2], moved(HELD[2]))),
    "y_meta": lambda: fit(MetaWeightNetClassifier, X_meta=X[:20], y_meta=moved(Y[:20])),
    "y_extra": lambda: fit(AdversarialTrainingClassifier, X_extra=X[:20], y_extra=moved(Y[:20])),
    "X_student": lambda: fit(ULEClassifier, X_student=moved(X)),
    "attention_maps": lambda: fit(DHATClassifier, attention_maps=moved(X.abs().clip(0, 1))),
}
OTHERS = {
    "DFR": ("bias_labels", lambda: DFRClassifier().fit(X, Y, bias_labels=moved(BIAS))),
    "ClassScaling": (
        "bias_labels",
        lambda: ClassScaling(LogisticRegression()).fit(X, Y, bias_labels=moved(BIAS)),
    ),
    "score": ("bias_labels", lambda: worst_group_accuracy_score(Y, Y, bias_labels=moved(BIAS))),
    "predictions": ("y_pred", lambda: worst_group_accuracy_score(Y, moved(Y), bias_labels=BIAS)),
    "membership": (
        "membership",
        lambda: group_report(Y, Y, membership=pd.DataFrame({"a": moved(BIAS) == 0})),
    ),
    "difference": ("y_pred_b", lambda: paired_difference(Y, Y, moved(Y), bias_labels=BIAS)),
    "aligned_map": ("bias_labels", lambda: aligned_map(Y, moved(BIAS))),
    "group_cells": ("bias_labels", lambda: group_cells(Y, moved(BIAS))),
    "shares": (
        "sample_weight",
        lambda: group_shares_map(Y, BIAS, sample_weight=moved(WEIGHT)),
    ),
    "folds": (
        "bias_labels",
        lambda: list(BiasStratifiedKFold(2).split(X, Y, bias_labels=moved(BIAS))),
    ),
    "split": ("arrays[0]", lambda: bias_train_test_split(X, Y, BIAS, moved(WEIGHT))),
    "balanced": ("bias_labels", lambda: balanced_indices(Y, moved(BIAS), random_state=0)),
}
ON_A_MODEL = {
    "scorer": (
        "bias_labels",
        lambda m: get_scorer("worst_group_accuracy")(m, X, TRAIN.target, bias_labels=moved(BIAS)),
    ),
    "robust scorer": (
        "bias_labels",
        lambda m: robust_accuracy(worst_group=True, epsilon=0.1)(m, X, Y, moved(BIAS)),
    ),
    "report": (
        "bias_labels",
        lambda m: robust_report(m, X, Y, bias_labels=moved(BIAS), attacks=["fgsm"], epsilon=0.1),
    ),
    "attack": ("y", lambda m: robust_accuracy("fgsm", epsilon=0.1)(m, X, moved(Y))),
    "maps": ("y", lambda m: input_gradients(m, X, moved(Y))),
}


@pytest.mark.parametrize("name", FITS)
def test_fits_refuse_rows_in_another_order(name):
    with refused(name):
        FITS[name]()


@pytest.mark.parametrize("case", OTHERS)
def test_functions_refuse_rows_in_another_order(case):
    name, call = OTHERS[case]
    with refused(name):
        call()


@pytest.mark.parametrize("case", ON_A_MODEL)
def test_what_looks_at_models_refuses_rows_in_another_order(case, erm):
    name, call = ON_A_MODEL[case]
    with refused(name):
        call(erm)


@pytest.mark.filterwarnings("ignore:The fitted model predicts")
def test_both_remedies_in_the_message_give_the_fit_that_they_say():
    expected = GroupDROClassifier(**QUICK).fit(X, Y, bias_labels=BIAS)
    aligned = GroupDROClassifier(**QUICK).fit(X, Y, bias_labels=moved(BIAS).loc[X.index])
    assert aligned.group_weights_ == expected.group_weights_
    by_order = GroupDROClassifier(**QUICK).fit(X, Y, bias_labels=moved(BIAS).to_numpy())
    assert by_order.group_weights_ != expected.group_weights_


def test_a_default_index_contradicts_its_permutations_only():
    plain = pd.DataFrame(TRAIN.data)
    labels = pd.Series(TRAIN.bias_labels)
    for one, other in ((plain, moved(labels)), (moved(plain), labels)):
        with pytest.raises(ValueError, match="`bias_labels` must have its rows in the order"):
            check_same_rows({"X": one, "bias_labels": other})
    # What was left of a larger frame, beside labels that were made anew.
    check_same_rows({"X": moved(plain)[:60], "bias_labels": labels[:60].reset_index(drop=True)})
    check_same_rows({"X": X, "bias_labels": labels, "y": TRAIN.target, "sample_weight": None})
    # Rows drawn with replacement have labels that occur twice.
    twice = X.iloc[[0, 0, 1]]
    check_same_rows({"X": twice, "y": Y.iloc[[0, 0, 1]]})


def test_folds_of_labels_in_another_order_are_refused():
    plain = pd.DataFrame(TRAIN.data)
    shuffled = moved(pd.Series(TRAIN.bias_labels))
    with config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            GroupDROClassifier(**QUICK), {"lr": [1e-3]}, cv=3, error_score="raise"
        )
        with pytest.raises(ValueError, match="`bias_labels` must have its rows in the order"):
            search.fit(plain, TRAIN.target, bias_labels=shuffled)


def test_a_transformer_that_drops_the_index_goes_on_working():
    reset = FunctionTransformer(lambda frame: pd.DataFrame(frame.to_numpy()))
    order = np.random.default_rng(1).permutation(N)[:90]
    frame = pd.DataFrame(TRAIN.data).iloc[order]
    target = pd.Series(TRAIN.target).iloc[order]
    found = cross_val_score(make_pipeline(reset, ERMClassifier(**QUICK)), frame, target, cv=2)
    expected = cross_val_score(ERMClassifier(**QUICK), frame.to_numpy(), target.to_numpy(), cv=2)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("clf", [ERMClassifier(**QUICK), DFRClassifier(n_resamples=1, C=1.0)])
def test_scores_refuse_rows_in_another_order(clf):
    clf.fit(X, Y, **({"bias_labels": BIAS} if isinstance(clf, DFRClassifier) else {}))
    weight = pd.Series(np.linspace(0.1, 1, N), index=X.index)
    expected = np.average(clf.predict(X) == Y, weights=weight)
    assert clf.score(X, Y, sample_weight=weight) == pytest.approx(expected)
    for wrong in ({"y": moved(Y)}, {"y": Y, "sample_weight": moved(weight)}):
        with pytest.raises(ValueError, match="must have its rows in the order of `X`"):
            clf.score(X, **wrong)
