"""What the loaders ask of their arguments: each check names the parameter and what was found."""

import math
from numbers import Integral, Real
from secrets import randbits
from zlib import crc32

import numpy as np


def check_int(name, value, low, high=math.inf, hint=""):
    """Return `value` as an int in low..high."""
    if isinstance(value, bool) or not isinstance(value, Integral) or not low <= value <= high:
        limits = f">= {low}" if math.isinf(high) else f"in {low}..{high}"
        raise _wrong(name, f"an int {limits}", value, hint)
    return int(value)


def check_real(name, value, low=0.0, high=math.inf, hint=""):
    """Return `value` as a finite float in [low, high]."""
    try:
        number = (
            float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
        )
    except OverflowError:  # an int beyond the floats
        number = math.nan
    if not math.isfinite(number) or not low <= number <= high:
        limits = f">= {low:g}" if math.isinf(high) else f"in [{low:g}, {high:.6g}]"
        raise _wrong(name, f"a finite number {limits}", value, hint)
    return number


def check_option(name, value, options):
    """Return `value`, one of the strings `options`."""
    if not isinstance(value, str) or value not in options:
        raise _wrong(name, "one of " + ", ".join(map(repr, options)), value)
    return value


def check_conflict_ratio(value, n_values, name="conflict_ratio"):
    """Return a share of conflicting training samples at which the bias still points at the class."""
    hint = (
        f"At 1 - 1/{n_values} all {n_values} values of the bias are equally frequent: no bias is "
        "left."
    )
    return min(check_real(name, value, high=1 - 1 / n_values + 1e-12, hint=hint), 1 - 1 / n_values)


def check_images(images):
    """Return `images` as uint8 of shape (n, height, width), without a copy."""
    images = np.asarray(images)
    if images.ndim == 4 and images.shape[1] == 1:
        images = images[:, 0]
    if images.ndim != 3 or not images.size:
        expected = "grey images of shape (n, height, width) or (n, 1, height, width), n >= 1"
        raise ValueError(f"`images` must be {expected}; got the shape {images.shape}.")
    if images.dtype != np.uint8:
        hint = "Scale images in [0, 1] by 255, round them and cast them to numpy.uint8."
        raise ValueError(f"`images` must be uint8 in 0..255, got the dtype {images.dtype}. {hint}")
    return images


def check_target(target, n_samples, n_classes):
    """Return `target` as int64 codes in 0..n_classes - 1, of shape (n_samples,)."""
    target = np.asarray(target)
    if target.dtype.kind not in "iu":
        hint = "Convert the labels, as in `target.astype(int)`."
        raise ValueError(f"`target` must hold integers, got the dtype {target.dtype}. {hint}")
    if target.shape != (n_samples,):
        raise ValueError(
            f"`target` must have the shape ({n_samples},), one per image; got {target.shape}."
        )
    if target.min() < 0 or target.max() >= n_classes:
        found = f"got values from {target.min()} to {target.max()}"
        raise ValueError(f"`target` must lie in 0..{n_classes - 1}, one value per bias; {found}.")
    return target.astype(np.int64)


def streams(random_state, *names):
    """One independent generator per name; NumPy's global generator is neither read nor moved."""
    if isinstance(random_state, np.random.RandomState):
        seed = int(random_state.randint(2**31))
    elif isinstance(random_state, np.random.Generator):
        seed = int(random_state.integers(2**63))
    elif random_state is None:
        seed = randbits(128)
    elif (
        isinstance(random_state, int | np.integer)
        and not isinstance(random_state, bool)
        and random_state >= 0
    ):
        seed = int(random_state)
    else:
        raise _wrong(
            "random_state", "None, an int >= 0, a RandomState or a Generator", random_state
        )
    return [np.random.default_rng([crc32(name.encode()), seed]) for name in names]


def _wrong(name, expected, found, hint=""):
    return ValueError(f"`{name}` must be {expected}, got {found!r}. {hint}".rstrip())
