"""The one front door: what users pass as X, checked and made into a source of rows."""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy import sparse
from sklearn.utils import check_array
from sklearn.utils.validation import _num_samples, validate_data
from torch.utils.data import DataLoader, Dataset, IterableDataset

from sklearn_debias.exceptions import warn
from sklearn_debias.training import ArraySource, DatasetSource, ImageSource, Source


@dataclass(frozen=True)
class Inputs:
    """Checked inputs.

    Parameters
    ----------
    source : Source
    shape : tuple of int
        Of one row, after resizing.
    low, high : float
        Range of the values in model units (uint8 images: 0 to 1).
    """

    source: Source
    shape: tuple[int, ...]
    low: float
    high: float


def open_inputs(estimator: Any, X: Any, *, reset: bool) -> Inputs:
    """Check ``X`` and open it; ``reset`` at fit."""
    asked = estimator._fitted["image_size"]
    size = image_size(asked)
    X = plain(X, "X")
    if is_dataset(X):
        source: Source = DatasetSource(X)
        inputs = _lazy(source, _num_samples(X), size)
    elif (paths := _as_paths(X)) is not None:
        inputs = _lazy(ImageSource(paths, size), len(paths), size)
    else:
        inputs = _open_array(estimator, X, size, reset=reset)
    if size is not None and len(inputs.shape) != 3:
        raise ValueError(
            f"`image_size`={asked!r} needs 4-D images, got 2-D X. Use image_size=None."
        )
    if reset:
        estimator.n_features_in_ = inputs.shape[0]
    else:
        _check_like_fit(estimator, inputs)
    return inputs


def _open_array(estimator: Any, X: Any, size: tuple[int, int] | None, *, reset: bool) -> Inputs:
    raw = X if isinstance(X, np.ndarray) else None
    is_uint8 = raw is not None and raw.dtype == np.uint8 and raw.ndim == 4
    dtype = None if is_uint8 else getattr(np, estimator._fitted["dtype"])
    with np.errstate(all="ignore"):  # what overflows becomes inf, and inf is an error
        array = check_array(X, dtype=dtype, allow_nd=True, estimator=estimator, input_name="X")
    if array.ndim not in (2, 4):
        raise ValueError(
            f"Found array with dim {array.ndim}. `X` must be 2-D (n, features) or 4-D images (n, "
            f"channels, height, width). Reshape your data: a single sample needs X[None]."
        )
    if 0 in array.shape:
        raise ValueError(
            f"Found array with 0 feature(s) (shape={array.shape}): `X` must have no empty axis."
        )
    if array.ndim == 4:
        _check_channels(array.shape)
    if reset or array.ndim == 2 == len(estimator.input_shape_) + 1:
        validate_data(
            estimator, X if array.ndim == 2 else array, reset=reset, skip_check_array=True
        )
    low, high = float(array.min()), float(array.max())
    if is_uint8:
        low, high = low / 255, high / 255
    shape = array.shape[1:]
    return Inputs(
        ArraySource(array), (shape[0], *size) if size and len(shape) == 3 else shape, low, high
    )


def _lazy(source: Source, n: int, size: tuple[int, int] | None) -> Inputs:
    if n == 0:
        raise ValueError("Found array with 0 sample(s) while a minimum of 1 is required.")
    first = source.take(np.zeros(1, dtype=int))
    shape = tuple(first.shape[1:])
    if len(shape) not in (1, 3):
        raise ValueError(
            f"`X` must hold rows of features or images (channels, height, width), got {shape}."
        )
    if len(shape) == 3:
        _check_channels((n, *shape))
    scale = 255.0 if first.dtype == torch.uint8 else 1.0
    low, high = float(first.min()) / scale, float(first.max()) / scale
    return Inputs(source, (shape[0], *size) if size and len(shape) == 3 else shape, low, high)


def _check_channels(shape: tuple[int, ...]) -> None:
    if (
        shape[-1] in (1, 3, 4) and shape[1] not in (1, 3, 4) and shape[2] > shape[3]
    ):  # feature maps are square
        raise ValueError(
            "`X` must be images with the channel axis second, (n, channels, height, width), got "
            f"{shape}, which looks like (n, height, width, channels). Use X.transpose(0, 3, 1, 2)."
        )


def _check_like_fit(estimator: Any, inputs: Inputs) -> None:
    expected = estimator.input_shape_
    if inputs.shape != expected:
        raise ValueError(
            f"`X` must have rows of shape {expected}, as in fit, got {inputs.shape}. For images of "
            f"other sizes set `image_size` before fit."
        )
    if len(expected) == 3:
        top = estimator._input_high
        if (top <= 1 and inputs.high > 2) or (top > 2 and inputs.low >= 0 and inputs.high <= 1):
            warn(
                f"`X` holds images with values up to {inputs.high:g}, but up to {top:g} in fit: "
                "another range makes the predictions meaningless. Scale them alike (uint8 images "
                "are scaled for you)."
            )


def plain(value: Any, name: str) -> Any:
    """``value``, a tensor or nullable pandas column as the array it holds; sparse and masked ones refused."""
    if isinstance(value, torch.Tensor):
        if value.layout != torch.strided:
            raise TypeError(
                f"`{name}` must be a dense tensor, got {value.layout}. Use its to_dense()."
            )
        if value.is_meta or value.is_quantized:
            raise TypeError(
                f"`{name}` must hold plain numbers, got {value.dtype} on {value.device}. Convert "
                "it."
            )
        value = value.detach().cpu()
        return (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    if isinstance(value, (pd.Series, pd.Index, pd.api.extensions.ExtensionArray)):
        return value.to_numpy()
    if sparse.issparse(value) and name != "X":  # scikit-learn has words for X
        raise TypeError(
            f"`{name}` must be dense, got a sparse {type(value).__name__}. Use its toarray()."
        )
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ValueError(
            f"`{name}` must have no masked entries: missing values (NaN) are not supported."
        )
    return value


def is_dataset(X: Any) -> bool:
    """Whether X is a map-style Dataset; other ways to load rows are a TypeError."""
    if isinstance(X, (DataLoader, IterableDataset)):
        raise TypeError(
            f"`X` must be a Dataset with len() and items by number, got a {type(X).__name__}."
        )
    if isinstance(X, Dataset):
        return True
    return isinstance(getattr(X, "dataset", None), Dataset) and hasattr(X, "__getitem__")


def _as_paths(X: Any) -> Any:
    """The paths in a 1-D list or array of them, or None."""
    if (
        isinstance(X, pd.DataFrame) and X.shape[1] == 1
    ):  # a column of paths, as a ColumnTransformer passes it
        column = X.iloc[:, 0].to_numpy(dtype=object)
        named = [
            isinstance(v, os.PathLike) or (isinstance(v, str) and os.path.exists(v))
            for v in column[:1]
        ]
        return _as_paths(column) if any(named) else None
    if isinstance(X, (str, os.PathLike)):
        raise TypeError(
            f"`X` must be a list of image paths, got the single path {str(X)!r}. Pass [path]."
        )
    if not isinstance(X, (list, tuple, np.ndarray)):
        return None
    values = list(X)[:1] if isinstance(X, (list, tuple)) else list(np.asarray(X).ravel()[:1])
    if not values or not isinstance(values[0], (str, os.PathLike)) or np.ndim(X) != 1:
        return None
    paths = np.asarray(X, dtype=object)
    wrong = [i for i, path in enumerate(paths) if not isinstance(path, (str, os.PathLike))]
    if wrong:
        raise TypeError(
            f"`X` must hold image paths only, got a {type(paths[wrong[0]]).__name__} at {wrong[0]}."
        )
    return paths


def image_size(size: Any) -> tuple[int, int] | None:
    """The `image_size` parameter as (height, width), or None."""
    if size is None:
        return None
    sides = (size, size) if np.isscalar(size) else tuple(size)
    if len(sides) != 2 or not all(isinstance(s, (int, np.integer)) and s >= 1 for s in sides):
        raise ValueError(f"`image_size` must be a positive int or (height, width), got {size!r}.")
    return int(sides[0]), int(sides[1])
