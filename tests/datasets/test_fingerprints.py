"""What tells copies apart: each column of a row counts, and nothing else."""

import hashlib

import pandas as pd
import pytest

from sklearn_debias.datasets.readers._table import fingerprint

ROWS = pd.DataFrame(
    {
        "file": ["b.jpg", "a.jpg", "c.jpg"],
        "y": [0, 1, 1],
        "a": [1, 0, 1],
        "place": [0, 0, 1],
        "split": ["train", "test", "train"],
        "note": ["x", "y", "z"],
    }
)
BIASES = [None, "a", ("a", "place")]


def test_it_is_of_the_sorted_rows():
    content = "a.jpg\t1\t0\ttest\nb.jpg\t0\t1\ttrain\nc.jpg\t1\t1\ttrain"
    assert fingerprint(ROWS, "a") == hashlib.sha256(content.encode()).hexdigest()
    content = "a.jpg\t1\t0\t0\ttest\nb.jpg\t0\t1\t0\ttrain\nc.jpg\t1\t1\t1\ttrain"
    assert fingerprint(ROWS, ("a", "place")) == hashlib.sha256(content.encode()).hexdigest()


@pytest.mark.parametrize("bias", BIASES)
@pytest.mark.parametrize("column", ROWS.columns)
def test_each_column_that_is_read_counts(column, bias):
    counted = {"file", "y", "split", *([bias] if isinstance(bias, str) else bias or ())}
    other = ROWS.copy()
    other.loc[0, column] = {"file": "d.jpg", "split": "test", "note": "w"}.get(column, 7)
    assert (fingerprint(other, bias) != fingerprint(ROWS, bias)) == (column in counted)


@pytest.mark.parametrize("bias", BIASES)
@pytest.mark.parametrize("column", ["y", "a", "split"])
def test_it_counts_which_row_has_which_value(column, bias):
    other = ROWS.copy()
    other[column] = ROWS[column].to_numpy()[[1, 0, 2]]
    counted = {"y", "split", *([bias] if isinstance(bias, str) else bias or ())}
    assert (fingerprint(other, bias) != fingerprint(ROWS, bias)) == (column in counted)


@pytest.mark.parametrize("bias", BIASES)
def test_the_order_of_rows_does_not_count(bias):
    assert fingerprint(ROWS.iloc[[2, 0, 1]], bias) == fingerprint(ROWS, bias)
