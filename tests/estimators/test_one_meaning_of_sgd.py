"""`optimizer="sgd"` has momentum 0.9 in every method; torch's class has none."""

import inspect

import numpy as np
import pytest
import torch

from sklearn_debias import ERMClassifier, FishClassifier
from sklearn_debias.testing import all_estimators, quick

TORCH = [cls for _, cls in all_estimators() if "module" in inspect.signature(cls).parameters]
rng = np.random.default_rng(0)
y = np.arange(40) % 2
b = np.arange(40) // 2 % 2
X = rng.normal(size=(40, 4)) + 2 * y[:, None]
pytestmark = pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")


def momentum(clf):
    """Momentum of the optimiser that updates the model."""
    return clf.fit(X, y, bias_labels=b).net_.optimizer_.param_groups[-1]["momentum"]


@pytest.mark.parametrize("cls", TORCH, ids=lambda cls: cls.__name__)
def test_by_name_and_by_class(cls):
    assert momentum(quick(cls, lr=0.01, optimizer="sgd")) == 0.9
    assert momentum(quick(cls, lr=0.01, optimizer=torch.optim.SGD)) == 0.0


def test_it_is_the_momentum_of_torch_and_net_params_come_first():
    settings = {"max_epochs": 5, "lr": 0.1, "random_state": 0}
    named = ERMClassifier(optimizer="sgd", **settings).fit(X, y)
    explicit = ERMClassifier(
        optimizer=torch.optim.SGD, net_params={"optimizer__momentum": 0.9}, **settings
    ).fit(X, y)
    for mine, theirs in zip(named.module_.parameters(), explicit.module_.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)
    assert momentum(ERMClassifier(optimizer="sgd", net_params={"optimizer__momentum": 0.0})) == 0


def test_the_default_of_fish_is_the_papers_plain_step():
    assert FishClassifier().optimizer is torch.optim.SGD
    assert "default=SGD" in FishClassifier.__doc__
