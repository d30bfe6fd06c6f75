"""Training rows that are drawn anew for each fit."""

import numpy as np
import pandas as pd
import pytest
from comparing import compared, rows
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.utils import Bunch

from sklearn_debias import DFRClassifier
from sklearn_debias.metrics import worst_group_accuracy_score

LOGISTIC = {"logistic": LogisticRegression()}
C = {"logistic": {"C": [0.01, 100.0]}}
ALONE = {"search_spaces": {"logistic": {}}, "n_configurations": 1}


def draw(seed, n=60):
    """Some of the training rows, others for each seed."""
    X, y, bias = rows()[0]
    chosen = np.random.default_rng(seed).permutation(len(X))[:n]
    return Bunch(data=X[chosen], target=y[chosen], bias_labels=bias[chosen])


class Draws:
    """A drawing function that remembers what it was asked for."""

    def __init__(self):
        self.seeds = []

    def __call__(self, seed):
        """Draw."""
        self.seeds.append(seed)
        return draw(seed)


def test_each_fit_has_rows_of_its_own_draw_the_same_for_all_methods():
    draws = Draws()
    methods = {"one": GaussianNB(), "other": GaussianNB()}
    result = compared(
        methods, train=draws, search_spaces={"one": {}, "other": {}}, n_seeds=3, n_configurations=1
    )
    select, *fresh = draws.seeds
    assert len({select, *fresh}) == 4
    for seed, found in zip(fresh, result.predictions_["one"], strict=True):
        own = draw(seed)
        model = GaussianNB().fit(own.data, own.target)
        np.testing.assert_array_equal(found, model.predict(rows()[2][0]))
    np.testing.assert_array_equal(result.predictions_["one"], result.predictions_["other"])
    assert (result.frame["n_fits"] == 3).all()
    # Seeds share the luck of their draw, so equal methods differ by nothing at all.
    ends = result.frame.loc["other", ["difference_lower", "difference_upper"]]
    assert ends.tolist() == [0, 0]
    apart = (
        result.frame.loc["other", "worst_group_accuracy_upper"]
        - (result.frame.loc["other", "worst_group_accuracy_lower"])
    )
    assert apart > 0
    assert "other draws of training rows" in result.notes()[0]


def test_settings_are_selected_on_the_first_draw():
    draws = Draws()
    result = compared(LOGISTIC, train=draws, search_spaces=C)
    own, (X, y, bias) = draw(draws.seeds[0]), rows()[1]
    for _, tried in result.configurations.iterrows():
        model = LogisticRegression(**tried["params"]).fit(own.data, own.target)
        worst = worst_group_accuracy_score(y, model.predict(X), bias_labels=bias)
        assert tried["score"] == pytest.approx(worst)


def test_folds_are_those_of_the_first_draw():
    result = compared(LOGISTIC, train=draw, validation=None, cv=3, search_spaces=C)
    assert result.configurations["split"].max() == 2
    assert result.frame.loc["logistic", "n_fits"] == 2


def test_rows_given_are_the_same_for_all_fits():
    result = compared({"bayes": GaussianNB()}, n_seeds=3, search_spaces={"bayes": {}})
    assert result.frame.loc["bayes", "n_fits"] == 1
    assert not result.is_drawn


def test_a_method_of_the_validation_rows_sees_no_draw():
    methods = {"DFR": DFRClassifier(random_state=0), **LOGISTIC}
    spaces = {"DFR": {}, "logistic": {}}
    settings = {"search_spaces": spaces, "train_on": {"DFR": "validation"}, "n_configurations": 1}
    drawn, given = compared(methods, train=draw, **settings), compared(methods, **settings)
    np.testing.assert_array_equal(drawn.predictions_["DFR"], given.predictions_["DFR"])


def test_more_seeds_draw_more_and_fit_only_these(tmp_path, monkeypatch):
    store = tmp_path / "study.sqlite"
    few = compared(LOGISTIC, train=draw, store=store, **ALONE)
    fits = []
    fit = LogisticRegression.fit
    monkeypatch.setattr(
        LogisticRegression, "fit", lambda self, X, y: fits.append(len(X)) or fit(self, X, y)
    )
    more = compared(LOGISTIC, train=draw, store=store, **{**ALONE, "n_seeds": 3})
    assert fits == [60]
    np.testing.assert_array_equal(more.predictions_["logistic"][:2], few.predictions_["logistic"])


def test_a_store_knows_the_rows_that_were_drawn(tmp_path):
    store = tmp_path / "study.sqlite"
    before = compared(LOGISTIC, train=draw, store=store, **ALONE)
    select = Draws()
    compared(LOGISTIC, train=select, **ALONE)

    def another(seed):
        return draw(seed if seed == select.seeds[0] else seed + 1)

    after = compared(LOGISTIC, train=another, store=store, **ALONE)
    assert (before.predictions_["logistic"] != after.predictions_["logistic"]).any()


def test_the_best_estimator_is_fitted_to_the_draw_of_its_seed():
    draws = Draws()
    result = compared(LOGISTIC, train=draws, refit=True, **{**ALONE, "n_configurations": 2})
    own = draw(draws.seeds[1])
    C = result.best_estimator_.C
    expected = LogisticRegression(C=C).fit(own.data, own.target)
    np.testing.assert_array_equal(result.best_estimator_.coef_, expected.coef_)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d | {"data": d.data[:, 1:]}, "rows of shape"),
        (lambda d: {"data": d.data, "target": d.target}, "bias labels"),
        (lambda d: d | {"bias_labels": np.stack([d.bias_labels] * 2, axis=1)}, "bias labels"),
        (lambda d: d | {"data": pd.DataFrame(d.data).add_prefix("x")}, "columns"),
        (lambda d: d | {"target": d.target.astype(str)}, "labels of one type"),
        (lambda d: None, "must be a Bunch"),
    ],
)
def test_draws_of_another_kind_are_refused(change, said):
    draws = Draws()
    compared(LOGISTIC, train=draws, **ALONE)
    last = draws.seeds[-1]
    with pytest.raises((TypeError, ValueError), match=said):
        compared(LOGISTIC, train=lambda s: change(draw(s)) if s == last else draw(s), **ALONE)


def test_a_draw_that_holds_test_rows_is_refused_or_counted():
    draws = Draws()
    compared(LOGISTIC, train=draws, **ALONE)
    last = draws.seeds[-1]
    X, y, bias = rows()[2]

    def leaking(seed):
        return (X[:5], y[:5], bias[:5]) if seed == last else draw(seed)

    with pytest.raises(ValueError, match="5 in `train`"):
        compared(LOGISTIC, train=leaking, **ALONE)
    counted = compared(LOGISTIC, train=draw, test=rows()[0], allow_overlap=True, **ALONE)
    assert counted.overlap["train", "test"] == 60


def test_nothing_is_drawn_twice_before_the_arguments_are_checked():
    draws = Draws()
    with pytest.raises(ValueError, match="`reference`"):
        compared(LOGISTIC, train=draws, reference="another", **ALONE)
    assert len(draws.seeds) == 1


class Fails(LogisticRegression):
    """A classifier that cannot be fitted."""

    def fit(self, X, y):
        """Fail."""
        raise ValueError("as it must")


def test_a_method_that_fails_leaves_the_pairs_of_others_alone():
    methods = {"one": GaussianNB(), "other": GaussianNB(), "fails": Fails()}
    result = compared(
        methods,
        train=draw,
        search_spaces={name: {} for name in methods},
        n_seeds=3,
        n_configurations=1,
        validation=None,
    )
    ends = result.frame.loc["other", ["difference_lower", "difference_upper"]]
    assert ends.tolist() == [0, 0]
    assert result.frame["probability_best"].tolist()[:2] == [0.5, 0.5]
