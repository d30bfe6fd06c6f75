"""What the search spaces are tried on, and how draws are made short."""

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from sklearn_debias import (
    AdversarialTrainingClassifier,
    BiasAdvClassifier,
    ClassScaling,
    ERMClassifier,
    GroupDROClassifier,
    GroupInferrer,
    InferredGroupsClassifier,
    InvarianceClassifier,
    JTTClassifier,
    LongTailClassifier,
    MetaIADAClassifier,
    MixUpClassifier,
    SELFClassifier,
)
from sklearn_debias.estimators import BaseDebiasClassifier
from sklearn_debias.testing import all_estimators

KINDS = ("embeddings", "tabular", "images")
NETS = [name for name, cls in all_estimators() if issubclass(cls, BaseDebiasClassifier)]
COUNTS = ("n_steps", "n_heads", "n_resamples")

# What a parameter of the estimator changes in its space: names that are there, names that are not.
VARIANTS = {
    "ERM": (ERMClassifier(), [], ["balance", "balance_by"]),
    "ERM-balanced": (ERMClassifier(balance="group"), ["balance_by"], []),
    "ERM-mlp": (ERMClassifier("mlp"), ["module__hidden"], ["module"]),
    "BiasAdv-erm": (BiasAdvClassifier(base="erm"), ["q", "epsilon"], ["base"]),
    "BiasAdv-jtt": (BiasAdvClassifier(base="jtt"), ["base", "epsilon"], ["q"]),
    "BiasAdv-lff": (BiasAdvClassifier(base="lff"), ["base"], ["q"]),
    "BiasAdv-of-JTT": (
        BiasAdvClassifier(base=JTTClassifier()),
        ["base__upweight", "base__identification_epochs", "lr"],
        ["base__lr", "base__max_epochs", "base"],
    ),
    "IRM": (InvarianceClassifier(), ["anneal_epochs"], ["bottleneck_weight", "module"]),
    "IB-IRM": (InvarianceClassifier(penalty="ib_irm"), ["bottleneck_weight", "module"], []),
    "CORAL": (InvarianceClassifier(penalty="coral"), ["module"], ["anneal_epochs"]),
    "CORAL-mlp": (InvarianceClassifier("mlp", penalty="coral"), ["module__hidden"], ["module"]),
    "softmax": (LongTailClassifier(), [], ["tau", "beta", "gamma", "scale"]),
    "adjustment": (LongTailClassifier(loss="logit_adjustment"), ["tau"], ["beta"]),
    "focal": (LongTailClassifier(loss="focal"), ["gamma", "beta"], ["scale"]),
    "LDAM": (LongTailClassifier(loss="ldam"), ["scale", "max_margin", "deferred"], ["gamma"]),
    "mixup": (MixUpClassifier(), ["alpha"], ["p_sel", "balance"]),
    "LISA": (MixUpClassifier(partners="lisa"), ["p_sel", "balance"], []),
    "PGD-AT": (AdversarialTrainingClassifier(), ["epsilon"], ["beta"]),
    "TRADES": (AdversarialTrainingClassifier(loss="trades"), ["beta"], []),
    "L2": (AdversarialTrainingClassifier(norm="l2"), ["epsilon"], []),
    "SELF": (SELFClassifier(), ["early_stop"], ["dropout"]),
    "SELF-dropout": (SELFClassifier(disagreement="dropout"), ["dropout"], ["early_stop"]),
    "IADA": (MetaIADAClassifier(), ["alpha", "reach"], ["epsilon"]),
    "IADA-fixed": (MetaIADAClassifier(epsilon=0.1), ["epsilon", "reach"], []),
    "scaled": (ClassScaling(JTTClassifier()), ["held_out", "estimator__upweight"], []),
    "scaled-other": (ClassScaling(LogisticRegression()), ["held_out"], ["estimator__C"]),
    "inferred": (InferredGroupsClassifier(), ["inferrer", "classifier"], []),
    "inferred-parts": (
        InferredGroupsClassifier(GroupDROClassifier(), GroupInferrer("clusters")),
        ["classifier__step_size", "classifier__lr", "inferrer__max_clusters"],
        ["inferrer", "classifier"],
    ),
    "inferred-nets": (
        InferredGroupsClassifier(
            GroupDROClassifier(), GroupInferrer("xrm", estimator=ERMClassifier())
        ),
        ["inferrer__estimator__lr"],
        ["inferrer__n_splits"],
    ),
}


def told(space):
    """What a space says, comparably."""
    return {
        name: repr(v) if isinstance(v, list) else (v.dist.name, v.args, v.kwds)
        for name, v in space.items()
    }


def shortened(estimator):
    """The estimator with few epochs and steps; which ones is not what is tried here."""
    counts = {}
    for name, value in estimator.get_params().items():
        last = name.rpartition("__")[2]
        if isinstance(value, int) and (last in COUNTS or last.endswith("_epochs")):
            counts[name] = min(value, 1 if last == "anneal_epochs" else 2)
    return clone(estimator).set_params(**counts)


def assert_fits(estimator, draw, X, y, bias):
    """Fit one draw, made short."""
    model = shortened(clone(estimator).set_params(**draw)).fit(X, y, bias_labels=bias)
    assert np.isfinite(model.predict_proba(X)).all(), draw
    assert model.predict(X).shape == y.shape
