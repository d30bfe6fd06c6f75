"""Columns of metadata judged: how well they predict the classes, and what their cells hold."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from sklearn_debias.inspection._bias_settings import Settings
from sklearn_debias.inspection._dependence import (
    Columns,
    Folds,
    balanced_bounds,
    mutual_information,
    observed,
    p_values,
    permuted,
)
from sklearn_debias.inspection._metadata import Column
from sklearn_debias.metrics.internal import aligned_of

NUMBERS = (
    *("balanced_accuracy", "lower", "upper", "chance"),
    *("mutual_information", "information_lower", "information_upper"),
    *("p_value", "p_corrected"),
)
ORDER = (
    *("column", "kind", "n_values", "n_missing", *NUMBERS),
    *("spurious", "empty_cells", "tiny_cells", "left_out"),
)


def judge_columns(
    columns: Sequence[Column], folds: Folds, settings: Settings, rng: np.random.Generator
) -> pd.DataFrame:
    """Return the table of the columns, that with most evidence first, what is left out last."""
    used = [column for column in columns if not column.left_out]
    rows = _judged(used, folds, settings, rng) if used else []
    for column in columns:
        if column.left_out:
            nothing = {**dict.fromkeys(NUMBERS, np.nan), "spurious": False}
            rows.append(_facts(column) | nothing | {"empty_cells": 0, "tiny_cells": 0})
    return pd.DataFrame(rows, columns=list(ORDER))


def _judged(
    used: Sequence[Column], folds: Folds, settings: Settings, rng: np.random.Generator
) -> list[dict[str, Any]]:
    """Return a row of the table for each column, by evidence."""
    table = Columns.beside([c.codes for c in used], [len(c.values) for c in used])
    scores = permuted(folds, table, settings.n_permutations, rng, settings.progress)
    alone, corrected, evidence = p_values(scores)
    right, cells = observed(folds, table)
    lower, upper = balanced_bounds(right, folds.class_sizes, settings.confidence)
    rows = []
    for j in np.lexsort((-evidence, corrected)):
        found = (scores[0, 0, j], lower[j], upper[j], scores[1:, 0, j].mean())
        information = mutual_information(cells[j], settings.confidence)
        values = (*found, *information, alone[j], corrected[j])
        rows.append(
            _facts(used[j])
            | dict(zip(NUMBERS, map(float, values), strict=True))
            | {
                # The p-values are multiples of 1 / (1 + n_permutations).
                "spurious": bool(corrected[j] <= settings.alpha + 1e-12),
                "empty_cells": int((cells[j] == 0).sum()),
                "tiny_cells": int(((cells[j] > 0) & (cells[j] < settings.min_cell)).sum()),
            }
        )
    return rows


def _facts(column: Column) -> dict[str, Any]:
    """Return what the table says of a column, judged or not."""
    return {
        "column": column.name,
        "kind": column.kind,
        "n_values": len(column.values),
        "n_missing": column.n_missing,
        "left_out": column.left_out,
    }


def tables_of(
    columns: Sequence[Column], codes: np.ndarray, classes: Sequence[Any]
) -> tuple[dict[Any, pd.DataFrame], dict[Any, dict[Any, Any]]]:
    """Return the cells of each column that is judged, and the value each class goes with."""
    cells: dict[Any, pd.DataFrame] = {}
    aligned: dict[Any, dict[Any, Any]] = {}
    for column in columns:
        if column.left_out:
            continue
        n_values = len(column.values)
        joint = codes * n_values + column.codes
        counts = np.bincount(joint, minlength=len(classes) * n_values)
        cells[column.name] = pd.DataFrame(
            counts.reshape(len(classes), n_values),
            index=pd.Index(list(classes), name="class"),
            # An Index of tuples would become one of several levels.
            columns=pd.Index(column.values, name=column.name, tupleize_cols=False),
        )
        names = [(label, value) for label in classes for value in column.values]
        aligned[column.name] = aligned_of(joint, names[: joint.max() + 1], "omit")
    return cells, aligned
