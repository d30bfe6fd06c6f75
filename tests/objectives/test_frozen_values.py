"""Scores of two rows, in float64, by the methods of November 2026: none may change in silence.

A later method freezes a step of its objective in its own file.
"""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

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

ATTACK = {"epsilon": 0.3, "step_size": 0.1, "n_steps": 3}
JTT = {"identification_epochs": 2, "upweight": 3}

VALUES = {
    "erm": (ERMClassifier(), (0.13695890, -0.14809146)),
    "balanced erm": (ERMClassifier(balance="group"), (0.03345805, -0.41904617)),
    "lff": (LfFClassifier(), (0.17446953, -0.13108570)),
    "raw lff": (
        LfFClassifier(ema=0, class_normalize=False, gce_factor=False),
        (0.12390840, -0.25342688),
    ),
    "jtt": (JTTClassifier(**JTT), (-0.88153945, -0.42463855)),
    "weighted jtt": (JTTClassifier(**JTT, upweight_by="weight"), (-0.48264339, -0.60870691)),
    "biasadv of erm": (BiasAdvClassifier(base="erm"), (0.20870330, -0.05535121)),
    "biasadv of jtt": (BiasAdvClassifier(base=JTTClassifier(**JTT)), (-0.97909793, -0.49388975)),
    "biasadv of lff": (BiasAdvClassifier(), (0.22245653, -0.05628119)),
    "drawn erm": (ERMClassifier(balance="group", balance_by="sample"), (-0.22206826, -0.63429022)),
    "subsampled erm": (
        ERMClassifier(balance="group", balance_by="subsample"),
        (0.26670818, -0.00690251),
    ),
    "group dro": (GroupDROClassifier(step_size=0.1), (0.40110525, 0.61276757)),
    "drawn group dro": (
        GroupDROClassifier(step_size=0.1, adjustment=1.0, balance="group"),
        (-0.22049146, -0.67782645),
    ),
    "afr": (AFRClassifier(reweighting_epochs=5), (0.10722254, -1.22652479)),
    "balanced softmax": (LongTailClassifier(), (0.13695890, -0.14809146)),  # equal classes: erm's
    "focal": (LongTailClassifier(loss="focal", beta=0.999), (-0.02358437, -0.28370345)),
    "deferred ldam": (
        LongTailClassifier(loss="ldam", beta=0.999, deferred=0.5),
        (-2.20260682, -9.87997877),
    ),
    "crt": (CRTClassifier(module="mlp", retraining_epochs=3), (0.00038601, -0.54341209)),
    "ule": (ULEClassifier(), (0.58312159, -2.39544709)),
    "adam ule": (ULEClassifier(optimizer="adam"), (0.31522846, -0.25804958)),
    "ule of the input": (
        ULEClassifier(optimizer="adam", where="input", scale=1.0),
        (-0.22296185, -0.04276187),
    ),
    "gram ule": (ULEClassifier(optimizer="adam", similarity="gram"), (-0.18373682, -2.24425752)),
    "isda": (ISDAClassifier(optimizer="sgd", strength=5.0), (-0.03220796, 0.00483108)),
    "metasaug": (
        MetaSAugClassifier(optimizer="sgd", warmup=1, strength=5.0),
        (0.01518016, 0.00735944),
    ),
    "meta-weight-net": (
        MetaWeightNetClassifier(optimizer="sgd", weight_lr=0.1),
        (0.09604368, 0.15217827),
    ),
    "meta-iada": (
        MetaIADAClassifier(optimizer="sgd", warmup=1, perturbation_lr=0.1, reach=1.0),
        (0.50152086, -0.38702913),
    ),
    "whole meta-iada": (
        MetaIADAClassifier(
            optimizer="sgd",
            warmup=1,
            covariance="diagonal",
            module="mlp",
            meta_interval=2,
        ),
        (-0.10902024, -0.41590428),
    ),
    "fixed meta-iada": (
        MetaIADAClassifier(optimizer="sgd", warmup=0, epsilon=0.3, sigma_lr=5.0, reach=1.0),
        (-0.02965089, 0.06398956),
    ),
    "linf biasadv": (BiasAdvClassifier(norm="linf", random_start=True), (0.34424335, 0.21928580)),
    "irm": (
        InvarianceClassifier(penalty_weight=100.0, anneal_epochs=1),
        (-0.25302997, -0.24714928),
    ),
    "ib-irm": (
        InvarianceClassifier("mlp", penalty="ib_irm", penalty_weight=100.0, bottleneck_weight=0.5),
        (0.37420575, 0.99384099),
    ),
    "vrex": (
        InvarianceClassifier(penalty="vrex", balance="environment"),
        (-0.08562980, 0.06209956),
    ),
    "coral": (InvarianceClassifier("mlp", penalty="coral"), (0.33285677, 1.05586745)),
    "mmd": (InvarianceClassifier("mlp", penalty="mmd"), (0.52240131, 1.71073182)),
    "fish": (FishClassifier(), (0.06147480, -0.02953621)),
    "mixup": (MixUpClassifier(), (0.09437824, -0.24919769)),
    "domain mix": (MixUpClassifier(partners="domain"), (0.04292990, -0.54886997)),
    "lisa": (MixUpClassifier(partners="lisa", balance="group"), (0.06700179, -0.26011079)),
    "pgd-at": (AdversarialTrainingClassifier(**ATTACK), (0.04475348, -0.16599785)),
    "trades": (AdversarialTrainingClassifier(**ATTACK, loss="trades"), (0.05313651, -0.24247791)),
    "mart with awp": (
        AdversarialTrainingClassifier(**ATTACK, loss="mart", awp=0.01),
        (0.01971082, 0.32809169),
    ),
    "uiat": (UIATClassifier(**ATTACK, inverse_epsilon=0.15), (0.03306389, -0.18441884)),
    "dhat": (DHATClassifier(**ATTACK, inverse_epsilon=0.15), (-0.02121967, -0.01190673)),
    "dhat as printed": (
        DHATClassifier(**ATTACK, inverse_epsilon=0.15, dhlr="paper", floe="paper", lam2=0.1),
        (0.03450979, 0.02048039),
    ),
    "dhat by integrated gradients": (
        DHATClassifier(**ATTACK, module="mlp", attention="integrated_gradients", norm="l2"),
        (-0.29203612, -0.69788802),
    ),
}


def rows():
    rng = np.random.default_rng(0)
    bias, y = np.arange(60) % 3 % 2, np.arange(60) % 2
    X = rng.normal(size=(60, 4))
    X[:, 0] += y
    X[:, 1] += 2.0 * bias
    return X, y, bias


@pytest.mark.skipif(
    torch.get_default_dtype() != torch.float32, reason="weights are drawn in torch's default dtype"
)
@pytest.mark.parametrize("name", VALUES)
def test_scores_are_as_before(name):
    clf, expected = VALUES[name]
    X, y, bias = rows()
    clf.set_params(dtype="float64", lr=0.05, max_epochs=3, batch_size=16, random_state=0)
    scores = clf.fit(X, y, bias_labels=bias).decision_function(X[:2])
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-6)


HEADS = {
    "dfr": (DFRClassifier(), (0.44494, 0.48912)),
    "class scaling": (ClassScaling(LogisticRegression(), held_out=0.4), (0.56619, 0.53921)),
}


@pytest.mark.parametrize("name", HEADS)
def test_probabilities_of_heads_are_as_before(name):
    clf, expected = HEADS[name]
    X, y, bias = rows()
    probability = (
        clf.set_params(random_state=0).fit(X, y, bias_labels=bias).predict_proba(X[:2])[:, 1]
    )
    np.testing.assert_allclose(probability, expected, rtol=0, atol=1e-4)
