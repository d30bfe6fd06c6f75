"""From values to text and named arrays."""

from collections import deque
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from sklearn_debias.plain._kinds import (
    AS_TEXT,
    BITS,
    MAPPINGS,
    SEQUENCES,
    Keep,
    NotPlainError,
    is_ours,
)


def pack(
    value: Any,
    arrays: dict[str, np.ndarray],
    path: str,
    *,
    copy: bool = False,
    keep: Keep | None = None,
) -> Any:
    """Return ``value`` as what JSON can hold; put its numeric arrays into ``arrays`` by path.

    Parameters
    ----------
    value : Any
        Numbers, texts, containers of them, numpy arrays, tensors, pandas objects, dataclasses of
        this package.
    arrays : dict of str to ndarray
        Filled in place.
    path : str
        Name of ``value``, in messages and in ``arrays``.
    copy : bool, default=False
        Whether arrays are copies, which later changes of ``value`` do not reach.
    keep : callable, default=None
        ``keep(pack, value, path)`` is asked of every value that is neither a number, a text, a
        container, an array nor pandas's. It returns a list that JSON can hold, which stands for
        the value; or None, for the usual way.

    Raises
    ------
    NotPlainError
        For anything else, such as a function, a generator, a network.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_debias.plain import pack, unpack
    >>> arrays = {}
    >>> text = pack({("a", 1): np.arange(3)}, arrays, "shares")
    >>> text
    ['dict', [[['tuple', ['a', 1]], ['array', 'shares[0]']]]]
    >>> unpack(text, arrays)
    {('a', 1): array([0, 1, 2])}
    """
    return _Packer(arrays, copy, keep).pack(value, path)


class _Packer:
    def __init__(self, arrays: dict[str, np.ndarray], copy: bool, keep: Keep | None) -> None:
        self.arrays = arrays
        self.copy = copy
        self.keep = keep

    def pack(self, value: Any, path: str) -> Any:
        kind = type(value)
        if kind in AS_TEXT:
            return value
        if kind is float:
            # JSON has no infinity; a hexadecimal text has all bits of the others, as repr has.
            return value if abs(value) < float("inf") else ["float", repr(value)]
        for name, sequence in SEQUENCES.items():
            if kind is sequence:
                # Sets of texts have another order in each process.
                items = sorted(value, key=repr) if "set" in name else value
                return [name, self._all(items, path)]
        for name, mapping in MAPPINGS.items():
            if kind is mapping:
                return [name, self._pairs(value, path)]
        return self._other(value, path)

    def _other(self, value: Any, path: str) -> Any:
        if isinstance(value, Tensor):
            return self._tensor(value, path)
        if isinstance(value, np.ndarray):
            return self._array(value, path)
        if isinstance(value, np.generic):
            return ["number", self._array(np.asarray(value), path)]
        if isinstance(value, pd.DataFrame):
            names = self.pack(list(value.columns), f"{path}.columns")
            columns = [self.pack(value.iloc[:, i], f"{path}[{i}]") for i in range(value.shape[1])]
            return ["frame", names, columns, self._index(value.index, path)]
        if isinstance(value, pd.Series):
            name = self.pack(value.name, f"{path}.name")
            values = self._array(value.to_numpy(), path)
            return ["series", name, values, str(value.dtype), self._index(value.index, path)]
        if type(value) is deque:
            return ["deque", self._all(value, path), value.maxlen]
        if isinstance(value, Path):
            return ["path", str(value)]
        if isinstance(value, torch.dtype | torch.device):
            name = "torch.dtype" if isinstance(value, torch.dtype) else "torch.device"
            return [name, str(value).removeprefix("torch.")]
        if self.keep is not None and (kept := self.keep(self.pack, value, path)) is not None:
            return ["kept", *kept]
        if is_ours(value):
            names = [field.name for field in fields(value)] if is_dataclass(value) else vars(value)
            held = {name: getattr(value, name) for name in names}
            made = type(value)
            return ["ours", made.__module__, made.__qualname__, self._pairs(held, path)]
        raise NotPlainError(path, value)

    def _all(self, values: Any, path: str) -> list[Any]:
        return [self.pack(value, f"{path}[{i}]") for i, value in enumerate(values)]

    def _pairs(self, values: Mapping[Any, Any], path: str) -> list[list[Any]]:
        pairs = []
        for i, (key, value) in enumerate(values.items()):
            here = f"{path}.{key}" if isinstance(key, str) else f"{path}[{i}]"
            pairs.append([self.pack(key, f"{here} (key)"), self.pack(value, here)])
        return pairs

    def _index(self, index: pd.Index, path: str) -> Any:
        if isinstance(index, pd.RangeIndex):
            return ["range", index.start, index.stop, index.step]
        levels = [index.get_level_values(i) for i in range(index.nlevels)]
        names = self.pack(list(index.names), f"{path}.index names")
        values = [self._array(np.asarray(v), f"{path}.index[{i}]") for i, v in enumerate(levels)]
        return ["index", names, values]

    def _array(self, value: np.ndarray, path: str) -> Any:
        kind = value.dtype.kind
        if kind in "OUT":
            texts = self._all(value.ravel().tolist(), path)
            return ["objects", str(value.dtype), list(value.shape), texts]
        if value.dtype.names is not None or kind not in "biufcmM":
            raise NotPlainError(path, value)
        plain = np.asarray(value).astype(value.dtype.newbyteorder("="), copy=False)
        if kind in "cmM":  # by their bytes: few formats of files have them
            raw = np.frombuffer(plain.tobytes(), dtype=np.uint8)
            return ["bytes", plain.dtype.str, list(plain.shape), self._put(raw, path)]
        return ["array", self._put(plain, path)]

    def _tensor(self, value: Tensor, path: str) -> Any:
        if value.layout != torch.strided or value.is_quantized or value.is_meta:
            raise NotPlainError(path, value)
        there = value.detach()
        dtype = str(there.dtype).removeprefix("torch.")
        try:
            found = there.cpu().view(BITS[there.dtype]) if there.dtype in BITS else there.cpu()
            array = found.resolve_conj().resolve_neg().numpy()
        except (TypeError, RuntimeError) as error:  # of a dtype that NumPy has not
            raise NotPlainError(path, value) from error
        # What lies on the CPU beside networks elsewhere, such as a counter, stays there.
        place = "cpu" if value.device.type == "cpu" else "device"
        return ["tensor", dtype, place, self._put(array, path)]

    def _put(self, array: np.ndarray, path: str) -> str:
        name = path
        while name in self.arrays:
            name = f"{name}'"
        self.arrays[name] = array.copy(order="C") if self.copy else np.asarray(array, order="C")
        return name
