"""The front door: which labels pass, and what is said of those that do not."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from sklearn_debias.metrics import encode_bias, group_cells, worst_group_accuracy_score


@pytest.mark.parametrize(
    ("labels", "values"),
    [
        (["b", "a", "b"], ["a", "b"]),
        (np.array([True, False, True]), [False, True]),
        ([-100, 3, -100], [-100, 3]),
        (np.array([2.0, 1.0, 2.0]), [1.0, 2.0]),
        (np.array([2, 1, 2], dtype="float16"), [1.0, 2.0]),
        (np.array([2, 1, 2], dtype=">i4"), [1, 2]),
        (pd.Categorical(["b", "a", "b"], categories=["z", "b", "a"]), ["a", "b"]),
        (pd.Series(["b", "a", "b"], index=[7, 8, 9], dtype="category"), ["a", "b"]),
        (pd.array([2, 1, 2], dtype="Int64"), [1, 2]),
        (np.array([["b"], ["a"], ["b"]]), ["a", "b"]),
        (["x", 1, "x"], [1, "x"]),
        (
            pd.DataFrame({"place": ["x", "x", "y"], "hour": [1, 2, 1]}),
            [("x", 1), ("x", 2), ("y", 1)],
        ),
        ([("x", 1), ("x", 2), ("y", 1)], [("x", 1), ("x", 2), ("y", 1)]),
        (np.array([[0, 1], [0, 2], [1, 1]]), [(0, 1), (0, 2), (1, 1)]),
    ],
)
def test_labels_of_any_type_come_back_as_python_scalars(labels, values):
    codes, found = encode_bias(labels, 3)
    assert found == values
    assert [type(value) for value in found] == [type(value) for value in values]
    assert [found[code] for code in codes] == [_row(labels, i) for i in range(3)]


def _row(labels, i):
    frame = pd.DataFrame(labels if isinstance(labels, pd.DataFrame) else list(labels), dtype=object)
    row = tuple(getattr(value, "item", lambda value=value: value)() for value in frame.iloc[i])
    return row if len(row) > 1 else row[0]


@pytest.mark.parametrize(
    ("labels", "match"),
    [
        (["a", "b"], "expected 3, got 2"),
        (["a", None, "b"], "NaN or None.*position 1"),
        ([1.0, np.nan, 2.0], "NaN or None"),
        (pd.Series([1, pd.NA, 2], dtype="Int64"), "NaN or None"),
        (pd.DataFrame({"a": [1, 2, 3], "b": ["x", None, "y"]}), "NaN or None"),
        ([0.5, 1.0, 2.0], r"looks continuous.*0\.5.*Bin it"),
        ([1.0, np.inf, 2.0], "looks continuous"),
        (None, "must be given, got None"),
        ("place", "array-like with one value per sample.*place"),
        (3, "array-like"),
        (np.zeros((3, 2, 2)), "1-D"),
        (sparse.csr_array(np.eye(3)), "1-D"),
        (np.array(3), "1-D"),
        (np.zeros((3, 0)), "at least one column"),
        ([{"a"}, {"b"}, {"a"}], "plain labels"),
        ([("a", 1), ("b",), ("a", 2)], "same number of attributes"),
    ],
)
def test_bad_labels_raise_and_name_the_parameter(labels, match):
    with pytest.raises(ValueError, match=match) as raised:
        encode_bias(labels, 3)
    assert "`bias_labels`" in str(raised.value)


def test_identifiers_and_measurements_look_continuous():
    with pytest.raises(ValueError, match=r"looks continuous.*300 values in 300 samples"):
        encode_bias([f"{i}.png" for i in range(300)], 300)
    with pytest.raises(ValueError, match="looks continuous"):
        encode_bias(np.arange(1000) % 250, 1000)
    assert len(encode_bias(np.arange(1000) % 50, 1000)[1]) == 50


def test_cells_are_sorted_and_observed_only():
    codes, names = group_cells(["x", "y", "x"], [2, 1, 1])
    assert names == [("x", 1), ("x", 2), ("y", 1)]
    assert codes.tolist() == [1, 2, 0]


@pytest.mark.parametrize(
    ("y_true", "y_pred", "match"),
    [
        ([], [], "`y_true` must hold at least one sample"),
        ([0, 1, 1], [0, 1], "`y_pred` must have one label per sample.*expected 3, got 2"),
        ([0, 1, 1], [0, np.nan, 1], "`y_pred` must not contain NaN"),
        ([0, 1, 1], [0.2, 0.9, 0.7], "`y_pred` must hold class labels.*0.2"),
        ([0.1, 1, 1], [0, 1, 1], "`y_true` must hold class labels"),
        ([0, None, 1], [0, 1, 1], "`y_true` must not contain NaN"),
        ([0, 1, 1], np.array([[0.1, 0.9]] * 3), r"`y_pred` must be 1-D, got shape \(3, 2\)"),
        (
            ["0", "1", "1"],
            [0, 1, 1],
            "`y_true` and `y_pred` must hold labels of one type, got str and int",
        ),
        (None, [0, 1, 1], "`y_true` must be an array-like"),
    ],
)
def test_bad_y_raises(y_true, y_pred, match):
    with pytest.raises(ValueError, match=match):
        worst_group_accuracy_score(y_true, y_pred, bias_labels=["a", "b", "a"])


@pytest.mark.parametrize(
    ("weight", "match"),
    [
        ([1, -1, 1], "finite and >= 0"),
        ([1, np.nan, 1], "finite and >= 0"),
        ([1, np.inf, 1], "finite and >= 0"),
        ([0, 0, 0], "only zeros"),
        ([[1], [1], [1]], r"1-D.*expected shape \(3,\), got \(3, 1\)"),
        ([1, 1], r"got \(2,\)"),
        (2.0, r"got \(\)"),
        (["a", "b", "c"], "must hold numbers, got text"),
    ],
)
def test_bad_weights_raise(weight, match):
    with pytest.raises(ValueError, match="`sample_weight`.*" + match):
        worst_group_accuracy_score(
            [0, 1, 1], [0, 1, 1], bias_labels=[0, 1, 0], sample_weight=weight
        )
