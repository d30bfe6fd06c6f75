"""Bars of the accuracy in each group."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from sklearn_debias import ERMClassifier
from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.metrics import group_report

mpl = pytest.importorskip("matplotlib")
mpl.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from rendered import check_legible, greys, words  # noqa: E402

from sklearn_debias.inspection import GroupAccuracyDisplay  # noqa: E402

rng = np.random.default_rng(0)
Y = rng.choice(["landbird", "waterbird"], 300)
BIAS = np.where(rng.random(300) < 0.8, np.char.add(Y, " land"), "in the middle of the sea")
PREDICTED = {
    "ERM": np.where(rng.random(300) < 0.8, Y, "landbird"),
    "JTT": np.where(rng.random(300) < 0.6, Y, "waterbird"),
}
BARE = {"a": {"class": [0, 1], "n": [4, 4], "accuracy": [0.5, 1.0], "lower": 0.1, "upper": 1.0}}


def frames(**changed):
    return {key: pd.DataFrame(rows | changed) for key, rows in BARE.items()}


def tick_texts(axis):
    return [label.get_text().replace("\n", " ") for label in axis.get_yticklabels()]


@pytest.fixture(autouse=True)
def no_figure_is_left():
    yield
    plt.close("all")


@pytest.mark.parametrize("models", [1, 2])
def test_the_bars_are_those_of_the_report(models):
    predicted = dict(list(PREDICTED.items())[:models])
    display = GroupAccuracyDisplay.from_predictions(Y, predicted, bias_labels=BIAS)
    n_groups = len(display.groups_)
    intervals = [c.lines[2][0] for c in display.ax_.containers if hasattr(c, "has_xerr")]
    stars = [line for line in display.ax_.lines if line.get_marker() == "*"]
    for k, (name, values) in enumerate(predicted.items()):
        report = group_report(Y, values, bias_labels=BIAS)
        frame = report.to_frame()
        assert list(zip(frame["class"], frame["bias"], strict=True)) == display.groups_
        bars = display.bars_[name]
        np.testing.assert_array_equal([bar.get_width() for bar in bars], frame["accuracy"])
        ends = np.array(intervals[k].get_segments())[:, :, 0]
        np.testing.assert_allclose(ends, frame[["lower", "upper"]])
        (average,) = display.average_bars_[name]
        assert average.get_width() == report.averages["raw"]
        worst = bars[display.groups_.index(report.worst_group)]
        assert stars[k].get_ydata()[0] == pytest.approx(worst.get_y() + worst.get_height() / 2)
    names = tick_texts(display.ax_)
    assert len(names) == n_groups + 1
    assert names[0] == f"{frame['class'][0]}, {frame['bias'][0]} (n={frame['n'][0]})"
    assert names[-1] == "average"
    assert "95 % intervals" in display.ax_.get_xlabel()
    assert [t.get_text() for t in display.ax_.get_legend().get_texts()] == [
        *predicted,
        "worst group",
    ]
    check_legible(display.figure_)


def test_fitted_models_predict():
    X = np.where(Y == "landbird", 1.0, -1.0)[:, None] + np.random.default_rng(1).random((300, 3))
    fitted = {str(e): ERMClassifier(max_epochs=e, random_state=0).fit(X, Y) for e in (1, 20)}
    display = GroupAccuracyDisplay.from_estimator(fitted, X, Y, bias_labels=BIAS, chance=0.5)
    other = GroupAccuracyDisplay.from_predictions(
        Y, {name: clf.predict(X) for name, clf in fitted.items()}, bias_labels=BIAS
    )
    for name, frame in display.frames.items():
        pd.testing.assert_frame_equal(frame, other.frames[name])
    assert "chance" in [t.get_text() for t in display.ax_.get_legend().get_texts()]
    alone = GroupAccuracyDisplay.from_estimator(fitted["1"], X, Y, bias_labels=BIAS)
    assert list(alone.frames) == ["ERMClassifier"]
    named = GroupAccuracyDisplay.from_estimator(fitted["1"], X, Y, bias_labels=BIAS, name="mine")
    assert list(named.bars_) == ["mine"]
    assert "other" in [t for t, _ in words(named.plot(name="other").figure_)]


def test_of_many_groups_the_worst_are_drawn():
    generator = np.random.default_rng(0)
    y = generator.integers(0, 10, 4000)
    bias = generator.integers(0, 8, 4000)
    predicted = np.where(generator.random(4000) < 0.7, y, 0)
    display = GroupAccuracyDisplay.from_predictions(y, predicted, bias_labels=bias, most=12)
    frame = group_report(y, predicted, bias_labels=bias).to_frame()
    worst = frame.nsmallest(12, "accuracy").sort_index()
    assert display.groups_ == list(zip(worst["class"], worst["bias"], strict=True))
    assert display.ax_.get_ylabel().endswith("the worst 12 of 80")
    check_legible(display.figure_)


def test_eight_models_with_long_names_are_told_apart_without_colour():
    models = {f"model number {k}, of a long name that is cut": PREDICTED["ERM"] for k in range(8)}
    display = GroupAccuracyDisplay.from_predictions(Y, models, bias_labels=BIAS)
    check_legible(display.figure_)
    seen = greys(display.figure_)
    for bars in display.bars_.values():
        box = bars[0].get_window_extent()
        inside = seen[::-1][int(box.y0) + 2 : int(box.y1) - 2, int(box.x0) + 30 : int(box.x1) - 60]
        assert np.median(inside) > 0.5  # black lines are seen on it
    assert len({bars[0].get_hatch() for bars in display.bars_.values()}) == 8


@pytest.mark.parametrize("kind", ["classes", "attributes", "membership"])
def test_groups_of_every_kind(kind):
    given = {
        "classes": {},
        "attributes": {"bias_labels": np.stack([BIAS, Y], 1)},
        "membership": {
            "membership": pd.DataFrame({"all": np.ones(300, dtype=bool), "$x$": Y == "landbird"})
        },
    }[kind]
    if kind == "classes":
        with pytest.warns(DebiasWarning):
            display = GroupAccuracyDisplay.from_predictions(Y, PREDICTED["ERM"], **given)
    else:
        display = GroupAccuracyDisplay.from_predictions(Y, PREDICTED["ERM"], **given)
    first = {"classes": "landbird", "attributes": "landbird, ", "membership": "all"}[kind]
    assert tick_texts(display.ax_)[0].startswith(first)
    check_legible(display.figure_)


def test_what_is_given_to_a_report_is_handed_on():
    weight = np.where(Y == "landbird", 1.0, 2.0)
    given = {"bias_labels": BIAS, "sample_weight": weight, "confidence": 0.8, "min_group_size": 30}
    display = GroupAccuracyDisplay.from_predictions(Y, PREDICTED["ERM"], **given)
    frame = group_report(Y, PREDICTED["ERM"], **given).to_frame()
    pd.testing.assert_frame_equal(display.frames["Classifier"], frame)
    assert "80 % intervals" in display.ax_.get_xlabel()
    assert (frame["n"] >= 30).all()


def test_a_group_that_one_model_lacks_has_no_bar():
    report = group_report(Y, PREDICTED["ERM"], bias_labels=BIAS)
    frame = report.to_frame()
    display = GroupAccuracyDisplay({"all": frame, "fewer": frame.iloc[1:]}).plot()
    widths = [bar.get_width() for bar in display.bars_["fewer"]]
    assert np.isnan(widths[0])
    np.testing.assert_array_equal(widths[1:], frame["accuracy"][1:])
    assert display.average_bars_ == {}
    assert tick_texts(display.ax_)[-1] != "average"


def test_the_look_is_the_users():
    display = GroupAccuracyDisplay.from_predictions(
        Y, PREDICTED["ERM"], bias_labels=BIAS, bar_kw={"facecolor": "red", "hatch": None}
    )
    bar = display.bars_["Classifier"][0]
    assert bar.get_facecolor() == (1, 0, 0, 1)
    assert bar.get_hatch() is None


BAD = {
    "no frames": (lambda: GroupAccuracyDisplay({}).plot(), "`frames` must be a dict"),
    "no dict": (lambda: GroupAccuracyDisplay([1]).plot(), "`frames` must be a dict"),
    "no columns": (
        lambda: GroupAccuracyDisplay({"a": pd.DataFrame({"n": [1]})}).plot(),
        r"`frames\['a'\]` must be a DataFrame with a row per group",
    ),
    "text": (
        lambda: GroupAccuracyDisplay(frames(accuracy="x")).plot(),
        r"`frames\['a'\]` must hold numbers",
    ),
    "percent": (
        lambda: GroupAccuracyDisplay(frames(accuracy=50.0)).plot(),
        r"`frames\['a'\]` must have finite numbers",
    ),
    "twice": (
        lambda: GroupAccuracyDisplay(frames(**{"class": [0, 0]})).plot(),
        "some occur twice",
    ),
    "averages": (
        lambda: GroupAccuracyDisplay(frames(), averages={"b": 0.5}).plot(),
        "`averages` must be a dict",
    ),
    "average": (
        lambda: GroupAccuracyDisplay(frames(), averages={"a": 2}).plot(),
        r"`averages\['a'\]` must be a number in \[0, 1\]",
    ),
    "confidence": (
        lambda: GroupAccuracyDisplay(frames(), confidence=95).plot(),
        "`confidence` must be a number",
    ),
    "most": (lambda: GroupAccuracyDisplay(frames()).plot(most=0), "`most` must be an int >= 1"),
    "chance": (lambda: GroupAccuracyDisplay(frames()).plot(chance=2), "`chance` must be a number"),
    "bar_kw": (lambda: GroupAccuracyDisplay(frames()).plot(bar_kw=3), "`bar_kw` must be a dict"),
    "ax": (lambda: GroupAccuracyDisplay(frames()).plot(3), "`ax` must be an Axes"),
    "name": (
        lambda: GroupAccuracyDisplay(frames() | {"b": frames()["a"]}).plot(name="c"),
        "`name` names a single model",
    ),
    "name of a dict": (
        lambda: GroupAccuracyDisplay.from_predictions(Y, PREDICTED, bias_labels=BIAS, name="c"),
        "`name` names a single model",
    ),
    "no model": (
        lambda: GroupAccuracyDisplay.from_predictions(Y, {}, bias_labels=BIAS),
        "`y_pred` must hold at least one",
    ),
    "one name": (
        lambda: GroupAccuracyDisplay.from_predictions(Y, {1: Y, "1": Y}, bias_labels=BIAS),
        "names that differ as text",
    ),
    "no classifier": (
        lambda: GroupAccuracyDisplay.from_estimator({"a": 3}, Y, Y),
        "`estimator` must be a fitted classifier",
    ),
    "a class": (
        lambda: GroupAccuracyDisplay.from_estimator(ERMClassifier, Y, Y),
        "`estimator` must be a fitted classifier",
    ),
    "no report": (lambda: GroupAccuracyDisplay.from_report(3), "`report` must be a GroupReport"),
    "confidences": (
        lambda: GroupAccuracyDisplay.from_report(
            {c: group_report(Y, Y, bias_labels=BIAS, confidence=c) for c in (0.9, 0.8)}
        ),
        "reports of one confidence",
    ),
    "columns": (
        lambda: GroupAccuracyDisplay(
            frames() | {"b": frames()["a"].rename(columns={"class": "group"})}
        ).plot(),
        "groups by the same columns",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_drawn_is_named(case):
    call, words_of_error = BAD[case]
    with pytest.raises(ValueError, match=words_of_error):
        call()
    assert not plt.get_fignums()


def test_names_from_elsewhere_are_told():
    with pytest.raises(TypeError, match="Here it is `bias_labels`"):
        GroupAccuracyDisplay.from_predictions(Y, PREDICTED["ERM"], groups=BIAS)


def test_a_confidence_may_be_a_fraction():
    display = GroupAccuracyDisplay(frames(bias=[0, 1]), confidence=Fraction(1, 2)).plot()
    assert "50 % intervals" in display.ax_.get_xlabel()
