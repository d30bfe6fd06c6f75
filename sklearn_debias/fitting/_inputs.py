"""The one front door: what users pass as X, checked and made into a source of rows.

`fit`, `predict`, the embedder, attacks, maps and reports all open X here, for classifiers and for
plain modules alike. Nothing is written onto an estimator: what was seen comes back as `Inputs`.
"""

from dataclasses import dataclass, replace
from numbers import Number
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.utils.validation import _get_feature_names, _num_samples
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from sklearn_debias.arguments import is_real
from sklearn_debias.core.internal import ANY, TokenLimits
from sklearn_debias.fitting._channels import check_channels, warn_of_levels
from sklearn_debias.fitting._images import open_images, rows_of
from sklearn_debias.fitting._mapped import can_stay_mapped, checked, mapped
from sklearn_debias.fitting._named_images import ImageColumn, image_name, images_by_name
from sklearn_debias.fitting._plain import plain
from sklearn_debias.fitting._sound import sound_array
from sklearn_debias.fitting._tokens import open_tokens, token_rows
from sklearn_debias.metrics.internal import check_numeric
from sklearn_debias.rows import check_has_rows
from sklearn_debias.training import (
    ArraySource,
    DatasetSource,
    Source,
    is_token_row,
    row_in,
    span,
    white,
)

FIRST = np.zeros(1, dtype=int)


@dataclass(frozen=True)
class Inputs:
    """Checked inputs.

    Parameters
    ----------
    source : Source
    shape : tuple of int
        Of one row, after resizing.
    low, high : float
        Range of the values as networks see them (pixels: 0 to 1). Of rows that are read one by
        one, that of the first.
    names : ndarray of str or None, default=None
        Column names of a frame.
    kind : str, default="f"
        NumPy's letter for the type that the numbers were given in.
    """

    source: Source
    shape: tuple[int, ...]
    low: float
    high: float
    names: np.ndarray | None = None
    kind: str = "f"

    def __len__(self) -> int:
        return len(self.source)

    def limited(self, limits: TokenLimits) -> "Inputs":
        """Return the inputs; rows of tokens that exceed ``limits`` are refused as they are read."""
        return replace(self, source=self.source.limited(limits))


def open_inputs(
    X: Any,
    *,
    dtype: str | None,
    image_size: Any = None,
    owner: Any = None,
    any_rank: bool = False,
) -> Inputs:
    """Check ``X`` and open it.

    Parameters
    ----------
    X : array-like, list of image paths, Dataset, or rows of tokens
    dtype : str or None
        Type of the numbers; what overflows in it is an error. None keeps the one they have.
    image_size : int, (height, width) or None, default=None
        Resize images to this.
    owner : estimator or str, default=None
        Who asks, for messages.
    any_rank : bool, default=False
        Take rows of any number of axes, not features and images only.
    """
    size = read_image_size(image_size)
    if size is None and (array := sound_array(X, dtype)) is not None:
        return Inputs(ArraySource(array), array.shape[1:], *span(array))
    X = plain(X, "X")
    if is_dataset(X):
        inputs = _open_dataset(X, size, any_rank=any_rank)
    else:
        inputs = _open_rows(plain(images_by_name(X), "X"), dtype, size, owner, any_rank=any_rank)
    if size is not None and len(inputs.shape) != 3:
        raise ValueError(
            f"`image_size`={image_size!r} needs 4-D images, got rows of shape {inputs.shape}. Use "
            "image_size=None."
        )
    return inputs


def _open_rows(
    X: Any, dtype: str | None, size: tuple[int, int] | None, owner: Any, *, any_rank: bool
) -> Inputs:
    """Open what is no torch Dataset, with images out of their names."""
    if isinstance(X, ImageColumn):
        return _open_lazily(X.source(size), len(X), size, any_rank=any_rank)
    if (rows := token_rows(X)) is not None:
        return _tokens(rows, rows[0])
    if (source := open_images(X, size)) is not None:
        return _open_lazily(source, len(source), size, any_rank=False)
    return _open_array(X, dtype, size, owner, any_rank=any_rank)


def _open_dataset(X: Any, size: tuple[int, int] | None, *, any_rank: bool) -> Inputs:
    n = _num_samples(X)
    check_any(n)
    source = DatasetSource(X)
    item = source.item(0)  # which is read once for what it tells
    if is_token_row(row_in(item)):
        return _tokens(X, item)
    if (name := image_name(row_in(item))) is not None:
        column = ImageColumn(X, name)
        return _open_lazily(column.source(size), n, size, any_rank=any_rank)
    return _open_lazily(source, n, size, any_rank=any_rank, first=source.rows(FIRST, [item]))


def _tokens(rows: Any, item: Any) -> Inputs:
    source, first = open_tokens(rows, item)
    return Inputs(source, (len(first), ANY), float(first.min()), float(first.max()))


def _open_array(
    X: Any, dtype: str | None, size: tuple[int, int] | None, owner: Any, *, any_rank: bool
) -> Inputs:
    check_rows(X)
    given = _stacked(X)
    pixels = isinstance(given, np.ndarray) and white(given) != 1
    kept = pixels or dtype is None
    asked = "numeric" if kept else str(dtype)  # which keeps the type of what is no object
    if can_stay_mapped(given):
        source, bounds = mapped(given, asked, owner)
    else:
        array = checked(given, asked, owner)
        source = ArraySource(_in_this_byte_order(array) if kept else array)
        bounds = span(source.items) if array.size else (0.0, 0.0)  # which is refused below
    array = source.items
    if array.ndim not in (2, 4) and not any_rank:
        raise ValueError(
            f"Found array with dim {array.ndim}. `X` must be 2-D (n, features) or 4-D images (n, "
            "channels, height, width). Reshape your data: a single sample needs X[None], grey "
            "images (n, height, width) need X[:, None]."
        )
    if 0 in array.shape:
        raise ValueError(
            f"Found array with 0 feature(s) (shape={array.shape}): `X` must have no empty axis."
        )
    if array.ndim == 4 and not any_rank:
        owned = "X" if isinstance(X, np.ndarray) else "np.asarray(X)"
        check_channels(array.shape, f"Use {owned}.transpose(0, 3, 1, 2).")
        warn_of_levels(given, *bounds)
    names = _get_feature_names(X) if array.ndim == 2 else None
    own = array.dtype.kind if kept else "f"
    kind = given.dtype.kind if array.ndim == 4 else own
    shape = _resized(array.shape[1:], size)
    return Inputs(source, shape, *bounds, names, kind)


def check_rows(X: Any) -> None:
    """Raise where X is sparse, or holds text or times: both have a way to be dense numbers."""
    frame = isinstance(X, pd.DataFrame) and len(X.columns) > 0
    thin = frame and all(isinstance(dtype, pd.SparseDtype) for dtype in X.dtypes)
    if thin or sparse.issparse(X):
        raise TypeError(
            f"`X` must be dense, got a sparse {type(X).__name__}. Make fewer columns of it by "
            "TruncatedSVD, as for TF-IDF; use OneHotEncoder(sparse_output=False); or its toarray()."
        )
    check_numeric(X, "X")
    # scikit-learn has words for one number, for one text and for None.
    if not (X is None or isinstance(X, (Number, str)) or hasattr(X, "shape")):
        check_has_rows(X, "X")


def _stacked(X: Any) -> Any:
    """Return the rows of X as one array of the type that they have; frames and sparse X as given.

    The type is lost if X is cast on the way, and it tells whether images hold pixels.
    """
    # A Series of arrays, or an array of arrays.
    in_objects = isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 1
    if isinstance(X, np.ndarray) and not in_objects:
        return X
    if sparse.issparse(X) or hasattr(X, "dtypes"):
        return X
    rows = rows_of(X)
    # Rows of Python's numbers are plain: looking at each cell would take longer than the array.
    if not all(type(row) in (list, tuple) and row and is_real(row[0]) for row in rows):
        rows = [plain(row, f"X[{i}]") for i, row in enumerate(rows)]
    try:
        return np.asarray(rows or X)
    except ValueError:
        _check_shapes(rows)
        raise


def _check_shapes(rows: list) -> None:
    """Raise where a row is of another shape than the first."""
    first = _shape(rows[0])
    for i, row in enumerate(rows):
        if (found := _shape(row)) != first:
            raise ValueError(
                f"`X` must have rows of one shape: `X[{i}]` has {found}, and `X[0]` {first}. "
                "For images of several sizes pass paths, or images of Pillow, and `image_size`; "
                "rows of tokens are dicts, {'input_ids': row}."
            )


def _shape(row: Any) -> tuple[int, ...] | str:
    """Return the shape of a row; a nested list may have none."""
    try:
        return np.shape(row)
    except ValueError:
        return "rows of several lengths"


def check_any(n: int) -> None:
    """Raise where there is no row."""
    if n == 0:
        raise ValueError("Found array with 0 sample(s) while a minimum of 1 is required.")


def _open_lazily(
    source: Source,
    n: int,
    size: tuple[int, int] | None,
    *,
    any_rank: bool,
    first: Tensor | None = None,
) -> Inputs:
    check_any(n)
    first = source.take(FIRST) if first is None else first
    shape = tuple(first.shape[1:])
    if len(shape) not in (1, 3) and not any_rank:
        raise ValueError(
            f"`X` must hold rows of features or images (channels, height, width), got {shape}."
        )
    if len(shape) == 3 and not any_rank:
        check_channels((n, *shape), "Let each item be transposed by (2, 0, 1).")
    return Inputs(source, _resized(shape, size), *span(first))


def _resized(shape: tuple[int, ...], size: tuple[int, int] | None) -> tuple[int, ...]:
    return (shape[0], *size) if size and len(shape) == 3 else shape


def _in_this_byte_order(array: np.ndarray) -> np.ndarray:
    """Return numbers as torch reads them: in this machine's byte order only."""
    if array.dtype.kind not in "fiub":
        raise ValueError(f"`X` must hold numbers, got the dtype {array.dtype}.")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def is_dataset(X: Any) -> bool:
    """Return whether X is a map-style Dataset; other loaders are a TypeError."""
    if isinstance(X, (DataLoader, IterableDataset)):
        raise TypeError(
            f"`X` must be a Dataset with len() and items by number, got a {type(X).__name__}."
        )
    if isinstance(X, Dataset):
        return True
    return isinstance(getattr(X, "dataset", None), Dataset) and hasattr(X, "__getitem__")


def read_image_size(size: Any) -> tuple[int, int] | None:
    """Return the `image_size` parameter as (height, width), or None."""
    if size is None:
        return None
    sides = (size, size) if np.isscalar(size) else tuple(size)
    if len(sides) != 2 or not all(isinstance(s, (int, np.integer)) and s >= 1 for s in sides):
        raise ValueError(f"`image_size` must be a positive int or (height, width), got {size!r}.")
    return int(sides[0]), int(sides[1])
