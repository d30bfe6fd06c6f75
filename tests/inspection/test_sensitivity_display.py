"""A parameter against average and worst group, from the results of searches."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_debias import ERMClassifier
from sklearn_debias.metrics import group_mean_accuracy_scorer, worst_group_accuracy_scorer
from sklearn_debias.model_selection import BatchedGridSearchCV

mpl = pytest.importorskip("matplotlib")
mpl.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from rendered import check_legible  # noqa: E402

from sklearn_debias.inspection import SensitivityDisplay  # noqa: E402

rng = np.random.default_rng(0)
Y = np.arange(120) % 2
BIAS = np.where(rng.random(120) < 0.7, Y, 1 - Y)
X = np.stack([Y, BIAS, BIAS], 1) + rng.normal(0, 1, (120, 3))
GRID = {"C": [0.001, 0.1, 10.0], "fit_intercept": [True, False]}
SCORERS = {"accuracy": "accuracy", "worst": "recall"}
# Candidates: a in (1, 2), b in (0, 1); of two scores, in two folds.
TOY = {
    "params": [{"a": a, "b": b} for a in (2, 1) for b in (0, 1)],
    "split0_test_accuracy": np.array([0.1, 0.3, 0.5, 0.7]),
    "split1_test_accuracy": np.array([0.3, 0.7, 0.5, 0.9]),
    "mean_test_accuracy": np.array([0.2, 0.5, 0.5, 0.8]),
    "std_test_accuracy": np.array([0.1, 0.2, 0.0, 0.1]),
    "split0_test_worst": np.array([0.4, 0.1, 0.5, 0.2]),
    "split1_test_worst": np.array([0.4, 0.3, 0.3, 0.4]),
    "mean_test_worst": np.array([0.4, 0.2, 0.4, 0.3]),
    "std_test_worst": np.array([0.0, 0.1, 0.1, 0.1]),
}


@pytest.fixture(autouse=True)
def no_figure_is_left():
    yield
    plt.close("all")


def drawn(display, score):
    return display.lines_[score].get_xydata().tolist()


@pytest.fixture(scope="module")
def search():
    found = GridSearchCV(LogisticRegression(), GRID, scoring=SCORERS, refit="worst", cv=3)
    return found.fit(X, Y)


EXPECTED = {
    # For a = 1 the best worst score is that of b = 0; both scores are of that candidate.
    "best": ([0.5, 0.2], [0.4, 0.4], [0.0, 0.1]),
    # Fold means of a = 1: (.5 + .7) / 2 and (.5 + .9) / 2; of a = 2: .2 and .5.
    "mean": ([0.65, 0.35], [0.35, 0.3], [0.05, 0.15]),
    # The best of all is the first, a = 2 and b = 0: b stays 0.
    "fixed": ([0.5, 0.2], [0.4, 0.4], [0.0, 0.1]),
}


@pytest.mark.parametrize("others", EXPECTED)
def test_what_is_done_with_the_other_parameters(others):
    average, worst, std = EXPECTED[others]
    display = SensitivityDisplay.from_cv_results(TOY, "a", others=others)
    assert display.param_range == [1, 2]
    np.testing.assert_allclose(display.means["accuracy"], average)
    np.testing.assert_allclose(display.means["worst"], worst)
    np.testing.assert_allclose(display.stds["accuracy"], std)
    np.testing.assert_allclose(drawn(display, "accuracy"), np.stack([[1, 2], average], 1))
    np.testing.assert_allclose(drawn(display, "worst"), np.stack([[1, 2], worst], 1))
    title = display.ax_.get_title()
    assert (
        title
        == {
            "best": "for each value the best b, by worst",
            "mean": "mean over b",
            "fixed": "b as in the best candidate of all, by worst",
        }[others]
    )
    (band,) = [c for c in display.ax_.collections if c.get_facecolor()[0][2] > 0.6]
    ends = band.get_paths()[0].get_extents()
    np.testing.assert_allclose(ends.y0, min(np.subtract(average, std)))
    np.testing.assert_allclose(ends.y1, max(np.add(average, std)))
    check_legible(display.figure_)


def test_fixed_moves_one_parameter_away_from_the_optimum():
    found = {**TOY, "mean_test_worst": np.array([0.4, 0.2, 0.4, 0.9])}
    display = SensitivityDisplay.from_cv_results(found, "b", others="fixed")
    assert display.means["accuracy"].tolist() == [0.5, 0.8]  # a = 1, as in the last


def test_without_other_parameters_nothing_is_written_above():
    one = {name: values[:2] for name, values in TOY.items()}
    display = SensitivityDisplay.from_cv_results(one, "b")
    assert display.ax_.get_title() == display.note == ""
    assert display.means["worst"].tolist() == [0.4, 0.2]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({}, ["accuracy", "worst"]),
        ({"average": "mean_test_accuracy"}, ["accuracy"]),
        ({"worst": "worst"}, ["worst"]),
        ({"average": "worst", "worst": "accuracy"}, ["worst", "accuracy"]),
        ({"average": "worst", "worst": "worst"}, ["worst"]),
    ],
)
def test_scores_are_named_with_or_without_their_prefix(given, shown):
    display = SensitivityDisplay.from_cv_results(TOY, "param_a", **given)
    assert list(display.lines_) == shown
    assert (display.ax_.get_legend() is None) == (len(shown) == 1)
    assert display.ax_.get_xlabel() == "a"


def test_grids_of_several_scores_and_of_one(search):
    display = SensitivityDisplay.from_search(search, "C")
    frame = pd.DataFrame(search.cv_results_)
    best = frame.loc[frame.groupby("param_C")["mean_test_worst"].idxmax()]
    assert drawn(display, "accuracy") == best[["param_C", "mean_test_accuracy"]].values.tolist()
    assert display.ax_.get_xscale() == "log"
    check_legible(display.figure_)
    single = GridSearchCV(LogisticRegression(), GRID, cv=3).fit(X, Y)
    alone = SensitivityDisplay.from_search(single, "fit_intercept")
    assert list(alone.lines_) == ["score"]
    assert [t.get_text() for t in alone.ax_.get_xticklabels()] == ["True", "False"]
    piped = GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression()),
        {"logisticregression__C": [0.1, 1]},
        cv=3,
    ).fit(X, Y)
    assert SensitivityDisplay.from_search(piped, "logisticregression__C").param_range == [0.1, 1]


def test_a_frame_of_results_is_as_good(search):
    frame = pd.DataFrame(search.cv_results_)
    display = SensitivityDisplay.from_cv_results(frame, "C")
    other = SensitivityDisplay.from_cv_results(search.cv_results_, "C")
    assert drawn(display, "worst") == drawn(other, "worst")


def test_a_random_search_has_a_point_per_draw():
    draws = {"C": np.geomspace(1e-4, 1e4, 1000)}
    found = RandomizedSearchCV(LogisticRegression(), draws, n_iter=7, cv=3, random_state=0)
    display = SensitivityDisplay.from_search(found.fit(X, Y), "C")
    order = np.argsort(found.cv_results_["param_C"].astype(float))
    np.testing.assert_allclose(
        drawn(display, "score"),
        np.stack(
            [
                found.cv_results_["param_C"].astype(float)[order],
                found.cv_results_["mean_test_score"][order],
            ],
            1,
        ),
    )
    check_legible(display.figure_)


def test_a_batched_search_over_groups():
    scoring = {"mean": group_mean_accuracy_scorer, "worst": worst_group_accuracy_scorer}
    grid = {"lr": [0.01, 0.1], "weight_decay": [0.0, 1e-4, 1e-2]}
    with sklearn.config_context(enable_metadata_routing=True):
        found = BatchedGridSearchCV(
            ERMClassifier(max_epochs=3, random_state=0),
            grid,
            scoring=scoring,
            refit="worst",
            cv=2,
            n_seeds=2,
        ).fit(X, Y, bias_labels=BIAS)
    display = SensitivityDisplay.from_search(found, "weight_decay", others="mean")
    results = pd.DataFrame(found.cv_results_)
    means = results.groupby("param_weight_decay")[["mean_test_mean", "mean_test_worst"]].mean()
    np.testing.assert_allclose(display.means["worst"], means["mean_test_worst"])
    folds = results.filter(regex=r"^split\d+_test_worst$")
    assert folds.shape[1] == 4
    spread = folds.groupby(results["param_weight_decay"]).mean().std(axis=1, ddof=0)
    np.testing.assert_allclose(display.stds["worst"], spread)
    assert display.ax_.get_xscale() == "symlog"
    assert [t.get_text() for t in display.ax_.get_xticklabels()] == ["0", "0.0001", "0.01"]
    check_legible(display.figure_)


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([0.001, 0.01, 0.1], "log"),
        ([0.1, 0.3, 0.5, 0.9], "linear"),
        ([1, 10, 20, 30, 40], "linear"),
        ([0, 1e-4, 1e-2], "symlog"),
        ([-1, 1, 100], "linear"),
        ([1, 10], "log"),
        ([5], "linear"),
    ],
)
def test_the_scale_follows_the_values(values, scale):
    display = SensitivityDisplay("x", values, {"score": np.linspace(0, 1, len(values))}).plot()
    assert display.ax_.get_xscale() == scale
    check_legible(display.figure_)
    assert display.plot(xscale="linear").ax_.get_xscale() == "linear"


CATEGORIES = {
    "text": ["adam", "sgd"],
    "bools": [True, False],
    "with None": [None, 3],
    "tuples": [(64, 32), (128,)],
    "long": [f"an option of a very long name {k}" for k in range(6)],
    "many": [f"an option of a long name {k}" for k in range(20)],
    "estimators": [LogisticRegression(C=1), LogisticRegression(C=2)],
    "formula": ["$x", "y$"],
}


@pytest.mark.parametrize("kind", CATEGORIES)
def test_values_that_are_no_numbers_stand_side_by_side(kind):
    values = CATEGORIES[kind]
    k = len(values)
    found = {"params": [{"p": v} for v in values], "mean_test_score": np.linspace(0.1, 0.9, k)}
    display = SensitivityDisplay.from_cv_results(found, "p")
    assert display.param_range == values
    np.testing.assert_allclose(
        drawn(display, "score"), np.stack([range(k), found["mean_test_score"]], 1)
    )
    assert display.lines_["score"].get_linestyle() == "None"
    check_legible(display.figure_)


def test_failed_candidates_and_those_without_the_parameter_are_left_out():
    found = {
        "params": [{"a": 1, "b": 0}, {"a": 1, "b": 1}, {"a": 2}, {"b": 1}],
        "mean_test_score": [np.nan, 0.5, np.nan, 0.9],
        "std_test_score": [np.nan, 0.1, np.nan, 0.0],
    }
    display = SensitivityDisplay.from_cv_results(found, "a")
    assert display.param_range == [1, 2]
    np.testing.assert_array_equal(display.means["score"], [0.5, np.nan])
    assert drawn(display, "score") == [[1, 0.5]]


BAD = {
    "no results": (lambda: SensitivityDisplay.from_cv_results([1], "a"), "`cv_results` must be"),
    "no scores": (
        lambda: SensitivityDisplay.from_cv_results({"params": [{}]}, "a"),
        r"`cv_results` must be .* got \['params'\]",
    ),
    "parameter": (
        lambda: SensitivityDisplay.from_cv_results(TOY, "c"),
        r"`param` must be one of the parameters searched, \['a', 'b'\], got 'c'",
    ),
    "no name": (lambda: SensitivityDisplay.from_cv_results(TOY, 3), "`param` must be one of"),
    "near": (
        lambda: SensitivityDisplay.from_cv_results(
            {"params": [{"weight_decay": 1}], "mean_test_score": [1]}, "weight_decays"
        ),
        "Did you mean `weight_decay`",
    ),
    "score": (
        lambda: SensitivityDisplay.from_cv_results(TOY, "a", worst="bias_gap"),
        r"`worst` must be one of the scores in `cv_results`, \['accuracy', 'worst'\]",
    ),
    "average": (
        lambda: SensitivityDisplay.from_cv_results(TOY, "a", average=3),
        "`average` must be one of the scores",
    ),
    "ambiguous": (
        lambda: SensitivityDisplay.from_cv_results({**TOY, "mean_test_f1": [1] * 4}, "a"),
        r"has the scores \['accuracy', 'worst', 'f1'\]: name the `average` and the `worst`",
    ),
    "others": (
        lambda: SensitivityDisplay.from_cv_results(TOY, "a", others="median"),
        "`others` must be one of 'best', 'mean', 'fixed'",
    ),
    "all failed": (
        lambda: SensitivityDisplay.from_cv_results(
            {"params": [{"a": 1}], "mean_test_score": [np.nan]}, "a"
        ),
        "must have a finite score",
    ),
    "not fitted": (
        lambda: SensitivityDisplay.from_search(GridSearchCV(LogisticRegression(), GRID), "C"),
        "`search` must be a fitted search",
    ),
    "a class": (
        lambda: SensitivityDisplay.from_search(GridSearchCV, "C"),
        "`search` must be a fitted search",
    ),
    "xscale": (
        lambda: SensitivityDisplay("x", [1, 2], {"s": [1, 2]}).plot(xscale="cubic"),
        "`xscale` must be one of",
    ),
    "log of text": (
        lambda: SensitivityDisplay("x", ["a", "b"], {"s": [1, 2]}).plot(xscale="log"),
        '`xscale`="log" needs numbers',
    ),
    "log of zeros": (
        lambda: SensitivityDisplay("x", [0, 0], {"s": [1, 2]}).plot(xscale="log"),
        '`xscale`="log" needs numbers',
    ),
    "note": (
        lambda: SensitivityDisplay("x", [1], {"s": [1]}, note=np.ones(2)).plot(),
        "`note` must be a text",
    ),
    "name": (
        lambda: SensitivityDisplay(3, [1], {"s": [1]}).plot(),
        "`param_name` must be a text",
    ),
    "range": (lambda: SensitivityDisplay("x", 3, {"s": [1]}).plot(), "`param_range` must be"),
    "empty": (lambda: SensitivityDisplay("x", [], {"s": []}).plot(), "`param_range` must hold"),
    "means": (lambda: SensitivityDisplay("x", [1], [1]).plot(), "`means` must be a dict"),
    "length": (
        lambda: SensitivityDisplay("x", [1, 2], {"s": [1]}).plot(),
        r"`means\['s'\]` must hold a number for each of the 2 values",
    ),
    "stds": (
        lambda: SensitivityDisplay("x", [1], {"s": [1]}, {"t": [1]}).plot(),
        "`stds` must be a dict by the scores",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_drawn_is_named(case):
    call, words = BAD[case]
    with pytest.raises(ValueError, match=words):
        call()
    assert not plt.get_fignums()
