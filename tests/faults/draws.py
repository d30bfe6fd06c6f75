"""What random calls are drawn from: parameters of every method, and arguments of `fit`."""

import inspect

import numpy as np
import pandas as pd
import torch
from faulty import (
    CLASSES,
    IMAGES,
    UINT8,
    Auxiliary,
    Detached,
    InPlace,
    NoGradient,
    X,
    b,
    y,
)
from ranges import declared, own_parameters
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import LinearSVC
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau, StepLR

from sklearn_debias import (
    DFRClassifier,
    ERMClassifier,
    GroupInferrer,
    JTTClassifier,
    LfFClassifier,
)

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
    "ClassScaling": {
        "estimator": [
            LogisticRegression(),
            ERMClassifier(max_epochs=1),
            LogisticRegression,
            LinearSVC(),
            None,
        ],
        "scoring": ["worst_group_accuracy", "accuracy", "x", lambda e, X, y: None],
        "held_out": [0.2, 0.001, 0.999, 1],
        "max_scales": [5, 1, 0],
        "max_rounds": [2, 1, 0],
    },
    "DFRClassifier": {
        "C": ["auto", 1e-6, 1e6, 0, "x"],
        "Cs": [(1.0, 0.1), (0.5,), (), (0,), "x"],
        "n_resamples": [2, 1, 0],
        "max_iter": [1000, 0],
    },
    "ERMClassifier": {
        "balance": [None, "class", "group", "x"],
        "balance_by": ["weight", "sample", "subsample", 3],
    },
    "GroupDROClassifier": {
        "step_size": [0.01, 0, 1e6, -1],
        "adjustment": [0.0, 1e6, np.nan],
        "balance": [None, "group", "x"],
    },
    "AFRClassifier": {
        "gamma": [4.0, 0, 1e6, -1],
        "lam": [0.3, 0, 1e6, np.inf],
        "reweighting_share": [0.2, 0.001, 0.999, 1],
        "reweighting_epochs": [2, 1, 0],
    },
    "ClassBalancedRetrainingClassifier": {
        "held_out_share": [0.2, 0.001, 0.999, 1],
        "retraining_epochs": [2, 1, 0],
    },
    "DPEClassifier": {
        "n_heads": [2, 1, 0],
        "entropic_scale": [30.0, 1e-6, 1e6, 0],
        "decorrelation": [0.5, 0, 1e6, -1],
        "decay": [0.05, 0, 1e6, np.nan],
        "held_out_share": [0.2, 0.001, 0.999, 1],
        "head_epochs": [2, 1, 0],
    },
    "SELFClassifier": {
        "k": [4, 1, 1000, 0],
        "disagreement": [
            "early_stop",
            "dropout",
            "misclassification",
            "early_stop_misclassification",
            "x",
        ],
        "early_stop": [0.1, 0.001, 0.999, 0],
        "dropout": [0.5, 0.001, 0.999, 1],
        "held_out_share": [0.2, 0.001, 0.999, 1],
        "finetuning_epochs": [2, 1, 0],
    },
    "LfFClassifier": {
        "q": [0.7, 1, 1e-8, 0],
        "ema": [0.7, 0, 0.999, 1],
        "class_normalize": [True, False, 3],
    },
    "ULEClassifier": {
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
    "LongTailClassifier": {
        "loss": ["balanced_softmax", "ldam", "focal", "logit_adjustment", "cross_entropy", "x"],
        "beta": [0.0, 0.999, 1, -1],
        "deferred": [0.0, 0.5, 0.9, 1],
        "gamma": [2.0, 0, 0.1, 1e6, -1],
        "max_margin": [0.5, 0, 1e6, np.nan],
        "scale": [30.0, 1e-6, 1e6, 0],
        "tau": [1.0, 0, 1e6, -1],
    },
    "AdversarialTrainingClassifier": {
        **INNER_ATTACK,
        "loss": ["ce", "trades", "mart", "x"],
        "beta": [6.0, 0, 1e6, -1],
    },
    "UIATClassifier": {
        **INNER_ATTACK,
        "inverse_epsilon": [0.05, 0, 1e6],
        "lam": [1.0, 0, 1e6, np.nan],
    },
    "DHATClassifier": {
        **INNER_ATTACK,
        "inverse_epsilon": [0.05, 0, np.inf],
        "lam1": [1.0, 0, 1e6, -1],
        "lam2": [1.0, 0, np.nan],
        "omega": [0.1, 0, 1, 2],
        "dhlr": ["code", "paper", "as_printed", "x"],
        "floe": ["code", "paper", "x"],
        "attention": [
            "gradcam",
            "integrated_gradients",
            ERMClassifier(max_epochs=1),
            ERMClassifier,
            "x",
        ],
        "attention_epochs": [None, 1, 0],
    },
    "CRTClassifier": {"retraining_epochs": [2, 1, 0]},
    "InferredGroupsClassifier": {
        "classifier": [
            None,
            DFRClassifier(C=1.0, n_resamples=1),
            ERMClassifier(max_epochs=1),
            LogisticRegression(),
            LogisticRegression,
            KNeighborsClassifier(),
            "x",
        ],
        "n_checks": [1, 0, 2, -1],
        "groups_as": ["auto", "bias_labels", "sample_weight", "sampling_weight", "x"],
        "fallback": [None, LogisticRegression(), ERMClassifier(max_epochs=1), DFRClassifier, 3],
        "inferrer": [
            "errors",
            "eiil",
            "xrm",
            "clusters",
            GroupInferrer(n_splits=2),
            GroupInferrer("ssa"),
            GroupInferrer,
            "x",
            None,
        ],
    },
    "JTTClassifier": {
        "identification_epochs": [1, 3, 0],
        "upweight": [5, 1, 2.5, 100, -1, np.nan],
        "upweight_by": ["duplicate", "weight", "x"],
    },
    "BiasAdvClassifier": {
        "base": [
            "lff",
            "erm",
            "jtt",
            JTTClassifier(upweight=2),
            LfFClassifier(q=3),
            ERMClassifier,
            "x",
        ],
        "lam": [0.5, 0, 1e6, -1],
        "epsilon": [0.3, 0, 1e-6, 1e6, np.inf],
        "beta": [0.5, 0, 1e6, np.nan],
        "n_steps": [2, 1, 0],
        "norm": ["l2", "linf", "l1"],
        "step_size": [None, 1e-6, 10, 0],
        "random_start": [False, True, 3],
        "gce_factor": [True, False, "x"],
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
    "InvarianceClassifier": {
        "penalty": ["irm", "ib_irm", "vrex", "coral", "mmd", "x"],
        "penalty_weight": [None, 0, 0.5, 1e6, -1],
        "bottleneck_weight": [1.0, 0, 1e6, np.nan],
        "anneal_epochs": [None, 0, 1, 5, -1],
        "balance": [None, "environment", "group"],
    },
    "FishClassifier": {"inner_lr": [0.1, 0, 10.0, 1e20, -1]},
    "MixUpClassifier": {
        "partners": ["any", "label", "domain", "lisa", "x"],
        "alpha": [None, 0, 1e-6, 2.0, 1e6, -1],
        "p_sel": [0.5, 0, 1, 2],
        "balance": [None, "group", "class"],
    },
    "ISDAClassifier": {
        "strength": [0.5, 0, 10.0, 1e6, -1],
        "covariance": ["auto", "full", "diagonal", "x"],
    },
    "MetaSAugClassifier": {
        "strength": [0.5, 0, 10.0, 1e6, -1],
        "class_balance": [0.9999, 0, 0.5, 1],
        "warmup": [0.8, 0, 1, 0.5, 2, -1],
        "covariance": ["auto", "full", "diagonal", "x"],
        "virtual_step": ["auto", "head", "all", "x"],
        "sigma_lr": [0.1, 0, 10.0, 1e20, -1],
        "meta_size": [10, 1, 1000, 0],
        "meta_interval": [1, 2, 100, 0],
    },
    "MetaWeightNetClassifier": {
        "virtual_step": ["all", "head", "x"],
        "weight_lr": [1e-3, 1.0, 1e20, 0],
        "meta_size": [10, 1, 1000, 0],
        "meta_interval": [1, 2, 100, 0],
    },
    "MetaIADAClassifier": {
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
        "virtual_step": ["auto", "head", "all", "x"],
        "sigma_lr": [0.1, 0, 10.0, 1e20, -1],
        "meta_size": [10, 1, 1000, 0],
        "meta_interval": [1, 2, 100, 0],
    },
}


def space(name):
    """Values of each parameter of the class, the sound one first."""
    taken = inspect.signature(CLASSES[name]).parameters
    shared = {parameter: values for parameter, values in SHARED.items() if parameter in taken}
    own = {p: [taken[p].default, *declared(name, p)] for p in own_parameters(name)}
    return {**shared, **own, **OWN.get(name, {})}


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
