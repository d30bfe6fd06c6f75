"""The published pairs of inference and training: their settings, and a short fit of each."""

import numpy as np
import pytest

from sklearn_debias import ERMClassifier, GroupDROClassifier
from sklearn_debias.datasets import make_spurious_embeddings
from sklearn_debias.group_inference import InferredGroupsClassifier
from sklearn_debias.metrics import worst_group_accuracy_score
from sklearn_debias.presets import inferred_groups_preset

DATA = make_spurious_embeddings(1000, n_test=2000, random_state=0)
TRAIN, TEST = DATA.train, DATA.test
SHARED = {"module": "linear", "lr": 0.02, "max_epochs": 30, "random_state": 0}
KNOWN = np.where(np.arange(1000) % 10 == 0, TRAIN.bias_labels, -1)
SETTINGS = {
    "eiil": ({"method": "eiil", "n_splits": 1, "n_steps": 10_000}, 1, GroupDROClassifier),
    "spare": ({"method": "clusters", "n_splits": 1, "features": "outputs"}, 1, ERMClassifier),
    "ssa": ({"method": "ssa", "n_splits": 3, "threshold": 0.95}, 30, GroupDROClassifier),
    "xrm": ({"method": "xrm"}, 30, GroupDROClassifier),
    "george": (
        {"method": "clusters", "features": "embeddings", "max_clusters": 10},
        30,
        GroupDROClassifier,
    ),
}


def worst(model):
    predicted = model.predict(TEST.data)
    return worst_group_accuracy_score(TEST.target, predicted, bias_labels=TEST.bias_labels)


@pytest.fixture(scope="module")
def erm():
    return worst(ERMClassifier(**SHARED).fit(TRAIN.data, TRAIN.target))


@pytest.mark.parametrize("name", SETTINGS)
def test_a_pair_helps_the_worst_group(name, erm):
    params, epochs, kind = SETTINGS[name]
    clf = InferredGroupsClassifier.from_preset(name, **SHARED)
    found = clf.inferrer.get_params(deep=False)
    assert {key: found[key] for key in params} == params
    assert clf.inferrer.estimator.max_epochs == epochs
    assert type(clf.classifier) is kind
    assert clf.classifier.max_epochs == 30
    given = {"bias_labels": KNOWN} if name == "ssa" else {}
    clf.fit(TRAIN.data, TRAIN.target, **given)
    assert worst(clf) > erm + 0.05


def test_a_changed_preset_changes_no_other():
    inferred_groups_preset("eiil")["inferrer"]["n_steps"] = 1
    assert inferred_groups_preset("eiil")["inferrer"]["n_steps"] == 10_000


def test_names():
    with pytest.raises(ValueError, match="`name` must be one of 'eiil', 'spare', 'ssa', 'xrm'"):
        InferredGroupsClassifier.from_preset("jtt")
