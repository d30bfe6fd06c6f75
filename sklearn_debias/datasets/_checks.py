"""Checks of the loaders' arguments: each names the parameter and what was found."""

import math
from secrets import randbits
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from sklearn_debias.arguments import is_real, is_seed, is_whole
from sklearn_debias.rows import as_array
from sklearn_debias.seeds import Seed


def check_int(name: str, value: Any, low: float, high: float = math.inf, hint: str = "") -> int:
    """Return `value` as an int in low..high."""
    if not is_whole(value) or not low <= value <= high:
        limits = f">= {low}" if math.isinf(high) else f"in {low}..{high}"
        raise _wrong(name, f"an int {limits}", value, hint)
    return int(value)


def check_real(
    name: str, value: Any, low: float = 0.0, high: float = math.inf, hint: str = ""
) -> float:
    """Return `value` as a finite float in [low, high]."""
    number = float(value) if is_real(value) else math.nan
    if not math.isfinite(number) or not low <= number <= high:
        limits = f">= {low:g}" if math.isinf(high) else f"in [{low:g}, {high:.6g}]"
        raise _wrong(name, f"a finite number {limits}", value, hint)
    return number


def check_conflict_ratio(value: Any, n_values: int, name: str = "conflict_ratio") -> float:
    """Return a share of conflicting samples at which the bias still points at the class."""
    hint = (
        f"At 1 - 1/{n_values} all {n_values} values of the bias are equally frequent: no bias is "
        "left."
    )
    most = 1 - 1 / n_values
    # A caller's own arithmetic, such as 2 / 3, may end a rounding error above the limit.
    return min(check_real(name, value, high=most + 1e-12, hint=hint), most)


def check_images(images: npt.ArrayLike) -> np.ndarray:
    """Return `images` as uint8 of shape (n, height, width), without a copy."""
    grey = as_array(images, "images")
    if grey.ndim == 4 and grey.shape[1] == 1:
        grey = grey[:, 0]
    if grey.ndim != 3 or not grey.size:
        expected = "grey images of shape (n, height, width) or (n, 1, height, width), n >= 1"
        raise ValueError(f"`images` must be {expected}; got the shape {grey.shape}.")
    if grey.dtype != np.uint8:
        hint = "Scale images in [0, 1] by 255, round them and cast them to numpy.uint8."
        raise ValueError(f"`images` must be uint8 in 0..255, got the dtype {grey.dtype}. {hint}")
    return grey


def check_target(target: npt.ArrayLike, n_samples: int, n_classes: int) -> np.ndarray:
    """Return `target` as int64 codes in 0..n_classes - 1, of shape (n_samples,)."""
    codes = as_array(target, "target")
    if codes.dtype.kind not in "iu":
        hint = "Convert the labels, as in `target.astype(int)`."
        raise ValueError(f"`target` must hold integers, got the dtype {codes.dtype}. {hint}")
    if codes.shape != (n_samples,):
        raise ValueError(
            f"`target` must have the shape ({n_samples},), one per image; got {codes.shape}."
        )
    if codes.min() < 0 or codes.max() >= n_classes:
        found = f"got values from {codes.min()} to {codes.max()}"
        raise ValueError(f"`target` must lie in 0..{n_classes - 1}, one value per bias; {found}.")
    return codes.astype(np.int64)


def streams(random_state: Seed, *names: str) -> list[np.random.Generator]:
    """Return one independent generator for each name.

    NumPy's global generator is neither read nor moved.
    """
    if isinstance(random_state, np.random.RandomState):
        seed = int(random_state.randint(2**31))
    elif isinstance(random_state, np.random.Generator):
        seed = int(random_state.integers(2**63))
    elif random_state is None:
        seed = randbits(128)
    elif is_seed(random_state):
        seed = int(random_state)
    else:
        raise _wrong(
            "random_state", "None, an int >= 0, a RandomState or a Generator", random_state
        )
    # Keyed by names, not drawn in turn: what one stream draws, or a new one, moves no other. CRC
    # and not `hash`, which Python salts anew in every process.
    return [np.random.default_rng([crc32(name.encode()), seed]) for name in names]


def _wrong(name: str, expected: str, found: Any, hint: str = "") -> ValueError:
    """Return the error of a parameter that is not what was expected."""
    return ValueError(f"`{name}` must be {expected}, got {found!r}. {hint}".rstrip())
