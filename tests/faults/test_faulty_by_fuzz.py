"""Random calls of all that is exported: each ends in a result, or an error names an argument.

`python tests/faults/fuzz.py 100000` makes them at length.
"""

import numpy as np
import pytest
import torch
from fuzz import Call, named, outcome, run, without_pool

CALLS = 2000
PARTS = 20


@pytest.mark.parametrize("part", range(PARTS))
def test_random_calls_end_as_they_should(part):
    size = CALLS // PARTS
    ends, wrong = run(size, seed=part * size)
    assert not wrong, "\n".join(calls[0] for calls in wrong.values())
    assert min(ends["right"], ends["refused"]) > size / 10


def test_every_parameter_is_drawn():
    assert without_pool() == set()


def divide(X):
    return X / 0


def refuse(X):
    raise ValueError("no")


def draw_numbers(X):
    torch.rand(1)


def draw_numpy_numbers(X):
    np.random.rand()  # noqa: NPY002 - what must not be done


def forget_gradients(X):
    torch.set_grad_enabled(False)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (divide, "ZeroDivisionError"),
        (refuse, "ValueError: no"),
        (draw_numbers, "torch's generator has moved"),
        (draw_numpy_numbers, "NumPy's generator has moved"),
        (forget_gradients, "gradient mode"),
    ],
)
def test_a_wrong_end_is_seen(function, words):
    try:
        assert words in outcome(Call(function, {"X": 1}))
    finally:
        torch.set_grad_enabled(True)


def test_an_error_must_name_an_argument():
    assert named(ValueError("`X` must be numbers."), {"X", "y"})
    assert not named(ValueError("must be numbers."), {"X", "y"})
