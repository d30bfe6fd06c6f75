"""A fit that fails leaves nothing behind, whoever has set it."""

import numpy as np
import pytest
from elsewhere import X, outside, y


def test_a_fit_that_diverges_takes_back_what_hooks_have_set():
    """Private attributes of a subclass go as those of the package do."""

    def _training_set(self, training):
        self._mine = "set in a fit"
        self.public_ = 1
        return training

    clf = outside(_training_set=_training_set).fit(X, y)
    assert clf._mine == "set in a fit"
    clf.note = "by its user"
    with pytest.raises(ValueError, match="diverged"):
        clf.set_params(lr=1e30).fit(X, y)
    assert set(vars(clf)) == {*clf.get_params(deep=False), "note"}


def test_a_fit_that_fails_puts_back_what_hooks_have_changed():
    """Neither a parameter nor a user's note may keep what half a fit made of it."""

    def _training_set(self, training):
        self.lr = 1.0
        self._note = "changed"
        self.extra = 1
        return training

    def _finish(self, states, training):
        raise RuntimeError("too late")

    clf = outside(_training_set=_training_set, _finish=_finish)
    clf._note = "by its user"
    before = dict(vars(clf))
    with pytest.raises(RuntimeError, match="too late"):
        clf.fit(X, y)
    assert vars(clf) == before


class Watching:
    """A callback of scikit-learn that must be torn down, whatever happened."""

    def __init__(self):
        self.seen = []

    def setup(self, estimator, context):
        self.seen.append("setup")

    def teardown(self, estimator, context):
        self.seen.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        pass


@pytest.mark.parametrize("lr", [0.1, 1e30])
def test_callbacks_are_torn_down_after_any_fit(lr):
    """The progress bar's would else wait for its end for ever."""
    watching = Watching()
    clf = outside().set_params(lr=lr).set_callbacks(watching)
    if lr > 1:
        with pytest.raises(ValueError, match="diverged|not finite"):
            clf.fit(X, y)
    else:
        clf.fit(X, y)
    assert watching.seen == ["setup", "teardown"]


def test_an_attribute_that_is_a_property_hides_no_error():
    def _finish(self, states, training):
        raise RuntimeError("the real one")

    clf = outside(classes_=property(lambda self: np.arange(2)), _finish=_finish)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="the real one"):
            clf.fit(X, y)
