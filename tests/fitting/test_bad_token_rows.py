"""Rows of tokens that are none: each is refused by its number, with what is wrong with it."""

import pytest
from tokens import N, bag, columns_of, make_rows

from sklearn_debias import ERMClassifier

X, y, _ = make_rows()


def masked_by(value):
    return [{**row, "attention_mask": [value] * len(row["input_ids"])} for row in X]


ODD = {"input_ids": [5, 6], "attention_mask": [1]}
TYPED = {"input_ids": [5], "token_type_ids": [0]}
FEWER = {**columns_of(X), "attention_mask": columns_of(X)["attention_mask"][1:]}
LAST = rf"`X\[{N - 1}\]`.*"
FIRST = r"`X\[0\]`.*"
BAD = {
    "unequal columns": (FEWER, rf"as many rows .*'input_ids': {N}, 'attention_mask': {N - 1}"),
    "unequal lengths": ([*X[1:], ODD], LAST + "lengths, .*'input_ids': 2, 'attention_mask': 1"),
    "no ids": ([*X[1:], {"attention_mask": [1]}], LAST + "mapping with 'input_ids'"),
    "another column": ([*X[1:], TYPED], LAST + "the first row has"),
    "no token": ([{"input_ids": []}] * N, FIRST + "no token"),
    "masked": ([{"input_ids": [5], "attention_mask": [0]}] * N, FIRST + "no token"),
    "floats": ([{"input_ids": [1.5]}] * N, FIRST + "must hold integers, got float64"),
    "negative": ([{"input_ids": [-1]}] * N, FIRST + r"must lie in 0 to 2\*\*24, got -1 to -1"),
    "huge": ([{"input_ids": [2**24 + 1]}] * N, FIRST + r"must lie in 0 to 2\*\*24"),
    "two axes": ([{"input_ids": [[1, 2]]}] * N, r"must be 1-D, got the shape \(1, 2\)"),
    "one row": ({"input_ids": [1, 2]}, r"`X\['input_ids'\]` must hold one row of integers"),
    "null": ([*X[1:], {"input_ids": None}], LAST + "missing, got None"),
    "none": ([None, *X[1:]], FIRST + "mapping with 'input_ids', got NoneType"),
    "other keys": ([{"text": "a b"}] * N, FIRST + r"got the keys \['text'\]"),
    "lists": ([row["input_ids"] for row in X], r"rows of tokens are dicts, {'input_ids': row}"),
    "a mask of 2": (masked_by(2), FIRST + "must hold 0 and 1, got 2 to 2"),
    "a mask of -1": (masked_by(-1), FIRST + "must hold 0 and 1, got -1 to -1"),
    "negative types": (
        [{"input_ids": [5], "token_type_ids": [-1]}] * N,
        FIRST + "`token_type_ids` must be 0 or more, got -1",
    ),
    "positions": ([{**row, "position_ids": [0]} for row in X], "has 'position_ids', which"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_rows_are_refused_by_number(case):
    rows, message = BAD[case]
    with pytest.raises((TypeError, ValueError), match=message):
        ERMClassifier(bag(), max_epochs=1).fit(rows, y)
