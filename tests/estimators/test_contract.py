"""The common checks over all estimators: what every fit leaves alone, and what it gives back."""

import inspect

import pytest

import sklearn_debias
from sklearn_debias import (
    AdversarialTrainingClassifier,
    AFRClassifier,
    BiasAdvClassifier,
    ClassScaling,
    CRTClassifier,
    DFRClassifier,
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
from sklearn_debias.testing import estimator_checks, parametrize_with_estimator_checks

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn_debias.exceptions.DebiasWarning"
)  # these fits are short

QUICK = {"max_epochs": 2, "batch_size": 16, "lr": 0.05}
ATTACK = {"epsilon": 0.05, "n_steps": 2}

ALL = [
    ERMClassifier(**QUICK),
    ERMClassifier(
        **QUICK,
        balance="group",
        balance_by="sample",
        validation=0.2,
        monitor="worst_group_accuracy",
    ),
    ERMClassifier(
        **QUICK, module="mlp", net_params={"module__dropout": 0.5, "module__hidden": [8, 8]}
    ),
    LfFClassifier(**QUICK, validation=0.2),
    JTTClassifier(**QUICK, identification_epochs=1),
    BiasAdvClassifier(**QUICK, base="erm", random_start=True),
    BiasAdvClassifier(
        **QUICK, base=JTTClassifier(identification_epochs=1), norm="linf", clip=(0.0, 1.0)
    ),
    BiasAdvClassifier(**QUICK),
    ERMClassifier(**QUICK, balance="group", balance_by="subsample"),
    GroupDROClassifier(**QUICK, balance="group", validation=0.2, monitor="worst_group_accuracy"),
    GroupDROClassifier(**QUICK, step_size=0.5, adjustment=1.0),
    AFRClassifier(**QUICK, reweighting_epochs=3),
    AFRClassifier(
        **QUICK, module="mlp", reweighting_epochs=3, validation=0.2, monitor="worst_group_accuracy"
    ),
    LongTailClassifier(**QUICK),
    LongTailClassifier(
        **QUICK, module="mlp", loss="ldam", beta=0.999, deferred=0.5, validation=0.2
    ),
    CRTClassifier(
        **QUICK, module="mlp", retraining_epochs=2, validation=0.2, monitor="worst_group_accuracy"
    ),
    DFRClassifier(n_resamples=3),
    ClassScaling(DFRClassifier(n_resamples=2, random_state=0), max_scales=4, max_rounds=1),
    ClassScaling(
        ERMClassifier(**QUICK, random_state=0), scoring="accuracy", max_scales=4, max_rounds=1
    ),
    ULEClassifier(**QUICK, validation=0.2),
    ULEClassifier(**QUICK, module="mlp", where="input", student_warmup=1),
    ULEClassifier(**QUICK, similarity="gram", student_lr=0.01),
    InvarianceClassifier(**QUICK, penalty_weight=3.0, balance="environment"),
    InvarianceClassifier(
        **QUICK, penalty="coral", module="mlp", validation=0.2, monitor="worst_group_accuracy"
    ),
    FishClassifier(**QUICK),
    MixUpClassifier(**QUICK),
    MixUpClassifier(**QUICK, partners="lisa", balance="group", validation=0.2),
    ISDAClassifier(**QUICK, module="mlp", validation=0.2),
    MetaSAugClassifier(**QUICK),
    MetaWeightNetClassifier(**QUICK, module="mlp"),
    MetaIADAClassifier(**QUICK, validation=0.2, monitor="worst_group_accuracy"),
    MetaIADAClassifier(
        **QUICK, module="mlp", virtual_step="all", covariance="diagonal", meta_interval=2, warmup=0
    ),
    AdversarialTrainingClassifier(**QUICK, **ATTACK),
    AdversarialTrainingClassifier(
        **QUICK, **ATTACK, module="mlp", loss="trades", awp=0.01, validation=0.2
    ),
    UIATClassifier(**QUICK, **ATTACK, norm="l2", attack_mode="eval", clip=(-9.0, 9.0)),
    DHATClassifier(**QUICK, **ATTACK),
    DHATClassifier(
        **QUICK,
        **ATTACK,
        attention="integrated_gradients",
        module="mlp",
        net_params={"module__dropout": 0.5},
        validation=0.2,
        monitor="worst_group_accuracy",
    ),
]


def test_every_estimator_is_checked():
    public = {value for value in vars(sklearn_debias).values() if inspect.isclass(value)}
    assert {type(estimator) for estimator in ALL} == public
    assert len(ALL) * len(list(estimator_checks())) == 37 * 14


@parametrize_with_estimator_checks(ALL)
def test_classifier(estimator, check):
    check(estimator)
