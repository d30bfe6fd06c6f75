"""What the common checks look at: a row is one instance, by what differs from `quick`."""

from collections.abc import Mapping
from typing import Any

from sklearn_debias.estimators import DFRClassifier, ERMClassifier, JTTClassifier
from sklearn_debias.objectives import IADA, ISDA, GroupDRO, LfF, LongTail, UpweightErrors

MONITORED = {"validation": 0.2, "monitor": "worst_group_accuracy"}
DROPOUT = {"module": "mlp", "net_params": {"module__dropout": 0.5}}

BRIEF: dict[str, Any] = {"max_epochs": 2, "batch_size": 16, "lr": 0.05, "random_state": 0}

OF_ESTIMATORS: dict[str, list[Mapping[str, Any]]] = {
    "AFRClassifier": [{}, {"module": "mlp", **MONITORED}],
    "AdversarialTrainingClassifier": [
        {},
        {"module": "mlp", "loss": "trades", "awp": 0.01, "validation": 0.2},
    ],
    "BiasAdvClassifier": [
        {},
        {"base": "erm", "random_start": True},
        {"base": JTTClassifier(identification_epochs=1), "norm": "linf", "clip": (0.0, 1.0)},
    ],
    "CRTClassifier": [{"module": "mlp", "retraining_epochs": 2, **MONITORED}],
    "ClassBalancedRetrainingClassifier": [{"module": "mlp", **MONITORED}],
    "ClassScaling": [
        {"estimator": DFRClassifier(n_resamples=2, random_state=0)},
        {"estimator": ERMClassifier(**BRIEF), "scoring": "accuracy"},
    ],
    "DPEClassifier": [{}, {"module": "mlp", **MONITORED}],
    "DHATClassifier": [{"attention": "gradcam"}, {**DROPOUT, **MONITORED}],
    "ERMClassifier": [
        {},
        {"balance": "group", "balance_by": "sample", **MONITORED},
        {"balance": "group", "balance_by": "subsample"},
        {"module": "mlp", "net_params": {"module__dropout": 0.5, "module__hidden": [8, 8]}},
    ],
    "FishClassifier": [{"optimizer": "sgd"}],
    "GroupDROClassifier": [
        {"balance": "group", **MONITORED},
        {"step_size": 0.5, "adjustment": 1.0},
    ],
    "ISDAClassifier": [{"module": "mlp", "validation": 0.2}],
    "InferredGroupsClassifier": [
        {},
        {"inferrer": "xrm", "classifier": ERMClassifier(**BRIEF, balance="group")},
        {"inferrer": "eiil", "classifier": DFRClassifier(n_resamples=2, random_state=0)},
    ],
    "InvarianceClassifier": [
        {"penalty_weight": 3.0, "balance": "environment"},
        {"penalty": "coral", "module": "mlp", **MONITORED},
    ],
    "JTTClassifier": [{}],
    "LfFClassifier": [{"validation": 0.2}],
    "LongTailClassifier": [
        {},
        {"module": "mlp", "loss": "ldam", "beta": 0.999, "deferred": 0.5, "validation": 0.2},
    ],
    "MetaIADAClassifier": [
        MONITORED,
        {
            "module": "mlp",
            "virtual_step": "all",
            "covariance": "diagonal",
            "meta_interval": 2,
            "warmup": 0,
        },
    ],
    "MetaSAugClassifier": [{}],
    "MetaWeightNetClassifier": [{"module": "mlp"}],
    "MixUpClassifier": [{}, {"partners": "lisa", "balance": "group", "validation": 0.2}],
    "SELFClassifier": [
        {"k": 6},
        {"module": "mlp", "k": 6, "disagreement": "dropout", **MONITORED},
        {"module": "mlp", "k": 6, "disagreement": "early_stop_misclassification"},
    ],
    "UIATClassifier": [{"norm": "l2", "attack_mode": "eval", "clip": (-9.0, 9.0)}],
    "ULEClassifier": [
        {"validation": 0.2},
        {"module": "mlp", "where": "input", "student_warmup": 1},
        {"similarity": "gram", "student_lr": 0.01},
    ],
}

# The rows of the objectives' checks are normal: an attack needs another range than that of images.
ATTACK = {"epsilon": 0.2, "step_size": 0.05, "n_steps": 3, "clip": (-3.0, 3.0)}
PRINTED = {"dhlr": "paper", "floe": "paper"}
LAST: dict[str, Any] = {"done": 1, "epochs": 2}

OF_OBJECTIVES: dict[str, list[Mapping[str, Any]]] = {
    "AdversarialTraining": [
        ATTACK,
        {**ATTACK, "kind": "trades"},
        {**ATTACK, "kind": "mart", "attack_mode": "eval", "norm": "l2"},
        {**ATTACK, "awp": 0.1},
    ],
    "BiasAdv": [
        {},
        {"beta": 0.0},
        {"base": LfF()},
        {"base": UpweightErrors()},
        {
            "base": UpweightErrors(duplicate=False),
            "norm": "linf",
            "epsilon": 0.05,
            "step_size": 0.02,
        },
        {"base": GroupDRO()},
        {"base": LongTail("ldam", beta=0.9)},
        {"random_start": True, "clip": (-2.0, 2.0)},
    ],
    "DHAT": [
        {**ATTACK, "attention": "gradient_x_input"},
        {**ATTACK, **PRINTED, "attention": "integrated_gradients", "awp": 0.05},
        {**ATTACK, "attention": "given"},
        {**ATTACK, **PRINTED, "floe_norm": 3.0, "adaptive": True, "attention": "gradient_x_input"},
    ],
    "ERM": [{}, {"balanced": True}, {"balanced": True, "replace": False}],
    "ERMOnPart": [{"share": 0.3, "seed": 1}],
    "FinetuneHead": [
        {},
        {"k": 4, "share": 0.5, "seed": 1},
        {"k": 5, "disagreement": "dropout", "dropout": 0.7},
        {"k": 5, "disagreement": "misclassification"},
        {"k": 5, "disagreement": "early_stop_misclassification"},
    ],
    "Fish": [{}, {"inner_lr": 0.0}],
    "FitPrototypes": [
        {},
        {"member": 2, "decorrelation": 3.0, "decay": 0.5, "share": 0.5, "seed": 1},
        {"member": 1, "share": 1.0, "entropic_scale": 5.0},
    ],
    "GroupDRO": [{}, {"step_size": 1.0, "adjustment": 2.0, "balanced": True}],
    "IADA": [
        {},
        {"epsilon": 0.3, "diagonal": True, "ramp": True, **LAST},
        {"copies": 3},
        {"reach": None},
        {"weigh": True, "beta": 0.5},
    ],
    "ISDA": [
        {},
        {"strength": 2.0, "balance": 0.9, "epochs": 4, "done": 2, "diagonal": True},
    ],
    "Invariance": [
        {},
        {"penalty": "ib_irm", "penalty_weight": 10.0, "bottleneck_weight": 3.0},
        {"penalty": "vrex", "penalty_weight": 100.0, "balanced": True},
        {"penalty": "coral"},
        {"penalty": "mmd", "penalty_weight": 0.5},
    ],
    "IsoMaxOnPart": [{}, {"share": 0.5, "seed": 1, "entropic_scale": 3.0}],
    "LearnStrategy": [
        {},
        {"iada": IADA(alpha=2.0, diagonal=True), "virtual": "all"},
        {"iada": IADA(epsilon=0.3)},
        {"iada": IADA(weigh=True)},
        {"iada": IADA(copies=2, diagonal=True)},
    ],
    "LearnWeights": [{}, {"virtual": "head"}],
    "LfF": [{}, {"ema": 0.0, "class_normalize": False, "gce_factor": False}],
    "LongTail": [
        {},
        {"loss": "cross_entropy", "beta": 0.9},
        {"loss": "focal", "gamma": 0.5},
        {"loss": "ldam", "beta": 0.999, "scale": 5.0},
        {"loss": "logit_adjustment", "tau": 0.5},
    ],
    "MetaSAug": [
        {"isda": ISDA(**LAST)},
        {"isda": ISDA(**LAST, diagonal=True), "virtual": "all"},
    ],
    "MixUp": [
        {},
        {"partners": "label", "alpha": 0.0},
        {"partners": "domain", "alpha": 1.0},
        {"partners": "lisa", "alpha": 2.0, "balanced": True},
    ],
    "RetrainHeadOnPart": [{"share": 0.5, "seed": 1}],
    "ReweightHead": [{}, {"gamma": 20.0, "lam": 1.0, "share": 0.5}],
    "UIAT": [{**ATTACK, "inverse_epsilon": 0.1}, {**ATTACK, "lam": 0.0}],
    "ULE": [
        {},
        {"lam": 1.0},
        {"where": "input", "saliency": "label_log_prob", "magnitude": True, "scale": 100.0},
        {
            "where": "body.0",
            "saliency": "prob",
            "scaling": "first",
            "norm": "l2",
            "distance": "l1",
        },
        {"saliency": "sum_log_softmax", "normalize_by": "batch", "scaling": "ratio"},
        {"similarity": "gram", "where": "output"},
        {"similarity": "gram", "where": "features", "scaling": "first"},
    ],
    "UpweightErrors": [{}, {"upweight": 2.5, "duplicate": False}],
}

OF_ATTACKS: dict[str, list[Mapping[str, Any]]] = {
    "AutoAttack": [{"parts": ("apgd-ce",)}],
    "CarliniWagner": [{"n_steps": 15, "lr": 0.1, "c": 1.0}],
    "PGD": [{}, {"step_size": 5.0, "loss": "margin"}, {"loss": "dlr", "random_start": False}],
}

ROWS = OF_ESTIMATORS | OF_OBJECTIVES | OF_ATTACKS
