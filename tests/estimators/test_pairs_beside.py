"""Rows beside X as one pair: as many as X, and never sliced with it."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict

from sklearn_debias import AdversarialTrainingClassifier, MetaWeightNetClassifier
from sklearn_debias.fitting import _reading

rng = np.random.default_rng(0)
y = np.arange(24) % 2
X = rng.normal(size=(24, 3)) + y[:, None]
OTHERS = rng.normal(size=(24, 3)) + y[:, None]
FAST = {"max_epochs": 3, "lr": 0.05, "random_state": 0}
ROBUST = AdversarialTrainingClassifier(epsilon=0.1, n_steps=2, **FAST)
META = MetaWeightNetClassifier(**FAST)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")


def test_as_many_extra_rows_as_rows_are_trained_on():
    """Fifty thousand and fifty thousand, as in the paper's Table 9: both count once an epoch."""
    together = clone(ROBUST).fit(np.concatenate([X, OTHERS]), np.concatenate([y, y]))
    apart = clone(ROBUST).fit(X, y, X_extra=(OTHERS, y))
    np.testing.assert_array_equal(apart.predict_proba(X), together.predict_proba(X))
    few = clone(ROBUST).fit(X, y, X_extra=(OTHERS[:5], y[:5]))
    same = clone(ROBUST).fit(X, y, X_extra=OTHERS[:5], y_extra=y[:5])
    np.testing.assert_array_equal(few.predict_proba(X), same.predict_proba(X))


@pytest.mark.parametrize(
    ("clf", "name", "size"),
    [(ROBUST, "extra", len(X)), (ROBUST, "extra", 16), (META, "meta", len(X)), (META, "meta", 16)],
)
def test_cross_validation_hands_on_the_whole_pair(clf, name, size, monkeypatch):
    seen = []
    read = _reading.with_extra if name == "extra" else _reading.open_meta

    def watched(*args):
        seen.extend(len(value[0][1]) for value in args if isinstance(value, tuple))
        return read(*args)

    monkeypatch.setattr(_reading, read.__name__, watched)
    params = {f"X_{name}": (OTHERS[:size], y[:size])}
    GridSearchCV(clf, {"lr": [0.01, 0.1]}, cv=KFold(3)).fit(X, y, **params)
    cross_val_predict(clf, X, y, cv=KFold(3), params=params)
    assert seen == [size] * (2 * 3 + 1 + 3)


def test_a_pair_is_checked_as_two_arguments_are():
    for wrong, words in {
        "labels": ((OTHERS, y[:5]), "`y_extra` must have one label per row of X_extra, 24, got 5"),
        "unknown class": ((OTHERS, y + 1), "`y_extra` must hold labels seen in fit"),
        "no labels": ((OTHERS, None), "`y_extra` must be given with `X_extra`"),
    }.values():
        with pytest.raises(ValueError, match=words):
            clone(ROBUST).fit(X, y, X_extra=wrong)
    with pytest.raises(ValueError, match="one pair: X_meta=\\(X_meta, y_meta\\)"):
        clone(META).fit(X, y, X_meta=OTHERS, y_meta=y)
