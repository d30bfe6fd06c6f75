"""Rows that somebody writes to while a fit runs: the checks at its beginning know nothing of it."""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch

from sklearn_debias.exceptions import DivergedError
from sklearn_debias.fitting._mapped import PART
from sklearn_debias.training import ArraySource, JoinedSource, Source


@contextmanager
def rows_blamed(
    sources: Iterable[Source], of: type[Exception] | tuple[type[Exception], ...] = DivergedError
) -> Iterator[None]:
    """Raise an error inside as one that names a row, where one is no longer finite.

    All rows are read for it, which takes as long as in an epoch, and so only after an error.

    Parameters
    ----------
    sources : iterable of Source
        Rows that were finite.
    of : type of exception, or tuple of these, default=DivergedError
        What such rows may end in; other errors pass.
    """
    try:
        yield
    except of as error:
        found = next(filter(None, map(first_wrong, sources)), None)
        if found is None:
            raise
        raise DivergedError(
            f"`{found}` is not finite, and was when `fit` began: the rows have been written to "
            "since. Leave their array or file alone until `fit` ends, and fit again."
        ) from error


def first_wrong(source: Source) -> str | None:
    """Return the name of the first row that is not finite, such as "X[3]"; None where all are.

    Pixels are, and items of a Dataset are checked each time that they are read.
    """
    if isinstance(source, JoinedSource):
        return next(filter(None, map(first_wrong, source.parts())), None)
    if not isinstance(source, ArraySource) or source.items.dtype.kind != "f":
        return None
    n_rows = max(1, PART // math.prod(source.items.shape[1:]))
    for start in range(0, len(source), n_rows):
        numbers = np.arange(start, min(start + n_rows, len(source)))
        finite = torch.isfinite(source.take(numbers)).reshape(len(numbers), -1).all(1).numpy()
        if not finite.all():
            number = start + int(finite.argmin())
            return f"{source.argument}[{number if source.index is None else source.index[number]}]"
    return None
