"""Validate labels once, encode them as integers, and keep the caller's own values."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from sklearn_debias.arguments import in_our_words, is_whole
from sklearn_debias.metrics._codes import codes_of_whole_numbers, observed, whole_numbers
from sklearn_debias.metrics._columns import as_column, columns_of
from sklearn_debias.metrics._numeric import check_numeric
from sklearn_debias.metrics._types import Encoded
from sklearn_debias.rows import as_array

__all__ = ["check_weights", "correctness", "encode_bias", "encode_labels", "encode_values"]


@in_our_words
def encode_bias(
    bias_labels: npt.ArrayLike, n_samples: int, *, name: str = "bias_labels"
) -> Encoded:
    """Validate `bias_labels` and encode them as integers.

    Parameters
    ----------
    bias_labels : array-like of shape (n_samples,) or (n_samples, n_attributes)
        Value of the bias attribute of each sample, of any dtype. With several columns a sample's
        value is the tuple of its attributes; a single column counts as 1-D. A column of pandas'
        type "category" is never taken for a continuous one.
    n_samples : int
        The number of samples that the labels must describe.
    name : str, default="bias_labels"
        The parameter's name in error messages.

    Returns
    -------
    codes : ndarray of shape (n_samples,), dtype intp
        Position of each sample's value in `values`.
    values : list
        The distinct values, sorted, as Python scalars (tuples for several attributes).

    Raises
    ------
    ValueError
        If the labels are missing, of another length, contain NaN or None, or look continuous.

    Examples
    --------
    >>> from sklearn_debias.metrics import encode_bias
    >>> codes, values = encode_bias(["sea", "land", "sea"], 3)
    >>> codes.tolist(), values
    ([1, 0, 1], ['land', 'sea'])
    """
    if not is_whole(n_samples):
        raise ValueError(f"`n_samples` must be an int, the number of rows, got {n_samples!r}.")
    columns = [as_column(column, name) for column in columns_of(bias_labels, name)]
    if len(columns[0]) != n_samples:
        raise ValueError(
            f"`{name}` must have one value per sample: expected {n_samples}, got "
            f"{len(columns[0])}. Slice it with the same rows as X and y, after a "
            "sampler by its sample_indices_."
        )
    encoded = [_factorize(column, name) for column in columns]
    for column, (_, values) in zip(columns, encoded, strict=True):
        if not isinstance(getattr(column, "dtype", None), pd.CategoricalDtype):
            _refuse_continuous(values, n_samples, name)
    return _cross(encoded)


def encode_values(values: Sequence[Any]) -> Encoded:
    """Encode bias values that were found categorical before: those of cells, or of some rows."""
    columns = [as_column(column, "bias_labels") for column in columns_of(list(values), "")]
    return _cross([_factorize(column, "bias_labels") for column in columns])


def encode_labels(y: npt.ArrayLike, name: str) -> Encoded:
    """Return class labels as (codes of shape (n,), sorted classes).

    Raise a ValueError unless they are 1-D and whole.
    """
    column = as_column(y, name)
    if len(column) == 0:
        raise ValueError(f"`{name}` must hold at least one sample, got 0.")
    codes, values = _factorize(column, name)
    if not all(_is_whole(value) for value in values):
        raise ValueError(
            f"`{name}` must hold class labels, got continuous values such as "
            f"{_first_fraction(values)!r}. Pass the labels from `predict`, not scores or "
            "probabilities."
        )
    return codes, values


def correctness(
    y_codes: np.ndarray, classes: Sequence[Any], y_pred: npt.ArrayLike, name: str = "y_pred"
) -> np.ndarray:
    """Return a boolean array of shape (n,): whether each prediction equals its class."""
    pred_codes, pred_values = encode_labels(y_pred, name)
    if len(pred_codes) != len(y_codes):
        raise ValueError(
            f"`{name}` must have one label per sample of `y_true`: expected {len(y_codes)}, got "
            f"{len(pred_codes)}."
        )
    if _share_no_kind(classes, pred_values):
        raise ValueError(
            f"`y_true` and `{name}` must hold labels of one type, got "
            f"{_kinds(classes)} and {_kinds(pred_values)}. Convert one of them."
        )
    # Labels meet as dict keys, so that 1, 1.0 and True are one class, as they are to `==`. The
    # code -1 is no class: a label that `y_true` lacks is merely wrong.
    position = {label: code for code, label in enumerate(classes)}
    codes = [position.get(label, -1) for label in pred_values]
    if codes != list(range(len(codes))):
        pred_codes = np.array(codes)[pred_codes]
    return pred_codes == y_codes


def check_weights(sample_weight: npt.ArrayLike | None, n_samples: int) -> np.ndarray:
    """Return weights of shape (n_samples,), ones for None.

    Raise a ValueError unless they are 1-D, finite, >= 0 and not all 0.
    """
    if sample_weight is None:
        return np.ones(n_samples)
    check_numeric(sample_weight, "sample_weight")
    weight = as_array(sample_weight, "sample_weight", dtype=float)
    if weight.shape != (n_samples,):
        raise ValueError(
            "`sample_weight` must be 1-D with one weight per sample: expected shape "
            f"({n_samples},), got {weight.shape}."
        )
    if not np.isfinite(weight).all() or (weight < 0).any():
        raise ValueError(
            "`sample_weight` must be finite and >= 0, got NaN, inf or a negative weight."
        )
    if not weight.any():
        raise ValueError(
            "`sample_weight` must have a positive weight, got only zeros: nothing is left to score."
        )
    return weight


def _factorize(column: Any, name: str) -> Encoded:
    """Return (codes, sorted Python values) of a 1-D column.

    Whole numbers that lie close together are counted. Hashing finds other distinct values, so that
    unlike types are never compared.
    """
    numbers = whole_numbers(column)
    counted = None if numbers is None else codes_of_whole_numbers(numbers)
    if counted is not None:
        return counted
    if isinstance(column, np.ndarray):
        if column.dtype.kind in "SUV":
            column = column.astype(object)
        elif not column.dtype.isnative:  # pandas refuses numbers of foreign byte order
            column = column.astype(column.dtype.newbyteorder("="))
    try:
        codes, unique = pd.factorize(column, use_na_sentinel=True)
    except TypeError as error:
        raise ValueError(
            f"`{name}` must hold plain labels (numbers, strings, tuples): {error}."
        ) from error
    if (codes < 0).any():
        row = int(np.argmax(codes < 0))
        raise ValueError(
            f"`{name}` must not contain NaN or None, found {int((codes < 0).sum())}, the first at "
            f"position {row}. Drop those samples or give them a label of their own."
        )
    # Python scalars print without `np.str_(...)`, and look up the caller's own dicts.
    values = [value.item() if isinstance(value, np.generic) else value for value in unique]
    _refuse_twins(values, name)
    order = sorted(range(len(values)), key=_sort_key(values))
    rank = np.empty(len(values), dtype=np.intp)
    rank[order] = np.arange(len(values))
    return rank[codes], [values[i] for i in order]


def _refuse_twins(values: Sequence[Any], name: str) -> None:
    """Raise a ValueError if a text and another value read alike: an array holds one of them."""
    texts = {value for value in values if isinstance(value, str)}
    others = [value for value in values if not isinstance(value, str)]
    twin = next((value for value in others if texts and str(value) in texts), None)
    if twin is not None:
        raise ValueError(
            f"`{name}` must not hold both {twin!r} and {str(twin)!r}, which an array cannot tell "
            "apart. Convert them to one type."
        )


def _sort_key(values: list[Any]) -> Callable[[int], Any]:
    """Return a key by position: the natural order where it exists, else type and text."""
    try:
        sorted(values)
    except TypeError:
        return lambda i: (type(values[i]).__name__, str(values[i]))
    return values.__getitem__


def _cross(encoded: Sequence[Encoded]) -> Encoded:
    """Return the observed joint values of encoded columns: (codes, list of tuples).

    Those of a single column are no tuples.
    """
    if len(encoded) == 1:
        return encoded[0]
    codes, first = encoded[0]
    joint: list[Any] = [(value,) for value in first]
    for more, values in encoded[1:]:
        # Codes sort by the first column, then by the next. Only those that occur go on, or many
        # columns would number more tuples than an integer can.
        pairs = codes * len(values) + more
        seen, codes = observed(pairs, len(joint) * len(values))
        joint = [(*joint[i // len(values)], values[i % len(values)]) for i in seen.tolist()]
    return codes, joint


def _refuse_continuous(values: Sequence[Any], n_samples: int, name: str) -> None:
    """Raise a ValueError if the values look like measurements or identifiers, not groups."""
    fraction = not all(_is_whole(value) for value in values)
    n_values = len(values)
    # Rules of thumb. They spare small samples: twenty values may be twenty groups, however few
    # samples each of them has.
    many = n_values > 20 and n_samples < 2 * n_values
    very_many = n_values > 100 and n_samples < 5 * n_values
    if fraction:
        found = f"the value {_first_fraction(values)!r}"
    elif many or very_many:
        found = f"{n_values} values in {n_samples} samples"
    else:
        return
    raise ValueError(
        f"`{name}` must be categorical, but looks continuous (or like an identifier): got "
        f"{found}. Bin it first, e.g. with pandas.cut or pandas.qcut, or declare it: "
        "pandas.Series(...).astype('category')."
    )


def _is_whole(value: Any) -> bool:
    """Return whether the value may be a label.

    2.0 may: pandas makes floats of integers beside gaps.
    """
    return not isinstance(value, float) or value.is_integer()


def _first_fraction(values: Iterable[Any]) -> Any:
    """Return the first value that is not whole."""
    return next(value for value in values if not _is_whole(value))


def _share_no_kind(a: Iterable[Any], b: Iterable[Any]) -> bool:
    """Return whether one side holds only text and the other none.

    No prediction could ever be right then.
    """
    a_is_text = {isinstance(value, str | bytes) for value in a}
    b_is_text = {isinstance(value, str | bytes) for value in b}
    return a_is_text.isdisjoint(b_is_text)


def _kinds(values: Iterable[Any]) -> str:
    """Return the names of the values' types."""
    return " and ".join(sorted({type(value).__name__ for value in values}))
