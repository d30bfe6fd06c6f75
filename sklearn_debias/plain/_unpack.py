"""From text and named arrays to values; no code is run."""

import importlib
from collections.abc import Callable, Mapping
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
    except (LookupError, TypeError, ValueError, AttributeError, ImportError) as error:
        raise ValueError(f"not plain data of this version: {error!r}") from error


class _Unpacker:
    def __init__(self, arrays: Mapping[str, np.ndarray], device: Any, kept: Kept | None) -> None:
        self.arrays = arrays
        self.device = device
        self.kept = kept

    def unpack(self, packed: Any) -> Any:
        if not isinstance(packed, list):
            return packed
        kind, *held = packed
        if kind in SEQUENCES:
            return SEQUENCES[kind](map(self.unpack, held[0]))
        if kind in MAPPINGS:
            return MAPPINGS[kind]({self.unpack(key): self.unpack(value) for key, value in held[0]})
        # The kinds below are those of the methods `_of_*`, and no others.
        made: Callable[..., Any] = getattr(self, f"_of_{kind.replace('torch.', 'torch_')}")
        return made(*held)

    def _of_kept(self, *items: Any) -> Any:
        if self.kept is None:
            raise TypeError("a value was kept apart, and is not given")
        return self.kept(self.unpack, *items)

    def _of_path(self, text: str) -> Path:
        return Path(text)

    def _of_float(self, text: str) -> float:
        return float(text)

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
        kind = getattr(torch, dtype)
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

    def _of_range(self, start: int, stop: int, step: int) -> pd.RangeIndex:
        return pd.RangeIndex(start, stop, step)

    def _of_index(self, names: Any, values: list[Any]) -> pd.Index:
        levels = [self.unpack(value) for value in values]
        named = self.unpack(names)
        if len(levels) > 1:
            return pd.MultiIndex.from_arrays(levels, names=named)
        return pd.Index(levels[0], name=named[0])

    def _of_torch_dtype(self, name: str) -> torch.dtype:
        return getattr(torch, name)

    def _of_torch_device(self, name: str) -> torch.device:
        return torch.device(name)

    def _of_ours(self, module: str, name: str, held: list[Any]) -> Any:
        if module.partition(".")[0] != OURS:
            raise TypeError(f"{module} is not a part of this package")
        made: Any = importlib.import_module(module)
        for part in name.split("."):
            made = getattr(made, part)
        if not (isinstance(made, type) and is_made_again(made)):
            raise TypeError(f"{module}.{name} is no dataclass of this package")
        twin: Any = object.__new__(made)
        # Past __init__, which may check, and past frozen dataclasses' own guard.
        for key, value in held:
            object.__setattr__(twin, self.unpack(key), self.unpack(value))
        return twin
