"""The report: what it finds, what it leaves out, and that noise is not called spurious."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta, binom
from sklearn.metrics import mutual_info_score

from sklearn_debias.inspection import BiasReport, bias_report
from sklearn_debias.metrics import aligned_map
from sklearn_debias.testing._asserts import generators_untouched

QUICK = {"n_permutations": 99, "random_state": 0}


def labels(n=100):
    return np.arange(n) % 2


def shortcut(y, strength, rng):
    """Values equal to y in a share of the rows, and random in the others."""
    return np.where(rng.random(len(y)) < strength, y, rng.integers(0, 2, len(y)))


def row(report, name):
    return report.columns.set_index("column").loc[name]


def test_a_column_that_is_y_is_always_right():
    y = labels(40)
    report = bias_report(y, {"same": y + 5}, **QUICK)
    found = row(report, "same")
    assert isinstance(report, BiasReport)
    assert found["balanced_accuracy"] == found["upper"] == 1
    exact = beta.ppf(0.025, 20, 1)  # of 20 right in 20
    np.testing.assert_allclose(found["lower"], 1 - np.sqrt(2 * (1 - exact) ** 2) / 2)
    np.testing.assert_allclose(found["mutual_information"], np.log(2))
    assert found["p_value"] == found["p_corrected"] == 0.01
    assert report.spurious == ["same"]
    assert report.aligned == {"same": {0: 5, 1: 6}}
    assert report.cells["same"].values.tolist() == [[20, 0], [0, 20]]
    assert (found["empty_cells"], found["tiny_cells"]) == (2, 0)


def test_values_that_are_equally_frequent_tell_nothing():
    y = labels(40)
    report = bias_report(y, {"half": np.arange(40) // 2 % 2}, **QUICK)
    found = row(report, "half")
    assert found["mutual_information"] == found["information_lower"] == 0
    assert found["balanced_accuracy"] <= 0.5
    assert not found["spurious"]
    assert report.aligned["half"] == {}  # both values are equally frequent


def test_the_information_is_that_of_scikit_learn_less_what_the_sample_adds():
    rng = np.random.default_rng(0)
    y = labels(200)
    values = shortcut(y, 0.6, rng)
    found = row(bias_report(y, {"x": values}, **QUICK), "x")
    expected = mutual_info_score(y, values) - 1 / 400  # (2 - 1)(2 - 1) / 2n
    np.testing.assert_allclose(found["mutual_information"], expected)
    assert found["information_lower"] < expected < found["information_upper"]


def test_a_majority_class_gains_nothing():
    rng = np.random.default_rng(0)
    y = (np.arange(400) % 20 == 0).astype(int)
    report = bias_report(y, {"x": rng.integers(0, 2, 400)}, **QUICK)
    assert abs(row(report, "x")["balanced_accuracy"] - 0.5) < 0.15
    assert abs(row(report, "x")["chance"] - 0.5) < 0.05


def test_planted_shortcuts_are_found_among_noise_and_ranked():
    rng = np.random.default_rng(0)
    y = np.array(["cat", "dog", "owl"])[rng.integers(0, 3, 400)]
    place = {"cat": "sofa", "dog": "grass", "owl": "tree"}
    background = np.array([place[label] for label in y])
    background[:30] = "grass"
    metadata = {f"noise {j}": rng.random(400) for j in range(10)}
    metadata["brightness"] = rng.normal(size=400) + 1.5 * (y == "owl")
    metadata["background"] = background
    metadata["missing"] = np.where((y == "dog") & (rng.random(400) < 0.3), None, "there")
    report = bias_report(y, pd.DataFrame(metadata), random_state=0)
    assert report.spurious == report.columns["column"].tolist()[:3]
    assert report.spurious[0] == "background"
    assert set(report.spurious) == {"background", "brightness", "missing"}
    assert report.aligned["background"] == place == aligned_map(y, background)
    n_missing = sum(value is None for value in metadata["missing"])
    assert row(report, "missing")["n_missing"] == n_missing
    assert report.cells["missing"].columns.tolist() == ["there", "(missing)"]
    assert report.columns["p_corrected"].is_monotonic_increasing


def test_a_column_of_many_values_is_seen_by_its_information():
    """A fifth of the rows have the value of their class, of ten: the predictions gain little."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    x = np.where(rng.random(400) < 0.2, y, rng.integers(0, 10, 400))
    metadata = {f"noise {j}": rng.random(400) for j in range(19)}
    assert bias_report(y, metadata | {"x": x}, **QUICK).spurious == ["x"]


def noise(seed, majority, n=200, n_columns=20):
    """Labels, and columns of several kinds that have nothing to do with them."""
    rng = np.random.default_rng([seed, 7])
    y = (rng.random(n) >= majority).astype(int)
    y[:2] = 0, 1
    kinds = (
        lambda: rng.random(n) < majority,
        lambda: rng.integers(0, 5, n),
        lambda: rng.normal(size=n),
        lambda: np.where(rng.random(n) < 0.1, np.nan, rng.choice([1, 2, 3], n)),
    )
    return y, {f"column {j}": kinds[j % 4]() for j in range(n_columns)}


def false_alarms(majorities):
    """Return the number of reports on noise that call any column spurious.

    The level is exact at any number of permutations, of which 2 of 40 ranks are 5 %.
    """
    alarms = 0
    for seed, majority in enumerate(majorities):
        y, metadata = noise(seed, majority)
        alarms += bool(bias_report(y, metadata, n_permutations=39, random_state=seed).spurious)
    return alarms


# The true rate is 5 % or less: the count stays below the 99.9 % quantile of that rate.
# A rate of 10 % would be seen in 400 reports with a probability of .77, of 12 % with .98.
@pytest.mark.parametrize("n_reports", [60, pytest.param(400, marks=pytest.mark.slow)])
def test_noise_is_called_spurious_in_five_of_a_hundred_reports_at_most(n_reports):
    alarms = false_alarms(np.linspace(0.5, 0.95, n_reports))
    assert alarms <= binom.ppf(0.999, n_reports, 0.05)


@pytest.mark.parametrize("majority", [0.5, 0.95])
def test_intervals_of_noise_hold_no_information(majority):
    outside = 0
    judged = 0
    for seed in range(40):
        y, metadata = noise(seed, majority)
        columns = bias_report(y, metadata, n_permutations=19, random_state=seed).columns
        judged += int((columns["left_out"] == "").sum())
        outside += int((columns["information_lower"] > 0).sum())
    assert outside <= 0.05 * judged


def test_only_columns_that_cannot_be_judged():
    report = bias_report(labels(), {"site": ["x"] * 100}, **QUICK)
    assert report.spurious == []
    assert "0 columns judged" in str(report)
    with pytest.raises(ValueError, match="needs a column or a candidate group"):
        report.plot()


def test_intervals_are_wider_at_a_higher_confidence():
    rng = np.random.default_rng(0)
    y = labels()
    metadata = {"x": shortcut(y, 0.5, rng)}
    narrow = row(bias_report(y, metadata, confidence=0.5, **QUICK), "x")
    wide = row(bias_report(y, metadata, confidence=0.99, **QUICK), "x")
    for low, value, high in (
        ("lower", "balanced_accuracy", "upper"),
        ("information_lower", "mutual_information", "information_upper"),
    ):
        assert wide[low] < narrow[low] < narrow[value] == wide[value] < narrow[high] < wide[high]


def test_a_seed_repeats_the_report_and_no_global_generator_moves():
    rng = np.random.default_rng(0)
    y = labels()
    metadata = {"x": shortcut(y, 0.3, rng), "z": rng.random(100)}
    points = rng.normal(size=(100, 4))
    with generators_untouched():
        first = bias_report(y, metadata, points, random_state=3, n_permutations=99)
    again = bias_report(y, metadata, points, random_state=3, n_permutations=99)
    pd.testing.assert_frame_equal(first.columns, again.columns)
    pd.testing.assert_frame_equal(first.candidates, again.candidates)
    other = bias_report(y, metadata, points, random_state=4, n_permutations=99)
    assert not first.columns.equals(other.columns)
    alone = bias_report(y, metadata, random_state=3, n_permutations=99)
    pd.testing.assert_frame_equal(first.columns, alone.columns)
    state = np.random.RandomState(0)
    moved = bias_report(y, metadata, random_state=state, n_permutations=99)
    assert not moved.columns.equals(
        bias_report(y, metadata, random_state=state, n_permutations=99).columns
    )


def test_text_html_and_frame():
    rng = np.random.default_rng(0)
    y = np.array(["<b>", "ok"])[labels()]
    report = bias_report(y, {"a & b": y, "z": rng.random(100)}, **QUICK)
    text = report.to_text()
    assert text == str(report)
    assert text.startswith("100 rows of 2 classes; 2 columns judged, 1 spurious")
    assert "yours to know" in text
    assert "aligned by 'a & b': {'<b>': '<b>', 'ok': 'ok'}" in text
    page = report._repr_html_()
    assert "<b>ok" not in page
    assert "&lt;b&gt;" in page
    assert "a &amp; b" in page
    frame = report.to_frame()
    frame["column"] = "changed"
    assert report.columns["column"].iloc[0] == "a & b"


def test_many_values_are_cut_in_text():
    y = labels(400)
    values = [f"v{i % 40}" for i in range(400)]
    report = bias_report(y, {"x": values}, **QUICK)
    assert report.cells["x"].shape == (2, 40)
    assert "(28 other values)" in str(report)


def test_rare_classes_are_noted():
    y = labels(60)
    y[0] = 2
    report = bias_report(y, {"x": labels(60)}, **QUICK)
    assert "classes with fewer rows than folds" in report.notes[0]
    assert report.spurious == ["x"]


def test_silent_unless_asked(capsys):
    bias_report(labels(), {"x": labels()}, **QUICK)
    assert capsys.readouterr() == ("", "")
    bias_report(labels(), {"x": labels()}, verbose=1, **QUICK)
    assert "bias_report" in capsys.readouterr().err


def test_the_example_of_pure_noise_at_a_high_majority():
    """Nine rows of ten are of one class, and no column knows which."""
    rng = np.random.default_rng(0)
    y = (np.arange(500) % 10 == 0).astype(int)
    metadata = {f"noise {j}": rng.random(500) for j in range(20)}
    assert bias_report(y, metadata, random_state=0).spurious == []


def test_numbers_may_be_fractions():
    y = labels(40)
    half, tenth = Fraction(1, 2), Fraction(1, 10)
    report = bias_report(y, y, confidence=half, alpha=tenth, **QUICK)
    assert str(report) == str(bias_report(y, y, confidence=0.5, alpha=0.1, **QUICK))
