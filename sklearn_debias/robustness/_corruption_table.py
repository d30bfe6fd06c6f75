"""What a corruption report holds, how it reads, and its plot."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from sklearn_debias.corruptions.internal import SEVERITIES
from sklearn_debias.metrics.internal import as_html


@dataclass(frozen=True, eq=False)
class CorruptionReport:
    """Accuracies under corruptions; ``print`` it, or plot it.

    Attributes
    ----------
    table : pandas.DataFrame
        One row for the clean images, one per corruption and severity, and their mean. Columns
        "corruption", "severity" (missing where each image draws its own), "average",
        "average_lower", "average_upper", and with bias labels "conflicting", "conflicting_lower",
        "conflicting_upper"; all accuracies in [0, 1].
    n_samples : int
    n_conflicting : int or None
        Samples whose bias value is not the one their class mostly had in training; None without
        bias labels.
    confidence : float
        Coverage of each interval.
    """

    table: pd.DataFrame
    n_samples: int
    n_conflicting: int | None
    confidence: float

    def __str__(self) -> str:
        return (
            f"{self._shown().to_string(index=False, float_format='{:.3f}'.format)}\n{self._note()}"
        )

    def _repr_html_(self) -> str:
        return as_html("Accuracy under corruptions", [("", self._shown(), False)], [self._note()])

    def _shown(self) -> pd.DataFrame:
        """Return the table with blanks where each image draws its severity."""
        severity = self.table["severity"]
        return self.table.assign(severity=severity.astype(object).where(severity.notna(), ""))

    def _note(self) -> str:
        conflicting = (
            "" if self.n_conflicting is None else f", {self.n_conflicting} of them conflicting"
        )
        return (
            f"{self.n_samples} images{conflicting}; lower and upper: exact "
            f"{100 * self.confidence:g} % intervals"
        )

    def plot(self, ax: Any = None) -> Any:
        """Draw the accuracies, with their intervals where a corruption has one row.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a figure.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ImportError
            Without matplotlib.
        """
        names = list(dict.fromkeys(self.table["corruption"]))
        if ax is None:
            _, ax = _pyplot().subplots(figsize=(6, 0.8 + 0.32 * len(names)), layout="constrained")
        several = bool(self.table["corruption"].duplicated().any())
        kinds = ["average"] if self.n_conflicting is None else ["average", "conflicting"]
        for i, kind in enumerate(kinds):
            shift = 0.16 * (2 * i - len(kinds) + 1)
            _dots(ax, self.table, names, kind, shift, f"C{i}", several)
        ax.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
        ax.invert_yaxis()
        ax.set(xlabel="accuracy" + (" (the paler, the milder)" if several else ""))
        ax.grid(axis="x", color="0.92")
        ax.legend(frameon=False, loc="best")
        return ax


def _dots(
    ax: Any, table: pd.DataFrame, names: list, kind: str, shift: float, color: str, several: bool
) -> None:
    """Draw one accuracy of all rows, darker at a higher severity."""
    places = table["corruption"].map(names.index) + shift
    values = table[kind]
    if not several:
        below, above = values - table[f"{kind}_lower"], table[f"{kind}_upper"] - values
        # Lists: matplotlib makes a number of each array of one, which NumPy 2.0 to 2.3 warn about.
        errors = [below.tolist(), above.tolist()]
        ax.errorbar(values, places, xerr=errors, fmt="o", ms=4, lw=1.2, color=color, label=kind)
        return
    strength = table["severity"].fillna(max(SEVERITIES)).astype(float) / max(SEVERITIES)
    ax.scatter(values, places, s=18, color=color, alpha=0.2 + 0.8 * strength, linewidths=0)
    # The dots differ in strength: an empty series stands for them in the legend, at full strength.
    ax.scatter([], [], s=18, color=color, label=kind)


def _pyplot() -> Any:
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "Drawing needs matplotlib. Install it: pip install 'sklearn-debias[plot]'."
        ) from error
    return plt
