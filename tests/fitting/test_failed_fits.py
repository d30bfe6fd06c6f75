"""A fit that fails leaves nothing behind, whoever has set it."""

import gc

import numpy as np
import pytest
import torch
from elsewhere import X, outside, y
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef

from sklearn_debias import ERMClassifier
from sklearn_debias.exceptions import OutOfMemoryError
from sklearn_debias.fitting import _devices, _errors
from sklearn_debias.robustness import robust_accuracy_score


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


class Fails(torch.autograd.Function):
    """The identity, whose backward pass fails once it is told to."""

    told = None

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        if Fails.told:
            raise Fails.told
        return gradient


class Watched(nn.Module):
    """A network of two branches, of which the one that fails is gone back through first."""

    seen = None

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(X.shape[1], len(set(y)))

    def forward(self, x):
        x = self.linear(x)
        kept = x.exp()
        Watched.seen = StorageWeakRef(kept.untyped_storage())
        return kept + Fails.apply(x)


USES = {
    "fit": lambda clf: clf.fit(X, y),
    "attack": lambda clf: robust_accuracy_score(clf, X, y, attack="pgd-2", epsilon=0.1),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("error", [KeyError, MemoryError])
def test_autograd_keeps_nothing_of_a_backward_pass_that_failed(use, error, monkeypatch):
    """Torch's engine would hold the activations of the batch until another backward pass."""
    clf = ERMClassifier(Watched(), max_epochs=1, random_state=0, device="cpu").fit(X, y)
    monkeypatch.setattr(Fails, "told", error("in the backward pass"))
    expected = OutOfMemoryError if error is MemoryError else error
    with pytest.raises(expected, match="in the backward pass") as seen:
        USES[use](clf)
    monkeypatch.undo()
    if error is not MemoryError:  # of which nothing is left even while it is looked at
        del seen
    gc.collect()
    assert Watched.seen.expired()


def test_what_fails_before_any_backward_pass_starts_no_autograd(monkeypatch):
    """On a GPU it starts threads, and a process that is forked later could not train."""
    for module in (_devices, _errors):
        monkeypatch.setattr(module, "forget_backward", lambda: pytest.fail("autograd was started"))
    with pytest.raises(ValueError, match="NaN"):
        outside().fit(np.full_like(X, np.nan), y)
    clf = outside().fit(X, y)
    with pytest.raises(ValueError, match="NaN"):
        clf.predict(np.full_like(X, np.nan))

    def too_large(*given):
        raise MemoryError("in a forward pass")

    clf.module_.register_forward_pre_hook(too_large)
    with pytest.raises(OutOfMemoryError, match="in a forward pass"):
        clf.predict(X)
