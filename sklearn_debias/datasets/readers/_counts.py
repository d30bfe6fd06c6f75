"""What the published sets hold, and whether a copy holds the same."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from sklearn_debias.exceptions import warn

Cell = tuple  # (class,), or (class, bias value, ...)


@dataclass(frozen=True)
class Counts:
    """Rows of the published set.

    Parameters
    ----------
    of : mapping of str to (int or mapping of tuple to int)
        By split: rows, or rows by class and bias value(s). Cells that are not named are not
        compared.
    source : str
        Where the numbers are from.
    verified : bool, default=True
        Whether they were computed from the files or agree in several sources. Others are recalled:
        a copy that differs is warned of, and no error.
    """

    of: Mapping[str, int | Mapping[Cell, int]]
    source: str
    verified: bool = True


def check_counts(
    rows: pd.DataFrame, by: Sequence[str], counts: Counts, source: str, *, strict: bool
) -> None:
    """Compare a copy with the published set.

    Parameters
    ----------
    rows : DataFrame
        With a column "split", and those of ``by``.
    by : sequence of str
        The columns of the class and the bias values, as the cells of ``counts`` have them.
    counts : Counts
    source : str
        What was read, for messages.
    strict : bool
        Whether a difference from verified numbers is an error; else it is a warning.

    Raises
    ------
    ValueError
        Names the first cell that differs.
    """
    report(
        list(_differences(rows, by, counts)),
        source,
        counts.source,
        verified=counts.verified,
        strict=strict,
    )


def report(wrong: Sequence[str], source: str, origin: str, *, verified: bool, strict: bool) -> None:
    """Raise, or warn, where a copy differs from the published set.

    Parameters
    ----------
    wrong : sequence of str
        What differs, in words.
    source : str
        What was read.
    origin : str
        Where the published numbers are from.
    verified : bool
        Whether these are verified, and not only recalled.
    strict : bool
        Whether a difference from verified numbers is an error; else it is a warning.
    """
    if not wrong:
        return
    more = "" if len(wrong) == 1 else f" ({len(wrong) - 1} more differ)"
    told = f"{source}: {wrong[0]}{more}; the numbers are from {origin}."
    if verified and strict:
        raise ValueError(
            f"{told} Copy the set again, or pass check_counts=False if yours is meant to differ."
        )
    doubt = "" if verified else " These numbers are recalled, not verified."
    warn(f"{told}{doubt} Figures may not compare with published ones.")


def _differences(rows: pd.DataFrame, by: Sequence[str], counts: Counts) -> Iterator[str]:
    """Yield what differs, in words."""
    for split, expected in counts.of.items():
        own = rows[rows["split"] == split]
        if isinstance(expected, int):
            if len(own) != expected:
                yield f"{split} has {len(own):,} rows, the published set {expected:,}"
            continue
        found = own.groupby(list(by)).size().to_dict()
        found = {key if isinstance(key, tuple) else (key,): n for key, n in found.items()}
        for cell, n in expected.items():
            if found.get(cell, 0) != n:
                named = ", ".join(f"{name}={v!r}" for name, v in zip(by, cell, strict=True))
                has = f"{split} has {found.get(cell, 0):,} rows of ({named})"
                yield f"{has}, the published set {n:,}"
