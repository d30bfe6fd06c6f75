"""Biased Action Recognition: photographs of six actions, naturally biased by their surroundings."""

import io
import os
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.utils import Bunch

from sklearn_debias.arguments import check_option
from sklearn_debias.datasets._bar_protocol import ALIGNMENT, moved_rows
from sklearn_debias.datasets._checks import check_int, streams
from sklearn_debias.datasets._files import read_npz
from sklearn_debias.datasets._folder import MissingDataError, existing_path
from sklearn_debias.datasets.readers._arguments import check_switches
from sklearn_debias.datasets.readers._arrays import with_content
from sklearn_debias.datasets.readers._counts import check_counts as compare
from sklearn_debias.datasets.readers._folders import by_number
from sklearn_debias.datasets.readers._layouts_bar import COUNTS
from sklearn_debias.datasets.readers._table import bunch_of
from sklearn_debias.seeds import Seed

_FILES = {"embeddings": "bar_mobilenet_v2_embeddings.npz", "images": "bar_64.npz"}
_CONTENT = {"embeddings": ("x",), "images": ("data", "off")}
_LABELS = ("y", "split", "classes", "names")
_SIZE = 64  # pixels of a side
_DESCR = """Biased Action Recognition (BAR)
===============================

Photographs of six actions ({classes}) as {kind}.
In the published training set the surroundings go with the action ({n_aligned} bias-aligned images:
climbing on rock walls); in the published test set they do not ({n_conflicting} bias-conflicting
ones: on ice). Moved from the test to the training set: {moved} conflicting images. Each photograph
has its own licence; many exclude commercial use.

Source: J. Nam, H. Cha, S. Ahn, J. Lee and J. Shin, "Learning from Failure: Training Debiased
Classifier from Biased Classifier", NeurIPS 2020.
"""


def read_bar(
    folder: str | os.PathLike[str],
    *,
    kind: Literal["embeddings", "images"] = "embeddings",
    conflicting: int = 0,
    random_state: Seed = 0,
    check_counts: bool = True,
) -> Bunch:
    """Read Biased Action Recognition (BAR) [1]_ from a local pack.

    The bias is natural: `bias_labels` tell bias-aligned samples (0) from bias-conflicting ones (1),
    and not which surroundings a photograph shows. As published, the training set is all aligned and
    the test set all conflicting. Select models on held-out training samples, never on the test set.

    Parameters
    ----------
    folder : str or path-like
        The npz file itself, or the folder that holds it under the name given below.
    kind : {"embeddings", "images"}, default="embeddings"
        "embeddings": ``bar_mobilenet_v2_embeddings.npz`` with the arrays ``x`` (n, d), ``y``,
        ``split``, ``classes`` and ``names``. "images": ``bar_64.npz``, where in place of ``x`` JPEG
        files of 64x64 pixels lie one after the other in ``data``, and ``off`` (n + 1,) says where
        each begins.
    conflicting : int, default=0
        How many conflicting samples to move from the test to the training set: 17 or 94 give the
        protocols named 1 % and 5 % [2]_. Each class gives its share of them (rounded by largest
        remainder), drawn at random.
    random_state : None, int, RandomState or Generator, default=0
        Determines which samples are moved. None draws fresh entropy.
    check_counts : bool, default=True
        Whether it is an error if a class has not its published number of aligned and conflicting
        samples, 1941 and 654 in all. Else it is a warning.

    Returns
    -------
    bar : sklearn.utils.Bunch
        `train`, `test`, `target_names`, `bias_names`, `fingerprint` (which tells copies apart by
        labels and by 1,000 samples) and `DESCR`. Each set is a Bunch with

        data : ndarray of shape (n, d), float32, or (n, 3, 64, 64), uint8

        target : ndarray of shape (n,), int64
            Indices into `target_names`.

        bias_labels : ndarray of shape (n,), int64
            0 for bias-aligned, 1 for bias-conflicting.

        metadata : DataFrame of n rows
            "file", the name of the photograph, "split", "y" and "a".

        index : ndarray of shape (n,), int64
            Row in the pack.

        filenames : ndarray of shape (n,), str
            Names of the photographs in the published set.

    Raises
    ------
    ValueError
        If the file is missing (a FileNotFoundError as well) or damaged, an image in it cannot be
        read, the counts are not the published ones, or a parameter is out of its range.

    See Also
    --------
    read_group_folders : The photographs themselves, from the folders of the published set.

    References
    ----------
    .. [1] J. Nam, H. Cha, S. Ahn, J. Lee and J. Shin, "Learning from Failure: Training Debiased
       Classifier from Biased Classifier", NeurIPS 2020.
    .. [2] J. Lim et al., "BiasAdv: Bias-Adversarial Augmentation for Model Debiasing", CVPR 2023.

    Examples
    --------
    >>> from sklearn_debias.datasets import data_folder, read_bar
    >>> bar = read_bar(data_folder(), conflicting=94)  # doctest: +SKIP
    >>> bar.train.data.shape, bar.test.data.shape  # doctest: +SKIP
    ((2035, 1280), (560, 1280))
    """
    check_option("kind", kind, _FILES)
    check_switches(check_counts=check_counts)
    conflicting = check_int("conflicting", conflicting, 0)
    (rng,) = streams(random_state, "bar")
    path = _pack(existing_path(folder, "folder"), kind)
    *content, y, published, classes, names = read_npz(path, _CONTENT[kind] + _LABELS)
    target, alignment = _checked(path, y, published, classes, names)
    # In the published sets, the part of a sample is its alignment: 1 is test and conflicting.
    rows = pd.DataFrame(
        {
            "file": names.astype(str),
            "split": np.where(alignment == 0, "train", "test"),
            "y": target,
            "a": alignment,
        }
    )
    compare(rows, ("y",), COUNTS, str(path), strict=check_counts)
    rows.loc[moved_rows(target, alignment, conflicting, rng), "split"] = "train"
    read = _embeddings if kind == "embeddings" else _pictures
    data = read(path, len(target), *content)
    named = classes.astype(str).tolist()
    bunch = bunch_of(
        rows,
        lambda index: data[index],
        bias="a",
        target_names=by_number(named),
        bias_names=by_number(ALIGNMENT),
        descr=_DESCR.format(
            classes=", ".join(named),
            kind=kind,
            n_aligned=int((alignment == 0).sum()),
            n_conflicting=int(alignment.sum()),
            moved=conflicting,
        ),
    )
    for part in (bunch[name] for name in ("train", "test") if name in bunch):
        part.filenames = part.metadata["file"].to_numpy(dtype=str)
    bunch.fingerprint = with_content(bunch.fingerprint, {kind: data})
    return bunch


def _pack(path: Path, kind: str) -> Path:
    """Return the file to read: the path itself, or the pack in the folder that it names."""
    if not path.is_dir():
        return path
    if not (path / _FILES[kind]).is_file():
        raise MissingDataError(
            f'`folder` must hold {_FILES[kind]} for kind="{kind}"; there is none in {path}. '
            "For a pack of another name, give its path."
        )
    return path / _FILES[kind]


def _checked(
    path: Path, target: np.ndarray, split: np.ndarray, classes: np.ndarray, names: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and splits as int64; check that they are consistent with each other."""
    if target.ndim != 1 or not target.shape == split.shape == names.shape:
        found = f"{target.shape}, {split.shape} and {names.shape}"
        raise ValueError(
            f"{path} must hold `y`, `split` and `names` of one length; found shapes {found}."
        )
    if {array.dtype.kind for array in (target, split)} - {"i", "u"} or classes.ndim != 1:
        raise ValueError(
            f"{path} must hold integers in `y` and `split`, and a list of names in `classes`."
        )
    if not np.isin(target, range(len(classes))).all() or not np.isin(split, (0, 1)).all():
        raise ValueError(f"{path} must hold `y` in 0..{len(classes) - 1} and `split` in 0..1.")
    return target.astype(np.int64), split.astype(np.int64)


def _embeddings(path: Path, n: int, data: np.ndarray) -> np.ndarray:
    """Return the embeddings as float32 of shape (n, d)."""
    if data.ndim != 2 or len(data) != n or data.dtype.kind != "f":
        raise ValueError(
            f"{path} must hold floats `x` of shape ({n}, d); found {data.dtype} {data.shape}."
        )
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused below
        data = data.astype(np.float32)
    if not np.isfinite(data).all():
        raise ValueError(
            f"{path} must hold embeddings without NaN or infinity, within the range of float32."
        )
    return data


def _pictures(path: Path, n: int, content: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return the decoded images: uint8 of shape (n, 3, 64, 64)."""
    _check_offsets(path, n, content, offsets)
    images = np.empty((n, 3, _SIZE, _SIZE), dtype=np.uint8)
    for row in range(n):
        stream = io.BytesIO(content[offsets[row] : offsets[row + 1]].tobytes())
        try:
            # JPEG alone: Pillow's other decoders need not meet bytes that nobody vouches for.
            with Image.open(stream, formats=("JPEG",)) as picture:
                # The size is in the header: a picture of another size is not decoded at all.
                found = (picture.size, picture.mode)
                if found == ((_SIZE, _SIZE), "RGB"):
                    images[row] = np.asarray(picture).transpose(2, 0, 1)
                    continue
        except MemoryError:
            raise
        except Exception as error:  # damaged files end in errors of nearly any class
            raise ValueError(f"{path}: image {row} cannot be read: {error}.") from error
        raise ValueError(f"{path}: image {row} must be {_SIZE}x{_SIZE} RGB, found {found}.")
    return images


def _check_offsets(path: Path, n: int, content: np.ndarray, offsets: np.ndarray) -> None:
    """Check that the offsets cut the bytes into n pieces, none of them empty."""
    valid = content.dtype == np.uint8 and offsets.dtype.kind in "iu" and offsets.shape == (n + 1,)
    if valid:
        spans_all = offsets[0] == 0 and offsets[-1] == content.size
        valid = bool(spans_all and (offsets[1:] > offsets[:-1]).all())
    if not valid:
        raise ValueError(
            f"{path} must hold bytes in `data`, and in `off` where each of {n} images begins."
        )
