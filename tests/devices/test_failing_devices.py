"""A device that runs out of memory, or vanishes, in the middle of the work."""

import gc
from functools import partial

import numpy as np
import pytest
import torch
from simulated_cuda import SimulatedCuda
from simulated_fits import kernels_of
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from sklearn_debias import BiasAdvClassifier, ERMClassifier, LfFClassifier
from sklearn_debias.attribution import attribute
from sklearn_debias.exceptions import DeviceError, OutOfMemoryError, ProcessLostError
from sklearn_debias.feature_extraction import Embedder
from sklearn_debias.model_selection import BatchedGridSearchCV
from sklearn_debias.robustness import robust_accuracy_score
from sklearn_debias.testing._estimator_data import fitted_names, toy_rows
from sklearn_debias.training import is_of_device, is_of_memory
from sklearn_debias.training._ranks import told

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
X, Y, BIAS = toy_rows(30)
QUICK = {"device": "cuda", "max_epochs": 1, "batch_size": 10, "lr": 0.05, "random_state": 0}
METHODS = [
    ERMClassifier("mlp", **QUICK, validation=0.3, monitor="accuracy"),
    BiasAdvClassifier(base="erm", **QUICK, n_steps=1),
    LfFClassifier(**QUICK),
]
# Each as torch says it, and what users are told.
OUT_OF_MEMORY = [
    lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
    lambda: RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be reported later"),
    lambda: RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate()`"),
]
GONE = [
    lambda: RuntimeError("CUDA error: unspecified launch failure\nCompile with TORCH_USE_CUDA_DSA"),
    lambda: RuntimeError("CUDA error: device-side assert triggered"),
    lambda: RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
]


def n_operations(device, run):
    """Return how many kernels a call runs on the device."""
    return len(kernels_of(device, run))


def places(n, k=3):
    """Return the numbers of a few of n operations, from the third (`pick_device` has two)."""
    return sorted({int(i) for i in np.linspace(3, n - 1, k)})


def fails(device, error, after, run, expected, match):
    """Run, let the device fail, and return how many more tensors it holds than before."""
    gc.collect()
    before = device.n_tensors()
    times = float("inf") if expected is DeviceError else 1
    expected = ValueError if expected is DeviceError else expected
    with (
        device.failing(error(), after=after, times=times),
        pytest.raises(expected, match=match) as e,
    ):
        run()
    assert str(e.value).count("`batch_size`=") == (expected is OutOfMemoryError)
    if times > 1:
        del e
    gc.collect()
    # Where memory ran out, even while the error lives: whoever sees it tries a smaller batch.
    return device.n_tensors() - before


@pytest.mark.parametrize("clf", METHODS, ids=lambda clf: type(clf).__name__)
@pytest.mark.parametrize("expected", [OutOfMemoryError, DeviceError])
def test_a_fit_names_what_failed_and_leaves_nothing(clf, expected):
    match = r"(?i)The device failed: cu|`device`='cuda' cannot be used here: cu"  # asked for anew
    errors = GONE
    if expected is OutOfMemoryError:
        errors, match = OUT_OF_MEMORY, "Out of memory with `batch_size`=10: CU.* (Lower|Predict)"
    with SimulatedCuda() as device:
        n = n_operations(device, lambda: clone(clf).fit(X, Y))
        for i, after in enumerate(places(n)):
            own = clone(clf)
            left = fails(device, errors[i % 3], after, partial(own.fit, X, Y), expected, match)
            assert left == 0, f"{left} tensors are left after operation {after} of {n}."
            assert fitted_names(own) == []
            assert own.batch_size == 10
        probability = clone(clf).fit(X, Y).predict_proba(X)
        np.testing.assert_array_equal(own.fit(X, Y).predict_proba(X), probability)


USES = {
    "predict": lambda clf: clf.predict_proba(X),
    "attack": lambda clf: robust_accuracy_score(clf, X, Y, attack="pgd-2", epsilon=0.1),
    "explain": lambda clf: attribute(clf, X, method="input_gradient"),
}


@pytest.mark.parametrize("name", USES)
@pytest.mark.parametrize("expected", [OutOfMemoryError, DeviceError])
def test_uses_name_what_failed(name, expected):
    with SimulatedCuda() as device:
        # In float64 a head predicts on the CPU: this one is none.
        clf = ERMClassifier("mlp", **QUICK, net_params={"module__hidden": [2000, 600]}).fit(X, Y)
        n = n_operations(device, lambda: USES[name](clf))
        match = "The device failed: CU" if expected is DeviceError else "Out of memory"
        error = (GONE if expected is DeviceError else OUT_OF_MEMORY)[1]
        for after in {1, n // 2, n - 1}:
            gc.collect()
            before = device.n_tensors()
            with device.failing(error(), after=after), pytest.raises(expected, match=match):
                USES[name](clf)
            gc.collect()
            assert device.n_tensors() <= before


def test_an_embedder_names_what_failed():
    embedder = Embedder("mlp", device="cuda", cache_dir=None)
    with SimulatedCuda() as device:
        n = n_operations(device, lambda: embedder.fit_transform(X))
        for errors, expected in ((OUT_OF_MEMORY, OutOfMemoryError), (GONE, DeviceError)):
            for i, after in enumerate((n // 2, n - 1)):
                with device.failing(errors[i + 1](), after=after), pytest.raises(expected):
                    embedder.fit_transform(X)


@pytest.mark.parametrize("search", [GridSearchCV, BatchedGridSearchCV])
def test_a_search_names_what_failed(search):
    """It is no fault of a candidate, nor of its module."""
    grid = search(ERMClassifier(**QUICK), {"lr": [0.01, 0.1]}, cv=2, error_score="raise")
    with SimulatedCuda() as device:
        n = n_operations(device, lambda: grid.fit(X, Y))
        for errors, expected in ((OUT_OF_MEMORY, OutOfMemoryError), (GONE, DeviceError)):
            for i, after in enumerate((n // 3, n // 2)):
                with device.failing(errors[i + 1](), after=after), pytest.raises(expected):
                    grid.fit(X, Y)


@pytest.mark.parametrize(
    "said",
    [
        "cuDNN error: CUDNN_STATUS_NOT_SUPPORTED. This error may appear if you passed in a "
        "non-contiguous input.",
        "CUDA error: CUBLAS_STATUS_INVALID_VALUE when calling `cublasSgemm(...)`",
    ],
)
def test_what_a_library_cannot_do_is_no_dead_device(said):
    assert not is_of_device(RuntimeError(said))
    assert not is_of_memory(RuntimeError(said))


def test_memory_that_runs_out_among_processes_is_no_lost_process():
    with pytest.raises(torch.OutOfMemoryError), told():
        raise torch.OutOfMemoryError("CUDA out of memory.")
    with pytest.raises(ProcessLostError), told():
        raise RuntimeError("Connection closed by peer")
