"""Check the numbers that a bias report is made with."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from tqdm import tqdm

from sklearn_debias.arguments import is_real, is_switch, is_whole
from sklearn_debias.metrics.internal import check_confidence


@dataclass(frozen=True)
class Settings:
    """Hold the numbers of a report."""

    alpha: float
    n_permutations: int
    cv: int
    min_cell: int
    confidence: float
    verbose: Any

    def checked(self) -> "Settings":
        """Return these settings; raise a ValueError that names one out of its range."""
        confidence = check_confidence(self.confidence)
        if not is_real(self.alpha) or not 0 < self.alpha < 1:
            raise ValueError(f"`alpha` must be a number in (0, 1), got {self.alpha!r}.")
        for name, least in (("n_permutations", 1), ("cv", 2), ("min_cell", 1)):
            value = getattr(self, name)
            if not is_whole(value) or value < least:
                raise ValueError(f"`{name}` must be an int >= {least}, got {value!r}.")
        if (1 + self.n_permutations) * self.alpha < 1 - 1e-9:
            raise ValueError(
                f"`n_permutations` must be at least 1 / alpha - 1 = {1 / self.alpha - 1:.0f}, or "
                f"no column could be called spurious, got {self.n_permutations}."
            )
        if not (is_switch(self.verbose) or is_whole(self.verbose)):
            raise ValueError(f"`verbose` must be True, False or an int, got {self.verbose!r}.")
        # As Python's own: what is printed and computed of them takes no fractions.
        return replace(self, alpha=float(self.alpha), confidence=confidence)

    def progress(self, steps: Iterable[int]) -> Iterable[int]:
        """Show the progress of the permutations, if it is to be shown."""
        return tqdm(steps, desc="bias_report", unit="permutation", disable=not self.verbose)
