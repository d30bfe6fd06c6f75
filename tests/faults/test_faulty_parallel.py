"""faults.md, the row on parallel runs: the same bits on every backend, and no hang after a fork."""

import os
import signal
import subprocess
import sys
import tempfile
import textwrap

import numpy as np
import pytest
from faulty import FRONT, X, make, y
from joblib import parallel_config
from sklearn.model_selection import cross_validate

pytestmark = pytest.mark.slow


def scores_and_weights(estimator, **parallel):
    found = cross_validate(
        estimator, X, y, cv=2, return_estimator=True, error_score="raise", **parallel
    )
    weights = [
        p.detach().numpy() for clf in found["estimator"] for p in clf.module_.state_dict().values()
    ]
    return [found["test_score"], *weights]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning", "ignore:Loky-backed parallel loops")
@pytest.mark.parametrize("backend", ["threading", "loky"])
@pytest.mark.parametrize("method", FRONT)
def test_backends_agree_to_the_last_bit(method, backend):
    estimator = make(method, module="mlp", net_params={"module__dropout": 0.5}, max_epochs=3)
    expected = scores_and_weights(estimator, n_jobs=1)
    with parallel_config(backend, n_jobs=2):
        found = scores_and_weights(estimator)
    for one, two in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one, two)


WORKERS = {"iterator_train__num_workers": 1}


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning", "ignore:Loky-backed parallel loops")
@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_loaders_have_workers_inside_of_parallel_fits(backend):
    expected = scores_and_weights(make("ERMClassifier"), n_jobs=1)
    with parallel_config(backend, n_jobs=2):
        found = scores_and_weights(make("ERMClassifier", net_params=WORKERS))
    for one, two in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_process_that_may_start_no_others_says_so():
    estimator = make("ERMClassifier", net_params=WORKERS)
    with (
        parallel_config("multiprocessing", n_jobs=2),
        pytest.raises(ValueError, match="`net_params` must not set iterator_train__num_workers"),
    ):
        scores_and_weights(estimator)


FORKED = """
    import sys, numpy as np, torch
    torch.set_num_threads(2)
    from joblib import parallel_config
    from sklearn.model_selection import cross_validate
    from faulty import DOORS, IMAGES, X, make, y

    large = torch.randn(1000, 1000)
    large @ large
    torch.nn.functional.conv2d(torch.randn(8, 3, 64, 64), torch.randn(8, 3, 3, 3))
    estimators = [(make(method, module="mlp"), X) for method in DOORS]
    on_images = make("BiasAdvClassifier", module="simple_cnn", lr=1e-3, max_epochs=6)
    estimators.append((on_images, IMAGES))
    options = {"cv": 2, "return_estimator": True, "error_score": "raise"}
    for estimator, given in estimators:
        def run():
            found = cross_validate(estimator, given, y, **options)
            fitted = found["estimator"]
            weights = [p for clf in fitted for p in clf.module_.state_dict().values()]
            return found["test_score"], weights
        torch.set_num_threads(1)
        expected = run()
        torch.set_num_threads(2)
        with parallel_config("multiprocessing", n_jobs=2):
            found = run()
        assert np.array_equal(expected[0], found[0])
        assert all(torch.equal(a, b) for a, b in zip(expected[1], found[1], strict=True))
        assert torch.get_num_threads() == 2
    print("agreed")
"""


def test_forked_children_of_a_threaded_parent_neither_hang_nor_differ():
    program = textwrap.dedent(FORKED)
    command, folder = [sys.executable, "-W", "ignore", "-c", program], __file__.rsplit("/", 1)[0]
    with tempfile.TemporaryFile() as log:  # not a pipe, which orphans of a hang would keep open
        process = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
        try:
            process.wait(timeout=120)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        log.seek(0)
        assert log.read().decode().splitlines()[-1:] == ["agreed"]
