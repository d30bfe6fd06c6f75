"""What each method computes today, so that none changes in silence: scores of two rows, in float64."""

import numpy as np
import pytest
import torch

from sklearn_debias import BiasAdvClassifier, ERMClassifier, JTTClassifier, LfFClassifier

JTT = {"identification_epochs": 2, "upweight": 3}

VALUES = {
    "erm": (ERMClassifier(), (0.13695890, -0.14809146)),
    "balanced erm": (ERMClassifier(balance="group"), (0.03345805, -0.41904617)),
    "lff": (LfFClassifier(), (0.17446953, -0.13108570)),
    "raw lff": (LfFClassifier(ema=0, class_normalize=False, gce_factor=False), (0.12390840, -0.25342688)),
    "jtt": (JTTClassifier(**JTT), (-0.88153945, -0.42463855)),
    "weighted jtt": (JTTClassifier(**JTT, upweight_by="weight"), (-0.48264339, -0.60870691)),
    "biasadv of erm": (BiasAdvClassifier(base="erm"), (0.20870330, -0.05535121)),
    "biasadv of jtt": (BiasAdvClassifier(base=JTTClassifier(**JTT)), (-0.97909793, -0.49388975)),
    "biasadv of lff": (BiasAdvClassifier(), (0.22245653, -0.05628119)),
    "linf biasadv": (BiasAdvClassifier(norm="linf", random_start=True), (0.34424335, 0.21928580)),
}


@pytest.mark.skipif(torch.get_default_dtype() != torch.float32, reason="weights are drawn in torch's default dtype")
@pytest.mark.parametrize("name", VALUES)
def test_scores_are_as_before(name):
    clf, expected = VALUES[name]
    rng = np.random.default_rng(0)
    bias, y = np.arange(60) % 3 % 2, np.arange(60) % 2
    X = rng.normal(size=(60, 4))
    X[:, 0] += y
    X[:, 1] += 2.0 * bias
    clf.set_params(dtype="float64", lr=0.05, max_epochs=3, batch_size=16, random_state=0)
    scores = clf.fit(X, y, bias_labels=bias).decision_function(X[:2])
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-6)
