"""Types that the signatures of the metrics share."""

from collections.abc import Mapping
from typing import Any, Literal, Protocol

import numpy as np

from sklearn_debias.seeds import Rng, Seed

__all__ = ["Absent", "By", "Encoded", "Facts", "Kind", "Predictor", "Rng", "Seed"]

Absent = Literal["raise", "warn", "ignore"]
By = Literal["cell", "bias"]
Encoded = tuple[np.ndarray, list[Any]]  # the code of each sample, and the sorted values
Facts = Mapping[str, Any]  # "aligned" and "group_shares", where they were given
# Of groups: a cell is a pair (class, bias value).
Kind = Literal["cell", "bias", "class", "membership"]


class Predictor(Protocol):
    """A fitted estimator, as far as a scorer needs one."""

    def predict(self, X: Any) -> Any:
        """Return the predicted label of each sample."""
