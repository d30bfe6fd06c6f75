"""MNIST and its look-alikes from a local folder."""

import os
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

from sklearn_debias.datasets._files import read_idx, read_npz
from sklearn_debias.datasets._folder import MissingDataError, existing_path

_DESCR = """Images in MNIST's format
========================

{n_train} training and {n_test} test images, grey, {height}x{width} pixels, {n_classes} classes,
read from {path}.
"""
_ARRAYS = ("x_train", "y_train", "x_test", "y_test")


def read_mnist(folder: str | os.PathLike[str]) -> Bunch:
    """Read MNIST, or a set in the same format such as Fashion-MNIST, from local files.

    Parameters
    ----------
    folder : str or path-like
        A folder with the four idx files ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``,
        ``t10k-images-idx3-ubyte`` and ``t10k-labels-idx1-ubyte``, plain or ending in ``.gz``, also
        spelled with a dot (``train-images.idx3-ubyte``); else a folder with ``mnist.npz``; or the
        path of an npz file. It holds ``x_train``, ``y_train``, ``x_test`` and ``y_test``. Where a
        folder has both, the idx files are read; a plain file comes before its compressed twin.

    Returns
    -------
    mnist : sklearn.utils.Bunch
        `train`, `test`, `target_names` and `DESCR`. Each set is a Bunch with

        data : ndarray of shape (n, 1, height, width), uint8
            Images in 0..255.
        target : ndarray of shape (n,), int64
            Classes.

    Raises
    ------
    ValueError
        If a file is missing (a FileNotFoundError as well), damaged or of another format, or if
        images and labels differ in number. No more is decompressed than a header announces, and
        nothing is unpickled.

    Examples
    --------
    >>> from sklearn_debias.datasets import data_folder, read_mnist
    >>> mnist = read_mnist(data_folder())  # doctest: +SKIP
    >>> mnist.train.data.shape  # doctest: +SKIP
    (60000, 1, 28, 28)
    """
    path = existing_path(folder, "folder")
    arrays = _read_folder(path) if path.is_dir() else read_npz(path, _ARRAYS)
    train = _part(path, "train", *arrays[:2])
    test = _part(path, "test", *arrays[2:])
    if train.data.shape[1:] != test.data.shape[1:]:
        found = f"{train.data.shape[2:]} and {test.data.shape[2:]}"
        raise ValueError(f"{path} must hold training and test images of one size, found {found}.")
    classes = np.union1d(train.target, test.target)
    height, width = train.data.shape[2:]
    descr = _DESCR.format(
        n_train=len(train.target),
        n_test=len(test.target),
        height=height,
        width=width,
        n_classes=len(classes),
        path=path,
    )
    return Bunch(train=train, test=test, target_names=classes.astype(str), DESCR=descr)


def _read_folder(folder: Path) -> list[np.ndarray]:
    """Return images and labels, training then test, from the files of a folder."""
    names = [
        f"{part}-{kind}" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")
    ]
    found = [_find_idx(folder, name) for name in names]
    files = [path for path in found if path is not None]
    if len(files) == len(names):
        return [read_idx(path, 3 if "images" in path.name else 1) for path in files]
    npz = folder / "mnist.npz"
    if npz.is_file():
        return read_npz(npz, _ARRAYS)
    missing = ", ".join(
        f"{name}-ubyte" for name, path in zip(names, found, strict=True) if path is None
    )
    raise MissingDataError(
        f"`folder` must hold MNIST's four idx files or mnist.npz; in {folder} there is no "
        f"mnist.npz, and no {missing} (with or without .gz). For an npz file of another name, give "
        "its path."
    )


def _find_idx(folder: Path, name: str) -> Path | None:
    """Return the first file of a name that exists, plain before compressed."""
    # Some copies of MNIST have a dot before `idx`, where the published names have a dash.
    spellings = (name, name.replace("-idx", ".idx"))
    for end in ("", ".gz"):
        for spelling in spellings:
            path = folder / f"{spelling}-ubyte{end}"
            if path.is_file():
                return path
    return None


def _part(path: Path, name: str, images: np.ndarray, labels: np.ndarray) -> Bunch:
    """Return one set, after a check that images and labels fit."""
    if images.ndim != 3 or images.dtype != np.uint8 or not images.size:
        expected = "uint8 images of shape (n, height, width), n >= 1"
        raise ValueError(
            f"{path} must hold {expected}; its {name} images are {images.dtype} {images.shape}."
        )
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        found = f"{labels.dtype} {labels.shape}"
        raise ValueError(
            f"{path} must hold integer labels of shape (n,); its {name} labels are {found}."
        )
    if len(labels) != len(images):
        found = f"{len(images)} images and {len(labels)} labels"
        raise ValueError(f"{path} must hold one label per image; its {name} set has {found}.")
    return Bunch(data=images[:, None], target=labels.astype(np.int64))
