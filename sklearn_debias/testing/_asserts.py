"""Assertions that several checks share."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor


@contextmanager
def generators_untouched() -> Iterator[None]:
    """Assert that the global generators of torch, NumPy and Python are as they were."""
    before = _generators()
    yield
    for name, (old, new) in {k: (v, _generators()[k]) for k, v in before.items()}.items():
        assert old == new, f"The global generator of {name} was touched."


def _generators() -> dict[str, Any]:
    numpy = np.random.get_state(legacy=False)  # noqa: NPY002
    return {
        "torch": torch.get_rng_state().tolist(),
        "numpy": (numpy["state"]["key"].tolist(), numpy["state"]["pos"], numpy["gauss"]),
        "Python": random.getstate(),
    }


def assert_close(actual: Any, expected: Any, tolerance: float, what: str) -> None:
    """Assert that two tensors, or nested mappings of them, differ by at most ``tolerance``."""
    if isinstance(expected, Mapping):
        assert set(actual) == set(expected), (
            f"{what}: {sorted(actual)} instead of {sorted(expected)}."
        )
        for name, value in expected.items():
            assert_close(actual[name], value, tolerance, f"{what}[{name!r}]")
        return
    assert actual.shape == expected.shape, (
        f"{what} has the shape {actual.shape} instead of {expected.shape}."
    )
    gap = (actual.detach().double() - expected.detach().double()).abs()
    difference = float(gap.max()) if gap.numel() else 0.0
    assert difference <= tolerance, f"{what} differs by {difference:.1e}, more than {tolerance:g}."


def assert_finite(tensors: Mapping[str, Tensor], what: str) -> None:
    """Assert that no tensor holds a NaN or an infinity."""
    wrong = [name for name, tensor in tensors.items() if not torch.isfinite(tensor.double()).all()]
    assert not wrong, f"{what}: {', '.join(wrong)} not finite."


def assert_equal_bits(actual: Any, expected: Any, what: str) -> None:
    """Assert that two arrays have the same type, shape and values."""
    actual = np.asarray(actual)
    expected = np.asarray(expected)
    assert actual.dtype == expected.dtype, (
        f"{what} has the type {actual.dtype} instead of {expected.dtype}."
    )
    missing = actual.dtype.kind in "fc"  # NaN where something is not known of a row
    assert np.array_equal(actual, expected, equal_nan=missing), (
        f"{what} is not the same to the last bit."
    )
