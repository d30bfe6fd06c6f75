"""What a comparison does, in which order, and what its figures are."""

import re
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from comparing import METHODS, SPACE, compared, rows
from joblib import parallel_config
from scipy.stats import loguniform
from sklearn.dummy import DummyClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, brier_score_loss
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch

from sklearn_debias import (
    BiasAdvClassifier,
    ClassScaling,
    DFRClassifier,
    DPEClassifier,
    ERMClassifier,
    GroupDROClassifier,
)
from sklearn_debias.comparison import _study, compare
from sklearn_debias.comparison._contenders import needs_bias_labels
from sklearn_debias.datasets import load_biased_digits
from sklearn_debias.group_inference import GroupInferrer
from sklearn_debias.metrics import worst_group_accuracy_score, worst_group_accuracy_scorer
from sklearn_debias.model_selection import BatchedGridSearchCV, inferred_worst_group_scorer

LOGISTIC = {"logistic": LogisticRegression()}
HEADS = {name: SPACE[name] for name in ("ERM", "JTT")}
C = {"logistic": {"C": [0.01, 0.1, 1.0, 10.0]}}


@pytest.fixture(scope="module")
def result():
    return compared()


def test_figures_are_those_of_the_fits_themselves(result):
    train, validation, test = rows()
    tried = result.configurations
    assert result.frame.index.tolist() == list(METHODS)
    for name in METHODS:
        own = tried.query("method == @name")
        assert own["score"].max() == result.frame.loc[name, "validation_score"]
        assert own["selected"].sum() == 1
    chosen = tried.query("method == 'logistic' and selected")["params"].item()
    model = LogisticRegression(**chosen).fit(*train[:2])
    np.testing.assert_array_equal(result.predictions_["logistic"][0], model.predict(test[0]))
    worst = worst_group_accuracy_score(test[1], model.predict(test[0]), bias_labels=test[2])
    row = result.frame.loc["logistic"]
    assert row["worst_group_accuracy"] == pytest.approx(worst)
    assert row["accuracy"] == pytest.approx(model.score(*test[:2]))
    on_validation = worst_group_accuracy_scorer(
        model, validation[0], validation[1], bias_labels=validation[2]
    )
    assert row["validation_score"] == pytest.approx(on_validation)
    np.testing.assert_allclose(
        result.probabilities_["logistic"][0], model.predict_proba(test[0]), rtol=1e-6
    )


def test_the_first_configuration_is_the_methods_own(result):
    first = result.configurations.groupby("method").first()["params"]
    assert first["logistic"] == {"C": 1.0}
    assert first["JTT"] == {"lr": 1e-3, "upweight": 5}


def test_all_have_the_same_number_of_draws(result):
    counts = result.configurations.groupby("method").size()
    assert counts.to_dict() == {"ERM": 3, "JTT": 3, "logistic": 2}
    assert "logistic: its search space holds 2 configurations." in result.notes()
    assert (result.frame["n_fits"] == 2).all()
    more = compared(n_configurations=2)
    params = [r.configurations.groupby("method").head(2)["params"].tolist() for r in (result, more)]
    assert params[0] == params[1]


def test_heads_are_trained_in_stacks_and_agree_with_fits_of_their_own(result, monkeypatch):
    stacked = []
    run_stacked = _study.run_stacked

    def run(contender, tasks, *others):
        stacked.append((contender.name, len(tasks)))
        return run_stacked(contender, tasks, *others)

    monkeypatch.setattr(_study, "run_stacked", run)
    monkeypatch.setattr(_study, "_run", None)  # no fit of its own, but for the final ones
    with pytest.raises(TypeError, match="not callable"):
        compared({name: METHODS[name] for name in ("ERM", "JTT")}, search_spaces=HEADS)
    assert stacked == [("ERM", 3), ("JTT", 3)]
    monkeypatch.undo()
    monkeypatch.setattr(_study, "stacks", lambda estimator: False)
    single = compared()
    np.testing.assert_allclose(
        result.configurations["score"], single.configurations["score"], atol=1e-6
    )
    for name, predicted in result.predictions_.items():
        np.testing.assert_array_equal(predicted, single.predictions_[name])


def test_a_seed_reproduces_and_the_global_generator_is_the_users(result):
    np.random.seed(3)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    again = compared()
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    for name in result.frame.columns.drop(["seconds", "seconds_per_fit"]):
        pd.testing.assert_series_equal(result.frame[name], again.frame[name])


def test_classes_of_test_rows_select_nothing(result):
    *_, test = rows()
    flipped = compared(test=(test[0], 1 - test[1], test[2]))
    columns = ["method", "configuration", "score", "selected"]
    pd.testing.assert_frame_equal(result.configurations[columns], flipped.configurations[columns])
    for name, predicted in result.predictions_.items():
        np.testing.assert_array_equal(predicted, flipped.predictions_[name])
    assert not np.allclose(result.frame["accuracy"], flipped.frame["accuracy"])


def test_methods_bring_search_spaces_of_their_own():
    methods = {"ERM": ERMClassifier(max_epochs=2), "BiasAdv": BiasAdvClassifier(max_epochs=2)}
    found = compared(methods, search_spaces=None, n_configurations=2, n_seeds=1)
    tried = found.configurations.query("method == 'BiasAdv'")["params"].tolist()
    assert tried[0]["epsilon"] == 0.3
    space = methods["BiasAdv"].search_space("embeddings", rows()[0][0])
    assert set(tried[1]) == set(space)
    low, high = space["epsilon"].support()
    assert low <= tried[1]["epsilon"] <= high
    piped = {"ERM": make_pipeline(StandardScaler(), methods["ERM"])}
    found = compared(piped, search_spaces=None, n_configurations=2, n_seeds=1)
    assert all(key.startswith("ermclassifier__") for key in found.configurations["params"][1])
    assert found.configurations["params"][0]["ermclassifier__max_epochs"] == 2


def test_cpu_seconds_may_be_the_budget():
    slow = ERMClassifier(max_epochs=60)
    spaces = {"slow": {"lr": [1e-3, 1e-2]}, "logistic": {"C": loguniform(1e-2, 1e2)}}
    methods = {"slow": slow, **LOGISTIC}
    found = compared(methods, search_spaces=spaces, n_configurations=2, budget="seconds")
    counts = found.configurations.groupby("method").size()
    seconds = found.configurations.groupby("method")["seconds"].sum()
    assert counts["slow"] == 2
    assert 2 < counts["logistic"] <= 20
    assert counts["logistic"] == 20 or seconds["logistic"] >= seconds["slow"]
    found = compared(
        methods, search_spaces=spaces, n_configurations=2, budget="seconds", reference="logistic"
    )
    assert found.configurations.groupby("method").size().to_dict() == {"logistic": 2, "slow": 1}


def test_own_settings_need_no_rows_to_select_by():
    found = compared(n_configurations=1, validation=None)
    assert len(found.configurations) == 0
    assert (found.frame["n_fits"] == 2).all()
    assert "every method has its own settings" in str(found)
    assert "regret" not in found.to_frame()
    assert found.best_method_ is None
    selected = compared(n_configurations=1)
    assert selected.best_method_ is not None
    for name, predicted in found.predictions_.items():
        np.testing.assert_array_equal(predicted, selected.predictions_[name])


def test_regret_is_what_another_configuration_would_have_gained():
    train, _, test = rows()
    found = compared(LOGISTIC, search_spaces=C, n_configurations=4, scoring="accuracy")
    values = [
        worst_group_accuracy_score(
            test[1],
            LogisticRegression(**params).fit(*train[:2]).predict(test[0]),
            bias_labels=test[2],
        )
        for params in found.configurations["params"]
    ]
    best = found.configurations["selected"].to_numpy().argmax()
    assert found.frame.loc["logistic", "regret"] == pytest.approx(max(values) - values[best])


@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading", "sequential"])
@pytest.mark.slow
def test_backends_agree(result, backend):
    with parallel_config(backend=backend):
        other = compared(n_jobs=2)
    np.testing.assert_array_equal(result.configurations["score"], other.configurations["score"])


def test_folds_are_drawn_once_for_all_methods():
    train = rows()[0]
    order = np.random.default_rng(0).permutation(len(train[1]))
    given = iter([(order[:50], order[50:]), (order[30:], order[:30])])
    methods = {"one": LogisticRegression(), "other": LogisticRegression()}
    settings = {"search_spaces": {"one": {}, "other": {}}, "validation": None}

    def scores(cv):
        found = compared(methods, cv=cv, scoring="accuracy", **settings).configurations
        one, other = found.groupby("method")["score"].apply(list)
        assert one == other
        return one

    model = LogisticRegression().fit(train[0][order[:50]], train[1][order[:50]])
    assert scores(given)[0] == model.score(train[0][order[50:]], train[1][order[50:]])
    unseeded = StratifiedKFold(3, shuffle=True)  # has that of the study
    assert scores(unseeded) == scores(unseeded)
    assert unseeded.random_state is None
    with pytest.raises(ValueError, match="`cv` must give at least one split"):
        compared(LOGISTIC, search_spaces=C, validation=None, cv=[])


def test_bunches_and_tuples_are_the_same():
    parts = dict(zip(("train", "validation", "test"), rows(), strict=True))
    bunches = {name: Bunch(data=X, target=y, bias_labels=b) for name, (X, y, b) in parts.items()}
    one, other = compared(LOGISTIC, search_spaces=C), compared(LOGISTIC, search_spaces=C, **bunches)
    np.testing.assert_array_equal(one.frame["accuracy"], other.frame["accuracy"])


def test_folds_of_the_training_rows_select():
    train = rows()[0]
    found = compared(LOGISTIC, search_spaces=C, validation=None, cv=3)
    assert found.configurations["split"].tolist() == [0, 1, 2] * 3
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    own = compared(LOGISTIC, search_spaces=C, validation=None, cv=folds, scoring="accuracy")
    scores = []
    for fit, judged in folds.split(*train[:2]):
        model = LogisticRegression().fit(train[0][fit], train[1][fit])
        scores.append(model.score(train[0][judged], train[1][judged]))
    assert own.configurations["score"].tolist()[:3] == scores


def test_a_method_may_train_on_the_validation_rows():
    _, validation, test = rows()
    methods = {"logistic": LogisticRegression(C=0.1), "DFR": DFRClassifier(random_state=0)}
    where = {"logistic": "validation", "DFR": "validation"}
    spaces = {"logistic": {}, "DFR": {}}
    found = compared(methods, search_spaces=spaces, train_on=where, n_seeds=1)
    assert found.configurations["split"].tolist() == [0, 1, 2, 3, 4] * 2
    own = LogisticRegression(C=0.1).fit(*validation[:2]).predict(test[0])
    np.testing.assert_array_equal(found.predictions_["logistic"][0], own)


def test_pipelines_and_rules_without_bias_labels():
    train, validation, _ = rows()
    bare = [part[:2] for part in (train, validation)]
    inferrer = GroupInferrer(random_state=0).fit(*bare[0])
    pipe = {"ERM": make_pipeline(StandardScaler(), ERMClassifier(max_epochs=3))}
    found = compared(
        pipe,
        train=bare[0],
        validation=bare[1],
        scoring=inferred_worst_group_scorer(inferrer),
        search_spaces={"ERM": {"ermclassifier__lr": [1e-3, 1e-2]}},
    )
    assert found.frame.loc["ERM", "n_fits"] == 2
    assert found.group_kind == "cell"
    assert "conflicting_accuracy" not in found.frame


def test_without_any_bias_labels_groups_are_classes():
    bare = {
        name: part[:2] for name, part in zip(("train", "validation", "test"), rows(), strict=True)
    }
    found = compared(LOGISTIC, search_spaces=C, scoring="balanced_accuracy", **bare)
    assert found.group_kind == "class"
    assert "worst class" in found.to_frame()
    assert any("No bias labels" in note for note in found.notes())


def test_without_test_rows_the_result_is_of_the_validation_rows():
    found = compared(LOGISTIC, search_spaces=C, test=None)
    assert found.rows == "validation"
    assert found.n_test_reads == 0
    assert any("flatter" in note for note in found.notes())


def test_failures_are_counted_and_stop_nothing():
    methods = {**LOGISTIC, "broken": LogisticRegression(C=-1.0)}
    found = compared(methods, search_spaces={**C, "broken": {"C": [-1.0, -2.0, 1.0]}})
    assert found.frame.loc["broken", "failed"] == 1 + (
        found.configurations.query("method == 'broken'")["params"]
        .map(lambda p: p["C"])
        .eq(-2)
        .sum()
    )
    assert "C" in found.frame.loc["broken", "error"]
    hopeless = compared(methods, search_spaces={**C, "broken": {}})
    row = hopeless.frame.loc["broken"]
    assert np.isnan(row["worst_group_accuracy"])
    assert row["n_fits"] == 0
    assert hopeless.to_frame().loc["broken", "worst group"] == "failed"
    assert any("all its fits failed" in note for note in hopeless.notes())
    assert hopeless.best_method_ == "logistic"


def test_all_may_fail():
    found = compared(
        {"broken": LogisticRegression(C=-1.0)}, search_spaces={"broken": {}}, refit=True
    )
    assert found.best_method_ is None
    assert found.best_estimator_ is None
    assert "failed" in str(found)
    assert np.isnan(found.frame["accuracy"].item())


class Moody(LogisticRegression):
    """Fails for some of the seeds."""

    def fit(self, X, y):
        if self.random_state in self.bad:
            raise RuntimeError("a bad day")
        return super().fit(X, y)

    bad: frozenset = frozenset()


def test_a_failed_final_fit_is_counted_and_another_one_stands_for_the_method(monkeypatch):
    first = finals_of("moody", compared({"moody": Moody()}, search_spaces={"moody": {}}))
    monkeypatch.setattr(Moody, "bad", frozenset(first[:1]))
    found = compared({"moody": Moody()}, search_spaces={"moody": {}}, refit=True)
    row = found.frame.loc["moody"]
    assert (row["n_fits"], row["n_worked"], row["failed"]) == (2, 1, 1)
    assert found.to_frame().loc["moody", "fits"] == "1 of 2"
    assert any("single fit" in note for note in found.notes())
    assert found.best_estimator_.random_state == first[1]
    monkeypatch.setattr(Moody, "bad", frozenset(first))
    found = compared({"moody": Moody(), **LOGISTIC}, search_spaces={"moody": {}, **C}, refit=True)
    assert found.best_method_ == "logistic"


def finals_of(name, result):
    """The seeds of the final fits."""
    states = [np.random.SeedSequence([0, 1, i]).generate_state(1)[0] for i in range(2)]
    return [int(state % 2**31) for state in states]


def test_fits_of_one_class_are_counted():
    found = compared({"dummy": DummyClassifier()}, search_spaces={"dummy": {}})
    assert found.frame.loc["dummy", "degenerate"] == 3
    assert found.frame.loc["dummy", "n_fits"] == 2


def test_the_best_is_what_validation_prefers():
    found = compared(refit=True)
    best = found.frame["validation_score"].idxmax()
    assert found.best_method_ == best
    *_, test = rows()
    np.testing.assert_array_equal(
        found.best_estimator_.predict(test[0]), found.predictions_[best][0]
    )


def test_one_seed_tells_nothing_about_seeds():
    found = compared(LOGISTIC, search_spaces=C, n_seeds=1)
    assert any("single fit" in note for note in found.notes())


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


def test_threads_leave_the_warnings_of_the_process_alone():
    before = list(warnings.filters), warnings.showwarning
    with parallel_config("threading", n_jobs=2):
        compared(LOGISTIC, search_spaces=C, n_configurations=4)
    assert (list(warnings.filters), warnings.showwarning) == before
    with pytest.warns(UserWarning, match="am I seen"):
        warnings.warn("am I seen", stacklevel=1)


class Talkative(LogisticRegression):
    def fit(self, X, y):
        warnings.warn("mind the gap", stacklevel=2)
        return super().fit(X, y)


def test_what_fits_warn_of_is_told(monkeypatch):
    found = compared({"talk": Talkative()}, search_spaces={"talk": {}})
    assert (found.frame.loc["talk", ["warned", "warning"]] == [2, "mind the gap"]).all()
    assert "talk: 2 of 2 fits warned: mind the gap" in found.notes()
    assert found.configurations["warnings"].item() == ("mind the gap",)
    fit = BatchedGridSearchCV.fit

    def loud(self, *given, **params):
        warnings.warn("a stack", stacklevel=2)
        return fit(self, *given, **params)

    monkeypatch.setattr(BatchedGridSearchCV, "fit", loud)
    found = compared({"ERM": METHODS["ERM"]}, search_spaces={"ERM": SPACE["ERM"]})
    assert found.configurations["warnings"].tolist() == [("a stack",)] * 3


def test_frozen_models_and_searches_are_contenders():
    train = rows()[0]
    model = LogisticRegression().fit(*train[:2])
    search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2)
    methods = {"frozen": FrozenEstimator(model), "search": search}
    found = compared(methods, search_spaces={"frozen": {}, "search": {}})
    assert found.frame["failed"].sum() == 0
    erm = ERMClassifier(max_epochs=2, random_state=5).fit(*train[:2])
    scaling = {"scaled": ClassScaling(FrozenEstimator(erm))}
    compared(scaling, search_spaces={"scaled": {}}, train_on={"scaled": "validation"})
    assert erm.random_state == 5
    hidden = GridSearchCV(GroupDROClassifier(), {"lr": [0.1]}, cv=2)
    assert needs_bias_labels(hidden)


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


def test_it_is_silent_unless_asked(capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compared()
    assert capsys.readouterr() == ("", "")
    compared(LOGISTIC, search_spaces=C, verbose=1)
    said = capsys.readouterr()
    assert "logistic: " in said.out + said.err
    assert "fit/s" in said.err


def test_an_interrupt_is_the_users(monkeypatch):
    def stop(self, X, y):
        raise KeyboardInterrupt

    monkeypatch.setattr(LogisticRegression, "fit", stop)
    with pytest.raises(KeyboardInterrupt):
        compared(LOGISTIC, search_spaces=C)


def test_images_are_compared_by_fits_of_their_own():
    digits = load_biased_digits(conflict_ratio=0.1, random_state=0)
    parts = [
        Bunch(data=p.data[:90], target=p.target[:90]) for p in (digits.train, digits.validation)
    ]
    found = compare(
        {"ERM": ERMClassifier("simple_cnn", max_epochs=1)},
        parts[0],
        validation=parts[1],
        test=(digits.test.data[:60], digits.test.target[:60]),
        search_spaces={"ERM": {"lr": [1e-3, 1e-2]}},
        n_configurations=2,
        n_seeds=1,
        scoring=lambda model, X, y: accuracy_score(y, model.predict(X)),
        refit=False,
        verbose=0,
        random_state=0,
    )
    assert len(found.configurations) == 2


def test_forms(result):
    text = str(result)
    table = result.to_frame()
    for name in METHODS:
        assert name in text
    assert table.loc["ERM", "worst minus ERM"] == ""
    markdown = result.to_markdown()
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    assert len(lines) == len(table) + 2
    assert len({line.count(" | ") for line in lines}) == 1
    latex = result.to_latex()
    assert r"\%" in latex
    assert latex.count("&") == (len(table.columns)) * (len(table) + 1)
    html = result._repr_html_()
    assert html.count("<tr") == len(table) + 1
    odd = compared({"<b>|&": LogisticRegression()}, search_spaces={"<b>|&": {}})
    assert "<b>|" not in odd._repr_html_()
    assert "<b>|" not in odd.to_markdown()
    assert r"<b>|\&" in odd.to_latex()


def test_pictures(result):
    display = result.plot()
    drawn = {label.get_text() for label in display.labels_}
    assert drawn == set(METHODS)
    worst = result.frame["worst_group_accuracy"].tolist()
    assert [point.get_ydata()[0] for point in display.points_] == pytest.approx(worst)
    bars = result.plot("groups")
    heights = [bar.get_width() for bar in bars.bars_["JTT"]]
    assert heights == pytest.approx(result.groups["JTT"].tolist())
    frame = result.group_frames_["JTT"]
    assert (frame["lower"] <= frame["accuracy"]).all()
    assert (frame["accuracy"] <= frame["upper"]).all()
    with pytest.raises(ValueError, match="`kind` must be one of"):
        result.plot("bars")
    plt.close("all")


def test_report_of_a_fit(result):
    report = result.report("JTT", fit=1)
    worst = result.scores_["worst_group_accuracy"]["JTT"][1]
    assert report.worst_group_accuracy == pytest.approx(worst)
    brier = result.report("logistic", by="bias", metrics=["brier"], random_state=0)
    expected = brier_score_loss(result.y_true, result.probabilities_["logistic"][0][:, 1])
    assert brier.metrics.query("metric == 'brier'")["overall"].item() == pytest.approx(expected)
    with pytest.raises(ValueError, match="`method` must be one of"):
        result.report("none")
    with pytest.raises(ValueError, match="`fit` must be in 0..1, got 2"):
        result.report("JTT", fit=2)
    assert SPACE["JTT"]["upweight"] == [5, 20]
