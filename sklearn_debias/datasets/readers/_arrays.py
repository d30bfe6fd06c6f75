"""Features and images from anyone: of the right shape and type, finite, and told apart."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

BLOCK = 64 << 20  # bytes that are looked at together: a memory map is never read as a whole
SAMPLED = 1000  # rows that tell arrays apart


def check_features(x: Any, source: str, *, finite: bool = True) -> np.ndarray:
    """Return features (n, d) as they are, of any type of floats.

    Parameters
    ----------
    x : array
    source : str
        Where they were read, for errors.
    finite : bool, default=True
        Whether to look for NaN and infinity, which reads all of them once.
    """
    if not isinstance(x, np.ndarray) or x.ndim != 2 or 0 in x.shape or x.dtype.kind != "f":
        found = f"{x.dtype} {x.shape}" if isinstance(x, np.ndarray) else f"a {type(x).__name__}"
        raise ValueError(
            f"{source} must be floats of shape (n, d), one row for each sample; found {found}."
        )
    if finite:
        _check_finite(x, source)
    return x


def _check_finite(x: np.ndarray, source: str) -> None:
    step = max(1, BLOCK // x[:1].nbytes)
    for start in range(0, len(x), step):
        wrong = np.flatnonzero(~np.isfinite(x[start : start + step]).all(axis=1))
        if len(wrong):
            hint = " (float16 ends at 65,504)" if x.dtype == np.float16 else ""
            raise ValueError(
                f"{source} must be finite; row {start + wrong[0]} holds NaN or infinity{hint}. "
                "Compute it again, or pass check_finite=False to take all as they are."
            )


def take(x: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Return rows by number (increasing), without a copy where they lie side by side."""
    if index[-1] - index[0] + 1 == len(index):
        return x[index[0] : index[-1] + 1]
    return x[index]


def with_content(fingerprint: str, arrays: Mapping[str, np.ndarray]) -> str:
    """Return a fingerprint that counts what arrays hold: 1,000 rows of each."""
    digest = hashlib.sha256(fingerprint.encode())
    for name, x in arrays.items():
        digest.update(f"{name}\t{x.dtype}\t{x.shape}".encode())
        rows = np.unique(np.linspace(0, len(x) - 1, SAMPLED).astype(int))
        digest.update(np.ascontiguousarray(x[rows]).tobytes())
    return digest.hexdigest()
