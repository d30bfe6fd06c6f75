"""Values as plain data: text for what is small, named arrays for what is large; no code.

Checkpoints and saved models are made of it. Nothing that is read back can run code: of classes,
only dataclasses and `Plain` ones of this package are made again, by their fields.
"""

import importlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

__all__ = ["NotPlainError", "Plain", "is_ours", "pack", "unpack"]

OURS = __name__.partition(".")[0]
AS_TEXT = (type(None), bool, int, str)
SEQUENCES: dict[str, type] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "torch.Size": torch.Size,
}
MAPPINGS: dict[str, type] = {"dict": dict, "OrderedDict": OrderedDict, "Counter": Counter}
# NumPy has no such numbers: their bits are kept.
BITS = {torch.bfloat16: torch.int16}

# ``keep(pack, value, path)`` returns what stands for a value, or None for the usual way.
Keep = Callable[[Callable[[Any, str], Any], Any, str], Any]
Kept = Callable[..., Any]  # ``kept(unpack, *what keep returned)``


class Plain:
    """Base of classes of this package that are no dataclasses, and hold plain values only."""


class NotPlainError(TypeError):
    """A value holds something that has no plain form; ``path`` says where."""

    def __init__(self, path: str, value: Any) -> None:
        self.path = path
        self.value = value
        super().__init__(f"{path} holds a {type(value).__module__}.{type(value).__qualname__}")


def is_ours(value: Any) -> bool:
    """Return whether a value is made again by its fields: a dataclass of this package, or `Plain`.

    Examples
    --------
    >>> from sklearn_debias.objectives import ERM
    >>> from sklearn_debias.plain import is_ours
    >>> is_ours(ERM()), is_ours(ERM), is_ours("ERM")
    (True, False, False)
    """
    return not isinstance(value, type) and _is_made_again(type(value))


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
        if not (isinstance(made, type) and _is_made_again(made)):
            raise TypeError(f"{module}.{name} is no dataclass of this package")
        twin: Any = object.__new__(made)
        # Past __init__, which may check, and past frozen dataclasses' own guard.
        for key, value in held:
            object.__setattr__(twin, self.unpack(key), self.unpack(value))
        return twin


def _is_made_again(kind: type) -> bool:
    here = kind.__module__.partition(".")[0] == OURS
    return here and (is_dataclass(kind) or issubclass(kind, Plain))
