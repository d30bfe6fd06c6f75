"""One row per method, and what the tests of the search look at."""

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV

from sklearn_debias import (
    AdversarialTrainingClassifier,
    AFRClassifier,
    BiasAdvClassifier,
    CRTClassifier,
    DHATClassifier,
    ERMClassifier,
    FishClassifier,
    GroupDROClassifier,
    InvarianceClassifier,
    ISDAClassifier,
    JTTClassifier,
    LfFClassifier,
    LongTailClassifier,
    MetaIADAClassifier,
    MetaSAugClassifier,
    MetaWeightNetClassifier,
    MixUpClassifier,
    UIATClassifier,
    ULEClassifier,
)
from sklearn_debias.datasets import make_spurious_embeddings
from sklearn_debias.model_selection import BatchedGridSearchCV

# In float32 a sign that rounding turns would show.
ATTACK = {"n_steps": 2, "step_size": 0.1, "dtype": "float64"}
# A start that is drawn otherwise must show in the end.
SHORT_STEPS = {"module": "mlp", "n_steps": 6, "step_size": 0.02, "epsilon": 0.1, "dtype": "float64"}

# A new method is one row: an estimator, and a grid over its numbers.
METHODS = {
    "erm": (ERMClassifier(), {"lr": [0.01, 0.1], "weight_decay": [0.0, 0.01]}),
    "erm, adamw": (
        ERMClassifier(optimizer="adamw"),
        {"lr": [0.01, 0.1], "weight_decay": [0.0, 0.1]},
    ),
    "erm, sgd": (
        ERMClassifier(
            optimizer="sgd", net_params={"optimizer__momentum": 0.9, "optimizer__dampening": 0.1}
        ),
        {"lr": [0.01, 0.1], "weight_decay": [0.0, 0.01]},
    ),
    "erm, nesterov": (
        ERMClassifier(
            optimizer="sgd", net_params={"optimizer__momentum": 0.9, "optimizer__nesterov": True}
        ),
        {"lr": [0.01, 0.1]},
    ),
    "erm, amsgrad": (ERMClassifier(net_params={"optimizer__amsgrad": True}), {"lr": [0.01, 0.1]}),
    "erm, balanced": (
        ERMClassifier(balance="group"),
        {"lr": [0.01, 0.1], "balance_by": ["weight", "sample"]},
    ),
    "lff": (LfFClassifier(), {"lr": [0.01, 0.1], "q": [0.3, 0.7], "ema": [0.0, 0.7]}),
    "lff, raw": (LfFClassifier(class_normalize=False, gce_factor=False), {"q": [0.3, 1.0]}),
    "jtt": (JTTClassifier(identification_epochs=2), {"lr": [0.01, 0.1], "upweight": [1, 5]}),
    "jtt, weights": (
        JTTClassifier(identification_epochs=2, upweight_by="weight"),
        {"upweight": [1.5, 5]},
    ),
    "biasadv on lff": (
        BiasAdvClassifier(),
        {"lam": [0.0, 0.5], "beta": [0.0, 1.0], "epsilon": [0.1, 1.0]},
    ),
    "biasadv on erm": (
        BiasAdvClassifier(base="erm", norm="linf"),
        {"lam": [0.3, 1.0], "q": [0.5, 0.7]},
    ),
    "biasadv at random": (
        BiasAdvClassifier(random_start=True, clip=(-50, 50)),
        {"epsilon": [0.1, 1.0]},
    ),
    "biasadv at random, or not": (BiasAdvClassifier(random_start=True), {"beta": [0.0, 0.5]}),
    "biasadv on jtt": (
        BiasAdvClassifier(base=JTTClassifier(identification_epochs=2)),
        {"base__upweight": [2, 5], "step_size": [None, 0.1]},
    ),
    "ule": (ULEClassifier(), {"lam": [0.0, 0.4, 1.0], "lr": [0.01, 0.1]}),
    "ule, batch": (
        ULEClassifier(normalize_by="batch", scale=1.0, student_lr=0.05),
        {"lam": [0.2, 0.4]},
    ),
    "group dro": (
        GroupDROClassifier(),
        {"step_size": [0.0, 0.1], "adjustment": [0.0, 1.0], "lr": [0.01, 0.1]},
    ),
    "group dro, balanced": (GroupDROClassifier(balance="group"), {"step_size": [0.01, 0.1]}),
    "afr": (
        AFRClassifier(reweighting_epochs=4),
        {"gamma": [0.0, 4.0], "lam": [0.0, 0.1], "lr": [0.01, 0.1]},
    ),
    "long tail": (LongTailClassifier(beta=0.9), {"beta": [0.0, 0.9, 1.0], "lr": [0.01, 0.1]}),
    "ldam, deferred": (
        LongTailClassifier(loss="ldam", beta=0.99, deferred=0.6),
        {"max_margin": [0.0, 0.5], "scale": [10.0, 30.0], "lr": [0.01, 0.1]},
    ),
    "crt": (
        CRTClassifier(retraining_epochs=2, module="mlp"),
        {"lr": [0.01, 0.1], "weight_decay": [0.0, 0.01]},
    ),
    "irm": (
        InvarianceClassifier(anneal_epochs=1),
        {"penalty_weight": [10.0, 100.0], "lr": [0.01, 0.1]},
    ),
    "vrex": (InvarianceClassifier(penalty="vrex"), {"penalty_weight": [0.0, 0.5, 20.0]}),
    "fish": (FishClassifier(), {"inner_lr": [0.0, 0.1], "lr": [0.01, 0.1]}),
    "mixup": (MixUpClassifier(), {"alpha": [0.0, 0.2, 2.0], "lr": [0.01, 0.1]}),
    "isda": (ISDAClassifier(module="mlp"), {"strength": [0.0, 5.0], "lr": [0.01, 0.1]}),
    "meta saug": (MetaSAugClassifier(), {"strength": [0.5, 5.0], "sigma_lr": [0.0, 1.0]}),
    "meta-weight-net": (
        MetaWeightNetClassifier(meta_interval=2),
        {"weight_lr": [1e-3, 0.1], "weight_decay": [0.0, 0.01]},
    ),
    "meta-iada": (
        MetaIADAClassifier(warmup=1),
        {"alpha": [0.0, 2.0], "beta": [0.0, 1.0], "sigma_lr": [0.1, 5.0]},
    ),
    "meta-iada, whole": (  # in float32 a sign that rounding turns would show
        MetaIADAClassifier(
            warmup=0,
            virtual_step="all",
            covariance="diagonal",
            module="mlp",
            alpha_ramp=True,
            dtype="float64",
        ),
        {"alpha": [0.5, 2.0], "perturbation_lr": [1e-3, 0.1]},
    ),
    "meta-iada, fixed": (
        MetaIADAClassifier(warmup=1),
        {"epsilon": [0.0, 0.3], "alpha": [0.0, 0.5]},
    ),
    "pgd-at": (
        AdversarialTrainingClassifier(**ATTACK),
        {"epsilon": [0.0, 0.1], "lr": [0.01, 0.05]},
    ),
    "trades": (AdversarialTrainingClassifier(**ATTACK, loss="trades"), {"beta": [0.0, 6.0]}),
    "awp": (AdversarialTrainingClassifier(**ATTACK, loss="mart"), {"awp": [0.005, 0.05]}),
    "uiat": (UIATClassifier(**ATTACK), {"inverse_epsilon": [0.1, 0.2], "lam": [0.0, 2.0]}),
    "dhat": (
        DHATClassifier(**ATTACK),
        {"lam1": [0.0, 0.5], "lam2": [0.5, 2.0], "omega": [0.1, 0.4]},
    ),
    "dhat, paper": (
        DHATClassifier(**ATTACK, dhlr="paper", floe="paper", attention="integrated_gradients"),
        {"lam2": [0.0, 0.1], "step_size": [0.1, None]},
    ),
    "uiat, on and off": (UIATClassifier(**SHORT_STEPS), {"lam": [0, 1]}),
    "dhat, on and off": (DHATClassifier(**SHORT_STEPS), {"lam1": [0, 1], "lam2": [0, 1]}),
    "lisa": (
        MixUpClassifier(partners="lisa", balance="group"),
        {"alpha": [1.0, 2.0], "p_sel": [0.0, 0.5]},
    ),
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
    """Embeddings, labels, bias labels; three folds of 200 are ragged."""
    train = make_spurious_embeddings(
        n, n_validation=20, n_test=20, conflict_ratio=0.1, random_state=0
    ).train
    return train.data, train.target, train.bias_labels


def both(estimator, grid, *, own=None, **options):
    """The two searches, fitted, with what their scorers have seen."""
    X, y, bias = rows()
    found = []
    for kind, extra in ((GridSearchCV, {}), (BatchedGridSearchCV, own or {})):
        scorer = Records()
        search = kind(estimator, grid, scoring=scorer, **{"cv": 3, **options, **extra})
        found.append(
            (
                search.fit(X, y, **({"bias_labels": bias} if _takes_bias(estimator) else {})),
                scorer.seen,
            )
        )
    return found


def _takes_bias(estimator):
    named = ("FishClassifier", "GroupDROClassifier", "InvarianceClassifier")
    return getattr(estimator, "balance", None) == "group" or type(estimator).__name__ in named


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
