"""Searches, comparisons and embeddings on dask: equal results, clear errors, workers that die."""

import os
import signal
import sys
import threading
import time

import numpy as np
import pytest

pytest.importorskip("distributed")

from distributed import Client, LocalCluster
from page import programs
from skorch.callbacks import Callback
from spread import N_FITS, assert_same_search, check_comparison, check_shards, searched

from sklearn_debias.clusters import on_dask

PATIENCE = 40  # seconds that a test waits for another process


def test_a_search_gives_the_results_of_one_process(client):
    with on_dask(client):
        there = searched()
    assert_same_search(searched(), there)


def test_a_comparison_gives_the_results_of_one_process(client, tmp_path, monkeypatch):
    check_comparison(lambda: on_dask(client), tmp_path, monkeypatch)


def test_shards_of_files_fill_one_cache(client, tmp_path, monkeypatch):
    check_shards(lambda: on_dask(client), tmp_path, monkeypatch)


def test_large_rows_are_sent_without_a_word(client):
    from joblib import Parallel, delayed

    rows = np.zeros((2_000_000, 1))  # 16 MB; dask advises from 10 MB on
    with on_dask(client):
        found = Parallel()(delayed(np.count_nonzero)(rows + i) for i in range(2))
    assert found == [0, len(rows)]


def test_the_page_runs(client, monkeypatch):
    class Shared(str):
        """The address of the cluster that other tests need, too."""

        def close(self):
            pass

    monkeypatch.setattr(
        "dask.distributed.LocalCluster", lambda **_: Shared(client.cluster.scheduler_address)
    )
    made = {}
    exec(compile(programs()[0], "clusters.md", "exec"), made)
    assert made["X"].shape == (8, 128)
    assert 0 <= made["search"].best_score_ <= 1


def held_once(folder):
    """A callback whose fits note their epochs; one of them waits to be killed."""

    class Held(Callback):
        def on_epoch_begin(self, net, **_):
            epoch = len(net.history)
            with open(folder / "epochs", "a") as file:
                file.write(f"{os.getpid()}-{id(net)} {epoch}\n")
            if epoch == 1:
                time.sleep(0.25)  # joblib makes batches of shorter fits
            if epoch == 3 and len((folder / "epochs").read_text().split("\n")) > 12:
                try:
                    (folder / "taken").touch(exist_ok=False)
                except FileExistsError:
                    return
                (folder / "pid.part").write_text(str(os.getpid()))
                (folder / "pid.part").rename(folder / "pid")
                time.sleep(60)

    return Held()


def kill_the_held(folder):
    """Kill the process whose fit waits for it."""
    end = time.monotonic() + PATIENCE
    while not (folder / "pid").exists() and time.monotonic() < end:
        time.sleep(0.02)
    os.kill(int((folder / "pid").read_text()), signal.SIGKILL)


@pytest.mark.parametrize("resumes", [False, True], ids=["anew", "from its checkpoint"])
def test_a_killed_worker_costs_one_fit_at_most(client, tmp_path, resumes):
    client.wait_for_workers(2, PATIENCE)
    params = {"checkpoint": tmp_path / "fits"} if resumes else {}
    killer = threading.Thread(target=kill_the_held, args=(tmp_path,))
    killer.start()
    with on_dask(client):
        there = searched(callbacks=[held_once(tmp_path)], **params)
    killer.join()
    assert_same_search(searched(), there)
    n_epochs = len((tmp_path / "epochs").read_text().splitlines())
    # Killed when the third of four epochs began.
    assert n_epochs == N_FITS * 4 + (1 if resumes else 3)


def enter(*args, **settings):
    with on_dask(*args, **settings):
        pass


@pytest.fixture
def changed(client):
    """Change a module on one worker, and take that back."""
    client.wait_for_workers(2, PATIENCE)
    (address, *_) = client.scheduler_info()["workers"]

    def change(function):
        client.run(function, workers=[address])
        return address

    yield change
    client.run(put_back, workers=[address])


def lose_the_package():
    sys.package, sys.modules["sklearn_debias"] = sys.modules["sklearn_debias"], None


def age_the_package():
    package = sys.modules["sklearn_debias"]
    sys.package, sys.version_here = package, package.__version__
    package.__version__ = "0.0.9"


def put_back():
    sys.modules["sklearn_debias"] = sys.package
    if hasattr(sys, "version_here"):
        sys.package.__version__ = sys.version_here


def test_a_worker_of_another_version_is_refused(client, changed):
    address = changed(age_the_package)
    with pytest.raises(RuntimeError, match=f"worker {address} has sklearn_debias 0.0.9, and here"):
        enter(client)


def test_a_worker_without_the_package_is_refused(client, changed):
    address = changed(lose_the_package)
    with pytest.raises(RuntimeError, match=f"worker {address} cannot import sklearn_debias: Mod"):
        enter(client)


def test_a_cluster_without_workers_is_not_waited_for_long():
    nobody = LocalCluster(n_workers=0, processes=False, dashboard_address=":0")
    timed_out = pytest.raises(TimeoutError, match=r"no worker after 0\.1")
    with nobody, Client(nobody) as client, timed_out:
        enter(client, timeout=0.1)


@pytest.mark.parametrize("given", ["tcp://here:8786", None])
def test_what_is_no_client_is_refused(given):
    with pytest.raises(TypeError, match=r"`client` must be a dask\.distributed\.Client, got"):
        enter(given)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), "60", None])
def test_odd_timeouts_are_refused(client, timeout):
    with pytest.raises(ValueError, match="`timeout` must be a number > 0"):
        enter(client, timeout=timeout)


def test_without_distributed_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r"pip install sklearn-debias\[distributed\]"):
        enter(None)
