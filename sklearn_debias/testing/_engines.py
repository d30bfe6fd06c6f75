"""Three ways to train by the same objective: the skorch net, a plain loop, a functional one."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.func import grad

from sklearn_debias.core import Batch, Net, Phase, State
from sklearn_debias.testing._problem import LR, Problem
from sklearn_debias.training import Engine

MOMENTUM = 0.9
WEIGHT_DECAY = 0.01

Parameters = dict[str, dict[str, Tensor]]


def train_by_skorch(problem: Problem) -> Parameters:
    """Parameters after one epoch of the engine that runs every fit."""
    engine = Engine(
        problem.modules,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.SGD,
        lr=LR,
        optimizer__momentum=MOMENTUM,
        optimizer__weight_decay=WEIGHT_DECAY,
        train_split=None,
        callbacks="disable",
        verbose=0,
    ).initialize()
    state = problem.state()
    engine.run_phase(
        Phase("check", (problem.objective,), 1), problem.nets, state, problem.epochs(state)
    )
    return problem.parameters()


def train_by_loop(problem: Problem) -> Parameters:
    """Parameters after one epoch of a plain loop, with an optimiser per role."""
    optimizers = {
        role: torch.optim.SGD(module.parameters(), LR, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)
        for role, module in problem.modules.items()
    }
    state = problem.state()
    for batch in problem.batches(state):
        out = problem.objective.step(problem.nets, batch, state)
        gradients = {
            role: torch.autograd.grad(
                loss, list(problem.modules[role].parameters()), retain_graph=True, allow_unused=True
            )
            for role, loss in out.losses.items()
        }
        for role, values in gradients.items():
            for parameter, value in zip(problem.modules[role].parameters(), values, strict=True):
                parameter.grad = value
            optimizers[role].step()
        state = out.state
    return problem.parameters()


def train_functionally(problem: Problem) -> Parameters:
    """Parameters after one epoch of pure functions: the modules themselves are never trained."""
    parameters = problem.parameters()
    velocity: Parameters = {}
    state = problem.state()
    reached = _reached(problem)
    for batch in problem.batches(state):

        def total(
            parameters: Parameters, batch: Batch = batch, state: State = state
        ) -> tuple[Tensor, tuple[Mapping[str, Tensor], Mapping[str, Tensor]]]:
            nets = {role: Net(problem.modules[role], given) for role, given in parameters.items()}
            out = problem.objective.step(nets, batch, state)
            return summed(out.losses), (out.losses, out.state)

        gradients, (losses, state) = grad(total, has_aux=True)(parameters)
        for role in losses:
            own = parameters[role]
            decayed = {
                name: gradients[role][name] + WEIGHT_DECAY * own[name] for name in reached[role]
            }
            last = velocity.get(role)
            velocity[role] = (
                decayed if last is None else {n: MOMENTUM * last[n] + g for n, g in decayed.items()}
            )
            parameters[role] = {
                **own,
                **{name: own[name] - LR * v for name, v in velocity[role].items()},
            }
    return parameters


def summed(losses: Mapping[str, Tensor]) -> Tensor:
    """Sum of the losses, a scalar tensor also where there is none."""
    return sum(losses.values(), torch.zeros((), dtype=torch.float64))


def _reached(problem: Problem) -> dict[str, list[str]]:
    """Parameters that each role's loss depends on: the others are not decayed either."""
    reached = {}
    for role, loss in problem.step().losses.items():
        names, own = zip(*problem.modules[role].named_parameters(), strict=True)
        gradients = torch.autograd.grad(loss, own, retain_graph=True, allow_unused=True)
        reached[role] = [name for name, g in zip(names, gradients, strict=True) if g is not None]
    return reached
