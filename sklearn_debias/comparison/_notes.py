"""What must be known to read the table of a comparison."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import shorten
from typing import TYPE_CHECKING

from sklearn_debias.metrics.internal import FEW

if TYPE_CHECKING:
    from sklearn_debias.comparison._result import ComparisonResult

LONGEST = 160  # letters of a note that quotes
AVERAGES = "average: share of test rows that are right, as they are mixed there"


def notes_of(result: ComparisonResult) -> list[str]:
    """Return the notes, a line each."""
    return [_figures(result), *_of_rows(result), *_of_reading(result), *_of_methods(result)]


def _figures(result: ComparisonResult) -> str:
    drawn = ", other draws of training rows" if result.is_drawn else ""
    return (
        f"{result.n_rows} {result.rows} rows; figures in %: means over the fits, with "
        f"{100 * result.confidence:g} % intervals for other seeds{drawn} and other rows; those of "
        "differences hold for all methods together."
    )


def _of_rows(result: ComparisonResult) -> Iterator[str]:
    """Yield what the rows cannot tell."""
    yield f"{AVERAGES}{_rule(result)}."
    if result.rows == "validation":
        yield "No test rows: these rows have selected the settings, and flatter them."
    if result.group_kind == "class":
        yield "No bias labels: groups are classes, and a shortcut does not show."
    if (result.frame["n_worked"] == 1).any():
        yield "Of a single fit the intervals say nothing about other seeds."
    if (smallest := result.groups["n"].min()) < FEW:
        yield (
            f"The smallest group has {smallest} rows: of fewer than {FEW} the intervals of the "
            "worst group are too narrow."
        )


def _rule(result: ComparisonResult) -> str:
    """Return how the settings were selected, where they were."""
    if (result.frame["n_configurations"] == 1).all():
        return "; every method has its own settings"
    shared = "" if result.budget == "configurations" else ", in equal CPU seconds"
    return f"; settings selected by {result.scoring}{shared}"


def _of_reading(result: ComparisonResult) -> Iterator[str]:
    """Yield what makes the test rows less fresh than they should be, and what is missing."""
    for (one, other), n in result.overlap.items():
        yield f"{n} rows of `{other}` are in `{one}`, too."
    if result.frame.loc[result.reference, "n_worked"] == 0 and len(result.predictions_):
        yield f"No differences: every fit of {result.reference} failed."
    if result.n_test_reads > 1:
        yield f"The test rows have been read {result.n_test_reads} times by this study."


def _of_methods(result: ComparisonResult) -> Iterator[str]:
    """Yield what was found of single methods: small spaces, failures, warnings."""
    tried = result.frame["n_configurations"]
    for name, n in tried.items():
        if 1 < n < tried.max() and result.budget == "configurations":
            yield f"{name}: its search space holds {n} configurations."
    for name, row in result.frame.iterrows():
        if row["n_worked"] == 0:
            yield f"{name}: all its fits failed: {_first_line(row['error'])}"
        if row["warned"]:
            fits = f"{row['warned']} of {row['n_fits']} fits"
            yield f"{name}: {fits} warned: {_first_line(row['warning'])}"
        if row["n_worked"] > 0 and row["failed"]:
            yield f"{name}: {row['failed']} fits failed: {_first_line(row['error'])}"


def _first_line(text: str) -> str:
    return shorten(text.partition("\n")[0], LONGEST, placeholder=" ...")
