"""The networks of a fit: built role by role, each from a random stream of its own, and tried."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from sklearn_debias.core import Net, Phase, Role
from sklearn_debias.exceptions import warn
from sklearn_debias.fitting._hooks import helper_of, role_of
from sklearn_debias.fitting._probe import check_module, like_probabilities
from sklearn_debias.fitting._training_set import TrainingSet
from sklearn_debias.fitting._types import Classifier
from sklearn_debias.models import build_module, is_same_network
from sklearn_debias.training import SAME, Prepare, Roles, Streams


class Networks:
    """The networks of all roles, and two rows to try each on.

    Parameters
    ----------
    training : TrainingSet
    prepare : Prepare

    Attributes
    ----------
    modules : Roles
        By role.
    roles : dict of str to Role
        What they were built from.
    helpers : set of str
        Roles whose networks do not look at X.
    training : TrainingSet
    """

    def __init__(self, training: TrainingSet, prepare: Prepare) -> None:
        self.training = training
        self.prepare = prepare
        self.modules = Roles({})
        self.roles: dict[str, Role] = {}
        self.helpers: set[str] = set()
        self.examples: dict[str, Tensor] = {}
        self._starts: dict[str, dict[str, Tensor]] = {}

    def example(self, role: str) -> Tensor:
        """Return the first two training rows as a role sees them; read and prepared once."""
        view = role if role in self.training.views else SAME
        if view not in self.examples:
            # Two rows, since BatchNorm cannot train on one.
            first = self.training.index[[0, min(1, len(self.training) - 1)]]
            self.examples[view] = self.prepare(self.training.inputs_of(role).source.take(first))
        return self.examples[view]

    def remember(self, phases: tuple[Phase, ...]) -> None:
        """Keep the parts that a phase lets start anew."""
        for name in (name for phase in phases for name in phase.restarts):
            part = self.modules.get_submodule(name)
            start = {key: value.clone() for key, value in part.state_dict().items()}
            self._starts.setdefault(name, start)

    def restart(self, phase: Phase) -> None:
        """Put the parts that begin this phase anew back to where they began."""
        for name in phase.restarts:
            self.modules.get_submodule(name).load_state_dict(self._starts[name])


def build_networks(
    estimator: Classifier,
    phases: tuple[Phase, ...],
    training: TrainingSet,
    prepare: Prepare,
    streams: Streams,
    options: Mapping[str, Any],
) -> Networks:
    """Build the networks of all roles; ``options`` are those of `module` in `net_params`."""
    networks = Networks(training, prepare)
    suspects = set()
    for name in dict.fromkeys(role for phase in phases for role in phase.roles):
        role = role_of(estimator, name)
        networks.roles[name] = role
        # Layers draw their start from torch's global generator, which is lent this stream.
        with streams.noise("initialisation", name, device=prepare.device):
            if role.helper is None:
                module = _build(estimator, name, role, networks, options)
                logits = check_module(
                    module, networks.example(name), len(training.classes), role.parameter
                )
            else:
                helper = helper_of(estimator, name, role, networks.modules)
                module = helper.to(device=prepare.device, dtype=prepare.dtype)
                networks.helpers.add(name)
                logits = None
        networks.modules[name] = module
        if logits is not None and like_probabilities(logits):
            suspects.add(role.parameter)
    for parameter in sorted(suspects):
        warn(
            f"`{parameter}` seems to end in a softmax: its outputs are positive and sum to 1. "
            "Logits are expected; remove the softmax, or training will be slow and attacks weak."
        )
    return networks


def _build(
    estimator: Classifier, name: str, role: Role, networks: Networks, options: Mapping[str, Any]
) -> nn.Module:
    training = networks.training
    prepare = networks.prepare
    shape = training.inputs_of(name).shape
    # `module__*` of `net_params` is for the parameter `module`, and for no other network.
    shared = is_same_network(role.module, estimator.module)
    module = build_module(
        role.module,
        shape,
        len(training.classes),
        options=options if shared else {},
        normalize=estimator.normalize,
        # Two networks from one instance must not start equal.
        auxiliary=name != "model" and shared,
        parameter=role.parameter,
    )
    if estimator.freeze == "body":
        Net(module)._part("body").requires_grad_(False)
    module = module.to(device=prepare.device, dtype=prepare.dtype)
    if prepare.device.type == "cuda" and len(shape) == 3:
        module = module.to(memory_format=torch.channels_last)
    return module
