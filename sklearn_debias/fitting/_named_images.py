"""Images under a name: in datasets of Hugging Face, in rows that are dicts, in columns."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sklearn_debias.core.internal import COLUMNS
from sklearn_debias.fitting._tokens import is_hugging_face, token_rows, without_format
from sklearn_debias.training import DatasetSource, PictureSource, Source, is_picture, row_in

PIXELS = "pixel_values"  # what image processors call arrays of pixels


class ImageColumn(Sequence):
    """The images of rows that are dicts, read one at a time.

    Parameters
    ----------
    rows : dataset of Hugging Face, or of torch
    name : str
        Their key.
    dtype : dtype, default=None
        Type of pixels that come as lists, which know none.
    """

    def __init__(self, rows: Any, name: str, dtype: Any = None) -> None:
        self.rows = rows
        self.name = name
        self.dtype = dtype

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: Any) -> Any:
        value = row_in(self.rows[int(i)])[self.name]
        return np.asarray(value, dtype=self.dtype) if isinstance(value, list) else value

    def source(self, size: tuple[int, int] | None) -> Source:
        """Return the images as a source of rows."""
        return PictureSource(self, size) if is_picture(self[0]) else DatasetSource(self)


def images_by_name(X: Any) -> Any:
    """Return the images that X holds under a name; X itself where it holds none so.

    Raises
    ------
    TypeError, ValueError
        If X is a dataset of Hugging Face without images or tokens, or holds several images a row.
    """
    if is_hugging_face(X):
        return X if token_rows(X) is not None else _images_of_dataset(X)
    if isinstance(X, Mapping) and COLUMNS[0] not in X:
        return _images_of_columns(X)
    in_rows = isinstance(X, list | tuple) or (isinstance(X, np.ndarray) and X.dtype == object)
    if in_rows and len(X) and (name := image_name(X[0])) is not None:
        return [_image_of(row, name, i) for i, row in enumerate(X)]
    return X


def image_name(row: Any) -> str | None:
    """Return the key of the image in a row that is a dict; None of other rows.

    Raises
    ------
    ValueError
        If there are several.
    """
    if not isinstance(row, Mapping) or COLUMNS[0] in row:
        return None
    if PIXELS in row:
        return PIXELS
    found = [name for name, value in row.items() if is_picture(value)]
    if len(found) > 1:
        raise ValueError(
            f"`X` must hold one image a row, got {found}. Pass those of one name, such as "
            f"[row[{found[0]!r}] for row in X], or X.select_columns({found[0]!r}) of a dataset."
        )
    return found[0] if found else None


def _image_of(row: Any, name: str, i: int) -> Any:
    if not isinstance(row, Mapping) or name not in row:
        found = f"the keys {list(row)}" if isinstance(row, Mapping) else type(row).__name__
        raise ValueError(f"`X[{i}]` must hold {name!r}, as the first row does, got {found}.")
    return row[name]


def _images_of_columns(X: Mapping) -> Any:
    """Return one column of images, as a batch of such a dataset or an image processor has it."""
    if PIXELS in X:
        return X[PIXELS]
    columns = [c for c in X.values() if isinstance(c, list) and c and is_picture(c[0])]
    return columns[0] if len(columns) == 1 else X


def _images_of_dataset(X: Any) -> Any:
    """Return the column of images of a dataset of Hugging Face."""
    if not hasattr(X, "__len__"):
        raise TypeError(
            f"`X` must be a dataset with len() and rows by number, got a {type(X).__name__}. Load "
            "it with streaming=False."
        )
    if not len(X):
        return X
    rows = without_format(X)
    first = rows[0]
    if (name := image_name(first)) is None:
        raise ValueError(
            f"`X` must have a column 'input_ids', or one of images or {PIXELS!r}, got the columns "
            f"{list(first)}. Tokenise text first, X.map(lambda row: tokenizer(row['text'], "
            "truncation=True))."
        )
    return ImageColumn(rows, name, _stored_type(X, name))


def _stored_type(X: Any, name: str) -> Any:
    """Return the type of the numbers in a column of nested lists, where they are stored pixels."""
    feature: Any = (X.features or {}).get(name)
    while hasattr(feature, "feature"):
        feature = feature.feature
    return np.uint8 if getattr(feature, "dtype", None) == "uint8" else None
