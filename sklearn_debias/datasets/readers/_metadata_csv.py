"""Sets that are kept as one table beside their files."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from sklearn_debias.datasets._folder import named_if_unreadable
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
    named_columns,
    only_file,
    read_table,
)
from sklearn_debias.datasets.readers._layouts_comments import IDENTITIES, mentions
from sklearn_debias.datasets.readers._layouts_csv import BIRDS, LAYOUTS, CsvLayout
from sklearn_debias.datasets.readers._paths import image_paths, relative_names
from sklearn_debias.datasets.readers._splits import some, split_names
from sklearn_debias.datasets.readers._table import bunch_of
from sklearn_debias.datasets.readers._values import codes

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

        target, bias_labels : ndarray of shape (n,), int64
            Indices into `target_names` and `bias_names`: the table's whole numbers from 0. Text,
            and other numbers such as -1 and 1, are numbered in sorted order.

        metadata : DataFrame of n rows
            All columns of the table; "y" and "a" hold what it holds, "split" the names above, and
            "file" the name below `root`, of which each file has one.

        index : ndarray of shape (n,), int64
            Row in the table.

        membership : ndarray of shape (n, 8), bool
            For "civilcomments": the identities that a comment mentions, which overlap; their names
            are the Bunch's `membership_names`.

    Raises
    ------
    ValueError
        If the table or files are missing (a FileNotFoundError as well), there are several tables, a
        column is missing or of another type, splits are true and false, two names of a class or
        bias value differ in spaces around them or kinds of accents alone, or in case alone where no
        split has both, a class, bias value or split is missing or a word for it such as "NA", a
        name is absolute or leads out of the folder, rows repeat a name, the counts are not the
        published ones, or ``root`` or ``strip`` is given for a set of text.

    Warns
    -----
    DebiasWarning
        If counts are not those that are recalled, `train` has no rows of a class, or its groups are
        others than those of the test set, as in "civilcomments" by SubpopBench's coarse table.

    See Also
    --------
    read_group_folders : Where classes and bias values are names of folders.

    Notes
    -----
    Counts of Waterbirds, CelebA, MultiNLI and WILDS' CivilComments are verified, those of MetaShift
    recalled. In columns of names and of text, "001" and "None" are text. Rows of SubpopBench's
    ``metadata_multisite.csv`` whose split is 3 are drawn with replacement, and may repeat.

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
    with named_if_unreadable():
        path = only_file(folder, kind.files, kind.where, csv)
        kind = kind.of(path)
        own = check_columns(columns, SHARED)
        styles = [{**style, **own} for style in (SHARED, kind.columns, BIRDS)]
        text = {*(style["file"] for style in styles), *_text_columns(kind)}
        table = read_table(path, text) if kind.open is None else kind.open(path, folder, text)
        names = named_columns(table, styles, path)
        # What the layout says of classes and bias is of its own columns.
        theirs = not {"y", "a"} & set(own)
        place = _root(folder, path, root, kind)
        rows = _rows(table, names, path, kind, place, strip, known=theirs)
        if kind.images:
            listed = rows["file"].tolist()
            data = image_paths(place, listed, str(path), check_files=check_files)
        else:
            data = _text(rows, kind)
    if kind.counts is not None and theirs:
        compare(rows, ("y", "a"), kind.counts, str(path), strict=check_counts)
    bunch = bunch_of(
        rows,
        lambda index: data[index],
        source=str(path),
        bias="a",
        target_names=kind.target_names if theirs else None,
        bias_names=kind.bias_names if theirs else None,
        descr=f"{len(rows):,} rows of {path}. {kind.where}".rstrip(),
    )
    if layout == "civilcomments" and set(IDENTITIES) <= set(table):
        _add_membership(bunch, mentions(table, path))
    return bunch


def _text_columns(kind: CsvLayout) -> list[str]:
    return [kind.text] if isinstance(kind.text, str) else list(kind.text)


def _rows(
    table: pd.DataFrame,
    names: Mapping[str, str],
    path: Path,
    kind: CsvLayout,
    root: Path,
    strip: str,
    *,
    known: bool,
) -> pd.DataFrame:
    """Return the table with "file", "y", "a" and "split" as they are used here."""
    if not len(table):
        raise ValueError(f"{path} has no rows.")
    file = table[names["file"]]
    blank = int(file.isna().sum())
    if blank:
        raise ValueError(f"{path}: {blank:,} rows have no {names['file']!r}.")
    if kind.images:
        plain = relative_names(root, file.tolist(), str(path), strip)
        file = pd.Series(plain, index=table.index, name=file.name, dtype=object)
    if "id" in table:
        check_unique(table["id"], path)
    split = split_names(table[names["split"]], str(path), kind.splits)
    _check_repeats(file, split, path, kind)
    read = {
        "file": file.astype(str).to_numpy(),
        "y": codes(table[names["y"]], path, split, kind.target_names if known else None),
        "a": codes(table[names["a"]], path, split, kind.bias_names if known else None),
        "split": split,
    }
    return table.assign(**read)


def _check_repeats(file: pd.Series, split: np.ndarray, path: Path, kind: CsvLayout) -> None:
    """Raise where rows have the same name, but for those that are drawn again."""
    if not kind.redrawn:
        check_unique(file, path)
        return
    again = split == "deployment"
    check_unique(file[~again], path)
    fitted = np.isin(split, ("train", "validation"))
    seen = file[again][file[again].isin(file[fitted])]
    if len(seen):
        raise ValueError(
            f"{path}: {len(seen):,} rows of the split 3 are rows of 0 or 1 as well: "
            f"{some(seen.tolist())}. Make the table again."
        )


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


def _text(rows: pd.DataFrame, kind: CsvLayout) -> np.ndarray:
    """Return text, or numbers of rows where the table has none."""
    text = _text_columns(kind)
    if not set(text) <= set(rows):
        return np.arange(len(rows))
    found = rows[text].fillna("").astype(str).to_numpy(dtype=object)
    return found[:, 0] if len(text) == 1 else found


def _add_membership(bunch: Bunch, mentioned: np.ndarray) -> None:
    """Add who is mentioned, by more than one identity at a time."""
    bunch.membership_names = np.array(IDENTITIES)
    for part in bunch.values():
        if isinstance(part, Bunch):
            part.membership = mentioned[part.index]
