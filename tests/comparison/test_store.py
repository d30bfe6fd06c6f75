"""A study in a file: killed anywhere, shared, of other data, damaged."""

import multiprocessing
import os
import signal
import sqlite3
import time

import numpy as np
import pandas as pd
import pytest
from comparing import SPACE, compared, rows
from sklearn.linear_model import LogisticRegression

from sklearn_debias import ERMClassifier
from sklearn_debias.comparison import _store, _study, compare

FORK = multiprocessing.get_context("fork")
TIMES = ["seconds", "seconds_per_fit"]


def same(one, other):
    """Assert that two results are alike in all but the time that they took."""
    for name in ("frame", "configurations"):
        a, b = (getattr(r, name).drop(columns=TIMES, errors="ignore") for r in (one, other))
        pd.testing.assert_frame_equal(a, b)
    pd.testing.assert_frame_equal(one.groups, other.groups)
    assert one.n_test_reads == other.n_test_reads
    for name, predicted in one.predictions_.items():
        np.testing.assert_array_equal(predicted, other.predictions_[name])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "study.sqlite"


def count(path):
    with sqlite3.connect(path) as file:
        return file.execute("select count(*) from fits").fetchone()[0]


def test_a_store_changes_nothing(path):
    same(compared(store=path), compared())


def test_a_second_call_fits_nothing(path, monkeypatch):
    first = compared(store=path)
    monkeypatch.setattr(ERMClassifier, "fit", None)
    monkeypatch.setattr(LogisticRegression, "fit", None)
    same(compared(store=path), first)


def test_methods_and_seeds_that_are_added_run_alone(path):
    methods = {"ERM": ERMClassifier(max_epochs=2), "logistic": LogisticRegression()}
    spaces = {"ERM": SPACE["ERM"], "logistic": SPACE["logistic"]}
    compared({"ERM": methods["ERM"]}, search_spaces={"ERM": spaces["ERM"]}, store=path)
    n = count(path)
    both = compared(methods, search_spaces=spaces, store=path)
    n_more = count(path)
    assert n_more - n == len(both.configurations.query("method == 'logistic'")) + 2
    assert both.n_test_reads == 2
    compared(methods, search_spaces=spaces, store=path, n_seeds=3)
    assert count(path) - n_more == 2
    alone = compared(methods, search_spaces=spaces)
    assert alone.n_test_reads == 1
    pd.testing.assert_frame_equal(both.frame.drop(columns=TIMES), alone.frame.drop(columns=TIMES))


@pytest.mark.slow
def test_a_run_killed_at_any_moment_goes_on_where_it_was(path, monkeypatch):
    monkeypatch.setattr(_study, "stacks", lambda estimator: False)  # one fit after the other
    expected = compared()
    rng = np.random.default_rng(0)
    start = time.perf_counter()
    compared(store=path.with_name("whole.sqlite"))
    whole = time.perf_counter() - start
    total = count(path.with_name("whole.sqlite"))
    kills = done = studies = 0
    while kills < 30:
        child = FORK.Process(target=compared, kwargs={"store": path})
        child.start()
        time.sleep(rng.uniform(0, whole / 2))
        was_at_work = child.is_alive()
        if was_at_work:
            os.kill(child.pid, signal.SIGKILL)
        child.join()
        now = count(path) if path.exists() and tables(path) else 0
        assert now >= done
        kills += was_at_work and now < total
        done = now
        if done == total:  # another study, to be killed in
            same(compared(store=path), expected)
            path, studies, done = path.with_name(f"{studies}.sqlite"), studies + 1, 0
    same(compared(store=path), expected)


def tables(path):
    with sqlite3.connect(path) as file:
        return file.execute("select count(*) from sqlite_master where name = 'fits'").fetchone()[0]


@pytest.mark.slow
def test_two_processes_share_a_study(path, monkeypatch):
    expected = compared()
    log = path.with_name("fits.log")
    put = _store.Store.put

    def noted(self, rows):
        with open(log, "a", encoding="utf-8") as file:
            file.write("x" * len(rows))
        return put(self, rows)

    monkeypatch.setattr(_store.Store, "put", noted)
    children = [FORK.Process(target=compared, kwargs={"store": path}) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0
    same(compared(store=path), expected)
    with sqlite3.connect(path) as file:
        assert file.execute("select count(*) from claims").fetchone()[0] == 0
        assert file.execute("select count(*) from fits").fetchone()[0] == log.read_text().count("x")


def test_what_another_process_does_is_waited_for(path):
    compared(store=path)
    with sqlite3.connect(path) as file:
        (key,) = file.execute("select key from fits limit 1").fetchone()
        row = file.execute("select * from fits where key = ?", (key,)).fetchone()
        file.execute("delete from fits where key = ?", (key,))
        until = time.time() + 60
        claim = (key, "another", _store.socket.gethostname(), os.getpid(), until)
        file.execute("insert into claims values (?, ?, ?, ?, ?)", claim)
    child = FORK.Process(target=compared, kwargs={"store": path})
    child.start()
    child.join(3)
    assert child.is_alive()
    with sqlite3.connect(path) as file:
        file.execute(f"insert into fits values ({', '.join('?' * len(row))})", row)
    child.join(30)
    assert child.exitcode == 0


def test_claims_of_a_dead_process_are_nobodys(path):
    compared(store=path)
    child = FORK.Process(target=int)
    child.start()
    child.join()
    with sqlite3.connect(path) as file:
        keys = file.execute("select key from fits").fetchall()
        for (key,) in keys:
            claim = (key, "another", _store.socket.gethostname(), child.pid, time.time() + 60)
            file.execute("insert into claims values (?, ?, ?, ?, ?)", claim)
        file.execute("delete from fits")
    start = time.perf_counter()
    compared(store=path)
    assert time.perf_counter() - start < 30


def test_other_data_are_refused_with_what_differs(path):
    compared(store=path)
    train, _, test = rows()
    other = (test[0] + 1, *test[1:])
    with pytest.raises(ValueError, match="is of other data: X of `test` differ. Name another"):
        compared(store=path, test=other)
    shorter = tuple(part[:-2] for part in train)
    with pytest.raises(ValueError, match="X of `train`, .*rows of `train` differ"):
        compared(store=path, train=shorter)


@pytest.mark.parametrize("content", [b"no database at all" * 100, None])
def test_a_damaged_store_is_named(path, content):
    if content is None:
        compared(store=path)
        whole = path.read_bytes()
        content = whole[:4096] + b"\xff" * (len(whole) - 4096)
    path.write_bytes(content)
    with pytest.raises(ValueError, match="`store` .*study.sqlite' is damaged"):
        compared(store=path)


def test_a_flipped_bit_is_found(path):
    compared(store=path)
    with sqlite3.connect(path) as file:
        file.execute("update fits set score = score + 1e-9 where score is not null")
    with pytest.raises(ValueError, match="is damaged: a fit is not what was written"):
        compared(store=path)


def test_a_database_of_something_else_is_left_alone(path):
    with sqlite3.connect(path) as file:
        file.execute("create table birds (name text)")
    before = path.read_bytes()
    with pytest.raises(ValueError, match="`store` .* is a database of something else"):
        compared(store=path)
    assert path.read_bytes() == before


def test_parts_may_be_added_and_nothing_stale_is_read(path):
    without = compared(store=path, test=None)
    assert without.rows == "validation"
    same(compared(store=path), compared())
    other = path.with_name("cv.sqlite")
    compared(store=other, validation=None, cv=2)
    found, alone = compared(store=other), compared()
    assert found.n_test_reads == 2
    found.n_test_reads = 1
    same(found, alone)


def test_what_failed_for_memory_is_tried_again(path, monkeypatch):
    methods, spaces = {"logistic": LogisticRegression()}, {"logistic": {}}

    def full(self, X, y):
        raise MemoryError

    monkeypatch.setattr(LogisticRegression, "fit", full)
    assert compared(methods, search_spaces=spaces, store=path).frame.loc["logistic", "failed"] == 1
    monkeypatch.undo()
    assert compared(methods, search_spaces=spaces, store=path).frame.loc["logistic", "failed"] == 0


def test_a_locked_store_is_named(path, monkeypatch):
    monkeypatch.setattr(_store, "PATIENCE", 0.1)
    compared(store=path)
    with sqlite3.connect(path) as file:
        file.execute("begin exclusive")
        with pytest.raises(ValueError, match="`store` .* locked; another process has held it"):
            compared(store=path)


def test_a_folder_that_is_not_there_is_named(path):
    with pytest.raises(ValueError, match="`store` must be a file in a folder that exists"):
        compared(store=path.parent / "nowhere" / "study.sqlite")


def test_a_store_needs_a_seed(path):
    train, validation, test = rows()
    with pytest.raises(ValueError, match="`random_state` must be an int with a `store`"):
        compare(
            [LogisticRegression()],
            train,
            validation=validation,
            test=test,
            n_configurations=1,
            store=path,
        )
    assert not path.exists()
