"""The result as text, tables, pictures and reports."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from comparing import LOGISTIC, METHODS, SPACE, C, compared, rows
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss


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


def test_standard_deviations_over_the_fits(result):
    for metric, by_method in result.scores_.items():
        for method, scores in by_method.items():
            found = result.frame.loc[method, f"{metric}_std"]
            expected = np.std(scores, ddof=1) if len(scores) > 1 else np.nan
            assert found == pytest.approx(expected, nan_ok=True)
    assert result.frame.loc["JTT", "worst_group_accuracy_std"] > 0


def test_a_single_fit_has_no_standard_deviation():
    found = compared(LOGISTIC, search_spaces=C, n_seeds=1)
    assert np.isnan(found.frame.loc["logistic", "accuracy_std"])
