"""What a comparison refuses before anything runs, and what it says of its rows."""

import re

import numpy as np
import pandas as pd
import pytest
from comparing import LOGISTIC, C, compared, rows
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch

from sklearn_debias import (
    DFRClassifier,
    DPEClassifier,
    ERMClassifier,
    GroupDROClassifier,
)
from sklearn_debias.comparison._contenders import needs_bias_labels


def test_test_rows_among_others_are_refused_or_said():
    train, _, test = rows()
    mixed = tuple(np.concatenate([a, b[:7]]) for a, b in zip(test, train, strict=True))
    with pytest.raises(ValueError, match="`test` must hold other rows .*there are 7 in `train`"):
        compared(LOGISTIC, search_spaces=C, test=mixed)
    found = compared(LOGISTIC, search_spaces=C, test=mixed, allow_overlap=True)
    assert found.overlap == {("train", "test"): 7}
    assert any("7 rows of `test` are in `train`" in note for note in found.notes())


def test_rows_of_another_precision_are_the_same_rows():
    train, _, test = rows()
    mixed = (np.concatenate([test[0].astype(np.float32), train[0][:3].astype(np.float32)]),)
    labels = (np.concatenate([test[i], train[i][:3]]) for i in (1, 2))
    with pytest.raises(ValueError, match="there are 3 in `train`"):
        compared(LOGISTIC, search_spaces=C, test=(*mixed, *labels))


def test_methods_that_need_bias_labels_are_named_before_anything_runs(monkeypatch):
    monkeypatch.setattr(ERMClassifier, "fit", None)
    methods = {"ERM": ERMClassifier(), "dro": GroupDROClassifier(), "dfr": DFRClassifier()}
    with pytest.raises(ValueError, match="`train` must have bias labels for dro, dfr, got none"):
        compared(
            methods,
            train=rows()[0][:2],
            search_spaces={"ERM": {}, "dro": {}, "dfr": {}},
            scoring="accuracy",
        )
    assert not needs_bias_labels(DPEClassifier())
    assert needs_bias_labels(make_pipeline(StandardScaler(), GroupDROClassifier()))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"validation": None}, "`validation` or `cv` must be given"),
        ({"cv": 3}, "`validation` and `cv` must not both be given"),
        (
            {"validation": None, "cv": 3, "test": None},
            "`test` or `validation` must be given: all training rows have been trained on",
        ),
        ({"n_configurations": 0}, "`n_configurations` must be an int >= 1, got 0"),
        ({"budget": "hours"}, "`budget` must be one of 'configurations', 'seconds', got 'hours'"),
        ({"n_seeds": 1.5}, "`n_seeds` must be an int >= 1, got 1.5"),
        ({"n_resamples": 5}, "`n_resamples` must be an int in 100..10000000, got 5"),
        ({"random_state": "x"}, "`random_state` must be an int >= 0 or None, got 'x'"),
        ({"reference": "JTT"}, "`reference` must be one of ['logistic'], got 'JTT'"),
        ({"allow_overlap": "no"}, "`allow_overlap` must be True or False, got 'no'"),
        ({"search_spaces": {"ERM": {}}}, "`search_spaces` must name methods of `estimators`"),
        ({"search_spaces": {"logistic": {"c": [1]}}}, "must name parameters of LogisticRegression"),
        ({"search_spaces": {}}, "LogisticRegression knows no search space of its own"),
        (
            {"train_on": {"logistic": "validation"}, "validation": None, "cv": 2},
            "`train_on['logistic']`='validation' needs `validation`, got None",
        ),
        ({"train_on": {"logistic": "all"}}, "must be 'train' or 'validation', got 'all'"),
        ({"train": (np.zeros((3, 2)), [0, 1])}, "one class label per row, got 3 rows and 2"),
        ({"train": Bunch(data=1)}, "'target' is missing"),
    ],
)
def test_bad_arguments_are_named(settings, words):
    given = {"search_spaces": C, **settings}
    with pytest.raises(ValueError, match=re.escape(words)):
        compared(LOGISTIC, **given)


def of_type(kind, rows_of):
    X, y, bias = rows_of
    return X, y.astype(kind), bias


@pytest.mark.parametrize("kind", [bool, str])
def test_labels_of_several_types_are_refused(kind):
    train, validation, test = rows()
    given = {"search_spaces": C, "validation": validation}
    with pytest.raises(ValueError, match="`y` must hold labels of one type in all parts, got"):
        compared(LOGISTIC, train=train, test=of_type(kind, test), **given)


@pytest.mark.parametrize("kind", [bool, "boolean", "category", str, float])
def test_labels_of_any_one_type_give_the_same_figures(kind):
    methods, spaces = {**LOGISTIC, "ERM": ERMClassifier(max_epochs=2)}, {**C, "ERM": {}}
    expected = compared(methods, search_spaces=spaces)

    def given(part):
        X, y, bias = part
        if kind in ("boolean", "category"):
            return X, pd.Series(y.astype(bool)).astype(kind), bias
        return X, y.astype(kind), bias

    parts = map(given, rows())
    found = compared(
        methods,
        search_spaces=spaces,
        **dict(zip(("train", "validation", "test"), parts, strict=True)),
    )
    assert found.frame["accuracy"].tolist() == expected.frame["accuracy"].tolist()
    assert found.frame["failed"].sum() == 0


def test_validation_rows_among_the_training_rows_are_told():
    train = rows()[0]
    found = compared(LOGISTIC, search_spaces=C, validation=tuple(part[:50] for part in train))
    assert found.overlap == {("train", "validation"): 50}
    assert "50 rows of `validation` are in `train`, too." in found.notes()


def test_small_groups_are_told():
    *_, test = rows()
    found = compared(LOGISTIC, search_spaces=C, test=tuple(part[:12] for part in test))
    assert any("intervals of the worst group are too narrow" in note for note in found.notes())


@pytest.mark.parametrize(
    ("methods", "words"),
    [
        (LogisticRegression(), "`estimators` must be a dict of classifiers by name, or a list"),
        ([], "`estimators` must hold at least one classifier"),
        ({"scale": StandardScaler()}, "`estimators['scale']` must be a classifier, got a Standard"),
        ([LogisticRegression(), LogisticRegression(C=2)], "must be a dict where two are of one"),
    ],
)
def test_bad_methods_are_named(methods, words):
    with pytest.raises((TypeError, ValueError)) as caught:
        compared(methods, search_spaces={})
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"scoring": accuracy_score}, "got the metric accuracy_score. Pass its name, or"),
        ({"scoring": ["accuracy"]}, "`scoring` must be the name of a scorer, or one, got a list"),
        (
            {"search_spaces": {"logistic": [{"C": [1]}]}},
            "must be a dict of lists and distributions",
        ),
    ],
)
def test_arguments_of_other_types_are_named(settings, words):
    with pytest.raises(TypeError, match=re.escape(words)):
        compared(LOGISTIC, **{"search_spaces": C, **settings})


@pytest.mark.parametrize("where", ["train", "validation"])
def test_a_monitor_needs_rows_of_its_own(where):
    monitored = {"ERM": ERMClassifier(monitor="accuracy", max_epochs=2)}
    given = {"search_spaces": {"ERM": {}}, "train_on": {"ERM": where}}
    if where == "train":
        assert compared(monitored, **given).frame.loc["ERM", "failed"] == 0
        given |= {"validation": None, "cv": 2}
    with pytest.raises(ValueError, match="`monitor` of ERM needs rows that no other fit trains on"):
        compared(monitored, **given)


def test_bias_labels_that_the_rule_needs_are_asked_for():
    with pytest.raises(ValueError, match="`scoring` needs bias labels .* `validation` has none"):
        compared(LOGISTIC, search_spaces=C, validation=rows()[1][:2])
