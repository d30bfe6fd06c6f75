"""Every estimator trains, predicts, is pickled and loaded on a device that refuses to mix.

The numbers are those of the CPU's kernels: what differs from a fit on the CPU is a tensor in the
wrong place, a stream of random numbers that is not lent, or a branch taken on CUDA only.
"""

import pickle

import pytest
from simulated_cuda import SimulatedCuda
from simulated_fits import answers, assert_alike, on

from sklearn_debias.testing import all_estimators, variants
from sklearn_debias.testing._estimator_data import fitted, toy_rows, weights
from sklearn_debias.training import Engine

HEADS = [
    pytest.param(cls, i, id=f"{name}-{i}")
    for name, cls in all_estimators()
    for i in range(len(variants(cls)))
]
# On a CPU their covariances multiply the rows class by class, and round otherwise.
BY_CLASS = ("ISDAClassifier", "MetaIADAClassifier")
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning"),
    # What skorch says of a model whose device is gone.
    pytest.mark.filterwarnings("ignore::skorch.exceptions.DeviceWarning"),
]


@pytest.fixture
def waits_of_epochs(monkeypatch):
    """Note for what the host waited in each epoch, under ``SimulatedCuda``."""
    found = []
    run = Engine.run_single_epoch

    def counted(self, iterator, *args, device, **kwargs):
        begun = len(device.waits)
        run(self, iterator, *args, **kwargs)
        if iterator is not None:
            found.append((len(self.history), device.waits[begun:]))

    def watch(device):
        monkeypatch.setattr(
            Engine,
            "run_single_epoch",
            lambda self, *args, **kwargs: counted(self, *args, device=device, **kwargs),
        )
        return found

    return watch


@pytest.mark.parametrize(("cls", "i"), HEADS)
def test_heads(cls, i, waits_of_epochs):
    """Weights and predictions are the CPU's; the host waits once an epoch."""
    estimator = variants(cls)[i]
    X, y, bias = toy_rows()
    here = fitted(on("cpu", estimator), X, y, bias)
    with SimulatedCuda() as device:
        epochs = waits_of_epochs(device)
        there = fitted(on("cuda", estimator), X, y, bias)
        said = answers(there, X)
        stored = pickle.dumps(there)
        if hasattr(there, "module_"):
            assert all(p.is_cuda for p in there.module_.parameters())
        trained = weights(there)
    atol = 1e-6 if cls.__name__ in BY_CLASS else 0.0
    assert_alike(trained, weights(here), atol)
    assert_alike(said, answers(here, X), atol)
    # And where there is no such device.
    assert_alike(answers(pickle.loads(stored), X), said)
    # The first epoch of a phase may ask which rows to visit: for the groups, or the state.
    assert [waits for epoch, waits in epochs if len(waits) > (3 if epoch == 1 else 1)] == []
