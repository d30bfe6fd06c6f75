"""What methods of two stages share: which rows each stage trains on."""

from typing import Any

from sklearn_debias.estimators._base import BaseDebiasClassifier


def split_of(
    clf: BaseDebiasClassifier, share: float, name: str = "held-out split"
) -> dict[str, Any]:
    """Return ``share`` and ``seed`` of a split, as the objectives of both stages take them.

    ``name`` is that of the random stream, which decides the rows.
    """
    # A seed and not a generator: all stages must find the same rows.
    return {"share": float(share), "seed": clf._streams.seed(name)}
