"""Values out of range, for every parameter of every method."""

import numpy as np
from faulty import CLASSES, METHODS, biasadv
from sklearn.utils._param_validation import make_constraint
from skorch.callbacks import EarlyStopping

from sklearn_debias import ERMClassifier, LfFClassifier
from sklearn_debias.estimators import BaseDebiasClassifier

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
OWN = {  # a class, or a parameter, that is not here has the values of `declared`
    "ERMClassifier": {"balance": ["x", 3], "balance_by": ["x", None, "subsamples"]},
    "GroupDROClassifier": {
        "step_size": [-1, nan, inf, "a", None],
        "adjustment": [-1, nan, inf, None],
        "balance": ["class", 3],
    },
    "AFRClassifier": {
        "gamma": [-1, nan, inf, "a", None],
        "lam": [-1, nan, inf, None],
        "reweighting_share": [0, 1, -0.1, nan, "a"],
        "reweighting_epochs": [0, 2.5, None],
    },
    "ClassBalancedRetrainingClassifier": {
        "held_out_share": [0, 1, -0.1, nan, "a"],
        "retraining_epochs": [0, 2.5, None],
    },
    "DPEClassifier": {
        "n_heads": [0, -1, 2.5, None],
        "entropic_scale": [0, -1, nan, inf, "a"],
        "decorrelation": [-1, nan, inf, None],
        "decay": [-1, nan, inf, "a", None],
        "held_out_share": [0, 1, -0.1, nan, "a"],
        "head_epochs": [0, 2.5, None],
    },
    "SELFClassifier": {
        "k": [0, -1, 2.5, nan, None],
        "disagreement": ["early-stop", None, 3],
        "early_stop": [0, 1, nan, "a", None],
        "dropout": [0, 1, nan, "a", None],
        "held_out_share": [0, 1, -0.1, nan, "a"],
        "finetuning_epochs": [0, 2.5, None],
    },
    "LongTailClassifier": {
        "loss": ["hinge", None, 3],
        "beta": [-0.1, 1.1, nan, "a", None],
        "deferred": [-0.1, 1, nan, "a", None],
        "gamma": [-1, nan, inf, "a", None],
        "max_margin": [-1, nan, inf, None],
        "scale": [0, -1, nan, inf, None],
        "tau": [-1, nan, inf, None],
    },
    "CRTClassifier": {"retraining_epochs": [0, 2.5, None]},
    "LfFClassifier": {
        "q": [0, 1.1, nan],
        "ema": [1, -0.1, nan],
        "gce_factor": [3],
        "class_normalize": ["a"],
        "biased_module": [3],
    },
    "JTTClassifier": {
        "identification_epochs": [0, 1.5],
        "upweight": [0, -1, 0.5, 1.5, nan, inf, "a"],
        "upweight_by": ["copies"],
        "biased_module": [3],
    },
    "BiasAdvClassifier": {
        "base": ["dro", 3, None, LfFClassifier, biasadv()],
        "lam": [-1, nan, inf, "a", None],
        "epsilon": [-1, nan, inf, "a", None],
        "beta": [-1, nan, inf, None],
        "n_steps": [0, -1, 2.5],
        "norm": ["l1", 2],
        "step_size": [0, -1, nan, inf, "a"],
        "random_start": [2, "a"],
        "gce_factor": [None, "a"],
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
    "ULEClassifier": {
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
    "InvarianceClassifier": {
        "penalty": ["dann", None, 3],
        "penalty_weight": [-1, nan, inf, "a"],
        "bottleneck_weight": [-1, nan, inf, "a", None],
        "anneal_epochs": [-1, 2, 2.5, "a"],
        "balance": ["group", 3],
    },
    "FishClassifier": {"inner_lr": [-1, nan, inf, "a", None]},
    "MixUpClassifier": {
        "partners": ["all", None, 3],
        "alpha": [-1, nan, inf, "a"],
        "p_sel": [-0.1, 1.1, nan, "a", None],
        "balance": ["class", 3],
    },
    "ISDAClassifier": {
        "strength": [-1, nan, inf, "a", None],
        "covariance": ["spherical", None, True],
    },
    "MetaSAugClassifier": {
        "strength": [-1, nan, inf, "a", None],
        "class_balance": [-0.1, 1, nan, "a", None],
        "warmup": [-1, 1.0, -0.1, nan, "a", None, 2],
        "covariance": ["spherical", None, True],
        "virtual_step": ["body", None, 1],
        "sigma_lr": [-1, nan, inf, "a", None],
        "meta_size": [0, -1, 2.5, "a", None],
        "meta_interval": [0, -1, 2.5, None],
    },
    "MetaWeightNetClassifier": {
        "virtual_step": ["body", None, 1],
        "weight_lr": [0, -1, nan, inf, "a", None],
        "meta_size": [0, -1, 2.5, "a", None],
        "meta_interval": [0, -1, 2.5, None],
    },
    "AdversarialTrainingClassifier": {
        **INNER_ATTACK,
        "loss": ["kl", None, 3],
        "beta": [-1, nan, inf, "a", None],
    },
    "UIATClassifier": {
        **INNER_ATTACK,
        "inverse_epsilon": [-1, nan, inf, "a", None],
        "lam": [-1, nan, inf, "a", None],
    },
    "DHATClassifier": {
        **INNER_ATTACK,
        "inverse_epsilon": [-1, nan, inf, "a", None],
        "lam1": [-1, nan, inf, "a", None],
        "lam2": [-1, nan, inf, None],
        "omega": [-0.1, 1.1, nan, "a", None],
        "dhlr": ["theirs", None, 3],
        "floe": ["theirs", None, 3],
        "floe_norm": [0.5, nan, inf, "l2", None],
        "attention": ["cam", None, 3, ERMClassifier],
        "attention_module": [3],
        "attention_epochs": [0, -1, 2.5, "a"],
    },
    "MetaIADAClassifier": {
        "alpha": [-1, nan, inf, "a", None],
        "beta": [-1, nan, inf, "a", None],
        "epsilon": [-1.1, 2, nan, "a"],
        "perturbation_lr": [0, -1, nan, inf, "a", None],
        "reach": [0, -1, nan, inf, "a", None],
        "characteristics": ["sixteen", None, 3],
        "alpha_ramp": ["yes", 2, None],
        "class_weights": ["balanced", 2, None],
        "n_copies": [-1, 2.5, "a", None],
        "warmup": [-1, 1.0, -0.1, nan, "a", None, 2],
        "covariance": ["spherical", None, True],
        "virtual_step": ["body", None, 1],
        "sigma_lr": [-1, nan, inf, "a", None],
        "meta_size": [0, -1, 2.5, "a", None],
        "meta_interval": [0, -1, 2.5, None],
    },
}
TRIED = [-1, 0, 2.5, nan, inf, "a", None, object]


def own_parameters(name):
    """Parameters that the class does not share with the base of all methods."""
    shared = BaseDebiasClassifier._get_param_names() if name in METHODS else ("random_state",)
    return [p for p in CLASSES[name]._get_param_names() if p not in shared]


def declared(name, parameter):
    """Values that the class itself declares out of range."""
    # Nothing is in the range of a parameter that was not declared: its tests fail, by its name.
    allowed = CLASSES[name]._parameter_constraints.get(parameter, [])
    constraints = [make_constraint(c) for c in allowed]
    return [v for v in TRIED if not any(c.is_satisfied_by(v) for c in constraints)]


def out_of_range(name):
    """Pairs of a parameter and a value."""
    known = OWN.get(name, {})
    for parameter in own_parameters(name):
        for value in known.get(parameter) or declared(name, parameter):
            yield parameter, value


ROWS = [(name, parameter, value) for name in CLASSES for parameter, value in out_of_range(name)]
ROWS += [("BiasAdvClassifier", name, value) for name, values in SHARED.items() for value in values]
