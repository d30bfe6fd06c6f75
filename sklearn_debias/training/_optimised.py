"""skorch nets with one optimiser for all roles, and its schedule."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from skorch import NeuralNet

from sklearn_debias.training._blame import blamed
from sklearn_debias.training._by_role import MakeOptimizer, parts_of, split_off
from sklearn_debias.training._optimizers import (
    MADE,
    check_optimizer,
    make_schedule,
    step_schedule,
)


class OptimisedNet(NeuralNet):
    """A skorch net whose optimiser serves several roles, and follows a schedule."""

    own_optimizers: Mapping[str, MakeOptimizer] = {}  # of single roles
    optimizer_: torch.optim.Optimizer

    def fresh_optimizer(self, lr_schedule: Callable | None) -> None:
        """Make a new optimiser, and a new schedule of its learning rate."""
        with self._current_init_context("optimizer"):
            self.initialize_optimizer()
        self.schedule = None
        self._scheduled = 0  # epochs
        if lr_schedule is not None:
            self.schedule = make_schedule(lr_schedule, self.optimizer_)

    def step_schedule(self, loss: float) -> None:
        """Step the schedule, if there is one, after an epoch that ended with this loss."""
        if self.schedule is not None:
            self._scheduled = self._scheduled + 1
            step_schedule(self.schedule, self._scheduled, loss)

    def repeat_schedule(self, losses: list[list[float]]) -> None:
        """Step a fresh schedule through the epochs of phases that ended with these losses."""
        # A schedule is what it has seen: no state of one, of any origin, needs to be kept.
        parts_of(self.optimizer_)[""]._opt_called = True  # type: ignore[attr-defined]
        for number, of_phase in enumerate(losses):
            if number and isinstance(self.schedule, torch.optim.lr_scheduler.ReduceLROnPlateau):
                self.schedule._reset()
            for loss in of_phase:
                self.step_schedule(loss)

    def model_lr(self) -> float:
        """Return the present learning rate of the roles without one of their own."""
        # Their groups come last, see `ByRole`.
        return self.optimizer_.param_groups[-1]["lr"]

    def initialize_optimizer(self, *args: Any, **kwargs: Any) -> Any:
        """Build the optimiser; what goes wrong is the fault of `optimizer`."""
        with blamed("optimizer", MADE):
            super().initialize_optimizer(*args, **kwargs)
            check_optimizer(self.optimizer_)
        self.optimizer_ = split_off(self.optimizer_, self.module_, self.own_optimizers)
        return self

    def trim(self) -> None:
        """Drop what only training needs: its mode, optimiser moments, gradients, the schedule."""
        # For good: to predict is to read, also from several threads at once.
        self._set_training(False)
        self.schedule = None
        for part in parts_of(self.optimizer_).values():
            part.state.clear()
        self.optimizer_.zero_grad(set_to_none=True)

    def drop_role(self, role: str) -> None:
        """Let go of the network of a role, and of its places in the optimiser."""
        gone = {id(p) for p in self.module_.pop(role).parameters()}
        for part in parts_of(self.optimizer_).values():
            for group in part.param_groups:
                group["params"] = [p for p in group["params"] if id(p) not in gone]
