"""Damage done to files; also for docs/reproduction/saved_models.py."""

import numpy as np

from sklearn_debias.deployment import load_model


def bit(content, rng):
    """One bit is flipped."""
    out = bytearray(content)
    out[rng.integers(len(out))] ^= 1 << rng.integers(8)
    return bytes(out)


def cut(content, rng):
    """The end is missing."""
    return content[: rng.integers(len(content))]


def zeroed(content, rng):
    """A range is zero, as a block that was never written."""
    start = rng.integers(len(content))
    length = min(int(rng.integers(1, 512)), len(content) - start)
    return content[:start] + bytes(length) + content[start + length :]


def swapped(content, rng):
    """Two ranges have changed places."""
    out = bytearray(content)
    length = int(rng.integers(1, 64))
    a, b = rng.integers(len(out) - length, size=2)
    out[a : a + length], out[b : b + length] = out[b : b + length], out[a : a + length]
    return bytes(out)


MUTATIONS = {"bit": bit, "cut": cut, "zeroed": zeroed, "swapped": swapped}


def outcome(path, content, predict, expected):
    """Load a content: "error", "same" predictions, or "other" ones."""
    path.write_bytes(content)
    try:
        found = predict(load_model(path))
    except ValueError:  # ours; any other is a failure of the test
        return "error"
    return "same" if np.array_equal(found, expected) else "other"
