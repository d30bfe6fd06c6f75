"""Files that embeddings are kept in, with classes, bias values and splits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sklearn_debias.datasets._files import open_npy, read_npz
from sklearn_debias.datasets._folder import MissingDataError
from sklearn_debias.datasets.readers._csv import (
    SHARED,
    named_columns,
    only_file,
    read_table,
)
from sklearn_debias.datasets.readers._parquet import features_of, read_parquet
from sklearn_debias.datasets.readers._shown import shown
from sklearn_debias.datasets.readers._splits import some, split_names
from sklearn_debias.datasets.readers._tensors import as_array, load_arrays
from sklearn_debias.datasets.readers._values import codes

TABLES = ("metadata*.csv",)
SIDES = {"train": "feats_train.npy", "validation": "feats_val.npy", "test": "feats_test.npy"}


@dataclass(frozen=True)
class Opened:
    """What a file holds.

    Parameters
    ----------
    rows : DataFrame
        With "file", "y", "split" and, where there are bias values, "a".
    x : mapping of str to ndarray
        The features of each split, in the order of its rows; or of all rows, as "".
    index : ndarray
        Rows as the file, or the part of it, counts them.
    note : str, default=""
        What `DESCR` says of the features.
    """

    rows: pd.DataFrame
    x: Mapping[str, Any]
    index: np.ndarray
    note: str = ""


Names = Mapping[str, str | None]


def open_pt(path: Path, names: Names, csv: Any) -> Opened:
    """Open XRM's file: a mapping from "tr", "va", "te" to features, classes and bias values."""
    content = load_arrays(path)
    parts = {}
    for key, part in content.items():
        if not isinstance(part, dict):
            raise ValueError(
                f"{path} must hold a dict for each of 'tr', 'va', 'te'; {shown(key)} is a "
                f"{type(part).__name__}."
            )
        (name,) = split_names(pd.Series([key]), str(path)).tolist()
        if name in parts:
            raise ValueError(f"{path} must name each split once; {shown(key)} is another {name!r}.")
        parts[name] = part
    if not parts:
        raise ValueError(f"{path} must hold 'tr', 'va' or 'te'; it is empty.")
    tables, x = [], {}
    for name, part in parts.items():
        arrays = _entries(part, names, f"{path}, {name}")
        x[name] = arrays.pop("x")
        tables.append(_table(arrays, x[name], path, pd.Series([name] * len(x[name]))))
    index = np.concatenate([np.arange(len(table)) for table in tables])
    rows = pd.concat(tables, ignore_index=True)
    split = rows["split"].to_numpy()
    # Two names for one thing may lie in two splits.
    read = {own: codes(rows[own], path, split) for own in ("y", "a") if own in rows}
    return Opened(rows.assign(**read), x, index)


def _entries(part: Mapping[Any, Any], names: Names, source: str) -> dict[str, np.ndarray]:
    """Return the arrays of one split, as they are called here."""
    missing = [name for name in names.values() if name is not None and name not in part]
    if missing:
        raise ValueError(
            f"{source} has no {some(missing)}, only {some(part)}. Pass the names of yours as "
            '`columns`; {"a": None} says that there are no bias values.'
        )
    return {
        own: as_array(part[name], f"{source}, {name!r}")
        for own, name in names.items()
        if name is not None
    }


def open_npz_file(path: Path, names: Names, csv: Any) -> Opened:
    """Open an npz file of features, classes, bias values and splits."""
    wanted = {own: name for own, name in names.items() if name is not None}
    found = read_npz(path, list(wanted.values()))
    arrays = dict(zip(wanted, found, strict=True))
    x, split = arrays.pop("x"), _plain(_flat(arrays.pop("split")))
    _check_length("split", split, x, path)
    rows = _table(arrays, x, path, pd.Series(split))
    return Opened(rows, {"": x}, np.arange(len(rows)))


def open_npy_files(path: Path, names: Names, csv: Any) -> Opened:
    """Open DPE's files, one for each split, with the table that they follow."""
    folder = path.parent
    table_path = only_file(folder, TABLES, "It is the table of the images.", csv)
    columns = {own: name for own, name in names.items() if name is not None}
    table = read_table(table_path, [columns["file"]])
    named_columns(table, [columns], table_path)
    split = split_names(table[columns["split"]], str(table_path))
    there = {name: folder / file for name, file in SIDES.items() if (folder / file).is_file()}
    x = {name: open_npy(side) for name, side in there.items()}
    for name, features in x.items():
        n = int((split == name).sum())
        if len(features) != n:
            raise ValueError(
                f"{there[name]} must have a row for each row of the split {name!r} of "
                f"{table_path}: it has {len(features):,}, the table {n:,}."
            )
    kept = np.flatnonzero(np.isin(split, list(x)))
    own = table.iloc[kept].reset_index(drop=True)
    read: dict[str, Any] = {"split": split[kept], "file": own[columns["file"]].astype(str)}
    for name in {"y", "a"} & set(columns):
        read[name] = codes(own[columns[name]], table_path, split[kept])
    return Opened(own.assign(**read), x, kept)


def open_parquet(path: Path, names: Names, csv: Any) -> Opened:
    """Open a table that holds the features as lists, or as columns of numbers."""
    table = read_parquet(path)
    wanted = {own: name for own, name in names.items() if name is not None and own != "x"}
    named_columns(table, [wanted], path)
    if not len(table):
        raise ValueError(f"{path} has no rows.")
    x, columns = features_of(table, wanted.values(), wanted["y"], names["x"], path)
    arrays = {own: table[name].to_numpy() for own, name in wanted.items() if own != "split"}
    rows = _table(arrays, x, path, table[wanted["split"]])
    rest = table.drop(columns=[*columns, *rows.columns], errors="ignore").reset_index(drop=True)
    note = f"Features: {x.shape[1]:,} numbers, from {some(columns)}."
    return Opened(pd.concat([rows, rest], axis=1), {"": x}, np.arange(len(rows)), note)


def _table(
    arrays: Mapping[str, np.ndarray], x: np.ndarray, path: Path, split: pd.Series
) -> pd.DataFrame:
    """Return the classes and bias values of the rows of ``x``, which have no names but numbers."""
    read: dict[str, Any] = {"file": np.arange(len(x)), "split": split_names(split, str(path))}
    for name, values in arrays.items():
        values = _flat(values)
        _check_length(name, values, x, path)
        read[name] = codes(pd.Series(_plain(values), name=name), path, read["split"])
    return pd.DataFrame(read)


def _check_length(name: str, values: np.ndarray, x: np.ndarray, path: Path) -> None:
    if np.shape(values) != np.shape(x)[:1]:
        raise ValueError(
            f"{path}: {name!r} must have one value for each row of the features, whose shape is "
            f"{np.shape(x)}; found the shape {np.shape(values)}."
        )


def _flat(values: np.ndarray) -> np.ndarray:
    """Return a column (n, 1) as (n,): XRM keeps labels so."""
    return values[:, 0] if np.ndim(values) == 2 and values.shape[1] == 1 else values


def _plain(values: np.ndarray) -> np.ndarray:
    """Return bytes as text."""
    return np.char.decode(values, "utf-8") if values.dtype.kind == "S" else values


# What opens a file, by its ending, and what things are called in it.
KINDS: dict[str, tuple[Callable[[Path, Names, Any], Opened], Names]] = {
    ".pt": (open_pt, {"x": "x", "y": "y", "a": "m"}),
    ".npy": (open_npy_files, SHARED),
    ".npz": (open_npz_file, {"x": "x", "y": "y", "a": "a", "split": "split"}),
    ".parquet": (open_parquet, {"x": None, "y": "y", "a": "a", "split": "split"}),
}
LOOKED_FOR = ("features.pt", *SIDES.values(), "*.npz", "*.parquet")


def find(folder: Path, file: Any) -> Path:
    """Return the file to open; of DPE's files, the first."""
    if not folder.is_dir() or file is not None:
        path = folder if file is None else folder / file
        if not path.is_file():
            raise MissingDataError(f"`file` must name a file in {folder}; there is no {file!r}.")
        if path.suffix not in KINDS or (path.suffix == ".npy" and path.name not in SIDES.values()):
            raise ValueError(
                f"`file` must end in .pt, .npz or .parquet, or be one of {some(SIDES.values())}; "
                f"got {path.name!r}."
            )
        return path
    found = [path for name in LOOKED_FOR for path in sorted(folder.glob(name)) if path.is_file()]
    found = _one_of_the_sides(found)
    if not found:
        raise MissingDataError(
            f"{folder} has none of {', '.join(LOOKED_FOR)}. XRM's scripts write features.pt, those "
            "of DPE feats_val.npy and feats_test.npy; an npz file holds x, y, a and split. Where "
            "yours has another name, pass it as `file`."
        )
    if len(found) > 1:
        raise ValueError(
            f"{folder} has {len(found)} files to choose from: "
            f"{some(path.name for path in found)}. Pass `file`."
        )
    return found[0]


def _one_of_the_sides(found: Sequence[Path]) -> list[Path]:
    """Leave the first of DPE's files, which are opened together."""
    sides = [path for path in found if path.suffix == ".npy"]
    return [path for path in found if path not in sides[1:]]
