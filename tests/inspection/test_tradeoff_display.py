"""The worst group against the average, of several models."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from sklearn_debias import ERMClassifier
from sklearn_debias.metrics import group_report

mpl = pytest.importorskip("matplotlib")
mpl.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.text import Text  # noqa: E402
from rendered import check_legible  # noqa: E402

from sklearn_debias.inspection import TradeoffDisplay  # noqa: E402

rng = np.random.default_rng(0)
Y = np.arange(300) % 2
BIAS = np.where(rng.random(300) < 0.8, Y, 1 - Y)
PREDICTED = {
    "ERM": np.where(rng.random(300) < 0.8, Y, BIAS),
    "JTT": np.where(rng.random(300) < 0.7, Y, 1),
}
SOUND = pd.DataFrame({"average": [0.9, 0.8], "worst_group": [0.5, 0.7]}, index=["a", "b"])


@pytest.fixture(autouse=True)
def no_figure_is_left():
    yield
    plt.close("all")


def texts(display):
    return [label.get_text() for label in display.labels_]


def test_points_and_intervals_are_those_of_the_reports():
    display = TradeoffDisplay.from_predictions(Y, PREDICTED, bias_labels=BIAS, confidence=0.9)
    assert texts(display) == list(PREDICTED)
    lines = {tuple(np.ravel(line.get_xydata())) for line in display.ax_.lines}
    for (name, predicted), point in zip(PREDICTED.items(), display.points_, strict=True):
        report = group_report(Y, predicted, bias_labels=BIAS, confidence=0.9)
        ((x, y),) = point.get_xydata()
        assert (x, y) == (report.averages["raw"], report.worst_group_accuracy)
        low, high = report.worst_group_interval
        assert (x, low, x, high) in lines
        exact = binomtest(int((predicted == Y).sum()), 300).proportion_ci(0.9)
        row = display.frame.loc[name]
        np.testing.assert_allclose(row[["average_lower", "average_upper"]], exact)
        assert (row["average_lower"], y, row["average_upper"], y) in lines
    check_legible(display.figure_)


def test_fitted_models_predict():
    X = np.stack([Y, BIAS, BIAS], 1) + np.random.default_rng(1).normal(0, 0.5, (300, 3))
    fitted = {str(e): ERMClassifier(max_epochs=e, random_state=0).fit(X, Y) for e in (1, 20)}
    display = TradeoffDisplay.from_estimator(fitted, X, Y, bias_labels=BIAS)
    predicted = {name: clf.predict(X) for name, clf in fitted.items()}
    other = TradeoffDisplay.from_predictions(Y, predicted, bias_labels=BIAS)
    pd.testing.assert_frame_equal(display.frame, other.frame)
    alone = TradeoffDisplay.from_estimator(fitted["1"], X, Y, bias_labels=BIAS)
    assert texts(alone) == ["ERMClassifier"]
    assert texts(alone.plot(name="mine")) == ["mine"]


def test_a_frame_names_models_by_a_column_or_its_index():
    display = TradeoffDisplay.from_frame(SOUND)
    assert texts(display) == ["a", "b"]
    named = SOUND.rename_axis("model").reset_index()
    assert texts(TradeoffDisplay.from_frame(named)) == ["a", "b"]
    seen = [tuple(point.get_xydata()[0]) for point in display.points_]
    assert seen == [(0.9, 0.5), (0.8, 0.7)]
    partly = SOUND.assign(average_lower=[0.8, np.nan], average_upper=[0.95, np.nan])
    check_legible(TradeoffDisplay.from_frame(partly).figure_)


CROWDS = {
    "one": 1,
    "a few": 6,
    "many": 25,
}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("crowd", CROWDS)
@pytest.mark.parametrize("spread", [0.3, 0.01])
def test_no_name_covers_another(crowd, spread, seed):
    generator = np.random.default_rng(seed)
    n = CROWDS[crowd] if spread > 0.1 else min(CROWDS[crowd], 14)
    average = 0.9 + generator.uniform(-0.1, 0.1, n) * spread
    worst = 0.7 + generator.uniform(-0.3, 0.1, n) * spread
    frame = pd.DataFrame(
        {
            "average": average,
            "worst_group": worst,
            "worst_group_lower": worst - 0.05,
            "worst_group_upper": worst + 0.05,
        },
        index=[f"a method {k}" for k in range(n)],
    )
    display = TradeoffDisplay.from_frame(frame)
    check_legible(display.figure_)
    boxes = [Text.get_window_extent(label) for label in display.labels_]
    at = display.ax_.transData.transform(frame[["average", "worst_group"]])
    for box in boxes:
        assert display.ax_.bbox.containsx(box.x0)
        assert display.ax_.bbox.containsy(box.y1)
        assert not any(box.contains(*point) for point in at)


def test_a_name_that_stands_far_off_has_a_line_to_its_point():
    same = pd.DataFrame({"average": [0.9] * 12, "worst_group": [0.7] * 12})
    display = TradeoffDisplay.from_frame(same)
    check_legible(display.figure_)
    linked = [label.arrow_patch.get_visible() for label in display.labels_]
    assert not linked[0]
    assert linked[-1]


@pytest.mark.parametrize(("low", "drawn"), [(0.85, True), (0.3, False)])
def test_the_line_of_no_gap_is_explained_where_it_is_in_view(low, drawn):
    display = TradeoffDisplay.from_frame(
        pd.DataFrame({"average": [0.9, 0.92], "worst_group": [low, low + 0.04]})
    )
    assert (display.ax_.get_legend() is not None) == drawn


BAD = {
    "no frame": ([1], "`frame` must be a DataFrame with a row per model"),
    "no columns": (SOUND[["average"]], "`frame` must be a DataFrame with a row per model"),
    "no rows": (SOUND.iloc[:0], "`frame` must be a DataFrame with a row per model"),
    "twice": (SOUND.set_axis(["a", "a"]), "`frame` must have one row per model"),
    "one bound": (SOUND.assign(average_lower=0.1), "both 'average_lower' and 'average_upper'"),
    "percent": (SOUND * 100, r"`frame` must hold accuracies in \[0, 1\]"),
    "missing": (SOUND.assign(average=np.nan), r"`frame` must hold accuracies in \[0, 1\]"),
    "text": (SOUND.assign(average="x"), "`frame` must be numeric"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_drawn_is_named(case):
    frame, words = BAD[case]
    with pytest.raises(ValueError, match=words):
        TradeoffDisplay.from_frame(frame)
    assert not plt.get_fignums()


def test_one_name_for_several_models_is_refused():
    with pytest.raises(ValueError, match="`name` names a single model"):
        TradeoffDisplay(SOUND).plot(name="c")
    with pytest.raises(TypeError, match="Here it is `bias_labels`"):
        TradeoffDisplay.from_predictions(Y, PREDICTED, groups=BIAS)
