"""Random calls, valid and not: each ends in a finite model, or in an error that names a parameter."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from faulty import (
    IMAGES,
    METHODS,
    UINT8,
    Auxiliary,
    Detached,
    InPlace,
    NoGradient,
    X,
    b,
    fitted_names,
    is_finite,
    y,
)
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau, StepLR

DRAWS = 150

# The first value of each list is sound; the others may or may not be.
SHARED = {
    "module": [
        None,
        "linear",
        "mlp",
        nn.Linear(4, 2),
        nn.Linear(4, 3),
        nn.Linear,
        Auxiliary,
        Detached,
        InPlace,
        "x",
        NoGradient,
        nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2)),
        nn.LazyLinear(2),
        nn.ReLU(),
    ],
    "lr": [0.1, 1e-8, 10.0, 1e20, 0, -1, np.nan, "0.1", np.float32(0.01), True],
    "max_epochs": [2, 1, 0, 2.5, None, np.int64(3)],
    "batch_size": [16, 1, 7, 13, 39, 1000, 0, -1, 3.0],
    "optimizer": ["adam", "sgd", "adamw", torch.optim.RMSprop, torch.optim.LBFGS, "x", None],
    "weight_decay": [1e-4, 0, 1e3, -1, "a"],
    "lr_schedule": [None, ReduceLROnPlateau, StepLR, lambda optimizer: 3],
    "augment": [None, "crop-flip", lambda x: x + 1, lambda x: x[:1], lambda x: None, "x"],
    "normalize": [None, "imagenet", (0.5, 2), ([0] * 4, [1] * 4), (0, 0), (1,), 3],
    "image_size": [None, 4, (4, 6), 0, (4,), 2.5],
    "freeze": [None, "body", "head"],
    "validation": [None, 0.25, 0.001, 0.999, 0, 2],
    "monitor": [None, "accuracy", "worst_group_accuracy", "x", lambda e, X, y: None],
    "amp": [False, True, "a"],
    "dtype": ["float32", "float64", "float16"],
    "device": ["cpu", "auto", "tpu", "meta"],
    "callbacks": [None, [], "disable", [3], 3],
    "net_params": [
        None,
        {},
        {"module__hidden": 3},
        {"iterator_train__num_workers": 0},
        {"optimizer__eps": 1e-06},
        {"iterator_train__drop_last": True},
        {"x": 1},
        {1: 1},
        {"callbacks__x": 1},
    ],
    "random_state": [0, None, np.random.RandomState(0), -1, 1.5],
}
INNER_ATTACK = {
    "epsilon": [0.1, 0, 1e-6, 1e6, -1],
    "step_size": [0.05, None, 1e6, 0],
    "n_steps": [2, 1, 0],
    "norm": ["linf", "l2", "x"],
    "clip": ["auto", None, (-1e3, 1e3), (0, 1), (1, 0)],
    "attack_mode": ["train", "eval", "x"],
    "awp": [0.0, 0.01, 1.0, -1],
}
OWN = {
    "erm": {
        "balance": [None, "class", "group", "x"],
        "balance_by": ["weight", "sample", "subsample", 3],
    },
    "group_dro": {
        "step_size": [0.01, 0, 1e6, -1],
        "adjustment": [0.0, 1e6, np.nan],
        "balance": [None, "group", "x"],
    },
    "afr": {
        "gamma": [4.0, 0, 1e6, -1],
        "lam": [0.3, 0, 1e6, np.inf],
        "reweighting_share": [0.2, 0.001, 0.999, 1],
        "reweighting_epochs": [2, 1, 0],
    },
    "lff": {"q": [0.7, 1, 1e-8, 0], "ema": [0.7, 0, 0.999, 1], "class_normalize": [True, False, 3]},
    "ule": {
        "lam": [0.5, 0, 1, 1.5],
        "where": ["auto", "input", "features", "output", "body", "0", 3],
        "saliency": ["auto", "label_log_prob", "prob", "x"],
        "norm": ["max", "l2", "x"],
        "normalize_by": ["sample", "batch", 3],
        "distance": ["mse", "l1", "x"],
        "scale": ["auto", "ratio", 0, 1e6, -1],
        "student_warmup": ["auto", 0, 1, -1],
        "similarity": ["saliency", "gram", "x"],
    },
    "long_tail": {
        "loss": ["balanced_softmax", "ldam", "focal", "logit_adjustment", "cross_entropy", "x"],
        "beta": [0.0, 0.999, 1, -1],
        "deferred": [0.0, 0.5, 0.9, 1],
        "gamma": [2.0, 0, 0.1, 1e6, -1],
        "max_margin": [0.5, 0, 1e6, np.nan],
        "scale": [30.0, 1e-6, 1e6, 0],
        "tau": [1.0, 0, 1e6, -1],
    },
    "adversarial": {
        **INNER_ATTACK,
        "loss": ["ce", "trades", "mart", "x"],
        "beta": [6.0, 0, 1e6, -1],
    },
    "uiat": {**INNER_ATTACK, "inverse_epsilon": [0.05, 0, 1e6], "lam": [1.0, 0, 1e6, np.nan]},
    "dhat": {
        **INNER_ATTACK,
        "inverse_epsilon": [0.05, 0, np.inf],
        "lam1": [1.0, 0, 1e6, -1],
        "lam2": [1.0, 0, np.nan],
        "omega": [0.1, 0, 1, 2],
        "dhlr": ["code", "paper", "x"],
        "floe": ["code", "paper", "x"],
        "attention": [
            "gradcam",
            "integrated_gradients",
            METHODS["erm"](max_epochs=1),
            METHODS["erm"],
            "x",
        ],
        "attention_epochs": [None, 1, 0],
    },
    "crt": {"retraining_epochs": [2, 1, 0]},
    "jtt": {
        "identification_epochs": [1, 3, 0],
        "upweight": [5, 1, 2.5, 100, -1, np.nan],
        "upweight_by": ["duplicate", "weight", "x"],
    },
    "biasadv": {
        "base": [
            "lff",
            "erm",
            "jtt",
            METHODS["jtt"](upweight=2),
            METHODS["lff"](q=3),
            METHODS["erm"],
            "x",
        ],
        "lam": [0.5, 0, 1e6, -1],
        "epsilon": [0.3, 0, 1e-6, 1e6, np.inf],
        "beta": [0.5, 0, 1e6, np.nan],
        "n_steps": [2, 1, 0],
        "norm": ["l2", "linf", "l1"],
        "step_size": [None, 1e-6, 10, 0],
        "random_start": [False, True, 3],
        "clip": [
            None,
            (-9, 9),
            (0, 1),
            ([-9] * 4, 9),
            ([0] * 3, [1] * 3),
            (1, 0),
            (np.nan, 1),
            ("a", 1),
        ],
        "q": [0.7, 1, 0],
    },
    "invariance": {
        "penalty": ["irm", "ib_irm", "vrex", "coral", "mmd", "x"],
        "penalty_weight": [None, 0, 0.5, 1e6, -1],
        "bottleneck_weight": [1.0, 0, 1e6, np.nan],
        "anneal_epochs": [None, 0, 1, 5, -1],
        "balance": [None, "environment", "group"],
    },
    "fish": {"inner_lr": [0.1, 0, 10.0, 1e20, -1]},
    "mixup": {
        "partners": ["any", "label", "domain", "lisa", "x"],
        "alpha": [None, 0, 1e-6, 2.0, 1e6, -1],
        "p_sel": [0.5, 0, 1, 2],
        "balance": [None, "group", "class"],
    },
    "isda": {"strength": [0.5, 0, 10.0, 1e6, -1], "covariance": ["auto", "full", "diagonal", "x"]},
    "meta_saug": {
        "strength": [0.5, 0, 10.0, 1e6, -1],
        "class_balance": [0.9999, 0, 0.5, 1],
        "warmup": [0.8, 0, 1, 0.5, 2, -1],
        "covariance": ["auto", "full", "diagonal", "x"],
        "virtual_step": ["head", "all", "x"],
        "sigma_lr": [0.1, 0, 10.0, 1e20, -1],
        "meta_size": [10, 1, 1000, 0],
        "meta_interval": [1, 2, 100, 0],
    },
    "meta_weight_net": {
        "virtual_step": ["all", "head", "x"],
        "weight_lr": [1e-3, 1.0, 1e20, 0],
        "meta_size": [10, 1, 1000, 0],
        "meta_interval": [1, 2, 100, 0],
    },
    "meta_iada": {
        "alpha": [0.5, 0, 1e6, -1],
        "beta": [1.0, 0, 1e6, np.inf],
        "epsilon": [None, 0.0, 1, -0.3, 2],
        "perturbation_lr": [1e-3, 1.0, 1e20, 0],
        "characteristics": [
            "default",
            lambda s: s.logits,
            lambda s: s.y,
            lambda s: s.logits[0],
            "x",
        ],
        "alpha_ramp": [False, True, 3],
        "n_copies": [0, 1, 3, -1],
        "warmup": [0.8, 0, 1, 0.5, 2, -1],
        "covariance": ["auto", "full", "diagonal", "x"],
        "virtual_step": ["head", "all", "x"],
        "sigma_lr": [0.1, 0, 10.0, 1e20, -1],
        "meta_size": [10, 1, 1000, 0],
        "meta_interval": [1, 2, 100, 0],
    },
}
spoiled = X.copy()
spoiled[3, 1] = np.nan
INPUTS = [
    X,
    X.astype(np.float32),
    pd.DataFrame(X),
    X.tolist(),
    torch.tensor(X),
    X[:, :1],
    X[:2],
    X[:1],
    X[:0],
    X[0],
]
INPUTS += [
    1e6 * X,
    1e30 * X,
    1e-30 * X,
    0 * X,
    spoiled,
    1e300 * X,
    X.astype(np.float16),
    X > 1,
    X + 1j,
    None,
    "a",
    [[1]],
]
INPUTS += [
    IMAGES,
    UINT8,
    IMAGES[:, :1, :2, :2],
    IMAGES.transpose(0, 2, 3, 1),
    IMAGES[0],
    IMAGES[:, :, :0],
]
LABELS = [
    y,
    5 * y - 100,
    np.array(["a", "b"])[y],
    y == 1,
    pd.Series(y, dtype="Int64"),
    np.arange(40) % 3,
    0 * y,
]
LABELS += [
    np.arange(40),
    X[:, 0] + 0.3,
    np.eye(2)[y],
    y[:7],
    y[:2],
    None,
    [None] * 40,
    np.where(y, np.nan, 1.0),
    "a",
]
BIAS = [
    None,
    b,
    np.column_stack([b, y]),
    np.array(["sea", "land"])[b],
    0 * b,
    b[:7],
    X[:, 0] + 0.3,
    [None] * 40,
    "a",
]
WEIGHTS = [None, np.ones(40), np.arange(40), 1.0 * y, 0 * X[:, 0], -X[:, 0], X, "a"]


def pick(rng, values, sound=0.7):
    """The first value mostly, else any."""
    return values[0 if rng.random() < sound else rng.integers(len(values))]


def few(values, m):
    """The first ``m`` rows, of what has rows."""
    return values[:m] if hasattr(values, "__getitem__") else values


def draw(seed):
    """A random estimator and random arguments of its fit."""
    rng = np.random.default_rng(seed)
    method = list(METHODS)[rng.integers(len(METHODS))]
    space = {**SHARED, **OWN[method]}
    sound = rng.choice([0.7, 0.9, 0.97])
    params = {name: pick(rng, values, sound) for name, values in space.items()}
    X, y = pick(rng, INPUTS), pick(rng, LABELS)
    n = len(X) if hasattr(X, "__len__") else 0
    if 0 < n < 40 and hasattr(y, "__len__") and not isinstance(y, str):
        y = y[:n]
    given = {"bias_labels": pick(rng, BIAS)}
    if method == "erm":
        given["sample_weight"] = pick(rng, WEIGHTS)
    if method.startswith("meta_") and rng.random() < 0.3:
        m = rng.integers(40)
        given |= {"X_meta": few(pick(rng, INPUTS), m), "y_meta": few(pick(rng, LABELS), m)}
    if rng.random() < 0.1:
        given["validation_data"] = (
            (X, y) if rng.random() < 0.5 else (X, y, given["bias_labels"], 3)[: rng.integers(5)]
        )
    return METHODS[method](**params), X, y, given


# Words of scikit-learn, numpy and pandas on data that are no data; all else names its parameter.
STANDARD = (
    r"Found array with|Found input variables|Expected 2D array|Expected 2-?D|contains "
    "(NaN|infinity)|Complex data|could not convert|y should be a 1d "
    "array|inconsistent|inhomogeneous|Unknown label type|requires y to be "
    "passed|[Ss]ample.weight|must be 1-?D|must be a real number, not|label type"
)
NAMED = re.compile(rf"['`]\w+(__\*|\[\d\])?['`=]|{STANDARD}")


def check(seed):
    """One random call; returns how it ended."""
    estimator, X, y, given = draw(seed)
    threads, mode, state = torch.get_num_threads(), torch.is_grad_enabled(), torch.get_rng_state()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            estimator.fit(X, y, **given)
        except (ValueError, TypeError) as error:
            ended = f"{type(error).__name__}: {error}"
        else:
            assert is_finite(estimator), seed
            probability = estimator.predict_proba(X)
            assert np.isfinite(probability).all(), seed
            np.testing.assert_allclose(probability.sum(1), 1, atol=1e-6)
            assert set(estimator.predict(X).tolist()) <= set(estimator.classes_.tolist()), seed
            ended = "fitted"
    if ended != "fitted":
        assert NAMED.search(ended), f"seed {seed}: {ended}"
        assert fitted_names(estimator) == [], seed
    assert (torch.get_num_threads(), torch.is_grad_enabled()) == (threads, mode), seed
    assert torch.equal(torch.get_rng_state(), state), seed
    return ended


@pytest.mark.slow
def test_random_calls_end_in_a_finite_model_or_a_named_error():
    ends = [check(seed) for seed in range(DRAWS)]
    assert DRAWS / 10 < ends.count("fitted") < DRAWS * 0.9  # both outcomes were tried
