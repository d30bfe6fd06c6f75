"""What a search space knows of the rows that will be searched on."""

import math
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from scipy.stats import loguniform

KINDS = ("embeddings", "images", "tabular")

# Lists and distributions by parameter. None is a radius in the units of rows nobody has shown.
Space: TypeAlias = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class SearchedRows:
    """What is known of the rows.

    Parameters
    ----------
    kind : {"embeddings", "images", "tabular"}
    n : int or None, default=None
        Rows, where they were shown.
    n_values : int or None, default=None
        Numbers in a row.
    spread : float or None, default=None
        Median Euclidean distance of a row from the mean row, as networks see them (pixels in
        [0, 1]); > 0.
    width : float, default=1.0
        What stands for the 1 of images in [0, 1]: their range, where they are scaled otherwise.

    Examples
    --------
    >>> from sklearn_debias.search_spaces import SearchedRows
    >>> SearchedRows("images").by_kind(vectors=[3, 30], images=[50])
    [50]
    """

    kind: str
    n: int | None = None
    n_values: int | None = None
    spread: float | None = None
    width: float = 1.0

    def by_kind(self, *, vectors: T, images: T) -> T:
        """Return one of two values: that of images, or that of embeddings and tables."""
        return images if self.kind == "images" else vectors

    def radius(self, norm: str, low: float, high: float) -> Any:
        """Return radii between two shares of the spread, log-uniform; None where it is not known.

        In the norm "linf" every number of a row may move by its share.
        """
        if self.spread is None or self.n_values is None:
            return None
        size = self.spread / math.sqrt(self.n_values) if norm == "linf" else self.spread
        return loguniform(low * size, high * size)
