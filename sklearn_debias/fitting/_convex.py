"""Fits by ``optimizer="lbfgs"``: what they need, and how a phase of them is solved."""

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor, nn

from sklearn_debias.core import ConvexLoss, Data, Objective, Phase
from sklearn_debias.core.internal import has_own_forward, is_linear
from sklearn_debias.exceptions import DebiasWarning, DivergedError, warn
from sklearn_debias.fitting._accelerator import ACCELERATOR, asked_by
from sklearn_debias.fitting._params import is_solved
from sklearn_debias.fitting._types import Classifier
from sklearn_debias.models import Normalize
from sklearn_debias.training import Engine, Feed, LinearLoss, Minimum, Observer, minimum, run_solved

# Shared parameters that ask for steps on batches, or for epochs, and their values that do not.
OFF: dict[str, Any] = {
    "lr_schedule": None,
    "augment": None,
    "monitor": None,
    "patience": None,
    "checkpoint": None,
    "amp": False,
}
UNUSED = ("lr", "batch_size")  # which have defaults, and change nothing
OF_STEPS = ("optimizer__", "iterator_train__", "callbacks__", ACCELERATOR)  # of `net_params`
ELSE = "or take optimizer='adam'."


class NotConvergedWarning(DebiasWarning, ConvergenceWarning):
    """A minimum was not reached; scikit-learn's ConvergenceWarning, too."""


def check_solvable(estimator: Classifier) -> None:
    """Raise where a parameter asks for what only training by steps can do."""
    if not is_solved(estimator):
        return
    why = "with `optimizer`='lbfgs', which has no batches and looks at no epoch"
    for name, off in OFF.items():
        value = getattr(estimator, name)
        if value is not off and not (off is False and value == off):
            raise ValueError(f"`{name}` must be {off} {why}, got {value!r}. Leave it out, {ELSE}")
    callbacks = estimator.callbacks
    if isinstance(callbacks, (list, tuple)) and len(callbacks):
        raise ValueError(
            f"`callbacks` must be None {why}, got {len(callbacks)} of them. Leave them out, {ELSE}"
        )
    for key in asked_by(estimator.net_params):
        if key.startswith(OF_STEPS):
            raise ValueError(f"`net_params` must not set {key} {why}. Leave it out, {ELSE}")


def check_phases(estimator: Classifier, phases: tuple[Phase, ...]) -> None:
    """Raise where a phase minimises something else than a cross entropy of the model."""
    for phase in phases:
        alone = phase.steps[0] if len(phase.steps) == 1 and not phase.continues else None
        if alone is None or tuple(alone.roles) != ("model",) or not declares_convex(alone):
            raise ValueError(_refusal(estimator, phase))


def declares_convex(objective: Objective) -> bool:
    """Return whether `convex` is of the class that wrote what it speaks of, or below it."""
    line = type(objective).__mro__
    written = {
        name: next((i for i, cls in enumerate(line) if name in vars(cls)), len(line))
        for name in ("convex", "step", "weigh", "visits", "_loss")
    }
    return written["convex"] == min(written.values())


def _refusal(estimator: Classifier, phase: Phase) -> str:
    owner = type(estimator).__name__
    steps = ", ".join(type(step).__name__ for step in phase.steps)
    if len(phase.steps) == 1:
        steps = repr(phase.steps[0])
    return (
        f"`optimizer`='lbfgs' needs a loss that is a cross entropy of the model's logits, weighted "
        f"or shifted by class, in each phase; {owner} trains the phase {phase.name!r} by "
        f"{steps if len(steps) <= 120 else type(phase.steps[0]).__name__}. Take optimizer='adam'."
    )


def check_linear(module: nn.Module, parameter: str, shape: tuple[int, ...], draws: bool) -> None:
    """Raise unless only a linear layer is trained, of features that stay as they are."""
    head: Any = getattr(module, "head", None)
    body: Any = getattr(module, "body", None)
    expected = (
        f"`{parameter}` must be a linear layer of 2-D X (None or 'linear') with "
        "`optimizer`='lbfgs', or end in one after a frozen body (freeze='body')"
    )
    if len(shape) != 1:
        raise ValueError(f"{expected}, got a network of rows of shape {shape}. {ELSE.capitalize()}")
    if not is_linear(head):
        found = "a network without a head" if head is None else f"a {type(head).__name__} as head"
        if has_own_forward(head):
            found += ", with a forward of its own"
        raise ValueError(f"{expected}, got {found}. Take another `{parameter}`, {ELSE}")
    fixed = [name for name, p in head.named_parameters() if not p.requires_grad]
    if fixed:
        raise ValueError(
            f"{expected}, got a head whose {' and '.join(fixed)} cannot learn. Set requires_grad "
            f"to True, {ELSE}"
        )
    learned = next(iter(dict(body.named_parameters())), None)
    if learned is not None:
        raise ValueError(
            f"{expected}, got one whose body learns, too ({learned}). Take freeze='body', {ELSE}"
        )
    changing = any(
        not isinstance(part, Normalize) and next(part.buffers(recurse=False), None) is not None
        for part in body.modules()
    )
    if draws or changing:
        raise ValueError(
            f"{expected}, got one whose body changes while it trains, as by dropout or BatchNorm. "
            f"Take another `{parameter}`, {ELSE}"
        )


@torch.no_grad()
def check_forward(module: Any, parameter: str, x: Tensor) -> None:
    """Raise unless the network is its layer on what its body makes of ``x``, and nothing more."""
    expected = module(x)
    found = F.linear(module.body(x), module.head.weight, module.head.bias)
    if found.shape != expected.shape or not torch.allclose(found, expected):
        raise ValueError(
            f"`{parameter}` must be head(body(x)) with `optimizer`='lbfgs', got a "
            f"{type(module).__name__} whose forward, or a hook, does more than that. Take another "
            f"`{parameter}`, {ELSE}"
        )


def check_solved(fit: Any) -> None:
    """Raise where the loss is not convex in all that is trained; say what plays no part in it."""
    check_phases(fit.estimator, fit.phases)
    parameter = fit.networks.roles["model"].parameter
    example = fit.feed.example("model")
    draws = any(net.noise is not None for net in fit.nets(fit.phases[0]).values())
    check_linear(fit.trained["model"], parameter, tuple(example.shape[1:]), draws)
    check_forward(fit.trained["model"], parameter, example)
    if fit.estimator.verbose:
        _say_unused(fit.estimator)


def _say_unused(estimator: Classifier) -> None:
    # No warning: a grid over optimisers sets them, and each of its fits would give it anew.
    default = type(estimator)
    unused = [name for name in UNUSED if getattr(estimator, name) != getattr(default, name)]
    if unused:
        named = " and ".join(f"`{name}`" for name in unused)
        print(f"No use for {named}: L-BFGS takes no steps on batches")


def solve(
    fit: Any,
    engine: Engine,
    phase: Phase,
    data: Data,
    state: Mapping[str, Tensor],
    observers: tuple[Observer, ...] = (),
) -> None:
    """Put the model at the minimum of a phase's loss, and write the history."""
    loss = phase.steps[0].convex(data, state)
    if loss is None:
        raise ValueError(_refusal(fit.estimator, phase))
    module = fit.trained["model"]

    def found() -> Minimum:
        problem = _problem(fit.feed, module, data, loss, float(fit.estimator.weight_decay))
        best = minimum(problem, fit.estimator.max_epochs)
        if not math.isfinite(problem.loss):
            raise DivergedError(
                f"Training diverged: the loss of phase {phase.name!r} is not finite. Scale X."
            )
        with torch.no_grad():
            module.head.weight.copy_(best.weights[:, : problem.n_features])
            if module.head.bias is not None:
                module.head.bias.copy_(best.weights[:, -1])
        if not all(bool(p.isfinite().all()) for p in module.head.parameters()):
            raise DivergedError(
                f"`X` leads to weights that are not finite in {fit.estimator.dtype}: its columns "
                "are too small, or too large. Scale X, or raise `weight_decay`."
            )
        _warn(fit.estimator, phase, best)
        return best

    run_solved(engine, phase, found, observers)


def _warn(estimator: Classifier, phase: Phase, best: Minimum) -> None:
    if best.converged:
        return
    warn(
        f"`max_epochs`={estimator.max_epochs} iterations of L-BFGS did not reach the minimum of "
        f"the phase {phase.name!r}: a slope of {best.slope:.1g} was left after {len(best.losses)} "
        "of them. Raise it, or `weight_decay`, or scale X.",
        NotConvergedWarning,
    )


def _problem(feed: Feed, module: Any, data: Data, loss: ConvexLoss, decay: float) -> LinearLoss:
    """Return the loss as a function of the head's weights."""
    n = len(data.y)
    weight = torch.ones(n, dtype=torch.float64, device=data.y.device)
    if loss.weight is not None:
        weight = loss.weight.double()
    counted = None  # all rows
    y = data.y
    if not bool((weight > 0).all()):
        counted = weight.nonzero().squeeze(1)
        y = y[counted]
        weight = weight[counted]
    return LinearLoss(
        _rows_of(feed, module.body, None if counted is None else counted.cpu().numpy()),
        y,
        weight / n,
        module.head.out_features,
        module.head.in_features,
        None if loss.shift is None else loss.shift.double(),
        module.head.bias is not None,
        decay,
    )


def _rows_of(
    feed: Feed, body: nn.Module, counted: np.ndarray | None
) -> Callable[[slice | np.ndarray], Tensor]:
    """Return what reads features in float64, of all training rows or of those counted."""
    prepare = replace(feed.prepare, dtype=torch.float64)
    resident = feed.resident
    # A copy, in eval mode: the module keeps its type and its mode.
    still = copy.deepcopy(body).double().eval()
    every = np.arange(len(feed)) if counted is None else counted
    bare = type(body) is nn.Identity and prepare.size is None
    # One place for all chunks: to ask for memory anew takes as long as a product.
    place = torch.empty(0, dtype=torch.float64, device=prepare.device)

    @torch.no_grad()
    def rows(chosen: slice | np.ndarray) -> Tensor:
        if resident is None:
            raw = feed.source.take(every[chosen])
        elif counted is None and isinstance(chosen, slice):
            raw = resident[chosen]  # a view
        else:
            raw = resident[torch.from_numpy(every[chosen]).to(resident.device)]
        if bare and isinstance(chosen, slice) and raw.is_floating_point():
            place.resize_(raw.shape).copy_(raw)
            return place
        return still(prepare(raw))

    return rows
