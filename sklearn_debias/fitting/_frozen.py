"""Frozen bodies: their features are computed once, and heads train on them."""

import copy
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from sklearn_debias.core import SplitModule
from sklearn_debias.fitting._types import Classifier
from sklearn_debias.training import ArraySource, Prepare, Roles, Source, inference_rows, padded


def heads_of(roles: Roles, helpers: Collection[str] = ()) -> Roles:
    """Return the heads as modules, with the parameters of ``roles``; helpers stay whole."""
    heads = {role: module for role, module in roles.items() if role in helpers}
    for role in roles.keys() - heads.keys():
        heads[role] = SplitModule(nn.Identity(), roles[role].get_submodule("head"))
    return Roles({role: heads[role] for role in roles})


@torch.no_grad()
def is_head_of_body(module: nn.Module, x: torch.Tensor) -> bool:
    """Return whether a network is its head on what its body makes of ``x``, in eval mode.

    A class of one's own may have a body and a head, and another forward.
    """
    twin = copy.deepcopy(module).eval()
    expected = twin(x)
    found = twin.get_submodule("head")(twin.get_submodule("body")(x))
    return found.shape == expected.shape and torch.allclose(found, expected)


def features_of(
    module: nn.Module, source: Source, prepare: Prepare, shape: tuple[int, ...]
) -> ArraySource:
    """Return the features of all rows by the frozen body of ``module``, in eval mode.

    ``shape`` is that of a row, as the body sees it.
    """
    # A copy: the module keeps the mode that it is in.
    body = copy.deepcopy(module.get_submodule("body")).eval()

    n_rows = inference_rows(prepare.device, shape)

    @torch.no_grad()
    def forward(x: torch.Tensor, _: np.ndarray) -> torch.Tensor:
        return body(x).cpu()

    return ArraySource(torch.cat(list(padded(forward, source, prepare, n_rows))).numpy())


def features_by_role(
    views: Mapping[str, tuple[nn.Module, Source]], prepare: Prepare, example: torch.Tensor
) -> tuple[ArraySource, dict[str, Source]]:
    """Return features of the model, and of roles whose body or rows differ from its own.

    ``views`` hold a network and its rows by role; ``example`` are a few rows of the model's.
    """
    model, rows = views["model"]
    shape = example.shape[1:]
    features = features_of(model, rows, prepare, shape)
    others: dict[str, Source] = {}
    for role, (module, source) in views.items():
        if source is not rows or not same_body(module, model, example):
            others[role] = features_of(module, source, prepare, shape)
    return features, others


def same_body(one: nn.Module, other: nn.Module, x: torch.Tensor) -> bool:
    """Return whether two modules have equal bodies: tensors, and what they make of ``x``."""
    mine, theirs = (copy.deepcopy(module.get_submodule("body")).eval() for module in (one, other))
    a, b = mine.state_dict(), theirs.state_dict()
    alike = (
        str(mine) == str(theirs)
        and a.keys() == b.keys()
        and all(torch.equal(a[k], b[k]) for k in a)
    )
    with torch.no_grad():  # plain attributes and code may differ, too
        return alike and torch.equal(mine(x), theirs(x))


def on_features(estimator: Classifier, features: ArraySource, heads: Roles) -> Any:
    """Return a view of an estimator whose X are ``features``: it predicts with the heads alone."""
    view = copy.copy(estimator)
    fitted = estimator._fitted
    facts = replace(fitted.facts, shape=features.items.shape[1:], names=None)
    view._fitted = replace(fitted, params={**fitted.params, "image_size": None}, facts=facts)
    if hasattr(view, "feature_names_in_"):  # features have no names to be compared with
        del view.feature_names_in_
    vars(view).update(facts.attributes())
    view.net_ = _Heads(heads)
    return view


class _Heads:
    """What an estimator asks of its net to predict."""

    def __init__(self, roles: Roles) -> None:
        self.module_ = roles
