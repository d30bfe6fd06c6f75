"""Fits that fail, warn or are stopped: counted, told, and never dropped."""

import warnings

import numpy as np
import pytest
from comparing import LOGISTIC, METHODS, SPACE, C, compared
from joblib import parallel_config
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

from sklearn_debias.model_selection import BatchedGridSearchCV


def test_failures_are_counted_and_stop_nothing():
    methods = {**LOGISTIC, "broken": LogisticRegression(C=-1.0)}
    found = compared(methods, search_spaces={**C, "broken": {"C": [-1.0, -2.0, 1.0]}})
    assert found.frame.loc["broken", "failed"] == 1 + (
        found.configurations.query("method == 'broken'")["params"]
        .map(lambda p: p["C"])
        .eq(-2)
        .sum()
    )
    assert "C" in found.frame.loc["broken", "error"]
    hopeless = compared(methods, search_spaces={**C, "broken": {}})
    row = hopeless.frame.loc["broken"]
    assert np.isnan(row["worst_group_accuracy"])
    assert row["n_fits"] == 0
    assert hopeless.to_frame().loc["broken", "worst group"] == "failed"
    assert any("all its fits failed" in note for note in hopeless.notes())
    assert hopeless.best_method_ == "logistic"


def test_all_may_fail():
    found = compared(
        {"broken": LogisticRegression(C=-1.0)}, search_spaces={"broken": {}}, refit=True
    )
    assert found.best_method_ is None
    assert found.best_estimator_ is None
    assert "failed" in str(found)
    assert np.isnan(found.frame["accuracy"].item())


class Moody(LogisticRegression):
    """Fails for some of the seeds."""

    def fit(self, X, y):
        if self.random_state in self.bad:
            raise RuntimeError("a bad day")
        return super().fit(X, y)

    bad: frozenset = frozenset()


def test_a_failed_final_fit_is_counted_and_another_one_stands_for_the_method(monkeypatch):
    first = finals_of("moody", compared({"moody": Moody()}, search_spaces={"moody": {}}))
    monkeypatch.setattr(Moody, "bad", frozenset(first[:1]))
    found = compared({"moody": Moody()}, search_spaces={"moody": {}}, refit=True)
    row = found.frame.loc["moody"]
    assert (row["n_fits"], row["n_worked"], row["failed"]) == (2, 1, 1)
    assert found.to_frame().loc["moody", "fits"] == "1 of 2"
    assert any("single fit" in note for note in found.notes())
    assert found.best_estimator_.random_state == first[1]
    monkeypatch.setattr(Moody, "bad", frozenset(first))
    found = compared({"moody": Moody(), **LOGISTIC}, search_spaces={"moody": {}, **C}, refit=True)
    assert found.best_method_ == "logistic"


def finals_of(name, result):
    """The seeds of the final fits."""
    states = [np.random.SeedSequence([0, 1, i]).generate_state(1)[0] for i in range(2)]
    return [int(state % 2**31) for state in states]


def test_fits_of_one_class_are_counted():
    found = compared({"dummy": DummyClassifier()}, search_spaces={"dummy": {}})
    assert found.frame.loc["dummy", "degenerate"] == 3
    assert found.frame.loc["dummy", "n_fits"] == 2


def test_threads_leave_the_warnings_of_the_process_alone():
    before = list(warnings.filters), warnings.showwarning
    with parallel_config("threading", n_jobs=2):
        compared(LOGISTIC, search_spaces=C, n_configurations=4)
    assert (list(warnings.filters), warnings.showwarning) == before
    with pytest.warns(UserWarning, match="am I seen"):
        warnings.warn("am I seen", stacklevel=1)


class Talkative(LogisticRegression):
    def fit(self, X, y):
        warnings.warn("mind the gap", stacklevel=2)
        return super().fit(X, y)


def test_what_fits_warn_of_is_told(monkeypatch):
    found = compared({"talk": Talkative()}, search_spaces={"talk": {}})
    assert found.frame.loc["talk", ["warned", "warning"]].tolist() == [2, "mind the gap"]
    assert "talk: 2 of 2 fits warned: mind the gap" in found.notes()
    assert found.configurations["warnings"].item() == ("mind the gap",)
    fit = BatchedGridSearchCV.fit

    def loud(self, *given, **params):
        warnings.warn("a stack", stacklevel=2)
        return fit(self, *given, **params)

    monkeypatch.setattr(BatchedGridSearchCV, "fit", loud)
    found = compared({"ERM": METHODS["ERM"]}, search_spaces={"ERM": SPACE["ERM"]})
    assert found.configurations["warnings"].tolist() == [("a stack",)] * 3


def test_it_is_silent_unless_asked(capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compared()
    assert capsys.readouterr() == ("", "")
    compared(LOGISTIC, search_spaces=C, verbose=1)
    said = capsys.readouterr()
    assert "logistic: " in said.out + said.err
    assert "fit/s" in said.err


def test_an_interrupt_is_the_users(monkeypatch):
    def stop(self, X, y):
        raise KeyboardInterrupt

    monkeypatch.setattr(LogisticRegression, "fit", stop)
    with pytest.raises(KeyboardInterrupt):
        compared(LOGISTIC, search_spaces=C)
