"""Which networks are trained, which are left alone, and what the user may pass as one."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

from sklearn_debias import BiasAdvClassifier, ERMClassifier, JTTClassifier, LfFClassifier
from sklearn_debias.core import SplitModule
from sklearn_debias.exceptions import DebiasWarning

rng = np.random.default_rng(0)
X = rng.standard_normal((60, 4)).astype(np.float32)
y = np.arange(60) % 3
FAST = {"max_epochs": 2, "batch_size": 16, "random_state": 0}


def deep(n_features=4, n_classes=3):
    body = nn.Sequential(nn.Linear(n_features, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5))
    return SplitModule(body, nn.Linear(8, n_classes))


def state(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def test_freezing_the_body_trains_the_head_only():
    """Neither weights nor BatchNorm statistics of the body move, and its dropout is off."""
    module = deep()
    clf = ERMClassifier(module, freeze="body", lr=0.1, **FAST).fit(X, y)
    before, after = state(module), state(clf.module_)
    for name in before:
        assert torch.equal(before[name], after[name]) == name.startswith("body"), name


def test_an_instance_shared_by_two_roles_gets_a_new_head_for_the_second():
    clf = LfFClassifier(deep(), lr=1e-12, weight_decay=0, **FAST).fit(X, y)
    assert not torch.allclose(clf.module_.head.weight, clf.biased_module_.head.weight)
    assert torch.allclose(clf.module_.body[0].weight, clf.biased_module_.body[0].weight)


@pytest.mark.parametrize("method", [LfFClassifier, JTTClassifier, BiasAdvClassifier])
@pytest.mark.filterwarnings("ignore:The (error set|fitted model|attack)")
def test_a_biased_module_of_its_own_keeps_its_head(method):
    biased = deep()
    clf = method(deep(), biased_module=biased, lr=1e-12, weight_decay=0, **FAST).fit(X, y)
    assert torch.allclose(clf.biased_module_.head.weight, biased.head.weight)


def test_the_biased_module_may_differ():
    clf = BiasAdvClassifier("mlp", biased_module="linear", **FAST).fit(X, y)
    assert isinstance(clf.biased_module_.body, nn.Identity)
    assert clf.module_.head.in_features == 100


def test_module_arguments_are_the_models_own():
    clf = LfFClassifier(
        "mlp", net_params={"module__hidden": 7}, biased_module="linear", **FAST
    ).fit(X, y)
    assert clf.module_.head.in_features == 7


def test_parameter_groups_set_a_role_apart():
    """skorch's own syntax reaches one role: here the biased net stays where it began."""
    groups = [("biased.*", {"lr": 0.0, "weight_decay": 0.0})]
    clf = LfFClassifier(
        biased_module=deep(), net_params={"optimizer__param_groups": groups}, **FAST
    )
    clf.set_params(biased_module=(biased := nn.Linear(4, 3))).fit(X, y)
    assert torch.equal(clf.biased_module_.head.weight, biased.weight)


def test_a_module_that_cannot_be_split_trains_all_the_same():
    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 3)

        def forward(self, x):
            return self.layer(x)

    clf = BiasAdvClassifier(Whole, **FAST).fit(X, y)
    assert type(clf.module_) is Whole
    with pytest.raises(TypeError, match="SplitModule"):
        ERMClassifier(Whole, freeze="body", **FAST).fit(X, y)


def test_a_clone_keeps_two_roles_of_one_instance_apart():
    """Cloning copies each parameter by itself; the second net still differs from the first."""
    shared = nn.Linear(4, 3)
    clf = clone(
        BiasAdvClassifier(shared, biased_module=shared, lr=1e-12, weight_decay=0, beta=0.0, **FAST)
    ).fit(X, y)
    assert not torch.allclose(clf.module_.head.weight, clf.biased_module_.head.weight)


def test_equal_names_are_one_network():
    clf = LfFClassifier(
        "mlp", biased_module="".join("mlp"), net_params={"module__hidden": 8}, **FAST
    ).fit(X, y)
    assert clf.biased_module_.head.in_features == 8


def test_the_base_may_bring_the_biased_module():
    base = JTTClassifier(biased_module="mlp", identification_epochs=1)
    clf = BiasAdvClassifier("linear", base=base, **FAST).fit(X, y)
    assert clf.biased_module_.head.in_features == 100
    with pytest.raises(ValueError, match="`biased_module` must not be given to both"):
        clf.set_params(biased_module="linear").fit(X, y)


def test_shared_parameters_of_a_base_are_told_to_have_no_effect():
    with pytest.warns(DebiasWarning, match=r"\['lr'\] of `base` have no effect"):
        BiasAdvClassifier(base=LfFClassifier(lr=0.3, max_epochs=2), **FAST).fit(X, y)


def test_a_mask_of_infinities_is_no_divergence():
    class Masked(nn.Linear):
        def __init__(self):
            super().__init__(4, 3)
            self.register_buffer("mask", torch.full((3, 3), -torch.inf).triu(1))

    assert ERMClassifier(Masked, lr=0.1, **FAST).fit(X, y).n_iter_ == 2


def test_rows_never_visited_have_no_difficulty():
    params = {**FAST, "max_epochs": 1, "batch_size": 50}
    clf = LfFClassifier(net_params={"iterator_train__drop_last": True}, lr=0.1, **params).fit(X, y)
    assert np.isnan(clf.sample_difficulty_).sum() == 10


def test_foreach_may_replace_fused():
    clf = ERMClassifier(net_params={"optimizer__foreach": True}, lr=0.1, **FAST).fit(X, y)
    assert clf.net_.optimizer_.defaults["foreach"]
