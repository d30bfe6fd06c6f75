"""Folders of tiny files in the shape of published sets."""

import warnings

from sklearn_debias.datasets import read_group_folders
from sklearn_debias.exceptions import DebiasWarning


def grow(root, places, suffix=".jpg"):
    """Write files: some of them, or those of some names, in each place."""
    for place, files in places.items():
        folder = root / place
        folder.mkdir(parents=True, exist_ok=True)
        names = [f"{i}{suffix}" for i in range(files)] if isinstance(files, int) else files
        for name in names:
            (folder / name).write_bytes(b"an image")
    return root


def quietly(*args, **params):
    """Read a small copy of a published set."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DebiasWarning)
        return read_group_folders(*args, **{"check_counts": False, **params})


def cells(part, *columns):
    """Return the numbers of rows by columns of the metadata."""
    return part.metadata.groupby(list(columns)).size().to_dict()
