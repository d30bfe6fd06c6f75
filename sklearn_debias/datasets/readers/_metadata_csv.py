"""Sets that are kept as one table beside their files."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from sklearn_debias.datasets.readers._arguments import (
    check_columns,
    check_folder,
    check_layout,
    check_path,
    check_switches,
    check_text,
)
from sklearn_debias.datasets.readers._counts import check_counts as compare
from sklearn_debias.datasets.readers._csv import (
    SHARED,
    check_unique,
    codes,
    named_columns,
    only_file,
    read_table,
)
from sklearn_debias.datasets.readers._layouts_csv import BIRDS, IDENTITIES, LAYOUTS, CsvLayout
from sklearn_debias.datasets.readers._paths import image_paths
from sklearn_debias.datasets.readers._splits import split_names
from sklearn_debias.datasets.readers._table import bunch_of

PLAIN = CsvLayout(("metadata*.csv", "*/metadata*.csv"), "")


def read_metadata_csv(
    folder: str | os.PathLike[str],
    layout: str | None = None,
    *,
    csv: str | None = None,
    columns: Mapping[str, str] | None = None,
    root: str | os.PathLike[str] | None = None,
    strip: str = "",
    check_files: bool = True,
    check_counts: bool = True,
) -> Bunch:
    r"""Read a set that is one table of file names, classes, bias values and splits.

    SubpopBench, BalancingGroups, XRM and DPE keep every set so, with the columns ``filename``,
    ``y``, ``a`` and ``split``; the original tables of Waterbirds, CelebA, CivilComments and
    MultiNLI are read as well. Nothing is downloaded, and no image is opened.

    Parameters
    ----------
    folder : str or path-like
        Local folder of the set.
    layout : str, default=None
        Which set it is: what its table is called, its columns, names and published counts. One of
        "waterbirds", "celeba", "metashift", "civilcomments", "multinli", "nicopp", "imagenetbg",
        "chexpert", "mimic" and "breeds". None is any table.
    csv : str, default=None
        Name of the table below the folder, where there are several, or it has another name.
    columns : mapping of str to str, default=None
        Names of the table's columns for "file", "y", "a" and "split", as far as they are others:
        ``{"y": "Smiling"}`` is another task of CelebA, whose counts are not compared.
    root : str or path-like, default=None
        Folder that the file names are relative to. None is the layout's, or that of the table.
    strip : str, default=""
        Beginning of the file names that is left out: SubpopBench's scripts write absolute paths.
    check_files : bool, default=True
        Whether the images are looked for. False reads the table alone.
    check_counts : bool, default=True
        Whether a copy that differs from verified counts is an error. Else it is a warning, as it is
        for counts that are only recalled.

    Returns
    -------
    sets : sklearn.utils.Bunch
        `train`, `validation` and `test`, as far as the table has them, and others it names
        ("deployment" for 3), with `target_names`, `bias_names`, `fingerprint` (which tells copies
        apart) and `DESCR`. Each set is a Bunch with

        data : ndarray of shape (n,), str
            Paths of the images, or text, (n, 2) for pairs of sentences. Without text row numbers.

        target, bias_labels : ndarray of shape (n,)
            As in the table.

        metadata : DataFrame of n rows
            All columns of the table; "split", "y", "a" and "file" are as read.

        index : ndarray of shape (n,), int64
            Row in the table.

        membership : ndarray of shape (n, 8), bool
            For "civilcomments": the identities that a comment mentions, which overlap; their names
            are the Bunch's `membership_names`.

    Raises
    ------
    ValueError
        If the table or files are missing (a FileNotFoundError as well), there are several tables,
        a column is missing or of another type, a name is absolute or leads out of the folder, rows
        repeat a name, the counts are not the published ones, or ``root`` or ``strip`` is given for
        a set of text.

    See Also
    --------
    read_group_folders : Where classes and bias values are names of folders.

    Notes
    -----
    Counts of Waterbirds, CelebA, CivilComments and MultiNLI are verified, those of MetaShift
    recalled.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn_debias.datasets import read_metadata_csv
    >>> with TemporaryDirectory() as folder:
    ...     for name in "abc":
    ...         _ = Path(folder, f"{name}.jpg").write_bytes(b"an image")
    ...     _ = Path(folder, "metadata.csv").write_text(
    ...         "filename,split,y,a\na.jpg,0,0,0\nb.jpg,0,1,1\nc.jpg,2,1,0\n"
    ...     )
    ...     birds = read_metadata_csv(folder)
    >>> birds.train.target, birds.test.bias_labels
    (array([0, 1]), array([0]))
    """
    kind = check_layout(layout, LAYOUTS) or PLAIN
    check_path("csv", csv)
    check_path("root", root)
    check_text("strip", strip)
    check_switches(check_files=check_files, check_counts=check_counts)
    if not kind.images:
        _check_unused(layout, root=root, strip=strip)
    folder = check_folder(folder)
    path = only_file(folder, kind.files, kind.where, csv)
    table = read_table(path) if kind.open is None else kind.open(path, folder)
    own = check_columns(columns, SHARED)
    names = named_columns(
        table, [{**style, **own} for style in (SHARED, kind.columns, BIRDS)], path
    )
    # What the layout says of classes and bias is of its own columns.
    theirs = not {"y", "a"} & set(own)
    rows = _rows(table, names, path, kind, known=theirs)
    if not len(rows):
        raise ValueError(f"{path} has no rows.")
    if kind.images:
        place = _root(folder, path, root, kind)
        named = [name.removeprefix(strip) for name in rows["file"].tolist()]
        data = image_paths(place, named, str(path), check_files=check_files)
    else:
        data = _text(table, kind)
    if kind.counts is not None and theirs:
        compare(rows, ("y", "a"), kind.counts, str(path), strict=check_counts)
    bunch = bunch_of(
        rows,
        lambda index: data[index],
        bias="a",
        target_names=kind.target_names if theirs else None,
        bias_names=kind.bias_names if theirs else None,
        descr=f"{len(rows):,} rows of {path}. {kind.where}".rstrip(),
    )
    if layout == "civilcomments" and set(IDENTITIES) <= set(table):
        _add_membership(bunch, table)
    return bunch


def _rows(
    table: pd.DataFrame, names: Mapping[str, str], path: Path, kind: CsvLayout, *, known: bool
) -> pd.DataFrame:
    """Return the table with "file", "y", "a" and "split" as they are used here."""
    file = table[names["file"]]
    blank = int(file.isna().sum())
    if blank:
        raise ValueError(f"{path}: {blank:,} rows have no {names['file']!r}.")
    check_unique(file, path)
    if "id" in table:
        check_unique(table["id"], path)
    read = {
        "file": file.astype(str).to_numpy(),
        "y": codes(table[names["y"]], path, kind.target_names if known else None),
        "a": codes(table[names["a"]], path, kind.bias_names if known else None),
        "split": split_names(table[names["split"]], str(path), kind.splits),
    }
    return table.assign(**read)


def _root(folder: Path, path: Path, root: Any, kind: CsvLayout) -> Path:
    """Return the folder that file names are relative to."""
    if root is not None:
        return check_folder(root, "root")
    there = [folder / name for name in kind.roots if name and (folder / name).is_dir()]
    if there:
        return there[0]
    return path.parent if kind is PLAIN else folder


def _check_unused(layout: str | None, **given: Any) -> None:
    """Raise where a parameter is given that is of images."""
    for name, value in given.items():
        if value not in (None, ""):
            raise ValueError(
                f"`{name}` belongs to sets of images, got layout={layout!r}, whose rows are text. "
                "Leave it out."
            )


def _text(table: pd.DataFrame, kind: CsvLayout) -> np.ndarray:
    """Return text, or numbers of rows where the table has none."""
    text = [kind.text] if isinstance(kind.text, str) else list(kind.text)
    if not set(text) <= set(table):
        return np.arange(len(table))
    found = table[text].fillna("").astype(str).to_numpy(dtype=object)
    return found[:, 0] if len(text) == 1 else found


def _add_membership(bunch: Bunch, table: pd.DataFrame) -> None:
    """Add who is mentioned, by more than one identity at a time."""
    mentions = table[list(IDENTITIES)].to_numpy() >= 0.5
    bunch.membership_names = np.array(IDENTITIES)
    for part in bunch.values():
        if isinstance(part, Bunch):
            part.membership = mentions[part.index]
