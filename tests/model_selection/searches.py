"""What the search is tried on, from every exported estimator, and what its tests look at."""

from dataclasses import dataclass
from inspect import signature

import numpy as np
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV
from sklearn.utils.validation import has_fit_parameter

from sklearn_debias import JTTClassifier
from sklearn_debias.datasets import make_spurious_embeddings
from sklearn_debias.estimators import BaseDebiasClassifier
from sklearn_debias.model_selection import BatchedGridSearchCV
from sklearn_debias.testing import all_estimators, quick

LRS = {"lr": [0.01, 0.1]}
# In float32 a sign that rounding turns would show.
EXACT = {"dtype": "float64"}
ATTACK = {"n_steps": 2, "step_size": 0.1, **EXACT}
# A start that is drawn otherwise must show in the end.
SHORT_STEPS = {"module": "mlp", "n_steps": 6, "step_size": 0.02, "epsilon": 0.1, **EXACT}
PRINTED = {"dhlr": "paper", "floe": "paper"}
GRAD_CAM = {"attention": "gradcam"}
MOMENTUM = {"optimizer__momentum": 0.9}

# Parameters, and a grid over numbers. A class that is not here has the row of `derived_row`.
ROWS = {
    "AFRClassifier": [({"reweighting_epochs": 4}, {"gamma": [0.0, 4.0], "lam": [0.0, 0.1], **LRS})],
    "AdversarialTrainingClassifier": [
        (ATTACK, {"epsilon": [0.0, 0.1], "lr": [0.01, 0.05]}),
        ({**ATTACK, "loss": "trades"}, {"beta": [0.0, 6.0]}),
        ({**ATTACK, "loss": "mart"}, {"awp": [0.005, 0.05]}),
    ],
    "BiasAdvClassifier": [
        ({}, {"lam": [0.0, 0.5], "beta": [0.0, 1.0], "epsilon": [0.1, 1.0]}),
        ({"base": "erm", "norm": "linf"}, {"lam": [0.3, 1.0], "q": [0.5, 0.7]}),
        ({"random_start": True, "clip": (-50, 50)}, {"epsilon": [0.1, 1.0]}),
        ({"random_start": True}, {"beta": [0.0, 0.5]}),
        (
            {"base": JTTClassifier(identification_epochs=2)},
            {"base__upweight": [2, 5], "step_size": [None, 0.1]},
        ),
    ],
    "CRTClassifier": [
        ({"retraining_epochs": 2, "module": "mlp"}, {"weight_decay": [0.0, 0.01], **LRS})
    ],
    "ClassBalancedRetrainingClassifier": [
        ({"retraining_epochs": 2, "module": "mlp"}, {"weight_decay": [0.0, 0.01], **LRS})
    ],
    "DHATClassifier": [
        ({**ATTACK, **GRAD_CAM}, {"lam1": [0.0, 0.5], "lam2": [0.5, 2.0], "omega": [0.1, 0.4]}),
        ({**ATTACK, **PRINTED}, {"lam2": [0.0, 0.1], "step_size": [0.1, None]}),
        ({**SHORT_STEPS, **GRAD_CAM}, {"lam1": [0, 1], "lam2": [0, 1]}),
    ],
    "DPEClassifier": [
        ({"n_heads": 2, "head_epochs": 4}, {"decorrelation": [0.0, 1.0], "decay": [0.0, 1.0]}),
        (
            {"n_heads": 2, "head_epochs": 4, "module": "mlp"},
            {"entropic_scale": [10.0, 30.0], **LRS},
        ),
    ],
    "ERMClassifier": [
        ({}, {"weight_decay": [0.0, 0.01], **LRS}),
        ({"optimizer": "adamw"}, {"weight_decay": [0.0, 0.1], **LRS}),
        (
            {"optimizer": "sgd", "net_params": {**MOMENTUM, "optimizer__dampening": 0.1}},
            {"weight_decay": [0.0, 0.01], **LRS},
        ),
        ({"optimizer": "sgd", "net_params": {**MOMENTUM, "optimizer__nesterov": True}}, LRS),
        ({"net_params": {"optimizer__amsgrad": True}}, LRS),
        ({"balance": "group"}, {"balance_by": ["weight", "sample"], **LRS}),
    ],
    "FishClassifier": [({"optimizer": "sgd"}, {"inner_lr": [0.0, 0.1], **LRS})],
    "GroupDROClassifier": [
        ({}, {"step_size": [0.0, 0.1], "adjustment": [0.0, 1.0], **LRS}),
        ({"balance": "group"}, {"step_size": [0.01, 0.1]}),
    ],
    "ISDAClassifier": [({"module": "mlp"}, {"strength": [0.0, 5.0], **LRS})],
    "InvarianceClassifier": [
        ({"anneal_epochs": 1}, {"penalty_weight": [10.0, 100.0], **LRS}),
        ({"penalty": "vrex"}, {"penalty_weight": [0.0, 0.5, 20.0]}),
    ],
    "JTTClassifier": [
        ({"identification_epochs": 2}, {"upweight": [1, 5], **LRS}),
        ({"identification_epochs": 2, "upweight_by": "weight"}, {"upweight": [1.5, 5]}),
    ],
    "LfFClassifier": [
        ({}, {"q": [0.3, 0.7], "ema": [0.0, 0.7], **LRS}),
        ({"class_normalize": False, "gce_factor": False}, {"q": [0.3, 1.0]}),
    ],
    "LongTailClassifier": [
        ({"beta": 0.9}, {"beta": [0.0, 0.9, 1.0], **LRS}),
        (
            {"loss": "ldam", "beta": 0.99, "deferred": 0.6},
            {"max_margin": [0.0, 0.5], "scale": [10.0, 30.0], **LRS},
        ),
    ],
    "MetaIADAClassifier": [
        ({"warmup": 1}, {"alpha": [0.0, 2.0], "beta": [0.0, 1.0], "sigma_lr": [0.1, 5.0]}),
        (
            {
                "warmup": 0,
                "virtual_step": "all",
                "covariance": "diagonal",
                "module": "mlp",
                "alpha_ramp": True,
                **EXACT,
            },
            {"alpha": [0.5, 2.0], "perturbation_lr": [1e-3, 0.1]},
        ),
        ({"warmup": 1}, {"epsilon": [0.0, 0.3], "alpha": [0.0, 0.5]}),
        ({"warmup": 1, "class_weights": True, **EXACT}, {"beta": [1.0, 0.5, 0.2]}),
    ],
    "MetaSAugClassifier": [({}, {"strength": [0.5, 5.0], "sigma_lr": [0.0, 1.0]})],
    "MetaWeightNetClassifier": [
        ({"meta_interval": 2}, {"weight_lr": [1e-3, 0.1], "weight_decay": [0.0, 0.01]})
    ],
    "MixUpClassifier": [
        ({}, {"alpha": [0.0, 0.2, 2.0], **LRS}),
        ({"partners": "lisa", "balance": "group"}, {"alpha": [1.0, 2.0], "p_sel": [0.0, 0.5]}),
    ],
    "SELFClassifier": [
        ({"k": 8, "finetuning_epochs": 4, "module": "mlp"}, {"weight_decay": [0.0, 0.01], **LRS}),
        (
            {"k": 8, "finetuning_epochs": 4, "disagreement": "dropout"},
            {"dropout": [0.5, 0.7], **LRS},
        ),
    ],
    "UIATClassifier": [
        (ATTACK, {"inverse_epsilon": [0.1, 0.2], "lam": [0.0, 2.0]}),
        (SHORT_STEPS, {"lam": [0, 1]}),
    ],
    "ULEClassifier": [
        ({}, {"lam": [0.0, 0.4, 1.0], **LRS}),
        ({"normalize_by": "batch", "scale": 1.0, "student_lr": 0.05}, {"lam": [0.2, 0.4]}),
    ],
}


def derived_row(cls):
    """Default parameters, and a grid of `lr` and then of each other number of the class's own."""
    shared = signature(BaseDebiasClassifier).parameters
    own = {
        name: parameter.default
        for name, parameter in signature(cls).parameters.items()
        if name not in shared and isinstance(parameter.default, float)
    }
    return {}, [LRS, *({name: [value, value / 2 or 0.1]} for name, value in own.items())]


# A stack trains networks; classifiers without one are refused.
SEARCHED = {n: cls for n, cls in all_estimators() if issubclass(cls, BaseDebiasClassifier)}
REFUSED = {n: cls for n, cls in all_estimators() if n not in SEARCHED}
SEARCHES = {
    f"{name}-{i}": (quick(cls, **params), grid)
    for name, cls in SEARCHED.items()
    for i, (params, grid) in enumerate(ROWS.get(name) or [derived_row(cls)])
}
SHARED = {"max_epochs": 3, "batch_size": 32, "random_state": 0, "device": "cpu"}


@dataclass
class Records:
    """A scorer that keeps what it sees of each fitted estimator."""

    def __post_init__(self):
        self.seen = []

    def __call__(self, estimator, X, y):
        last = estimator[-1] if hasattr(estimator, "steps") else estimator
        weights = {k: v.numpy().copy() for k, v in last.net_.module_.state_dict().items()}
        history = last.history_.drop(columns="seconds")
        self.seen.append((weights, history, estimator.predict(X)))
        return accuracy_score(y, self.seen[-1][2])


def rows(n=200):
    """Embeddings, labels, bias labels; three folds of 100 or 200 are ragged."""
    train = make_spurious_embeddings(
        n, n_validation=20, n_test=20, conflict_ratio=0.1, random_state=0
    ).train
    return train.data, train.target, train.bias_labels


def both(estimator, grid, *, n=200, **options):
    """The two searches, fitted to ``n`` rows, with what their scorers have seen."""
    X, y, bias = rows(n)
    given = {"bias_labels": bias} if has_fit_parameter(estimator, "bias_labels") else {}
    found = []
    for kind in (GridSearchCV, BatchedGridSearchCV):
        scorer = Records()
        search = kind(estimator, grid, scoring=scorer, **{"cv": 3, **options})
        found.append((search.fit(X, y, **given), scorer.seen))
    return found


def assert_equal_scores(one, other):
    """Every score in ``cv_results_``, and what follows from them."""
    for name, values in one.cv_results_.items():
        if "time" not in name and not name.startswith("param"):
            np.testing.assert_array_equal(other.cv_results_[name], values, err_msg=name)
    assert other.cv_results_["params"] == one.cv_results_["params"]
    assert other.best_params_ == one.best_params_
    assert other.best_index_ == one.best_index_
    assert set(other.cv_results_) == set(one.cv_results_)


def assert_close_fits(expected, actual, tolerance, flips=0):
    """Parameters, histories and predictions of every fit."""
    assert len(actual) == len(expected)
    for (weights, history, predicted), (own, own_history, own_predicted) in zip(
        expected, actual, strict=True
    ):
        assert own.keys() == weights.keys()
        for name, value in weights.items():
            np.testing.assert_allclose(
                own[name], value, atol=tolerance, rtol=tolerance, err_msg=name
            )
        assert set(own_history.columns) >= set(
            history.columns
        )  # at lam=1 and the like a fit alone skips terms
        for column in history.select_dtypes("number"):
            np.testing.assert_allclose(
                own_history[column], history[column], rtol=1e3 * tolerance, atol=1e3 * tolerance
            )
        assert np.sum(own_predicted != predicted) <= flips
