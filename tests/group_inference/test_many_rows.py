"""Inference on very many rows: the default model sees some of them, and judges all, in parts."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from sklearn_debias.datasets import make_spurious_embeddings
from sklearn_debias.fitting import _standardised
from sklearn_debias.group_inference import GroupInferrer, _reference


@pytest.fixture
def rows():
    return make_spurious_embeddings(2_000, random_state=0).train


def test_some_rows_tell_about_the_same_minority(rows, monkeypatch):
    every = GroupInferrer(random_state=0).fit(rows.data, rows.target).bias_labels_
    monkeypatch.setattr(_reference, "MOST", 1_000)
    monkeypatch.setattr(_reference, "FEWEST", 10)
    seen = []
    fit = LogisticRegression.fit

    def noted(self, X, y, **given):
        seen.append((len(X), self.C))
        return fit(self, X, y, **given)

    monkeypatch.setattr(LogisticRegression, "fit", noted)
    some = GroupInferrer(random_state=0).fit(rows.data, rows.target).bias_labels_
    assert len(some) == 2_000
    assert np.mean(every == some) > 0.97
    # Four of five parts, and the strength that suits as many.
    assert [n for n, _ in seen] == [800] * 5
    assert {C for _, C in seen} == {1 / (_reference.PENALTY * 1_000)}
    again = GroupInferrer(random_state=0).fit(rows.data, rows.target).bias_labels_
    np.testing.assert_array_equal(again, some)


def test_an_estimator_of_the_user_sees_all_rows(rows, monkeypatch):
    monkeypatch.setattr(_reference, "MOST", 1_000)
    monkeypatch.setattr(_reference, "FEWEST", 10)
    own = LogisticRegression(C=0.01)
    every = GroupInferrer(estimator=own, n_splits=2, random_state=0).fit(rows.data, rows.target)
    monkeypatch.undo()
    same = GroupInferrer(estimator=own, n_splits=2, random_state=0).fit(rows.data, rows.target)
    np.testing.assert_array_equal(every.suspicion_, same.suspicion_)


def test_each_class_has_enough_rows(rows, monkeypatch):
    monkeypatch.setattr(_reference, "MOST", 1_000)
    monkeypatch.setattr(_reference, "FEWEST", 1_000)
    seen = []
    fit = LogisticRegression.fit

    def noted(self, X, y, **given):
        seen.append(len(X))
        return fit(self, X, y, **given)

    monkeypatch.setattr(LogisticRegression, "fit", noted)
    GroupInferrer(random_state=0).fit(rows.data, rows.target)
    assert seen == [1_600] * 5


def test_parts_judge_as_the_whole(rows, monkeypatch):
    whole = GroupInferrer(random_state=0).fit(rows.data, rows.target)
    monkeypatch.setattr(_standardised, "VALUES", 500)
    parts = GroupInferrer(random_state=0).fit(rows.data, rows.target)
    np.testing.assert_allclose(parts.suspicion_, whole.suspicion_, atol=1e-6)
    found = parts.predict(rows.data[:300], rows.target[:300])
    np.testing.assert_array_equal(found, whole.predict(rows.data[:300], rows.target[:300]))
