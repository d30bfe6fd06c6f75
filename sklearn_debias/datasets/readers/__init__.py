"""Readers of the field's data, from local copies in the layouts that the field keeps them in.

Nothing is downloaded, and no image is opened.
"""

from sklearn_debias.datasets.readers._group_folders import read_group_folders
from sklearn_debias.datasets.readers._metadata_csv import read_metadata_csv

__all__ = ["read_group_folders", "read_metadata_csv"]
