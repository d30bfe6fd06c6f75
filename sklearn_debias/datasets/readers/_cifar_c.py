"""CIFAR-10-C and CIFAR-100-C: the test set under published corruptions."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

from sklearn_debias.arguments import is_whole
from sklearn_debias.datasets._files import open_npy
from sklearn_debias.datasets._folder import MissingDataError, existing_path, named_if_unreadable
from sklearn_debias.datasets.readers._arguments import check_switches
from sklearn_debias.datasets.readers._arrays import with_content
from sklearn_debias.datasets.readers._counts import report
from sklearn_debias.datasets.readers._splits import some
from sklearn_debias.exceptions import warn

SEVERITIES = (1, 2, 3, 4, 5)
ROWS = 10_000  # of each severity
# Those of the benchmark, whose mean is reported.
MAIN = (
    *("gaussian_noise", "shot_noise", "impulse_noise"),
    *("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    *("snow", "frost", "fog", "brightness"),
    *("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
)
FOLDERS = ("CIFAR-10-C", "CIFAR-100-C")
LABELS = "labels.npy"


def read_cifar_c(
    folder: str | os.PathLike[str],
    *,
    corruptions: Sequence[str] | None = None,
    severity: int | Sequence[int] | None = None,
    check_counts: bool = True,
) -> Bunch:
    """Read CIFAR-10-C or CIFAR-100-C [1]_ from local files.

    Nothing is loaded: images are read from the disk as they are used. (LfF's data of the same name
    are another set.)

    Parameters
    ----------
    folder : str or path-like
        Folder with ``labels.npy`` and a file ``{corruption}.npy`` each, or that with
        ``CIFAR-10-C`` or ``CIFAR-100-C``.
    corruptions : sequence of str, default=None
        Which to read. None are all that are there, the benchmark's 15 first.
    severity : int or sequence of int, default=None
        Which to read, of 1 to 5. None are all.
    check_counts : bool, default=True
        Whether it is an error if a severity has not its 10,000 images. Else it is a warning.

    Returns
    -------
    cifar_c : sklearn.utils.Bunch

        images : dict of (str, int) to ndarray of shape (10000, 3, 32, 32), uint8
            By corruption and severity; read-only views of memory maps.

        target : ndarray of shape (10000,), int64
            Classes, of each corruption and severity alike.

        corruptions : list of str

        severities : list of int

        fingerprint : str
            Tells copies apart by labels and by 1,000 images of each file that is read.

        DESCR : str

    Raises
    ------
    ValueError
        If a file is missing (a FileNotFoundError as well), damaged or of another shape or type,
        there are both sets, a severity is none, or has not 10,000 images.

    Warns
    -----
    DebiasWarning
        If ``corruptions`` is None, and some of the benchmark's 15 are not there.

    See Also
    --------
    corrupted_images : Corrupts images that you have.
    read_cifar : The sets without corruption.

    References
    ----------
    .. [1] D. Hendrycks and T. Dietterich, "Benchmarking Neural Network Robustness to Common
       Corruptions and Perturbations", ICLR 2019.

    Examples
    --------
    >>> from sklearn_debias.datasets import data_folder, read_cifar_c
    >>> fog = read_cifar_c(data_folder(), corruptions=["fog"], severity=5)  # doctest: +SKIP
    >>> fog.images["fog", 5].shape  # doctest: +SKIP
    (10000, 3, 32, 32)
    """
    check_switches(check_counts=check_counts)
    with named_if_unreadable():
        folder = _folder(existing_path(folder, "folder"))
        severities = _severities(severity)
        names = _names(folder, corruptions)
        labels, n_rows = _labels(folder / LABELS)
    if n_rows != ROWS:
        told = f"a severity has {n_rows:,} images, in the published set {ROWS:,}"
        origin = "Hendrycks and Dietterich, ICLR 2019"
        report([told], str(folder), origin, verified=True, strict=check_counts)
    images, files = {}, {}
    for name in names:
        path = folder / f"{name}.npy"
        x = files[name] = open_npy(path)
        expected = (len(labels), 32, 32, 3)
        if x.shape != expected or x.dtype != np.uint8:
            raise ValueError(
                f"{path} must hold uint8 images of shape {expected}, as {LABELS} has "
                f"{len(labels):,} labels; found {x.dtype} {x.shape}."
            )
        for level in severities:
            block = x[(level - 1) * n_rows : level * n_rows]
            images[name, level] = block.transpose(0, 3, 1, 2)
    told = f"{len(names)} corruptions of {folder}, at the severities {severities}."
    return Bunch(
        images=images,
        target=labels[:n_rows],
        corruptions=names,
        severities=severities,
        fingerprint=with_content("", {LABELS: labels, **files}),
        DESCR=told,
    )


def _folder(folder: Path) -> Path:
    """Return the folder of the files."""
    places = [
        place for place in (folder, *(folder / n for n in FOLDERS)) if (place / LABELS).is_file()
    ]
    if not places:
        raise MissingDataError(
            f"{folder} has no {LABELS}, nor has one of {' or '.join(FOLDERS)} in it. It is in "
            "CIFAR-10-C.tar and CIFAR-100-C.tar, on Zenodo."
        )
    if len(places) > 1:
        raise ValueError(
            f"{folder} has {len(places)} sets to choose from: {some(str(p) for p in places)}. Pass "
            "the folder of one."
        )
    return places[0]


def _severities(severity: int | Sequence[int] | None) -> list[int]:
    if severity is None:
        return list(SEVERITIES)
    given: list = list(severity) if isinstance(severity, list | tuple | range) else [severity]
    if not given or any(not is_whole(level) or level not in SEVERITIES for level in given):
        raise ValueError(f"`severity` must be of {SEVERITIES}, one or several; got {severity!r}.")
    return [int(level) for level in given]


def _names(folder: Path, corruptions: Sequence[str] | None) -> list[str]:
    there = sorted(path.stem for path in folder.glob("*.npy") if path.name != LABELS)
    if corruptions is None:
        missing = [name for name in MAIN if name not in there]
        if len(missing) == len(MAIN):
            raise MissingDataError(
                f"{folder} has no file of a corruption, as {MAIN[0]}.npy. They are in "
                "CIFAR-10-C.tar and CIFAR-100-C.tar, on Zenodo."
            )
        if missing:
            warn(
                f"{folder} lacks {len(missing)} of the benchmark's 15 corruptions: "
                f"{some(missing)}. A mean over the others does not compare with published ones."
            )
        return [*(n for n in MAIN if n in there), *(n for n in there if n not in MAIN)]
    given = corruptions.tolist() if isinstance(corruptions, np.ndarray) else corruptions
    if not isinstance(given, list | tuple) or not all(isinstance(n, str) for n in given):
        raise ValueError(f"`corruptions` must be a sequence of names, got {corruptions!r}.")
    unknown = [name for name in given if name not in there]
    if unknown or not given:
        raise MissingDataError(
            f"`corruptions` must name files of {folder}; there is no {some(unknown)}, only "
            f"{some(there, 20)}."
        )
    return list(given)


def _labels(path: Path) -> tuple[np.ndarray, int]:
    """Return all labels, and how many a severity has."""
    labels = np.array(open_npy(path))
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or not len(labels) or len(labels) % 5:
        raise ValueError(
            f"{path} must hold whole numbers (n,), for 5 severities of one length; found "
            f"{labels.dtype} {labels.shape}."
        )
    blocks = labels.reshape(5, -1)
    if (blocks != blocks[0]).any():
        raise ValueError(
            f"{path} must hold the same labels for each of the 5 severities; they differ. Copy it "
            "again."
        )
    return labels.astype(np.int64), blocks.shape[1]
