"""What a robust report holds, and how it reads."""

from dataclasses import dataclass

import pandas as pd

from sklearn_debias.metrics import GroupReport
from sklearn_debias.metrics.internal import as_html

__all__ = ["RobustReport"]

CLEAN = "clean"
WORST = "worst case"


@dataclass(frozen=True, eq=False)
class RobustReport:
    """Accuracy without an attack, under each, and under the worst for each sample; ``print`` it.

    Attributes
    ----------
    frame : pandas.DataFrame
        A row for "clean", each attack and "worst case": "attack", "accuracy", "lower", "upper"
        (exact interval); with bias labels also "worst_group_accuracy".
    right : pandas.DataFrame of bool
        A row for each sample, a column for each row of ``frame``: classified right, and not fooled.
    group_reports : dict of str to GroupReport
        For each row of ``frame`` the accuracy of every group; empty without bias labels.
    epsilon : float
    norm : str
    confidence : float
        Coverage of every interval.
    signs : tuple of str
        Signs of gradient masking; empty where none was found, or none was looked for.
    """

    frame: pd.DataFrame
    right: pd.DataFrame
    group_reports: dict[str, GroupReport]
    epsilon: float
    norm: str
    confidence: float
    signs: tuple[str, ...] = ()

    @property
    def robust_accuracy(self) -> float:
        """Share of the samples that no attack fools."""
        return float(self.right[WORST].mean())

    @property
    def worst_group(self) -> object:
        """The group with the smallest accuracy in the worst case."""
        return self._groups().worst_group

    @property
    def worst_group_accuracy(self) -> float:
        """Its accuracy in the worst case."""
        return self._groups().worst_group_accuracy

    @property
    def worst_group_interval(self) -> tuple[float, float]:
        """Simultaneous bounds for the smallest true accuracy of a group in the worst case."""
        return self._groups().worst_group_interval

    def _groups(self) -> GroupReport:
        if not self.group_reports:
            raise AttributeError("This report has no groups: pass `bias_labels` to robust_report.")
        return self.group_reports[WORST]

    def to_frame(self) -> pd.DataFrame:
        """Return a copy of the table."""
        return self.frame.copy()

    def groups_to_frame(self) -> pd.DataFrame:
        """Return a row per group: its accuracy under each attack, and the worst case's interval.

        Returns
        -------
        DataFrame
            "class", "bias", "n", the accuracies, "lower" and "upper".
        """
        worst = self._groups().to_frame()
        accuracies = {
            name: report.to_frame()["accuracy"] for name, report in self.group_reports.items()
        }
        return pd.concat(
            [worst[["class", "bias", "n"]], pd.DataFrame(accuracies), worst[["lower", "upper"]]],
            axis=1,
        )

    def to_text(self) -> str:
        """Return the report as text: the table, the groups, and the signs of gradient masking."""
        parts = [self._title(), _table(self.frame)]
        if self.group_reports:
            low, high = self.worst_group_interval
            parts += [
                _table(self.groups_to_frame()),
                f"worst group, worst case  {self.worst_group_accuracy:.3f}  {self.worst_group!r}, "
                f"the smallest true accuracy of a group in [{low:.3f}, {high:.3f}]",
            ]
        parts += [f"sign of gradient masking: {sign}" for sign in self.signs]
        return "\n\n".join(parts)

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        sections = [("", self.frame, False)]
        if self.group_reports:
            sections.append(("By group", self.groups_to_frame(), False))
        notes = [f"sign of gradient masking: {sign}" for sign in self.signs]
        return as_html(self._title(), sections, notes)

    def _title(self) -> str:
        return (
            f"{len(self.right)} samples, {self.norm} ball of radius {self.epsilon:.4g}; lower and "
            f"upper: exact {100 * self.confidence:g} % interval"
        )


def _table(frame: pd.DataFrame) -> str:
    return frame.to_string(index=False, float_format="{:.3f}".format)
