"""Columns of many values: rare ones are pooled, identifiers left out, and tables stay small."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from sklearn_debias.inspection import bias_report
from sklearn_debias.inspection._dependence import Columns, Folds, count, observed, right_by_class

QUICK = {"n_permutations": 19, "random_state": 0}


def row(report, name):
    return report.columns.set_index("column").loc[name]


def names(prefix, numbers):
    return np.array([f"{prefix}{i:04d}" for i in numbers], dtype=object)


def test_the_99_most_frequent_values_count_and_the_others_are_pooled():
    y = np.arange(600) % 2
    often = np.repeat(np.arange(80), 6)  # 480 rows
    twice = 1000 + np.repeat(np.arange(30), 2)  # 60 rows, of which 19 values are kept
    once = 2000 + np.arange(59)
    x = names("v", np.concatenate([often, twice, once, [0]]))
    x[-1] = None
    report = bias_report(y, {"x": x}, **QUICK)
    cells = report.cells["x"]
    assert row(report, "x")["n_values"] == cells.shape[1] == 101  # with what is missing
    assert cells.columns[:80].tolist() == names("v", range(80)).tolist()
    assert cells.columns[80:99].tolist() == names("v", range(1000, 1019)).tolist()
    assert cells.columns[99:].tolist() == ["(other)", "(missing)"]
    assert cells["(other)"].sum() == 22 + 59
    assert cells.to_numpy().sum() == 600
    assert "rare values of 'x' are pooled as '(other)': 70 of 169" in str(report)


def test_up_to_100_values_are_counted_as_they_are():
    x = names("v", np.arange(400) % 100)
    report = bias_report(np.arange(400) // 200, {"x": x}, **QUICK)
    assert "(other)" not in report.cells["x"].columns
    assert report.notes == ()


def test_a_value_of_one_row_is_never_kept():
    x = names("v", np.r_[np.zeros(80), np.arange(1, 121)].astype(int))
    report = bias_report(np.arange(200) % 2, {"x": x}, **QUICK)
    assert report.cells["x"].columns.tolist() == ["v0000", "(other)"]


@pytest.mark.parametrize("others", [1, 50])
def test_a_value_named_as_the_pool_is_in_it(others):
    x = names("v", np.repeat(np.arange(150), 2))
    x[:others] = "(other)"
    cells = bias_report(np.arange(300) % 2, {"x": x}, **QUICK).cells["x"]
    assert cells.columns.is_unique
    assert cells.shape[1] == 100
    assert cells["(other)"].sum() == 300 - 2 * 99


def test_a_shortcut_in_the_frequent_value_of_many_is_found():
    """Of the texts most occur once; the one that does not goes with a class."""
    y = np.arange(1000) % 2
    x = names("title", np.arange(1000))
    x[(y == 1) & (np.arange(1000) < 600)] = "untitled"
    report = bias_report(y, {"x": x}, **QUICK)
    assert report.spurious == ["x"]
    assert report.aligned["x"] == {0: "(other)", 1: "untitled"}


@pytest.mark.parametrize(("n_twice", "left_out"), [(5, True), (49, False)])
def test_nearly_unique_columns_are_left_out(n_twice, left_out):
    """Nine of ten rows with a value of their own are the limit."""
    x = names("id", np.r_[np.repeat(np.arange(n_twice), 2), 100 + np.arange(400 - 2 * n_twice)])
    report = bias_report(np.arange(400) % 2, {"x": x, "y": np.arange(400) % 3}, **QUICK)
    reason = row(report, "x")["left_out"]
    assert reason.startswith("nearly unique") is left_out
    assert ("x" in report.cells) is not left_out
    assert ("left out: 'x' (nearly unique" in str(report)) is left_out


def test_pooled_noise_is_called_spurious_in_five_of_a_hundred_reports_at_most():
    """Frequencies fall as in texts; the pool is made without the labels."""
    alarms = 0
    n_reports = 150
    for seed in range(n_reports):
        rng = np.random.default_rng([seed, 3])
        y = (rng.random(400) < rng.uniform(0.05, 0.5)).astype(int)
        y[:2] = 0, 1
        metadata = {f"x{j}": names("v", np.minimum(rng.zipf(1.3, 400), 5000)) for j in range(3)}
        report = bias_report(y, metadata, **QUICK | {"random_state": seed})
        assert any("pooled" in note for note in report.notes)
        alarms += bool(report.spurious)
    assert alarms <= binom.ppf(0.999, n_reports, 0.05)


def test_the_memory_of_many_values_and_classes_is_bounded():
    """Cells of 5 folds x 50 classes x 3,400 values of three columns took several times as much."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 50, 8000)
    x = names("text", rng.integers(0, 4000, 8000))
    tracemalloc.start()
    report = bias_report(y, pd.DataFrame({f"x{j}": rng.permutation(x) for j in range(3)}), **QUICK)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (report.columns["n_values"] == 100).all()
    assert peak < 60e6


def test_tables_by_blocks_of_columns_are_those_of_all(monkeypatch):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 90)
    sizes = [2, 7, 1, 4, 4]
    columns = Columns.beside([rng.integers(0, size, 90) for size in sizes], sizes)
    folds = Folds.stratified(y, 3, 3, rng)
    counts = count(folds, columns)
    expected = right_by_class(counts, folds, columns)
    for cells in (1, 9 * 8, 9 * 9, 1 << 20):
        monkeypatch.setattr("sklearn_debias.inspection._dependence.BATCH", cells)
        blocks = list(columns.blocks(cells // 9))
        assert sum(block.codes.shape[1] for block in blocks) == 5
        assert all(b.n_values <= cells // 9 or b.codes.shape[1] == 1 for b in blocks)
        right, tables = observed(folds, columns)
        np.testing.assert_array_equal(right, expected)
        np.testing.assert_array_equal(np.concatenate(tables, axis=1), counts.sum(axis=0))
