"""Build the networks of a fit, role by role, each from a random stream of its own; try each."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from sklearn_debias.core import Net, Phase, Role
from sklearn_debias.exceptions import warn
from sklearn_debias.fitting._hooks import helper_of, role_of
from sklearn_debias.fitting._networks import Networks
from sklearn_debias.fitting._probe import check_module, like_probabilities
from sklearn_debias.fitting._training_set import TrainingSet
from sklearn_debias.fitting._types import Classifier
from sklearn_debias.models import build_module, is_same_network
from sklearn_debias.training import Prepare, Streams


def build_networks(
    estimator: Classifier,
    phases: tuple[Phase, ...],
    training: TrainingSet,
    prepare: Prepare,
    streams: Streams,
    options: Mapping[str, Mapping[str, Any]],
) -> Networks:
    """Build the networks of all roles; ``options`` are those of `net_params`, by parameter."""
    strangers = [key for key in options if not hasattr(estimator, key)]
    if strangers:
        raise ValueError(
            f"`net_params` holds {strangers[0]}__*, but {type(estimator).__name__} has no "
            f"parameter `{strangers[0]}`."
        )
    networks = Networks(training, prepare)
    suspects = set()
    copies = {role for phase in phases for role in phase.snapshots}
    for name in dict.fromkeys(role for phase in phases for role in phase.roles):
        role = role_of(estimator, name)
        networks.roles[name] = role
        # Layers draw their start from torch's global generator, which is lent this stream.
        with streams.noise("initialisation", name, device=prepare.device):
            if role.helper is None:
                shape = training.inputs_of(name).shape
                module = build_role(
                    estimator,
                    role,
                    shape,
                    len(training.classes),
                    prepare,
                    options,
                    fresh=name not in ("model", *copies),
                )
                _check_body(estimator, role, module, options)
                networks.add(name, module)  # before a row is read that it cannot take
                logits = check_module(
                    module, networks.example(name), len(training.classes), role.parameter
                )
            else:
                helper = helper_of(estimator, name, role, networks.modules)
                module = helper.to(device=prepare.device, dtype=prepare.dtype)
                networks.helpers.add(name)
                networks.add(name, module)
                logits = None
        if logits is not None and like_probabilities(logits):
            suspects.add(role.parameter)
    for phase in phases:
        # From the start: with a frozen body the features are computed before the first phase.
        networks.snapshot(phase)
    for parameter in sorted(suspects):
        warn(
            f"`{parameter}` seems to end in a softmax: its outputs are positive and sum to 1. "
            "Logits are expected; remove the softmax, or training will be slow and attacks weak."
        )
    return networks


def build_role(
    estimator: Classifier,
    role: Role,
    shape: tuple[int, ...],
    n_classes: int,
    prepare: Prepare,
    options: Mapping[str, Mapping[str, Any]],
    *,
    fresh: bool,
) -> nn.Module:
    """Build the network of a role; a ``fresh`` one must start otherwise than the model."""
    shared = is_same_network(role.module, estimator.module)
    key = _key(estimator, role)
    own = options.get(key, {}) if shared or key != "module" else {}
    module = build_module(
        role.module,
        shape,
        n_classes,
        options=own,
        normalize=estimator.normalize,
        # Two networks from one instance must not start equal.
        auxiliary=fresh and shared,
        parameter=role.parameter,
    )
    if estimator.freeze == "body":
        Net(module)._part("body").requires_grad_(False)
    module = module.to(device=prepare.device, dtype=prepare.dtype)
    if prepare.device.type == "cuda" and len(shape) == 3:
        module = module.to(memory_format=torch.channels_last)
    return module


def _key(estimator: Classifier, role: Role) -> str:
    """Return whose options in `net_params` are those of a role."""
    # `module__*` is for the network `module`, others have options of their own; a factory that a
    # method makes of `module` has them already.
    return "module" if is_same_network(role.module, estimator.module) else role.parameter


def _check_body(
    estimator: Classifier,
    role: Role,
    module: nn.Module,
    options: Mapping[str, Mapping[str, Any]],
) -> None:
    """Raise where a body that is to stay as it is was drawn at random."""
    if estimator.freeze != "body":
        return
    # What the user passed: a method may make a factory of it.
    given = getattr(estimator, role.parameter, role.module)
    key = _key(estimator, role)
    _check_weights(given, role.parameter, key, Net(module)._part("body"), options.get(key, {}))


def _check_weights(
    module: Any, parameter: str, key: str, body: nn.Module, options: Mapping[str, Any]
) -> None:
    """Raise where a body that is built by name is to be frozen as it was drawn."""
    by_name = module is None or isinstance(module, str)
    has_weights = options.get("weights") is not None or bool(options.get("pretrained"))
    if not by_name or has_weights or not list(body.parameters()):
        return
    raise ValueError(
        f"`freeze`='body' keeps the body of `{parameter}`={module!r} as it was drawn at "
        f"random: it was given no weights. Pass a module that holds its own; or, for a network of "
        f"torchvision or timm, `{key}__weights` in `net_params`: a file, or torchvision's name."
    )
