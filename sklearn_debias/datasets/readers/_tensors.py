"""Files of torch, in which nothing but arrays is loaded."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from sklearn_debias.arguments import is_real

_UNREADABLE = (
    *(pickle.UnpicklingError, RuntimeError, ValueError, TypeError, AttributeError),
    *(EOFError, OSError, KeyError, IndexError, MemoryError, zipfile.BadZipFile),
)


def load_arrays(path: Path) -> dict:
    """Return the mapping that a file of ``torch.save`` holds; no code in it runs.

    Tensors are memory maps where the file allows it.
    """
    import torch

    # Some files hold arrays of NumPy, which old versions kept at another place.
    rebuild = np._core.multiarray._reconstruct  # type: ignore[attr-defined]
    numbers = [type(np.dtype(code)) for code in "bBhHiIlLqQefd?"]
    known: list[Any] = [
        *((rebuild, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
        *(np.ndarray, np.dtype, *numbers),
    ]
    try:
        with torch.serialization.safe_globals(known):
            content = torch.load(
                path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
            )
    except _UNREADABLE as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"{path} must be a whole file of torch.save with nothing but tensors: {reason} Where "
            "it holds more, save only its tensors."
        ) from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold a dict, found a {type(content).__name__}.")
    return content


def as_array(value: Any, source: str) -> np.ndarray:
    """Return a tensor or a list as an array that shares its memory; bfloat16 as float32."""
    import torch

    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, list) and all(isinstance(v, str | bool) or is_real(v) for v in value):
        return np.asarray(value)
    # Not all that NumPy takes: a list that holds another one twice, and so on, has no end.
    if not isinstance(value, torch.Tensor):
        raise ValueError(
            f"{source} must be a tensor, an array or a list of numbers or text, found a "
            f"{type(value).__name__}."
        )
    try:
        value = value.detach()
        return (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    except (TypeError, RuntimeError) as error:
        raise ValueError(f"{source} must be a dense tensor of numbers: {error}.") from error
