"""What the tests of faults share: small data, quick estimators, modules that misbehave."""

from functools import wraps

import numpy as np
import torch
from torch import nn

from sklearn_debias import (
    AdversarialTrainingClassifier,
    AFRClassifier,
    BiasAdvClassifier,
    CRTClassifier,
    DHATClassifier,
    ERMClassifier,
    FishClassifier,
    GroupDROClassifier,
    InvarianceClassifier,
    ISDAClassifier,
    JTTClassifier,
    LfFClassifier,
    LongTailClassifier,
    MetaIADAClassifier,
    MetaSAugClassifier,
    MetaWeightNetClassifier,
    MixUpClassifier,
    UIATClassifier,
    ULEClassifier,
)
from sklearn_debias.core import SplitModule, split

QUICK = {"lr": 0.1, "max_epochs": 2, "batch_size": 16, "random_state": 0}
METHODS = {
    "erm": ERMClassifier,
    "lff": LfFClassifier,
    "jtt": JTTClassifier,
    "biasadv": BiasAdvClassifier,
    "ule": ULEClassifier,
    "group_dro": GroupDROClassifier,
    "afr": AFRClassifier,
    "long_tail": LongTailClassifier,
    "crt": CRTClassifier,
    "invariance": InvarianceClassifier,
    "fish": FishClassifier,
    "mixup": MixUpClassifier,
    "isda": ISDAClassifier,
    "meta_saug": MetaSAugClassifier,
    "meta_weight_net": MetaWeightNetClassifier,
    "meta_iada": MetaIADAClassifier,
    "adversarial": AdversarialTrainingClassifier,
    "uiat": UIATClassifier,
    "dhat": DHATClassifier,
}
# The others have no code of their own between the door and the objective.
FRONT = ("erm", "lff", "jtt", "biasadv", "ule", "afr", "fish", "meta_iada", "dhat")
ADVERSARIAL = ("adversarial", "uiat", "dhat")
LINEAR_HEAD = ("isda", "meta_saug", "meta_iada")


def make(method, **params):
    """A quick estimator of ``method``."""
    own = {"identification_epochs": 1} if method == "jtt" else {}
    if (
        method == "ule"
        and params.get("where") is None
        and not isinstance(params.get("module", ""), str)
    ):
        own = {"where": "input", "student_warmup": 0}  # these modules have no body
    if method in ADVERSARIAL:
        own = {"n_steps": 2}
    if method == "dhat":
        own |= {
            "attention": "integrated_gradients",
            "lam2": 0.1,
        }  # of any module; FLOE holds two rows together
    if method == "fish":
        own = {"optimizer": "adam"}  # in so few steps
    if method in ("afr", "crt"):
        own = {"afr": {"reweighting_epochs": 2}, "crt": {"retraining_epochs": 10}}[method]
        params = {
            name: with_head(value) if name == "module" else value for name, value in params.items()
        }
    if method in LINEAR_HEAD:
        params = {
            name: with_linear_head(value) if name == "module" else value
            for name, value in params.items()
        }
    return METHODS[method](**{**QUICK, **own, **params})


def with_head(module):
    """The module as the head of another, where it has none of its own."""
    if isinstance(module, type) and issubclass(module, nn.Module):
        return wraps(module)(lambda **options: SplitModule(nn.Identity(), module(**options)))
    alone = isinstance(module, nn.Module) and not hasattr(split(module), "head")
    return SplitModule(nn.Identity(), module) if alone else module


def with_linear_head(module):
    """The module as the body of another, whose linear head hands on what it gets, where it has none of its own."""
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
    return make("erm", **params)


def biasadv(**params):
    return make("biasadv", **params)


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
