"""X as images that are read one by one: files, and images of Pillow."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from sklearn_debias.rows import as_pandas
from sklearn_debias.training import ImageSource, PictureSource, is_picture


def open_images(X: Any, size: tuple[int, int] | None) -> PictureSource | None:
    """Open a list, column or array of image paths, or of images of Pillow; None for other X."""
    if hasattr(X, "get_columns") and len(X.columns) == 1:  # of polars
        X = as_pandas(X)
    if isinstance(X, pd.DataFrame):
        return _open_column(X, size)
    if _is_path(X):
        raise TypeError(
            f"`X` must be a list of image paths, got the single path {str(X)!r}. Pass [path]."
        )
    if is_picture(X):
        raise TypeError("`X` must be a list of images, got a single image. Pass [image].")
    rows = rows_of(X)
    if not rows:
        return None
    if _is_path(rows[0]):
        return ImageSource(_only(rows, _is_path, "image paths"), size)
    if is_picture(rows[0]):
        return PictureSource(_only(rows, is_picture, "images of Pillow"), size)
    return None


def rows_of(X: Any) -> list:
    """Return the rows of a list or of its like, and none of what is an array already."""
    if isinstance(X, np.ndarray):
        return list(X) if X.ndim == 1 else []
    arrays = isinstance(X, (memoryview, range)) or hasattr(X, "__array__")
    return list(X) if isinstance(X, Sequence) and not arrays else []


def _open_column(frame: pd.DataFrame, size: tuple[int, int] | None) -> PictureSource | None:
    """Open a frame of one column of paths, as a ColumnTransformer passes them."""
    if frame.shape[1] != 1 or not len(frame):
        return None
    column = frame.iloc[:, 0].to_numpy(dtype=object)
    # A text is a path only where it leads to a file: it may be a category.
    known = isinstance(column[0], os.PathLike) or is_picture(column[0])
    if known or (isinstance(column[0], str) and os.path.exists(column[0])):
        return open_images(column, size)
    return None


def _only(rows: list, accepted: Callable[[Any], bool], what: str) -> list:
    """Return the rows, if all are ``accepted``."""
    wrong = [i for i, row in enumerate(rows) if not accepted(row)]
    if wrong:
        found = type(rows[wrong[0]]).__name__
        raise TypeError(f"`X` must hold {what} only, got a {found} at {wrong[0]}.")
    return rows


def _is_path(value: Any) -> bool:
    return isinstance(value, (str, os.PathLike))
