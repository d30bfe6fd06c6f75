"""What a comparison does, in which order, and what its figures are."""

import numpy as np
import pandas as pd
import pytest
from comparing import HEADS, LOGISTIC, METHODS, C, compared, rows
from joblib import parallel_config
from scipy.stats import loguniform
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch

from sklearn_debias import (
    BiasAdvClassifier,
    ClassScaling,
    DFRClassifier,
    ERMClassifier,
    GroupDROClassifier,
)
from sklearn_debias.comparison import _study, compare
from sklearn_debias.comparison._contenders import needs_bias_labels
from sklearn_debias.datasets import load_biased_digits
from sklearn_debias.group_inference import GroupInferrer
from sklearn_debias.metrics import worst_group_accuracy_score, worst_group_accuracy_scorer
from sklearn_debias.model_selection import inferred_worst_group_scorer


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
    assert first["JTT"] == {"lr": 1e-3, "upweight": "auto"}


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
