"""Files of torch, in which nothing but arrays is loaded."""

import pickle
import zipfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sklearn_debias.arguments import is_real
from sklearn_debias.datasets._folder import named_if_unreadable
from sklearn_debias.datasets.readers._splits import some

REPEATED = 100_000_000  # bytes that rows may take which a file holds once

_UNREADABLE = (
    *(pickle.UnpicklingError, RuntimeError, ValueError, TypeError, AttributeError),
    *(EOFError, OSError, KeyError, IndexError, MemoryError, zipfile.BadZipFile),
)


def load_arrays(path: Path) -> dict:
    """Return the mapping that a file of ``torch.save`` holds; no code in it runs.

    Tensors are memory maps where the file allows it.
    """
    import torch

    with named_if_unreadable():
        path.open("rb").close()
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
    """Return a tensor as an array that shares its memory, bfloat16 as float32; or a list as one.

    A list may hold numbers or text, tensors of one shape, or lists of as many numbers each.
    """
    import torch

    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, list | tuple):
        if all(isinstance(v, str | bool) or is_real(v) for v in value):
            return np.asarray(value)
        if all(isinstance(v, list | tuple) for v in value):
            return _of_rows(value, source)
        if not all(isinstance(v, torch.Tensor) for v in value):
            raise _not_an_array(source, _what_it_holds(value))
    elif not isinstance(value, torch.Tensor):
        raise _not_an_array(source, f"a {type(value).__name__}")
    try:
        value = value.detach() if isinstance(value, torch.Tensor) else _stacked(value, source)
        return (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    except (TypeError, RuntimeError) as error:
        raise ValueError(f"{source} must be a dense tensor of numbers: {error}.") from error


def _of_rows(rows: Sequence[Sequence[Any]], source: str) -> np.ndarray:
    """Return lists of numbers as one array; what they hold is looked at once for each list."""
    _check_same({len(row) for row in rows}, "lists of one length", source)
    distinct = list({id(row): row for row in rows}.values())
    width = len(rows[0])
    _check_size(8 * len(rows) * width, 8 * len(distinct) * width, source)
    # Not all that NumPy takes: a list that holds another one twice, and so on, has no end.
    for row in distinct:
        if not all(isinstance(v, bool) or is_real(v) for v in row):
            raise _not_an_array(source, f"a list that holds {_what_it_holds(row)}")
    return np.asarray(rows)


def _stacked(parts: Sequence[Any], source: str) -> Any:
    """Return tensors of one shape as one."""
    import torch

    _check_same({tuple(part.shape) for part in parts}, "tensors of one shape", source)
    if any(part.layout != torch.strided for part in parts):
        raise ValueError(f"{source} must be a list of dense tensors. Save `to_dense()` of each.")
    # Rows of one tensor are kept in one storage.
    storages = [part.untyped_storage() for part in parts]
    held = {storage.data_ptr(): storage.nbytes() for storage in storages}
    size = sum(part.numel() * part.element_size() for part in parts)
    _check_size(size, sum(held.values()), source)
    return torch.stack([part.detach() for part in parts])


def _check_same(found: Collection[Any], what: str, source: str) -> None:
    if len(found) > 1:
        raise ValueError(
            f"{source} must hold {what}; found {some(sorted(found))}. Save one tensor of all rows."
        )


def _check_size(size: int, held: int, source: str) -> None:
    """Raise where a small file would take much memory, since it holds one row many times."""
    if size > max(held, REPEATED):
        raise ValueError(
            f"{source} must hold each row once; its rows would take {size:,} bytes, of which the "
            f"file has {held:,}. Save one tensor of all rows."
        )


def _what_it_holds(value: Sequence[Any]) -> str:
    """Return what a list holds, in words."""
    kinds = sorted({type(v).__name__ for v in value})
    return f"a {type(value).__name__} of {some(kinds)}"


def _not_an_array(source: str, found: str) -> ValueError:
    return ValueError(
        f"{source} must be a tensor, an array, or a list of numbers, of text, of tensors or of "
        f"lists of numbers; found {found}. Save one tensor of all rows."
    )
