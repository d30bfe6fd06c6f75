"""CivilComments as WILDS has it, and in the two tables that SubpopBench makes of it."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd

from sklearn_debias.datasets.readers._csv import read_table
from sklearn_debias.datasets.readers._splits import some, split_names
from sklearn_debias.datasets.readers._values import numbers
from sklearn_debias.exceptions import warn

# WILDS, in this order: groups of comments that overlap.
IDENTITIES = (
    *("male", "female", "LGBTQ", "christian"),
    *("muslim", "other_religions", "black", "white"),
)
FINE = dict(enumerate(IDENTITIES))
# SubpopBench's training rows have other groups: their values go on after the identities.
COARSE = {**FINE, len(FINE): "any identity", len(FINE) + 1: "no identity"}


def wilds(path: Path, folder: Path, text: Collection[str]) -> pd.DataFrame:
    """Return comments with the class, and whether any identity is mentioned."""
    table = read_table(path, text)
    missing = [name for name in ("toxicity", "identity_any", *IDENTITIES) if name not in table]
    if missing:
        raise ValueError(
            f"{path} must be WILDS' all_data_with_identities.csv, or be called as SubpopBench's "
            f"script calls it, metadata_civilcomments_coarse.csv or _fine.csv; it has no column "
            f"{some(missing)}. For a table of your own, leave `layout` out."
        )
    table = table.rename(columns={table.columns[0]: "row"}) if "row" not in table else table
    for name, found in (("y", "toxicity"), ("a", "identity_any")):
        table[name] = (numbers(table[found], path) >= 0.5).astype(np.int64)
    return table


def mentions(table: pd.DataFrame, path: Path) -> np.ndarray:
    """Return who is mentioned, by more than one identity at a time (n, 8)."""
    found = np.column_stack([numbers(table[name], path, gaps=True) for name in IDENTITIES])
    blank = int(np.isnan(found).any(axis=1).sum())
    if blank:
        warn(f"{path}: {blank:,} rows lack an identity, which counts as not mentioned.")
    return found >= 0.5


def fine(path: Path, folder: Path, text: Collection[str]) -> pd.DataFrame:
    """Return SubpopBench's table of a row for each identity that a comment mentions."""
    return _with_comments(read_table(path, text), path)


def coarse(path: Path, folder: Path, text: Collection[str]) -> pd.DataFrame:
    """Return SubpopBench's table in which training rows have groups of their own.

    There "a" is 1 where no identity is mentioned. Elsewhere it is the identity, and a comment has a
    row for each that it mentions.
    """
    table = fine(path, folder, text)
    if not {"a", "split"} <= set(table):
        return table
    is_train = split_names(table["split"], str(path)) == "train"
    a = numbers(table["a"], path)
    odd = table["a"][is_train & ~np.isin(a, (0, 1))]
    if len(odd):
        raise ValueError(
            f"{path} must hold 0 or 1 as 'a' of training rows, as SubpopBench's script writes; "
            f"found {some(pd.unique(odd).tolist())}. Make it again."
        )
    warn(
        f"{path}: in train the groups are any identity or none, in other sets which one, with a "
        "row for each. So SubpopBench has it; no group of the test set has training rows. "
        "metadata_civilcomments_fine.csv has the same groups everywhere."
    )
    table["a"] = np.where(is_train, a + len(FINE), a)
    return table


def _with_comments(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Add the comments of SubpopBench's second file, in which a file name is a row."""
    texts = path.with_name(path.name.removeprefix("metadata_"))
    if not texts.is_file() or "filename" not in table:
        return table
    comments = read_table(texts, ["comment_text"])
    if "comment_text" not in comments:
        raise ValueError(
            f"{texts} must have the column 'comment_text', as SubpopBench's script writes it; "
            f"found {some(comments.columns)}. Make it again."
        )
    place = pd.to_numeric(table["filename"], errors="coerce")
    wrong = table["filename"][~place.isin(range(len(comments)))]
    if len(wrong):
        raise ValueError(
            f"{path} must give as 'filename' the rows of {texts.name}, 0 to {len(comments) - 1:,}; "
            f"{len(wrong):,} are others: {some(wrong.tolist())}. Make both files again."
        )
    table["comment_text"] = comments["comment_text"].to_numpy()[place.astype(int)]
    return table
