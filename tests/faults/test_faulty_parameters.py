"""faults.md, the rows on parameters: each is named, before data or random numbers are touched."""

import re
from functools import partial

import numpy as np
import pytest
import torch
from faulty import IMAGES, METHODS, NOTHING_LEARNED, X, biasadv, erm, fitted_names, make, y
from ranges import ROWS
from torch.optim import LBFGS
from torch.optim.lr_scheduler import StepLR

from sklearn_debias import ERMClassifier, JTTClassifier, LfFClassifier

nan = np.nan


class Untouchable:
    """Data that nobody may look at."""

    def __len__(self):
        raise AssertionError("the data were touched")

    __array__ = __getitem__ = __iter__ = __len__


class NoDraws(np.random.RandomState):
    """Random numbers that nobody may draw."""

    def randint(self, *args, **kwargs):
        raise AssertionError("a random number was drawn")


def label(value):
    """A name that is the same in every process: without addresses."""
    return re.sub(r" at 0x\w+", "", str(value))[:30]


@pytest.mark.parametrize(("method", "name", "value"), ROWS, ids=label)
def test_out_of_range(method, name, value):
    estimator = make(method, **{"random_state": NoDraws(0), name: value})
    with pytest.raises((ValueError, TypeError), match=f"['`]{name}['`]"):
        estimator.fit(Untouchable(), Untouchable())
    assert fitted_names(estimator) == []


@pytest.mark.parametrize(
    "base", [LfFClassifier(q=5), JTTClassifier(upweight=1.5), ERMClassifier(balance="x")]
)
def test_out_of_range_in_the_base(base):
    name = {LfFClassifier: "q", JTTClassifier: "upweight", ERMClassifier: "balance"}[type(base)]
    with pytest.raises(ValueError, match=f"['`]{name}['`]"):
        biasadv(base=base).fit(Untouchable(), Untouchable())


def raises(*_, **__):
    raise ZeroDivisionError("division by zero")


UNSUITABLE = {  # what only shows when it meets the data or torch
    "optimizer that needs a closure": ({"optimizer": LBFGS}, "optimizer"),
    "optimizer factory": ({"optimizer": lambda params, **_: 3}, "optimizer"),
    "optimizer option": ({"net_params": {"optimizer__momentun": 0.9}}, "optimizer"),
    "optimizer value": ({"net_params": {"optimizer__betas": 3}}, "optimizer"),
    "schedule without steps": ({"lr_schedule": lambda optimizer: 3}, "lr_schedule"),
    "schedule without optimizer": ({"lr_schedule": lambda: 3}, "lr_schedule"),
    "schedule with arguments": ({"lr_schedule": StepLR}, "lr_schedule"),
    "module option": ({"net_params": {"module__hiden": 1}}, "module"),
    "loader option": ({"net_params": {"iterator_train__worker": 1}}, "net_params"),
    "loader value": ({"net_params": {"iterator_train__num_workers": -1}}, "net_params"),
    "option of no callback": ({"net_params": {"callbacks__stop__patience": 1}}, "net_params"),
    "normalize, one part": ({"normalize": (1,)}, "normalize"),
    "normalize, three parts": ({"normalize": (0, 1, 2)}, "normalize"),
    "normalize, text": ({"normalize": ("a", "b")}, "normalize"),
    "normalize, NaN": ({"normalize": (nan, 1)}, "normalize"),
    "normalize, std 0": ({"normalize": (0, 0)}, "normalize"),
    "normalize, negative std": ({"normalize": (0, -1)}, "normalize"),
    "normalize, two channels": ({"normalize": ([0, 0], [1, 1])}, "normalize"),
    "normalize, imagenet": ({"normalize": "imagenet"}, "normalize"),
    "image_size for features": ({"image_size": 8}, "image_size"),
    "crop-flip for features": ({"augment": "crop-flip"}, "augment"),
    "augment, fewer features": ({"augment": lambda x: x[:, :2]}, "augment"),
    "augment, fewer rows": ({"augment": lambda x: x[:1]}, "augment"),
    "augment, scalar": ({"augment": lambda x: x.sum()}, "augment"),
    "augment, array": ({"augment": lambda x: x.numpy()}, "augment"),
    "augment, integers": ({"augment": lambda x: x.round().int()}, "augment"),
    "augment, two arguments": ({"augment": lambda x, generator: x}, "augment"),
    "augment, raises": ({"augment": raises}, "augment"),
    "drop_last": (
        {"batch_size": 64, "net_params": {"iterator_train__drop_last": True}},
        "batch_size",
    ),
}


@pytest.mark.parametrize("method", ["ERMClassifier", "JTTClassifier"])
@pytest.mark.parametrize("row", UNSUITABLE)
def test_unsuitable(row, method):
    params, name = UNSUITABLE[row]
    estimator = make(method, **params)
    with pytest.raises((ValueError, TypeError), match=f"`{name}`"):
        estimator.fit(X, y)
    assert fitted_names(estimator) == []


@pytest.mark.parametrize("clip", [([0] * 3, [9] * 3), ([-9] * 5, 9), (100, 101), (0, 1)], ids=str)
def test_clip_that_does_not_suit_the_data(clip):
    with pytest.raises(ValueError, match="`clip`"):
        biasadv(clip=clip).fit(X, y)


def test_unknown_names():
    with pytest.raises(TypeError, match="unexpected keyword argument 'learning_rate'"):
        erm(learning_rate=1)
    with pytest.raises(ValueError, match="Invalid parameter 'learning_rate'"):
        erm().set_params(learning_rate=1)
    with pytest.raises(ValueError, match="`base__upweight` needs an estimator as `base`"):
        biasadv().set_params(base__upweight=3)
    with pytest.raises(TypeError, match="positional"):
        ERMClassifier("linear", 0.1)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
@pytest.mark.parametrize("device", ["cuda", "cuda:1", torch.device("cuda")])
def test_cuda_where_there_is_none(device):
    with pytest.raises(ValueError, match="`device`=.* finds no CUDA device"):
        erm(device=device).fit(Untouchable(), Untouchable())


@pytest.mark.filterwarnings(
    "ignore:The (fitted model predicts|attack moves|two networks agree)",
    "ignore:All rows that were taken",
)
@pytest.mark.parametrize("method", METHODS)
def test_parameters_act_at_the_next_fit_only(method):
    images = make(method, module="linear", image_size=4, lr=0.01).fit(IMAGES, y)
    features = make(method).fit(X, y)
    for clf, given in ((features, X), (images, IMAGES)):
        before = clf.predict_proba(given)
        clf.set_params(
            dtype="float64", module="mlp", module__hidden=3, normalize=(1.0, 2.0), random_state=1
        )
        clf.set_params(image_size=2 if clf is images else None, batch_size=7, lr=0.05)
        np.testing.assert_array_equal(clf.predict_proba(given), before)
        assert clf.fit(given, y).module_.head.in_features == 3


@NOTHING_LEARNED
@pytest.mark.parametrize("method", METHODS)
def test_fit_twice_is_fit_once(method):
    clf = make(method, module="mlp", optimizer="adam")
    first = clf.fit(X, y).predict_proba(X)
    other = (
        make(method, module="mlp", optimizer="sgd").fit(X[:20], y[:20]).set_params(optimizer="adam")
    )
    np.testing.assert_array_equal(clf.fit(X, y).predict_proba(X), first)
    np.testing.assert_array_equal(other.fit(X, y).predict_proba(X), first)


def test_a_random_state_instance_is_drawn_from_once_per_fit():
    state = np.random.RandomState(0)
    erm(random_state=state).fit(X, y)
    reference = np.random.RandomState(0)
    reference.randint(np.iinfo(np.int32).max)
    assert state.randint(1000) == reference.randint(1000)


def test_schedules_that_work():
    for schedule in (partial(StepLR, step_size=1), torch.optim.lr_scheduler.ReduceLROnPlateau):
        erm(lr_schedule=schedule).fit(X, y)
