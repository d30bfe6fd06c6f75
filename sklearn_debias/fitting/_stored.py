"""Networks of a fit as a saved model holds them, and how they are made again."""

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
from sklearn.exceptions import NotFittedError
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from sklearn_debias.fitting._apart import holds_module, tensors_of
from sklearn_debias.fitting._devices import make_prepare, on_own_terms, pick_device
from sklearn_debias.fitting._fitted import Fitted
from sklearn_debias.fitting._hooks import helper_of, role_of
from sklearn_debias.fitting._modules import build_role
from sklearn_debias.fitting._params import split_net_params
from sklearn_debias.fitting._saved import DROPPED, PlainState
from sklearn_debias.models import structure_only
from sklearn_debias.plain import is_ours
from sklearn_debias.training import (
    IN_PLACE,
    OF_EVERY_MODULE,
    Engine,
    Roles,
    Streams,
    engine_of,
    plain_attributes,
    with_extra_state,
)

OF_ENGINE = ("lr", "max_epochs", "batch_size")
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


@dataclass(frozen=True)
class Stored:
    """The networks of a fit, without the code that they are built by.

    Parameters
    ----------
    networks : dict of str to StoredNetwork or nn.Module
        By role, in the order in which they were built. A network that is an instance, or is built
        around one, is kept whole.
    shapes : dict of str to tuple
        Of the rows that each role sees.
    engine : dict of str to Any
        Settings of the skorch net.
    history : list of dict
        skorch's, of the last phase.
    """

    networks: Mapping[str, Any]
    shapes: Mapping[str, tuple[int, ...]]
    engine: Mapping[str, Any]
    history: list[dict]


@dataclass(frozen=True)
class StoredNetwork:
    """The numbers of a network that is built anew, and what tells another network from it.

    Parameters
    ----------
    tensors : dict of str to Tensor
        Parameters and all buffers.
    extra : dict of str to Any
        What parts return from ``get_extra_state``, by their names.
    layers : str
        The text of the network.
    torch : str
        Version whose text it is.
    attributes : dict of str to dict, default={}
        Plain attributes of parts whose class is not torch's: training may have changed them.
    """

    tensors: Mapping[str, Tensor]
    extra: Mapping[str, Any]
    layers: str
    torch: str
    attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, module: nn.Module) -> "StoredNetwork":
        """Return what is stored of a network."""
        extra = {
            name: part.get_extra_state()
            for name, part in with_extra_state(module.named_modules()).items()
        }
        attributes = {name: dict(plain_attributes(part)) for name, part in _own(module).items()}
        attributes = {name: held for name, held in attributes.items() if held}
        version = str(torch.__version__)
        return cls(tensors_of(module), extra, _layers(module), version, attributes)

    def fill(self, module: nn.Module, named: str) -> None:
        """Put the numbers into a network that was built for them.

        Raises
        ------
        ValueError
            If it is another network.
        """
        found = tensors_of(module)
        other = "Build it by the code, and the versions of packages, that it was fitted with."
        if strangers := sorted(found.keys() ^ self.tensors.keys()):
            raise ValueError(
                f"The {named} network is built otherwise now than when it was saved: "
                f"{strangers[0]!r} is on one side only. {other}"
            )
        for name, tensor in found.items():
            saved = self.tensors[name]
            if tensor.shape != saved.shape or tensor.dtype != saved.dtype:
                raise ValueError(
                    f"The {named} network is built otherwise now than when it was saved: {name!r} "
                    f"is {tensor.dtype} of shape {tuple(tensor.shape)}, and was {saved.dtype} of "
                    f"{tuple(saved.shape)}. {other}"
                )
        # Another torch may have other words for the same layers.
        if self.torch == str(torch.__version__) and _layers(module) != self.layers:
            raise ValueError(
                f"The {named} network has other layers, or other settings of layers, than when it "
                f"was saved. {other}"
            )
        with torch.no_grad():
            for name, tensor in found.items():
                saved = self.tensors[name]
                # What was expanded cannot be written to; it is a constant, mostly.
                if not torch.equal(tensor, saved.to(tensor.device)):
                    tensor.copy_(saved)
        for name, part in with_extra_state(module.named_modules()).items():
            part.set_extra_state(self.extra[name])
        parts = _own(module)
        device = next((t.device for t in found.values()), torch.device("cpu"))
        for name, held in self.attributes.items():
            for attribute, value in held.items():
                # Values only: what a class defines is not taken from a file.
                if (
                    callable(value)
                    or attribute in OF_EVERY_MODULE
                    or hasattr(type(parts[name]), attribute)
                ):
                    continue
                at = value.to(device) if isinstance(value, Tensor) else value
                setattr(parts[name], attribute, at)


class StoresNetworks(PlainState):
    """Base of the torch classifiers: their networks are stored as numbers, and built again.

    Attributes
    ----------
    _predicting_roles : tuple of str
        The networks that predict: a slim model keeps them.
    """

    net_: Any
    _predicts_with = ("net_",)
    _predicting_roles: ClassVar[tuple[str, ...]] = ("model",)

    def _to_store(self, held: dict[str, Any]) -> dict[str, Any]:
        held = super()._to_store(held)
        return {**held, "net_": store(self, held["net_"])} if "net_" in held else held

    def _restore(self, values: dict[str, Any]) -> None:
        stored = values.pop("net_", None)
        super()._restore(values)
        if stored is not None:
            self.net_ = restore(self, stored)

    def _slim(self, slimmed: Any) -> None:
        if "net_" not in vars(self):
            super()._slim(slimmed)
            return
        engine = self.net_
        kept = {role: engine.module_[role] for role in self._predicting_roles}
        gone = {f"{role} network" for role in engine.module_.keys() - kept}
        settings = {name: getattr(engine, name) for name in OF_ENGINE}
        vars(self)[DROPPED] = frozenset(gone) | vars(self).get(DROPPED, frozenset())
        del self.net_
        super()._slim(slimmed)
        device = next(engine.module_.parameters()).device
        self.net_ = engine_of(Roles(kept), device, [], **settings)
        self.net_.shapes = {role: engine.shapes[role] for role in kept}

    def _network(self, role: str) -> nn.Module:
        """Return the fitted network of a role."""
        net = vars(self).get("net_")
        networks = {} if net is None else net.module_
        if role in networks:
            return networks[role]
        if f"{role} network" in vars(self).get(DROPPED, ()):
            raise NotFittedError(
                f"The {role!r} network was dropped from this {type(self).__name__}, which is slim: "
                "it can predict, and no more. Keep the whole model, by slim=False."
            )
        raise NotFittedError(
            f"This {type(self).__name__} has no fitted {role!r} module. Call `fit` first."
        )


def store(estimator: Any, engine: Any) -> Stored:
    """Return what is stored of the networks of a fitted classifier."""
    whole = any(map(holds_module, estimator._fitted.params.values()))
    networks = {
        role: module if whole else StoredNetwork.of(module)
        for role, module in engine.module_.items()
    }
    shapes = {role: shape for role, shape in engine.shapes.items() if role in networks}
    settings = {name: getattr(engine, name) for name in OF_ENGINE}
    # Of the batches only callbacks know.
    history = [
        {name: value for name, value in row.items() if isinstance(value, bool | int | float | str)}
        for row in engine.history
    ]
    return Stored(networks, shapes, settings, history)


def restore(estimator: Any, stored: Stored) -> Engine:
    """Return the skorch net of stored networks, on the device of the fit or on the CPU.

    ``estimator`` has all other attributes of its fit; where the device of the fit is not here,
    those that name it are changed.
    """
    device, estimator._fitted = available(estimator._fitted)
    with on_own_terms(small=False):  # one thread in forked children: they may load a model
        modules = _modules(estimator, stored, device).eval()
        settings = {name: stored.engine[name] for name in OF_ENGINE}
        engine = engine_of(modules, device, stored.history, **settings)
    engine.shapes = dict(stored.shapes)
    return engine


def available(fitted: Fitted) -> tuple[torch.device, Fitted]:
    """Return the device of a fit, or the CPU where it is not here, and the fit as if on that."""
    try:
        return pick_device(fitted.params["device"]), fitted
    except ValueError:
        params = {**fitted.params, "device": "cpu"}
        return torch.device("cpu"), replace(fitted, params=params)


def _modules(estimator: Any, stored: Stored, device: torch.device) -> Roles:
    # The hooks see the parameters of the fit, not later ones.
    fitted = estimator._fitted
    view = copy.copy(estimator)
    vars(view).update({**fitted.params, **fitted.facts.attributes()})
    for name, value in fitted.params.items():
        # A file may hold values of our own classes; they build no networks.
        if name.endswith("module") and callable(value) and is_ours(value):
            raise ValueError(f"`{name}` is a {type(value).__name__}, which makes no network.")
    options = split_net_params(fitted.params["net_params"])[0]
    prepare = make_prepare(fitted, device)
    modules = Roles({})
    for name, found in stored.networks.items():
        if isinstance(found, nn.Module):
            modules[name] = found.to(device)
            continue
        role = role_of(view, name)
        shape = tuple(stored.shapes[name])
        # What layers draw at first is overwritten, and must not come from the caller's generator.
        with Streams(0).noise(name, device=device), structure_only():
            if role.helper is None:
                n_classes = len(fitted.facts.classes)
                module = build_role(view, role, shape, n_classes, prepare, options, fresh=False)
            else:
                module = helper_of(view, name, role, modules).to(device, prepare.dtype)
            materialised(module.eval(), shape, prepare.dtype, device)
        found.fill(module, repr(name))
        modules[name] = module
    return modules


def materialised(
    module: nn.Module, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device
) -> None:
    """Let lazy layers see rows of a shape, by which they find theirs."""
    if any(map(is_lazy, [*module.parameters(), *module.buffers()])):
        with torch.no_grad():
            module(torch.zeros((2, *shape), dtype=dtype, device=device))


def _own(module: nn.Module) -> dict[str, nn.Module]:
    """Return the parts whose classes are neither torch's nor ours, which keep what they like."""
    return {
        name: part
        for name, part in module.named_modules()
        if not type(part).__module__.startswith(IN_PLACE)
    }


def _layers(module: nn.Module) -> str:
    return ADDRESS.sub("", str(module))
