import gc
import os
import signal
import threading
from pathlib import Path

import hypothesis
import pytest
import torch
from hypothesis.internal.conjecture import providers

# The same examples in every run and on every machine; `--hypothesis-profile=search` draws new ones.
hypothesis.settings.register_profile("fixed", derandomize=True, deadline=None)
hypothesis.settings.register_profile("search", max_examples=2_000, deadline=None)
hypothesis.settings.load_profile("fixed")
# Nor do examples depend on which modules are loaded, whose constants it would gather for seconds.
providers.is_local_module_file = lambda path: False

# `tox -e float64` runs the maths once more in double precision.
torch.set_default_dtype(getattr(torch, os.environ.get("SKLEARN_DEBIAS_DTYPE", "float32")))


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Networks this small only lose by handing work between threads."""
    torch.set_num_threads(1)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes():
    """Keep processes side by side to a core each; NumPy, SciPy and torch read this on import."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def same_start():
    """Seed torch, so that modules a test draws do not depend on the tests before it."""
    # For all devices it takes 2 ms, of each of 9,000 tests.
    torch.default_generator.manual_seed(0)


@pytest.fixture
def interruptible():
    """Let Ctrl-C interrupt: a background shell starts its children with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def pytest_collection_finish():
    """Let the collector pass over what lives as long as the run: a million objects."""
    gc.collect()
    gc.freeze()


# A further process imports torch for many seconds; the check of learning comes three times.
SLOW = (
    "in_processes",
    "in_two_processes",
    "in_another_process",
    "two_workers",
    "check_classifiers_train(readonly_memmap=True",
)


def pytest_collection_modifyitems(items):
    """Mark what is slow among the cases that are made elsewhere."""
    for item in items:
        n_jobs = item.callspec.params.get("n_jobs") if hasattr(item, "callspec") else None
        if n_jobs == 2 or any(words in item.name for words in SLOW):
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def by_autograd(monkeypatch):
    """Let linear heads of ERM and its like learn as all other networks do.

    So methods can be compared to the last bit that have no closed form.
    """
    monkeypatch.setattr("sklearn_debias.training._engine.linear_steps", lambda *args: None)


@pytest.fixture
def grown():
    """Return by how many bytes a call makes this process grow at most, pages of files aside."""
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("Linux tells the memory of a process there")

    def anonymous():
        return int(status.read_text().partition("RssAnon:")[2].split()[0]) * 1024

    def measure(call):
        stopped = threading.Event()
        seen = [anonymous()]

        def look():
            while not stopped.wait(0.002):
                seen.append(anonymous())

        watcher = threading.Thread(target=look)
        watcher.start()
        try:
            call()
        finally:
            stopped.set()
            watcher.join()
        assert len(seen) > 10  # it was looked at in the middle, too
        return max(seen) - seen[0]

    return measure
