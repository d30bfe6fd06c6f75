"""Embeddings that somebody has computed, with their classes, bias values and splits."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

from sklearn_debias.datasets._folder import existing_path, named_if_unreadable
from sklearn_debias.datasets.readers._arguments import check_columns, check_path, check_switches
from sklearn_debias.datasets.readers._arrays import check_features, take, with_content
from sklearn_debias.datasets.readers._feature_files import KINDS, SIDES, find
from sklearn_debias.datasets.readers._table import bunch_of


def read_features(
    folder: str | os.PathLike[str],
    *,
    file: str | None = None,
    csv: str | os.PathLike[str] | None = None,
    columns: Mapping[str, str | None] | None = None,
    check_finite: bool = True,
) -> Bunch:
    """Read embeddings with their classes, bias values and splits.

    ============================== ========================================================
    file                           what it holds
    ============================== ========================================================
    ``features.pt``                as XRM [1]_ writes it: for each of "tr", "va", "te" the
                                   tensors ``x``, ``y`` and ``m``, the bias values
    ``feats_{train,val,test}.npy`` as DPE [2]_ writes them, as far as they are there; their
                                   rows are those of ``metadata.csv``, split by split
    ``*.npz``                      the arrays ``x``, ``y``, ``a`` and ``split``
    ``*.parquet``                  a table with the columns ``y``, ``a`` and ``split``. The
                                   features are its one column of lists, or all other columns
                                   of numbers but ``id``, ``index``, ``image_id`` and the like;
                                   `DESCR` names them. Lists of whole numbers beside floats, and
                                   lists no longer than there are floats, need ``columns``. It
                                   needs pyarrow.
    ============================== ========================================================

    Splits are 0 (train), 1 (validation), 2 (test) or words. No code in any file is run.

    Parameters
    ----------
    folder : str or path-like
        Local folder that holds one of these, or the file itself.
    file : str, default=None
        Name of the file below the folder, where there are several, or it has another name.
    csv : str or path-like, default=None
        Name of the table beside DPE's files, or its path elsewhere.
    columns : mapping of str to (str or None), default=None
        What "x", "y", "a", "split" (and "file", in DPE's table) are called in the file, as far as
        that is something else. ``{"a": None}`` says that there are no bias values. For parquet
        files "x" is the column of lists or numbers, or how the names of several columns begin;
        whole numbers beside floats are features only where it says so.
    check_finite : bool, default=True
        Whether NaN and infinity are looked for, which reads all features once.

    Returns
    -------
    sets : sklearn.utils.Bunch
        `train`, `validation` and `test`, as far as they are there, with `target_names`,
        `bias_names`, `fingerprint` (which tells copies apart by labels and by 1,000 rows of each
        array) and `DESCR`. Each set is a Bunch with

        data : ndarray of shape (n, d)
            Floats of the file's type: float16 stays float16. Of ``.npy`` files read-only memory
            maps, of ``.pt`` files maps of which changes are not written.

        target, bias_labels : ndarray of shape (n,), int64
            Indices into `target_names` and `bias_names`: the file's whole numbers from 0. Text, and
            other numbers such as -1 and 1, are numbered in sorted order.

        metadata : DataFrame of n rows
            "split", "y", "a" and "file" as read, with all columns of a table that are no features.

        index : ndarray of shape (n,), int64
            Row in the file; for ``features.pt`` in the split, for ``.npy`` files in the table.

    Raises
    ------
    ValueError
        If the file is missing (a FileNotFoundError as well) or damaged, there are several, the
        features are no floats of shape (n, d), are not finite, or labels differ from them in
        number; if columns of a table may be features or labels.
    ImportError
        For parquet files without pyarrow.

    See Also
    --------
    prepare_embeddings : Computes embeddings of what another reader gave.
    read_metadata_csv : The images, and their table.

    References
    ----------
    .. [1] M. Pezeshki, D. Bouchacourt, M. Ibrahim, N. Ballas, P. Vincent and D. Lopez-Paz,
       "Discovering Environments with XRM", ICML 2024.
    .. [2] N. N. T. To, P. F. R. Wilson et al., "Diverse Prototypical Ensembles Improve Robustness
       to Subpopulation Shift", ICML 2025.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> from sklearn_debias.datasets import read_features
    >>> x, y, split = np.eye(4, dtype=np.float16), [0, 1, 1, 0], [0, 0, 2, 2]
    >>> with TemporaryDirectory() as folder:
    ...     np.savez(Path(folder, "birds.npz"), x=x, y=y, a=[0, 1, 0, 0], split=split)
    ...     birds = read_features(folder)
    >>> birds.train.data.dtype, birds.test.target
    (dtype('float16'), array([1, 0]))
    """
    check_path("file", file)
    check_path("csv", csv)
    check_switches(check_finite=check_finite)
    with named_if_unreadable():
        path = find(existing_path(folder, "folder"), file)
        if csv is not None and path.suffix != ".npy":
            raise ValueError(
                f"`csv` belongs to {', '.join(SIDES.values())}; {path} holds its labels itself. "
                "Leave it out."
            )
        opener, usual = KINDS[path.suffix]
        names = {**usual, **check_columns(columns, usual, optional=["a"])}
        opened = opener(path, names, csv)
    x = {
        name: check_features(part, f"{path}: the features {name}".rstrip(), finite=check_finite)
        for name, part in opened.x.items()
    }
    rows = opened.rows
    split = rows["split"].to_numpy()

    def data(index: np.ndarray) -> np.ndarray:
        return take(x[""], index) if "" in x else x[split[index[0]]]

    bunch = bunch_of(
        rows,
        data,
        source=_named(path),
        bias="a" if names["a"] is not None else None,
        descr=f"{len(rows):,} rows of features from {_named(path)}. {opened.note}".rstrip(),
    )
    for part in bunch.values():
        if isinstance(part, Bunch):
            part.index = opened.index[part.index]
    bunch.fingerprint = with_content(bunch.fingerprint, x)
    return bunch


def _named(path: Path) -> str:
    return str(path.parent / "feats_*.npy" if path.suffix == ".npy" else path)
