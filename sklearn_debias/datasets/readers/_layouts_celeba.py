"""CelebA's original files: attributes of each image, and beside them its split."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd

from sklearn_debias.datasets.readers._csv import check_unique, only_file, read_table
from sklearn_debias.datasets.readers._splits import some


def celeba(path: Path, folder: Path, text: Collection[str]) -> pd.DataFrame:
    """Return CelebA's attributes with the split of each image."""
    if not path.name.startswith("list_attr_celeba"):
        return read_table(path, text)
    named = ("**/list_eval_partition.csv", "**/list_eval_partition.txt")
    place = only_file(folder, named, "It lies beside list_attr_celeba.")
    rows = _attributes(path) if path.suffix == ".txt" else read_table(path, ["image_id"])
    if place.suffix == ".txt":
        columns = ["image_id", "partition"]
        parts = read_table(place, ["image_id"], sep=r"\s+", header=None, names=columns)
    else:
        parts = read_table(place, ["image_id"])
    _check_columns(rows, ["image_id"], path)
    _check_columns(parts, ["image_id", "partition"], place)
    for table, source in ((rows, path), (parts, place)):
        check_unique(table["image_id"], source)
    partition = rows["image_id"].map(parts.set_index("image_id")["partition"])
    lost = rows["image_id"][partition.isna()]
    if len(lost):
        raise ValueError(
            f"{place} has no split for {len(lost):,} images: {some(lost)}. Copy it again."
        )
    for name in rows:
        if rows[name].isin([-1, 1]).all():
            rows[name] = (rows[name] > 0).astype(np.int64)
    return rows.assign(partition=partition)


def _attributes(path: Path) -> pd.DataFrame:
    """Read the number of images, the names of the attributes, and a row for each image."""
    with open(path, encoding="utf-8", errors="replace") as file:
        file.readline()
        names = ["image_id", *file.readline().split()]
    table = read_table(path, ["image_id"], sep=r"\s+", skiprows=2, header=None, names=names)
    if not isinstance(table.index, pd.RangeIndex):  # of what there are no names for
        raise ValueError(
            f"{path} must have a value for each of the {len(names) - 1:,} attributes in line 2; "
            "its rows have more. Copy it again."
        )
    return table


def _check_columns(table: pd.DataFrame, names: list[str], path: Path) -> None:
    missing = [name for name in names if name not in table]
    if missing:
        raise ValueError(
            f"{path} must begin with a line that names its columns, {some(names)} among them; its "
            f"first line is {some(table.columns, 4)}. Add that line, or copy the file again."
        )
