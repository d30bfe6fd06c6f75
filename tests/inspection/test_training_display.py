"""Terms and the monitored score over epochs and phases."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_debias import CRTClassifier, ERMClassifier, JTTClassifier

mpl = pytest.importorskip("matplotlib")
mpl.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from rendered import check_legible, words  # noqa: E402

from sklearn_debias.inspection import TrainingDisplay  # noqa: E402
from sklearn_debias.inspection._labels import style  # noqa: E402

rng = np.random.default_rng(0)
Y = np.arange(200) % 2
BIAS = np.where(rng.random(200) < 0.9, Y, 1 - Y)
X = np.stack([Y, BIAS, BIAS], 1) + rng.normal(0, 0.7, (200, 3))
HISTORY = pd.DataFrame(
    {
        "phase": ["warm up", "warm up", "train", "train", "train"],
        "epoch": [1, 2, 1, 2, 3],
        "lr": 0.1,
        "biased_loss": [2.0, 1.0, None, None, None],
        "model_loss": [None, None, 3.0, 2.0, 1.0],
        "opposition": [None, None, 0.3, 0.2, 0.1],
        "note": "text",
        "validation_accuracy": [None, None, 0.7, 0.9, 0.8],
        "seconds": 0.1,
    }
)


@pytest.fixture(autouse=True)
def no_figure_is_left():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def jtt():
    clf = JTTClassifier(
        identification_epochs=3,
        max_epochs=10,
        lr=0.03,
        monitor="worst_group_accuracy",
        validation=0.3,
        random_state=0,
    )
    return clf.fit(X, Y, bias_labels=BIAS)


def legend(axis):
    return [text.get_text() for text in axis.get_legend().get_texts()]


def test_every_term_is_drawn_in_the_panel_of_its_kind():
    display = TrainingDisplay.from_history(HISTORY, best=3)
    losses, terms, scores = display.axes_
    assert [axis.get_ylabel() for axis in display.axes_] == ["loss", "terms", "validation score"]
    assert legend(losses) == ["biased loss", "model loss"]
    assert legend(terms) == ["opposition"]
    assert legend(scores) == ["accuracy", "kept: epoch 2 of train\n(0.9)"]
    for column, line in display.lines_.items():
        np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3, 4, 5])
        np.testing.assert_array_equal(line.get_ydata(), HISTORY[column].astype(float))
    assert set(display.lines_) == {"biased_loss", "model_loss", "opposition", "validation_accuracy"}
    (star,) = [line for line in scores.lines if line.get_marker() == "*"]
    assert star.get_xydata().tolist() == [[4, 0.9]]
    assert all(any(set(line.get_xdata()) == {4} for line in a.lines) for a in display.axes_)
    assert [text.get_text() for text in losses.texts] == ["warm up", "train"]
    (shade,) = losses.patches
    assert shade.get_extents().x1 == pytest.approx(losses.transData.transform((2.5, 0))[0])
    assert scores.get_xlabel() == "epoch, over all phases"
    check_legible(display.figure_)


def test_a_fit_with_a_monitor_marks_the_epoch_that_it_kept(jtt):
    display = TrainingDisplay.from_estimator(jtt, name="JTT")
    pd.testing.assert_frame_equal(display.history, jtt.history_)
    scores = jtt.history_["validation_worst_group_accuracy"]
    assert scores[display.best] == scores.max()
    assert (scores == scores.max()).sum() > 1  # ties, which the score alone would not decide
    # The kept epoch is what the network was then: one that is trained up to there is the same.
    epoch = int(jtt.history_["epoch"][display.best])
    assert (
        display.axes_[-1]
        .get_legend()
        .get_texts()[-1]
        .get_text()
        .startswith(f"kept: epoch {epoch} of train")
    )
    short = JTTClassifier(
        identification_epochs=3, max_epochs=epoch, lr=0.03, validation=0.3, random_state=0
    ).fit(X, Y, bias_labels=BIAS)
    np.testing.assert_array_equal(short.predict_proba(X), jtt.predict_proba(X))
    assert display.axes_[0].get_title() == "JTT"
    check_legible(display.figure_)


def test_without_a_monitor_nothing_is_marked():
    clf = ERMClassifier(max_epochs=4, validation=0.2, random_state=0).fit(X, Y)
    display = TrainingDisplay.from_estimator(clf)
    assert display.best is None
    assert list(display.lines_) == ["model_loss", "validation_accuracy"]
    assert legend(display.axes_[-1]) == ["accuracy"]
    assert not display.axes_[0].patches
    assert display.axes_[-1].get_xlabel() == "epoch"


def test_the_classifier_may_be_inside_of_another(jtt):
    piped = make_pipeline(StandardScaler(), ERMClassifier(max_epochs=2, random_state=0)).fit(X, Y)
    assert len(TrainingDisplay.from_estimator(piped).history) == 2
    grid = {"lr": [0.01, 0.1]}
    search = GridSearchCV(ERMClassifier(max_epochs=3, random_state=0), grid, cv=2).fit(X, Y)
    assert len(TrainingDisplay.from_estimator(search).history) == 3


def test_terms_may_be_chosen(jtt):
    display = TrainingDisplay.from_estimator(jtt, terms=["model_loss"])
    assert list(display.lines_) == ["model_loss"]
    assert display.axes_.shape == (1,)
    assert legend(display.axes_[0])[-1].startswith("kept: epoch")
    check_legible(display.figure_)


@pytest.mark.parametrize("n_phases", [2, 15, 60])
def test_names_of_many_phases_do_not_touch(n_phases):
    names = [f"head {k}" for k in range(n_phases) for _ in range(20)]
    loss = np.linspace(1, 2, len(names))
    display = TrainingDisplay.from_history(
        pd.DataFrame({"phase": names, "model_loss": loss}), name="a model of many heads"
    )
    check_legible(display.figure_)
    shown = [text for text, _ in words(display.figure_) if text.startswith("head")]
    assert "head 0" in shown
    assert len(shown) == n_phases or n_phases == 60
    assert len(display.axes_[0].patches) == (n_phases + 1) // 2


def test_an_epoch_that_is_alone_has_a_mark():
    names = ["early"] + ["train"] * 99
    losses = [0.5, *[np.nan] * 99]
    history = pd.DataFrame({"phase": names, "model_loss": np.ones(100), "biased_loss": losses})
    display = TrainingDisplay.from_history(history)
    assert display.lines_["biased_loss"].get_markevery() == [True] + [False] * 99
    assert not any(display.lines_["model_loss"].get_markevery())


@pytest.mark.parametrize(("least", "scale"), [(1e-5, "log"), (0.5, "linear"), (0, "linear")])
def test_a_wide_range_is_logarithmic(least, scale):
    history = pd.DataFrame({"phase": "train", "model_loss": [1.0, least]})
    (axis,) = TrainingDisplay.from_history(history).axes_
    assert axis.get_yscale() == scale


def test_lines_are_told_apart_without_colour():
    terms = {f"term {k}": [k, k + 1.0] for k in range(8)}
    display = TrainingDisplay.from_history(pd.DataFrame({"phase": ["a", "a"], **terms}))
    assert len({line.get_marker() for line in display.lines_.values()}) == 8
    assert len({str(style(k).line) for k in range(8)}) == 8
    check_legible(display.figure_)


def test_axes_may_be_given_as_one_or_one_each():
    figure, ax = plt.subplots(layout="constrained")
    display = TrainingDisplay(HISTORY).plot(ax)
    assert display.axes_.shape == (3,)
    assert all(axis.figure is figure for axis in display.axes_)
    assert not ax.axison
    figure, axes = plt.subplots(3, 1, figsize=(6, 8), layout="constrained")
    assert (TrainingDisplay(HISTORY).plot(axes).axes_ == axes).all()
    check_legible(figure)
    bare = CRTClassifier(max_epochs=2, retraining_epochs=2, random_state=0).fit(X, Y)
    figure, ax = plt.subplots()
    assert TrainingDisplay.from_estimator(bare, ax=ax).axes_[0] is ax
    check_legible(figure)  # without a layout the legend stays inside


BAD = {
    "no frame": (lambda: TrainingDisplay.from_history([1]), "`history` must be a DataFrame"),
    "no phase": (
        lambda: TrainingDisplay.from_history(HISTORY.drop(columns="phase")),
        "`history` must be a DataFrame with a row per epoch and the column 'phase'",
    ),
    "no rows": (lambda: TrainingDisplay.from_history(HISTORY.iloc[:0]), "`history` must be"),
    "no numbers": (
        lambda: TrainingDisplay.from_history(HISTORY[["phase", "note", "lr"]]),
        "`history` must have numbers to draw",
    ),
    "best": (
        lambda: TrainingDisplay.from_history(HISTORY, best=5),
        "`best` must be the position of a row, from 0 to 4",
    ),
    "terms": (
        lambda: TrainingDisplay.from_history(HISTORY, terms=["loss"]),
        "`terms` must be a list of columns of the history",
    ),
    "text": (
        lambda: TrainingDisplay.from_history(HISTORY, terms="model_loss"),
        "`terms` must be a list",
    ),
    "no history": (
        lambda: TrainingDisplay.from_estimator(LogisticRegression()),
        "`estimator` must be a fitted classifier of this package",
    ),
    "not fitted": (
        lambda: TrainingDisplay.from_estimator(ERMClassifier()),
        "`estimator` must be a fitted classifier of this package",
    ),
    "axes": (
        lambda: TrainingDisplay(HISTORY).plot([1, 2]),
        "`ax` must be one Axes, or an array of 3",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_drawn_is_named(case):
    call, words_of_error = BAD[case]
    with pytest.raises(ValueError, match=words_of_error):
        call()
    assert not plt.get_fignums()
