"""Random calls, valid and not: each ends in a finite model, or an error names a parameter."""

import pytest
from calls import check
from faulty import CLASSES

# How probable it is that a drawn value is sound. The first call is sound throughout.
SOUND = (1.0, 0.97, 0.97, 0.9, 0.9, 0.7, 0.7, 0.0)


@pytest.mark.parametrize("name", CLASSES)
def test_random_calls_end_in_a_finite_model_or_a_named_error(name):
    ends = [check(name, seed, sound) for seed, sound in enumerate(SOUND)]
    assert ends[0] == "fitted"
    assert ends[-1] != "fitted"
