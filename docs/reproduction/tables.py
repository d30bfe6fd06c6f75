"""What the scripts of these pages share: rows of results in files, intervals, lines of tables."""

import csv
from pathlib import Path

import numpy as np
from scipy import stats


def read_rows(path):
    """Rows of a results file, or none."""
    if not Path(path).exists():
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def append(path, columns, rows):
    """Add rows to a results file, all at once, so that an interrupted fit leaves none."""
    new = not Path(path).exists()
    with open(path, "a", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        if new:
            writer.writeheader()
        writer.writerows(rows)


def interval(values):
    """Mean and half-width of the Student 95 % interval."""
    values = np.asarray(values, dtype=float)
    n = len(values)
    return values.mean(), stats.t.ppf(0.975, n - 1) * values.std(ddof=1) / np.sqrt(n)


def bold(mean, half):
    """A difference with its interval, bold where that excludes 0."""
    mark = "**" if abs(mean) > half else ""
    return f"{mark}{mean:+.1f} [{mean - half:+.1f}, {mean + half:+.1f}]{mark}"


def table_head(*names):
    """First two lines of a markdown table."""
    return [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
