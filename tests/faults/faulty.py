"""What the tests of faults share: small data, quick estimators, modules that misbehave."""

import warnings
from functools import cache, wraps
from inspect import signature

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_debias.core import SplitModule, split
from sklearn_debias.testing import all_estimators, quick

QUICK = {"lr": 0.1, "max_epochs": 2, "batch_size": 16, "random_state": 0}
CLASSES = dict(all_estimators())
METHODS = [name for name, cls in CLASSES.items() if "module" in signature(cls).parameters]
HEADS = [name for name in CLASSES if name not in METHODS]


def arguments(name):
    """Arguments that ``fit`` of the class takes."""
    return signature(CLASSES[name].fit).parameters


# A method may need more than two epochs of these rows.
NOTHING_LEARNED = pytest.mark.filterwarnings("ignore:The fitted model predicts")
# One method for each `fit`: the others come in by the same doors.
DOORS = sorted({CLASSES[name].fit: name for name in reversed(METHODS)}.values())
# These have code of their own behind the door that they share.
BEHIND = (
    "AFRClassifier",
    "BiasAdvClassifier",
    "FishClassifier",
    "JTTClassifier",
    "LfFClassifier",
    "SELFClassifier",
)
FRONT = sorted({*DOORS, *BEHIND})
# What lets a method train on a module without a body, where it can at all.
WITHOUT_BODY = {"ULEClassifier": {"where": "input", "student_warmup": 0}}


def make(name, **params):
    """A quick estimator of the class ``name``, with any module made to suit it."""
    cls = CLASSES[name]
    taken = signature(cls).parameters
    own = {}
    if not isinstance(params.get("module", ""), str):
        own = WITHOUT_BODY.get(name, {})
        params["module"] = suited(name, params["module"])
    settings = {**QUICK, **own, **params}
    return quick(cls, **{k: v for k, v in settings.items() if k in params or k in taken})


def suited(name, module):
    """The module, as a head or below a linear one where the class asks for that."""
    made = {"head": with_head, "linear head": with_linear_head}.get(asks_for(name))
    return made(module) if made else module


@cache
def asks_for(name):
    """What the class asks of a module, in the words of its own error."""
    bare = quick(CLASSES[name], **{**QUICK, **WITHOUT_BODY.get(name, {}), "module": Linear})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            bare.fit(X, y)
        except TypeError as error:
            return "head" if "must have a body and a head" in str(error) else "linear head"
    return "a module"


def with_head(module):
    """The module as the head of another, where it has none of its own."""
    if isinstance(module, type) and issubclass(module, nn.Module):
        return wraps(module)(lambda **options: SplitModule(nn.Identity(), module(**options)))
    alone = isinstance(module, nn.Module) and not hasattr(split(module), "head")
    return SplitModule(nn.Identity(), module) if alone else module


def with_linear_head(module):
    """The module below a linear head that hands on what it gets, where it has none of its own."""
    if isinstance(module, type) and issubclass(module, nn.Module):
        return wraps(module)(lambda **options: with_linear_head(module(**options)))
    if not isinstance(module, nn.Module) or isinstance(
        getattr(split(module), "head", None), nn.Linear
    ):
        return module
    head = nn.Linear(2, 2)
    nn.init.eye_(head.weight)
    nn.init.zeros_(head.bias)
    return SplitModule(module, head)


def erm(**params):
    return make("ERMClassifier", **params)


def biasadv(**params):
    return make("BiasAdvClassifier", **params)


rng = np.random.default_rng(0)
y = np.arange(40) % 2
b = np.arange(40) // 2 % 2
X = (rng.normal(size=(40, 4)) + 2 * y[:, None]).round(2)
IMAGES = (0.5 * rng.random((40, 3, 8, 8)) + 0.4 * y[:, None, None, None]).astype(np.float32)
UINT8 = (IMAGES * 255).astype(np.uint8)


def fitted_names(estimator):
    """Fitted attributes that the estimator holds."""
    return [name for name in vars(estimator) if name.endswith("_") and not name.startswith("_")]


def is_finite(estimator):
    tensors = estimator.module_.state_dict().values()
    return all(bool(torch.isfinite(t).all()) for t in tensors if t.is_floating_point())


class Late(nn.Module):
    """A linear head that misbehaves after some training steps, the same in every copy."""

    def __init__(self, n_features, n_classes, after=3, how="nan"):
        super().__init__()
        self.linear = nn.Linear(n_features, n_classes)
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))
        self.after, self.how = after, how

    def forward(self, x):
        out = self.linear(x)
        if not self.training:
            return out
        self.calls += 1
        return getattr(self, self.how)(out) if self.calls > self.after else out

    def nan(self, out):
        return out * float("nan")

    def nan_gradient(self, out):
        return out + (out - out).abs().sqrt()  # 0, with a gradient of inf * 0

    def cuda_memory(self, out):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    def cpu_memory(self, out):
        raise RuntimeError(
            "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried"
        )

    def numpy_memory(self, out):
        raise MemoryError

    def interrupt(self, out):
        raise KeyboardInterrupt


class Linear(nn.Module):
    """A linear head for others to spoil."""

    def __init__(self, n_features=4, n_classes=2):
        super().__init__()
        self.linear = nn.Linear(n_features, n_classes)

    def forward(self, x):
        return self.linear(x)


class Auxiliary(Linear):
    def forward(self, x):
        return (self.linear(x), self.linear(x)) if self.training else self.linear(x)


class Dictionary(Linear):
    def forward(self, x):
        return {"out": self.linear(x)}


class Rounded(Linear):
    def forward(self, x):
        return self.linear(x.round())


class Detached(Linear):
    def forward(self, x):
        return self.linear(x.detach())


class NoGradient(Linear):
    def forward(self, x):
        with torch.no_grad():
            return self.linear(x)


class Integers(Linear):
    def forward(self, x):
        return self.linear(x).round().long()


class InPlace(Linear):
    def forward(self, x):
        x += 1
        return self.linear(x)


class NaNInEval(Linear):
    def forward(self, x):
        return self.linear(x) if self.training else self.linear(x) * float("nan")


class GradientModeOff(Linear):
    def forward(self, x):
        torch.set_grad_enabled(False)
        return self.linear(x)


class Saturated(Linear):
    def forward(self, x):
        return (1e8 * self.linear(x)).softmax(-1)
