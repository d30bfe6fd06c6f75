"""What users pass as the array it holds: tensors, columns of frames."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy import sparse

from sklearn_debias.rows import is_of_polars


def plain(value: Any, name: str) -> Any:
    """Return a tensor, or a column of pandas or polars, as its array; other values as they are.

    Sparse and masked ones are refused.
    """
    if isinstance(value, torch.Tensor):
        return _plain_tensor(value, name)
    if isinstance(value, (list, tuple)) and any(isinstance(item, torch.Tensor) for item in value):
        return [plain(item, name) for item in value]
    if isinstance(value, (pd.Series, pd.Index, pd.api.extensions.ExtensionArray)):
        return value.to_numpy()
    if is_of_polars(value) and hasattr(value, "to_numpy") and not hasattr(value, "get_columns"):
        return value.to_numpy()
    if sparse.issparse(value) and name != "X":  # what holds X may take it, see `check_rows`
        raise TypeError(
            f"`{name}` must be dense, got a sparse {type(value).__name__}. Use its toarray()."
        )
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ValueError(
            f"`{name}` must have no masked entries: missing values (NaN) are not supported."
        )
    return value


def _plain_tensor(value: torch.Tensor, name: str) -> np.ndarray:
    if value.is_nested:
        raise TypeError(f"`{name}` must be a dense tensor, got a nested one. Pad its rows.")
    if value.layout != torch.strided:
        raise TypeError(f"`{name}` must be a dense tensor, got {value.layout}. Use its to_dense().")
    if value.is_meta or value.is_quantized:
        raise TypeError(
            f"`{name}` must hold plain numbers, got {value.dtype} on {value.device}. Convert it."
        )
    # A view of another tensor's imaginary part may hold its negative, which NumPy cannot.
    value = value.detach().cpu().resolve_conj().resolve_neg()
    if value.dtype == torch.bfloat16:  # NumPy knows no bfloat16
        value = value.float()
    return value.numpy()
