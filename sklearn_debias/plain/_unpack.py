"""From text and named arrays to values; no code is run."""

import importlib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from sklearn_debias.plain._kinds import BITS, MAPPINGS, OURS, SEQUENCES, Kept, is_made_again


def unpack(
    packed: Any,
    arrays: Mapping[str, np.ndarray],
    *,
    device: Any = "cpu",
    kept: Kept | None = None,
) -> Any:
    """Return the value that `pack` was given.

    Parameters
    ----------
    packed : Any
        What `pack` returned, also after a way through JSON.
    arrays : mapping of str to ndarray
    device : str or torch.device, default="cpu"
        Where tensors go that were not on the CPU.
    kept : callable, default=None
        ``kept(unpack, *items)`` makes a value of the list that ``keep`` returned for it.

    Raises
    ------
    ValueError
        If this is not what `pack` writes.
    """
    try:
        return _Unpacker(arrays, device, kept).unpack(packed)
    except (
        *(LookupError, TypeError, ValueError, AttributeError, ImportError),
        *(RuntimeError, RecursionError),
    ) as error:
        raise ValueError(f"not plain data of this version: {error!r}") from error


class _Unpacker:
    def __init__(self, arrays: Mapping[str, np.ndarray], device: Any, kept: Kept | None) -> None:
        self.arrays = arrays
        self.device = device
        self.kept = kept
        # What a text may ask for, and nothing else.
        self.makers: Mapping[str, Callable[..., Any]] = {
            "array": self._of_array,
            "bytes": self._of_bytes,
            "deque": self._of_deque,
            "float": float,
            "frame": self._of_frame,
            "index": self._of_index,
            "kept": self._of_kept,
            "number": self._of_number,
            "objects": self._of_objects,
            "ours": self._of_ours,
            "path": Path,
            "range": pd.RangeIndex,
            "series": self._of_series,
            "tensor": self._of_tensor,
            "torch.device": torch.device,
            "torch.dtype": dtype_of,
        }

    def unpack(self, packed: Any) -> Any:
        if not isinstance(packed, list):
            return packed
        kind, *held = packed
        if kind in SEQUENCES:
            return SEQUENCES[kind](map(self.unpack, held[0]))
        if kind in MAPPINGS:
            return MAPPINGS[kind]({self.unpack(key): self.unpack(value) for key, value in held[0]})
        return self.makers[kind](*held)

    def _of_kept(self, *items: Any) -> Any:
        if self.kept is None:
            raise TypeError("a value was kept apart, and is not given")
        return self.kept(self.unpack, *items)

    def _of_deque(self, values: list[Any], most: int | None) -> deque:
        return deque(map(self.unpack, values), most)

    def _of_array(self, name: str) -> np.ndarray:
        return self.arrays[name]

    def _of_bytes(self, dtype: str, shape: list[int], name: str) -> np.ndarray:
        return np.frombuffer(self.arrays[name].tobytes(), dtype).reshape(shape).copy()

    def _of_objects(self, dtype: str, shape: list[int], values: list[Any]) -> np.ndarray:
        found = np.empty(len(values), dtype=object)
        found[:] = [self.unpack(value) for value in values]
        return found.reshape(shape).astype(dtype)

    def _of_number(self, packed: Any) -> Any:
        return self.unpack(packed)[()]

    def _of_tensor(self, dtype: str, place: str, name: str) -> Tensor:
        array = self.arrays[name]
        # Torch writes into what it trains; arrays that were read may be read-only.
        found = torch.from_numpy(array if array.flags.writeable else array.copy())
        kind = dtype_of(dtype)
        found = found.view(kind) if kind in BITS else found
        return found.to(self.device) if place == "device" else found

    def _of_frame(self, names: Any, columns: list[Any], index: Any) -> pd.DataFrame:
        found = [self.unpack(column) for column in columns]
        rows = self.unpack(index)
        frame = pd.DataFrame(dict(enumerate(found)), index=rows)
        frame.columns = self.unpack(names)
        return frame

    def _of_series(self, name: Any, values: Any, dtype: str, index: Any) -> pd.Series:
        rows = self.unpack(index)
        return pd.Series(self.unpack(values), index=rows, name=self.unpack(name), dtype=dtype)

    def _of_index(self, names: Any, values: list[Any]) -> pd.Index:
        levels = [self.unpack(value) for value in values]
        named = self.unpack(names)
        if len(levels) > 1:
            return pd.MultiIndex.from_arrays(levels, names=named)
        return pd.Index(levels[0], name=named[0])

    def _of_ours(self, module: str, name: str, held: list[Any]) -> Any:
        if module.partition(".")[0] != OURS:
            raise TypeError(f"{module} is not a part of this package")
        made: Any = importlib.import_module(module)
        for part in name.split("."):
            made = getattr(made, part)
        if not (isinstance(made, type) and is_made_again(made)):
            raise TypeError(f"{module}.{name} is no dataclass of this package")
        twin: Any = object.__new__(made)
        known = None
        if is_dataclass(made):
            known = {field.name for field in fields(made)}
            # A field that is younger than the text has its default.
            for field in fields(made):
                if field.default_factory is not MISSING:
                    object.__setattr__(twin, field.name, field.default_factory())
        # Past __init__, which may check, and past frozen dataclasses' own guard.
        for key, value in held:
            if known is not None and key not in known:
                raise TypeError(f"{module}.{name} has no {key!r}")
            object.__setattr__(twin, key, self.unpack(value))
        return twin


def dtype_of(name: str) -> torch.dtype:
    """Return a type of torch's numbers; torch has much else by names."""
    found = getattr(torch, name)
    if not isinstance(found, torch.dtype):
        raise TypeError(f"torch.{name} is no type of numbers")
    return found
