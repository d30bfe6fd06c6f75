"""What a fit that fails in the middle leaves on the device: nothing, whatever the method."""

import gc

import numpy as np
import pytest
from simulated_cuda import SimulatedCuda
from simulated_fits import kernels_of, on

from sklearn_debias.testing import all_estimators, variants
from sklearn_debias.testing._estimator_data import fitted_names, toy_rows

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
HEADS = [
    pytest.param(cls, i, id=f"{name}-{i}", marks=[pytest.mark.slow] if i else [])
    for name, cls in all_estimators()
    for i in range(len(variants(cls)))
]


class Failed(Exception):
    """What a user's step, callback or Ctrl-C might raise."""


def middles(numbers, k):
    """Return k of the numbers, evenly apart, the first and the last not among them."""
    return [int(numbers[int(i)]) for i in np.linspace(0, len(numbers) - 1, k + 2)[1:-1]]


@pytest.mark.parametrize(("cls", "i"), HEADS)
def test_a_fit_that_fails_leaves_nothing(cls, i):
    """It fails in backward passes, early and late, and once outside of them."""
    X, y, bias = toy_rows()
    with SimulatedCuda() as device:
        estimator = on("cuda", variants(cls)[i]).set_params(random_state=0)
        backward = np.array(kernels_of(device, lambda: estimator.fit(X, y, bias_labels=bias)))
        if not backward.any():
            pytest.skip("No part of it takes a device by name.")
        places = middles(np.flatnonzero(backward), 2) + middles(np.flatnonzero(~backward), 1)
        for after in places:
            own = on("cuda", estimator)
            gc.collect()
            before = device.n_tensors()
            failing = device.failing(Failed("here"), after=after)
            with failing, pytest.raises(Exception, match="here") as seen:
                own.fit(X, y, bias_labels=bias)
            del seen  # the frames of an error hold what they see
            gc.collect()
            assert device.n_tensors() == before, f"after {after} of {len(backward)} kernels"
            assert fitted_names(own) == []
