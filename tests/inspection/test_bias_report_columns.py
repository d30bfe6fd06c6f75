"""What a bias report takes: columns of all kinds and forms, and bad input, which is named."""

import numpy as np
import pandas as pd
import pytest

from sklearn_debias.inspection import bias_report

QUICK = {"n_permutations": 99, "random_state": 0}


def labels(n=100):
    return np.arange(n) % 2


def row(report, name):
    return report.columns.set_index("column").loc[name]


def test_what_cannot_be_judged_is_named():
    rng = np.random.default_rng(0)
    n = 60
    metadata = {
        "id": [f"patient {i}" for i in range(n)],
        "number": np.arange(n),
        "site": ["x"] * n,
        "nothing": [None] * n,
        "measured": rng.random(n),
        "times": pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(n), "D"),
        "flags": [True, None, False] * 20,
    }
    report = bias_report(labels(n), metadata, **QUICK)
    left_out = report.columns.set_index("column")["left_out"]
    assert left_out["id"].startswith("unique")
    assert left_out["number"].startswith("unique: whole numbers")
    assert left_out["site"].startswith("constant")
    assert left_out["nothing"].startswith("constant")
    assert set(report.cells) == set(report.aligned) == {"measured", "times", "flags"}
    assert "left out: 'id' (unique" in str(report)
    assert "left out: 'site', 'nothing' (constant" in str(report)
    assert not report.columns.loc[report.columns["left_out"] != "", "spurious"].any()
    as_floats = bias_report(labels(n), {"number": np.arange(n) * 1.0}, **QUICK)
    assert list(as_floats.cells) == ["number"]


def test_more_columns_than_rows():
    rng = np.random.default_rng(0)
    y = labels(60)
    table = rng.random((60, 200))
    table[:, 3] += y
    report = bias_report(y, table, **QUICK)
    assert report.spurious == ["column 3"]
    assert "not shown: 160 columns of less evidence" in str(report)
    assert len(report.columns) == 200


def test_numbers_are_binned_by_quantiles_whatever_their_scale():
    rng = np.random.default_rng(0)
    y = labels(400)
    x = np.exp(5 * rng.normal(size=400) + 5 * y)
    x[:3] = np.inf
    x[3:6] = -np.inf
    x[10:20] = np.nan
    report = bias_report(y, {"x": x, "mostly 0": np.where(rng.random(400) < 0.95, 0, x)}, **QUICK)
    assert row(report, "x")["n_values"] == 9
    assert row(report, "x")["kind"] == "numeric"
    cells = report.cells["x"]
    assert cells.columns[-1] == "(missing)"
    assert cells["(missing)"].sum() == 10
    assert cells.iloc[:, :-1].sum().between(40, 60).all()
    assert cells.to_numpy().sum() == 400
    assert row(report, "mostly 0")["n_values"] >= 2


@pytest.mark.parametrize(("n", "n_bins"), [(20, 2), (49, 2), (60, 2), (130, 5), (1000, 8)])
def test_bins_by_the_number_of_rows(n, n_bins):
    rng = np.random.default_rng(0)
    x = rng.random(n)
    report = bias_report(labels(n), {"x": x, "ten": np.arange(n) % 10 / 7}, **QUICK)
    assert row(report, "x")["n_values"] == n_bins
    sizes = report.cells["x"].sum()
    assert sizes.min() >= min(25, n // 2)
    assert np.ptp(sizes) <= 1
    assert row(report, "ten")["kind"] == "categorical"
    assert row(report, "ten")["n_values"] == 10
    first = report.cells["x"].columns[0]
    assert (x < float(first.removeprefix("< "))).sum() == pytest.approx(sizes.iloc[0], abs=1)


def test_empty_and_tiny_cells():
    y = labels(40)
    x = np.where(y == 1, "b", "a")
    x[:6:2] = "c"  # three rows of class 0
    report = bias_report(y, {"x": x}, **QUICK)
    assert report.cells["x"].values.tolist() == [[17, 0, 3], [0, 20, 0]]
    assert (row(report, "x")["empty_cells"], row(report, "x")["tiny_cells"]) == (3, 1)
    assert row(bias_report(y, {"x": x}, min_cell=3, **QUICK), "x")["tiny_cells"] == 0
    assert row(bias_report(y, {"x": x}, min_cell=18, **QUICK), "x")["tiny_cells"] == 2


def test_times_are_binned_and_named_as_times():
    y = labels(200)
    start = pd.Timestamp("2026-01-01")
    times = start + pd.to_timedelta(np.where(y, 100, 0) + np.arange(200) / 10, "D")
    metadata = {"time": times, "zone": times.tz_localize("UTC"), "age": times - start}
    report = bias_report(y, pd.DataFrame(metadata), **QUICK)
    assert set(report.spurious) == {"time", "zone", "age"}
    assert report.cells["time"].columns[0].startswith("< 2026-01-0")
    np.testing.assert_array_equal(report.cells["time"], report.cells["zone"])
    assert "days" in report.cells["age"].columns[0]


def test_the_same_in_every_form():
    rng = np.random.default_rng(0)
    y = labels()
    table = np.column_stack(
        [np.where(rng.random(100) < 0.5, y, rng.integers(0, 2, 100)), rng.integers(0, 3, 100)]
    )
    names = ["column 0", "column 1"]
    expected = bias_report(y, table, **QUICK).columns
    for metadata in (
        table.tolist(),
        {name: table[:, j] for j, name in enumerate(names)},
        {name: table[:, j].tolist() for j, name in enumerate(names)},
        pd.DataFrame(table, columns=names),
        pd.DataFrame(table, columns=names).astype("category"),
        pd.DataFrame(table, columns=names).astype("Int64"),
    ):
        found = bias_report(y.tolist(), metadata, **QUICK).columns
        pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    one = bias_report(pd.Series(y), pd.Series(table[:, 0], name="column 0"), **QUICK).columns
    assert (
        one["balanced_accuracy"].iloc[0]
        == row(bias_report(y, table, **QUICK), "column 0")["balanced_accuracy"]
    )


Y = labels(40)

WRONG = {
    "few rows": ({"y": Y[:19], "metadata": Y[:19]}, "`y` must have at least 20 rows, got 19"),
    "one class": ({"y": 0 * Y, "metadata": Y}, "`y` must hold at least 2 classes"),
    "a class per row": ({"y": np.arange(40), "metadata": Y}, "`y` must hold classes of several"),
    "missing label": ({"y": [None, *Y[1:]], "metadata": Y}, "`y` must not contain NaN"),
    "continuous labels": ({"y": Y + 0.5, "metadata": Y}, "`y` must hold class labels"),
    "nothing": ({"y": Y}, "`metadata`, `embeddings` or `images` must be given"),
    "other length": ({"y": Y, "metadata": {"x": Y[:7]}}, "`metadata['x']` must have one value per"),
    "no column": ({"y": Y, "metadata": {}}, "`metadata` must have at least one column"),
    "text": ({"y": Y, "metadata": "x"}, "`metadata` must be a frame"),
    "text as a column": ({"y": Y, "metadata": {"x": "a"}}, "`metadata['x']` must be a column"),
    "a 3-D array": ({"y": Y, "metadata": np.zeros((40, 2, 2))}, "`metadata` must be 1-D or 2-D"),
    "lists in cells": ({"y": Y, "metadata": {"x": [[1]] * 40}}, "`metadata['x']` must hold plain"),
    "complex": ({"y": Y, "metadata": {"x": Y * 1j}}, "`metadata['x']` must hold plain values"),
    "ragged": ({"y": Y, "metadata": [[1], [1, 2]] * 20}, "same number of values in every row"),
    "one name twice": (
        {"y": Y, "metadata": pd.DataFrame(np.zeros((40, 2)), columns=["a", "a"])},
        "`metadata` must have columns of different names, got 'a' twice",
    ),
    "other order": (
        {"y": pd.Series(Y), "metadata": pd.DataFrame({"x": Y}, index=range(39, -1, -1))},
        "`metadata` must have its rows in the order of `y`",
    ),
    "alpha": ({"y": Y, "metadata": Y, "alpha": 0}, "`alpha` must be a number in (0, 1)"),
    "few permutations": (
        {"y": Y, "metadata": Y, "n_permutations": 18},
        "`n_permutations` must be at least 1 / alpha - 1 = 19",
    ),
    "cv": ({"y": Y, "metadata": Y, "cv": 1}, "`cv` must be an int >= 2"),
    "min_cell": ({"y": Y, "metadata": Y, "min_cell": 0}, "`min_cell` must be an int >= 1"),
    "confidence": ({"y": Y, "metadata": Y, "confidence": 1}, "`confidence` must be a number"),
    "seed": ({"y": Y, "metadata": Y, "random_state": -1}, "`random_state` must be None"),
    "verbose": ({"y": Y, "metadata": Y, "verbose": "x"}, "`verbose` must be True, False or an int"),
    "inferred only": ({"y": Y, "inferred_labels": Y, "metadata": Y}, "must come with `embeddings`"),
}


@pytest.mark.parametrize("case", WRONG)
def test_bad_input_is_named(case):
    given, words = WRONG[case]
    with pytest.raises((ValueError, TypeError)) as error:
        bias_report(**given)
    assert words in str(error.value)


def test_names_from_elsewhere():
    with pytest.raises(TypeError, match="Here it is `random_state`"):
        bias_report(Y, Y, seed=0)


def test_a_value_that_is_called_missing_is_not_what_is_missing():
    values = np.array(["(missing)", None, "a", "a"] * 20, dtype=object)
    report = bias_report(np.array([0, 1, 0, 1] * 20), {"v": values}, random_state=0)
    columns = report.cells["v"].columns.tolist()
    assert sorted(columns) == ["'(missing)'", "(missing)", "a"]
    assert report.cells["v"]["(missing)"].tolist() == [20, 0]
    assert report.cells["v"]["'(missing)'"].tolist() == [0, 20]
