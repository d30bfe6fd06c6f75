"""What a fit is found again by: equal for equal settings, and for no others."""

import copy
import pickle

import numpy as np
import pytest
import torch
from comparing import compared, rows
from PIL import Image
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, make_scorer
from torch import nn

from sklearn_debias import BiasAdvClassifier, ERMClassifier, JTTClassifier
from sklearn_debias.comparison._parts import Part, overlaps
from sklearn_debias.content import key_of
from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.group_inference import GroupInferrer
from sklearn_debias.metrics import get_scorer
from sklearn_debias.model_selection import inferred_worst_group_scorer


class Net(nn.Module):
    def __init__(self, width=2):
        super().__init__()
        self.layer, self.scale = nn.Linear(6, width), 1.0

    def forward(self, x):
        return self.scale * self.layer(x)


def net(scale=1.0):
    torch.manual_seed(0)
    made = Net()
    made.scale = scale
    return made


def erm(**params):
    return ERMClassifier(max_epochs=2, **params)


def fitted(seed):
    X, y, _ = rows()[0]
    return erm(random_state=seed).fit(X, y)


def inferrer(rows_of):
    X, y, _ = rows()[rows_of]
    return GroupInferrer("errors", random_state=0).fit(X, y)


def edited():
    class Edited(LogisticRegression):
        def fit(self, X, y):
            return super().fit(X, y)

    return Edited


def other():
    class Edited(LogisticRegression):
        def fit(self, X, y):
            return super().fit(-X, y)

    return Edited


EQUAL = {
    "estimators": lambda: JTTClassifier(lr=0.1),
    "bases": lambda: BiasAdvClassifier(base=JTTClassifier(upweight=3)),
    "modules": lambda: erm(module=net()),
    "classes": lambda: erm(module=Net),
    "functions": lambda: erm(module=lambda **sizes: Net()),
    "scorers": lambda: get_scorer("worst_group_accuracy"),
    "made scorers": lambda: make_scorer(accuracy_score),
    "fitted scorers": lambda: inferred_worst_group_scorer(inferrer(0)),
    "frozen": lambda: FrozenEstimator(fitted(0)),
    "classes of the user": lambda: edited()(),
}
PAIRS = {
    "numbers": (JTTClassifier(lr=0.1), JTTClassifier(lr=0.2)),
    "types": (1, "1"),
    "truth": (True, "True"),
    "weights": (erm(module=net()), erm(module=nn.Linear(6, 2))),
    "attributes of modules": (erm(module=net()), erm(module=net(2.0))),
    "functions": (erm(module=lambda **sizes: Net()), erm(module=lambda **sizes: Net(3))),
    "metrics": (get_scorer("worst_group_accuracy"), get_scorer("group_mean_accuracy")),
}


@pytest.mark.parametrize("name", EQUAL)
def test_equal_settings_have_one_key(name):
    assert key_of(EQUAL[name]()) == key_of(EQUAL[name]())


@pytest.mark.parametrize("name", PAIRS)
def test_other_settings_have_another(name):
    one, two = PAIRS[name]
    assert key_of(one) != key_of(two)


def test_frozen_models_are_told_apart_by_what_they_learned():
    assert key_of(FrozenEstimator(fitted(0))) != key_of(FrozenEstimator(fitted(1)))
    X, y, _ = rows()[0]
    forests = [RandomForestClassifier(3, random_state=0).fit(s * X, y) for s in (1, -1)]
    keys = [key_of(FrozenEstimator(forest)) for forest in forests]
    assert keys[0] != keys[1]
    assert keys[0] == key_of(FrozenEstimator(pickle.loads(pickle.dumps(forests[0]))))


def test_scorers_are_told_apart_by_their_inferrers():
    scorers = [inferred_worst_group_scorer(inferrer(k)) for k in (0, 1)]
    assert key_of(scorers[0]) != key_of(scorers[1])


def test_a_scorer_that_has_warned_is_the_same_scorer():
    X, y, _ = rows()[1]
    scorer = inferred_worst_group_scorer(inferrer(0))
    before = key_of(scorer)
    model = LogisticRegression().fit(X, y)
    explained = scorer._score_func.bound["membership"].inferrer.predict(X, y) == 0
    with pytest.warns(DebiasWarning, match="of the minority"):
        scorer(model, X[explained][:12], y[explained][:12])
    assert key_of(scorer) == before


def test_bound_methods_count_with_their_owner():
    X, y, _ = rows()[0]
    models = [LogisticRegression(C=c).fit(X, y) for c in (0.1, 1.0)]
    assert key_of(models[0].score) != key_of(models[1].score)


def test_what_is_said_and_how_fast_is_no_setting():
    assert key_of(erm(verbose=1, random_state=3)) == key_of(erm())
    forests = RandomForestClassifier(n_jobs=2), RandomForestClassifier()
    assert key_of(forests[0]) == key_of(forests[1])


def test_code_of_the_user_counts(tmp_path):
    assert key_of(edited()()) != key_of(other()())
    store, spaces = tmp_path / "study.sqlite", {"own": {}}
    first = compared({"own": edited()()}, search_spaces=spaces, store=store)
    second = compared({"own": other()()}, search_spaces=spaces, store=store)
    assert first.frame.loc["own", "accuracy"] != second.frame.loc["own", "accuracy"]


def test_files_count_by_what_they_hold(tmp_path):
    paths = []
    for i in range(3):
        paths.append(str(tmp_path / f"{i}.png"))
        Image.fromarray(np.full((4, 4), i, np.uint8)).save(paths[-1])
    y = [0, 1, 0]
    before = Part("train", paths, y).facts()
    assert Part("train", copy.copy(paths), y).facts() == before
    Image.fromarray(np.full((4, 4), 9, np.uint8)).save(paths[0])
    assert Part("train", paths, y).facts() != before
    Image.fromarray(np.full((4, 4), 9, np.uint8)).save(tmp_path / "copy.png")
    parts = [Part("train", paths, y), Part("test", [str(tmp_path / "copy.png")], [1])]
    assert overlaps(parts) == {("train", "test"): 1}


def test_large_integers_are_not_taken_for_each_other():
    ids = np.arange(2**40, 2**40 + 8).reshape(4, 2)
    assert overlaps([Part("train", ids[:2], [0, 1]), Part("test", ids[2:], [0, 1])]) == {}
    doubles = 1e9 + np.arange(4.0)[:, None]
    assert overlaps([Part("train", doubles[:2], [0, 1]), Part("test", doubles[2:], [0, 1])]) == {}
