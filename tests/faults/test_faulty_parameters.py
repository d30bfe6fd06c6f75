"""faults.md, the rows on parameters: each is named, before the data or a random number are touched."""

import re
from functools import partial

import numpy as np
import pytest
import torch
from faulty import IMAGES, METHODS, X, biasadv, erm, fitted_names, make, y
from skorch.callbacks import EarlyStopping
from torch.optim import LBFGS
from torch.optim.lr_scheduler import StepLR

from sklearn_debias import ERMClassifier, JTTClassifier, LfFClassifier

nan, inf = np.nan, np.inf
SHARED = {
    "lr": [0, -1, nan, inf, "0.1", None],
    "max_epochs": [0, -1, 2.5, nan, "3", None],
    "batch_size": [0, -3, 1.5, None],
    "optimizer": ["lion", None, 3],
    "weight_decay": [-1, nan, inf, "0", None],
    "lr_schedule": [3, "cosine"],
    "augment": ["flip", 3],
    "normalize": ["cifar", 3],
    "image_size": [0, -1, 2.5, "3", (1, 2, 3), (3, 0)],
    "freeze": ["head", 3],
    "validation": [0, 1, 1.5, -0.1, nan, "a"],
    "monitor": ["not a scorer", 3],
    "amp": ["yes", 2, None],
    "dtype": ["float16", np.float32, None],
    "device": ["tpu", "meta", 3, None],
    "callbacks": [3, "all", [3], [("a", 3)], [("a", EarlyStopping(), 3)], [lambda net: None]],
    "net_params": [
        3,
        {1: 2},
        {"hidden": 3},
        {"lr": 3},
        {"max_epochs": 3},
        {"module": 3},
        {"criterion": 3},
        {"train_split": 3},
        {"warm_start": True},
        {"compile": True},
        {"iterator_train": 3},
        {"iterator_valid__batch_size": 3},
        {"iterator_train__batch_size": 3},
        {"iterator_train__sampler": 3},
    ],
    "verbose": [-1, "a", 2.5, None],
    "random_state": [-1, "a", 1.5, 2**40],
}
INNER_ATTACK = {
    "epsilon": [-1, nan, inf, "a", None],
    "step_size": [0, -1, nan, inf, "a"],
    "n_steps": [0, -1, 2.5, None],
    "norm": ["l1", 2, None],
    "clip": ["unit", 3, (0,), (0, 1, 2), [], (1, 0), (nan, 1), (None, 1), ("a", "b")],
    "attack_mode": ["both", None, True],
    "awp": [-1, nan, inf, "a", None],
}
OWN = {
    "erm": {"balance": ["x", 3], "balance_by": ["x", None, "subsamples"]},
    "group_dro": {
        "step_size": [-1, nan, inf, "a", None],
        "adjustment": [-1, nan, inf, None],
        "balance": ["class", 3],
    },
    "afr": {
        "gamma": [-1, nan, inf, "a", None],
        "lam": [-1, nan, inf, None],
        "reweighting_share": [0, 1, -0.1, nan, "a"],
        "reweighting_epochs": [0, 2.5, None],
    },
    "long_tail": {
        "loss": ["hinge", None, 3],
        "beta": [-0.1, 1.1, nan, "a", None],
        "deferred": [-0.1, 1, nan, "a", None],
        "gamma": [-1, nan, inf, "a", None],
        "max_margin": [-1, nan, inf, None],
        "scale": [0, -1, nan, inf, None],
        "tau": [-1, nan, inf, None],
    },
    "crt": {"retraining_epochs": [0, 2.5, None]},
    "lff": {
        "q": [0, 1.1, nan],
        "ema": [1, -0.1, nan],
        "gce_factor": [3],
        "class_normalize": ["a"],
        "biased_module": [3],
    },
    "jtt": {
        "identification_epochs": [0, 1.5],
        "upweight": [0, -1, 0.5, 1.5, nan, inf, "a"],
        "upweight_by": ["copies"],
        "biased_module": [3],
    },
    "biasadv": {
        "base": ["dro", 3, None, LfFClassifier, biasadv()],
        "lam": [-1, nan, inf, "a", None],
        "epsilon": [-1, nan, inf, "a", None],
        "beta": [-1, nan, inf, None],
        "n_steps": [0, -1, 2.5],
        "norm": ["l1", 2],
        "step_size": [0, -1, nan, inf, "a"],
        "random_start": [2, "a"],
        "clip": [
            3,
            (0,),
            (0, 1, 2),
            [],
            (1, 0),
            (0, 0),
            (nan, 1),
            (None, 1),
            ("a", "b"),
            ([[0, 0]], 1),
        ],
        "q": [0, 1.1, nan],
        "biased_module": [3],
    },
    "ule": {
        "lam": [-0.1, 1.1, nan, "a", None],
        "where": [3, None],
        "saliency": ["gradcam", None],
        "magnitude": ["yes", 2, None],
        "normalize_by": ["pixel", None],
        "norm": ["l1", 2],
        "distance": ["l2", None],
        "scale": [-1, nan, inf, "a", None],
        "student_warmup": [-1, 2.5, "a", None],
        "similarity": ["cosine", None],
        "student_module": [3],
        "student_lr": [0, -1, nan, "a"],
    },
    "invariance": {
        "penalty": ["dann", None, 3],
        "penalty_weight": [-1, nan, inf, "a"],
        "bottleneck_weight": [-1, nan, inf, "a", None],
        "anneal_epochs": [-1, 2, 2.5, "a"],
        "balance": ["group", 3],
    },
    "fish": {"inner_lr": [-1, nan, inf, "a", None]},
    "mixup": {
        "partners": ["all", None, 3],
        "alpha": [-1, nan, inf, "a"],
        "p_sel": [-0.1, 1.1, nan, "a", None],
        "balance": ["class", 3],
    },
    "isda": {"strength": [-1, nan, inf, "a", None], "covariance": ["spherical", None, True]},
    "meta_saug": {
        "strength": [-1, nan, inf, "a", None],
        "class_balance": [-0.1, 1, nan, "a", None],
        "warmup": [-1, 1.0, -0.1, nan, "a", None, 2],
        "covariance": ["spherical", None, True],
        "virtual_step": ["body", None, 1],
        "sigma_lr": [-1, nan, inf, "a", None],
        "meta_size": [0, -1, 2.5, "a", None],
        "meta_interval": [0, -1, 2.5, None],
    },
    "meta_weight_net": {
        "virtual_step": ["body", None, 1],
        "weight_lr": [0, -1, nan, inf, "a", None],
        "meta_size": [0, -1, 2.5, "a", None],
        "meta_interval": [0, -1, 2.5, None],
    },
    "adversarial": {**INNER_ATTACK, "loss": ["kl", None, 3], "beta": [-1, nan, inf, "a", None]},
    "uiat": {
        **INNER_ATTACK,
        "inverse_epsilon": [-1, nan, inf, "a", None],
        "lam": [-1, nan, inf, "a", None],
    },
    "dhat": {
        **INNER_ATTACK,
        "inverse_epsilon": [-1, nan, inf, "a", None],
        "lam1": [-1, nan, inf, "a", None],
        "lam2": [-1, nan, inf, None],
        "omega": [-0.1, 1.1, nan, "a", None],
        "dhlr": ["theirs", None, 3],
        "floe": ["theirs", None, 3],
        "attention": ["cam", None, 3, ERMClassifier],
        "attention_module": [3],
        "attention_epochs": [0, -1, 2.5, "a"],
    },
    "meta_iada": {
        "alpha": [-1, nan, inf, "a", None],
        "beta": [-1, nan, inf, "a", None],
        "epsilon": [-1.1, 2, nan, "a"],
        "perturbation_lr": [0, -1, nan, inf, "a", None],
        "characteristics": ["sixteen", None, 3],
        "alpha_ramp": ["yes", 2, None],
        "n_copies": [-1, 2.5, "a", None],
        "warmup": [-1, 1.0, -0.1, nan, "a", None, 2],
        "covariance": ["spherical", None, True],
        "virtual_step": ["body", None, 1],
        "sigma_lr": [-1, nan, inf, "a", None],
        "meta_size": [0, -1, 2.5, "a", None],
        "meta_interval": [0, -1, 2.5, None],
    },
}
ROWS = [
    (method, name, value)
    for method in METHODS
    for name, values in OWN[method].items()
    for value in values
]
ROWS += [("biasadv", name, value) for name, values in SHARED.items() for value in values]


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


@pytest.mark.parametrize("method", ["erm", "jtt"])
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


@pytest.mark.filterwarnings("ignore:The (fitted model predicts|attack moves)")
@pytest.mark.parametrize("method", METHODS)
def test_parameters_act_at_the_next_fit_only(method):
    images = make(method, module="linear", image_size=4, lr=0.01, max_epochs=20).fit(IMAGES, y)
    features = make(method).fit(X, y)
    for clf, given in ((features, X), (images, IMAGES)):
        before = clf.predict_proba(given)
        clf.set_params(
            dtype="float64", module="mlp", module__hidden=3, normalize=(1.0, 2.0), random_state=1
        )
        clf.set_params(
            image_size=2 if clf is images else None, batch_size=7, lr=0.05, max_epochs=20
        )
        np.testing.assert_array_equal(clf.predict_proba(given), before)
        assert clf.fit(given, y).module_.head.in_features == 3


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
