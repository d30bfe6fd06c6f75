"""The skorch net that runs every fit. It knows no method."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import reduce
from typing import Any

import torch
from skorch.callbacks import Callback, EpochTimer
from torch import Tensor

from sklearn_debias.core import Batch, Net, Phase, Step
from sklearn_debias.training._blame import diverged
from sklearn_debias.training._callbacks import Stop, batch_hooks, in_the_name_of, raised_in_code
from sklearn_debias.training._feed import Epochs
from sklearn_debias.training._forecast import Forecast
from sklearn_debias.training._linear_steps import LinearSteps, linear_steps
from sklearn_debias.training._log import EpochLog
from sklearn_debias.training._observer import Keeper, Observer
from sklearn_debias.training._optimised import OptimisedNet
from sklearn_debias.training._optimizers import switch, update
from sklearn_debias.training._ranks import Ranks
from sklearn_debias.training._roles import is_fixed, watched
from sklearn_debias.training._step_checks import check_step
from sklearn_debias.training._terms import EpochTerms


class Engine(OptimisedNet):
    """The skorch net that runs phases.

    The objective gives the losses; each step has one backward, and one update of the roles with a
    loss. skorch's own loop, callbacks and history do the rest. A phase begins with a fresh
    optimiser and a fresh learning-rate schedule, unless it continues the one before.
    """

    observers: tuple[Observer, ...] = ()
    keeper: Keeper | None = None
    ranks: Ranks | None = None  # processes that share each batch
    forecast: Forecast | None = None
    epochs_left = 0  # of the whole fit, from the beginning of the phase on
    shapes: Mapping[str, tuple[int, ...]] = {}  # of the rows that the roles see

    @property
    def _default_callbacks(self) -> list[tuple[str, Callback]]:
        callbacks: list[tuple[str, Callback]] = [("epoch_timer", EpochTimer())]
        if self.verbose:
            callbacks.append(("print_log", EpochLog()))
        return callbacks

    def run_phase(
        self,
        phase: Phase,
        nets: Mapping[str, Net],
        state: Mapping[str, Tensor],
        epochs: Epochs,
        *,
        amp: bool = False,
        lr_schedule: Callable | None = None,
        observers: tuple[Observer, ...] = (),
        keeper: Keeper | None = None,
    ) -> Mapping[str, Tensor]:
        """Train for ``phase.max_epochs`` epochs and return the last state.

        Raises
        ------
        DivergedError
            Where a loss, a parameter or a buffer is no longer finite at the end of an epoch.
        """
        self.phase = phase
        self.nets = nets
        self.state = state
        self.amp = amp
        self._batches = 0
        self.observers = observers
        self.initialize_history()
        if not phase.continues:
            self.fresh_optimizer(lr_schedule)
        elif isinstance(self.schedule, torch.optim.lr_scheduler.ReduceLROnPlateau):
            self.schedule._reset()  # another loss from here on; the rate stays
        self._fixed = [m for m in self.module_.modules() if is_fixed(m)]
        self._parameters = [p for p in self.module_.parameters() if p.requires_grad]
        self._watched = watched(self.module_, self._fixed)
        self._lowest: dict[str, float] = {}
        self._batch_hooks = batch_hooks(self.callbacks_)
        self._linear: LinearSteps | None = None
        try:
            self.notify("on_train_begin", X=epochs, y=None)
            self.keeper = keeper
            left = phase.max_epochs if keeper is None else keeper.resume(self)
            self.fit_loop(epochs, epochs=left)
        except Stop:
            pass
        finally:
            state = self.state
            self.nets = {}
            self.state = {}
            self.observers = ()
            self.keeper = None
            self.close_logs()
            # They would be pickled a second time, where skorch does not see them.
            del self.phase, self._parameters, self._fixed, self._watched, self._linear
        self.notify("on_train_end", X=None, y=None)
        return state

    def close_logs(self) -> None:
        """Leave the bars of a phase as they are."""
        for _, callback in self.callbacks_:
            if isinstance(callback, EpochLog):
                callback.close()

    def get_split_datasets(self, X: Any, y: Any = None, **fit_params: Any) -> tuple[Any, None]:
        """Train on all that is given; validation rows are the estimator's affair."""
        return X, None

    def get_iterator(self, dataset: Any, training: bool = False) -> Any:
        """Return the batches as they are: they iterate once per epoch."""
        return dataset if training else super().get_iterator(dataset, training)

    def run_single_epoch(
        self, iterator: Any, training: bool, prefix: str, step_fn: Any, **_: Any
    ) -> None:
        """Run one epoch, with one transfer from the device at its end."""
        if iterator is None:
            return
        self._set_training(True)
        # What does not learn stays as in prediction.
        for part in self._fixed:
            part.eval()
        self._choose_way()
        terms = EpochTerms()
        # Each waits for the device, and so only where a callback listens.
        each = bool({"on_batch_begin", "on_batch_end"} & self._batch_hooks)
        batches = iterator
        if self.forecast is not None:
            batches = self.forecast.watch(iterator, iterator.batches)
        for batch in batches:
            if each:
                self.notify("on_batch_begin", batch=batch, training=training)
            step = step_fn(batch)
            if self.keeper is not None and self._batches == 1:
                self.keeper.check(self)
            terms.add(step["terms"], len(batch.y))
            if each:
                self._record_batch(step["loss"], len(batch.y))
                self.notify("on_batch_end", batch=batch, training=training, **step)
        # Whoever looks on between epochs finds the networks as they predict, and switches nothing.
        self._set_training(False)
        self._record(terms)

    def _set_training(self, training: bool = True) -> None:
        super()._set_training(training)
        switch(self.optimizer_, training=training)

    def _choose_way(self) -> None:
        """Say whether the steps that come may do without autograd."""
        # Callbacks may have frozen, hooked or replaced anything since it was last asked.
        may = not self.amp and self.ranks is None
        self._linear = linear_steps(self.phase, self.nets, self.optimizer_) if may else None

    def train_step(self, batch: Batch, **_: Any) -> dict[str, Any]:
        """Take the steps of the phase, in order, on one batch."""
        if self._batch_hooks:
            self._choose_way()
        # The first one by autograd: it is checked, and the optimiser begins.
        if self._linear is not None and self._batches:
            return self._linear_step(self._linear, batch)
        terms: dict[str, Tensor] = {}
        kind = batch.x.device.type
        autocast = torch.autocast(kind, torch.bfloat16) if self.amp else nullcontext()
        carry: Mapping[str, Tensor] = {}
        loss = None
        number, self._batches = self._batches, self._batches + 1
        for objective in self.phase.steps:
            if number % objective.every:
                continue
            given = batch.at(self.model_lr(), carry)
            with autocast:
                out = objective.step(self.nets, given, self.state)
            if self.amp:
                # Inside of another autocast, the caller's, the weights cast here would stay.
                torch.clear_autocast_cache()
            # What one batch shows, all do; but a step may forget to return on some branch.
            if number == 0 or not isinstance(out, Step):
                check_step(objective, out, self.nets)
            carry = out.carry
            self.state = out.state
            if out.losses:
                # One backward of the sum: no loss reaches another role's parameters.
                loss = reduce(torch.add, out.losses.values())
                self._descend(loss, batch)
            terms |= {f"{role}_loss": value.detach() for role, value in out.losses.items()}
            terms |= {name: value.detach() for name, value in out.log.items()}
        return {"loss": None if loss is None else loss.detach(), "y_pred": None, "terms": terms}

    def _linear_step(self, linear: LinearSteps, batch: Batch) -> dict[str, Any]:
        """Take the step of a phase by closed gradients."""
        self._batches = self._batches + 1
        out = linear.gradients(batch.at(self.model_lr(), {}), self.state)
        self.state = out.state
        if "on_grad_computed" in self._batch_hooks:
            self._show_gradients(batch)
        linear.update()
        terms = {f"{role}_loss": value for role, value in out.losses.items()}
        loss = reduce(torch.add, out.losses.values())
        return {"loss": loss, "y_pred": None, "terms": {**terms, **out.log}}

    def _descend(self, loss: Tensor, batch: Batch) -> None:
        """Take one backward, and one update of what has a gradient."""
        # To None, not to zero: momentum and weight decay would move idle roles.
        for parameter in self._parameters:
            parameter.grad = None
        loss.backward()
        if self.ranks is not None:  # each has the gradient by its own rows
            self.ranks.add_up(self._parameters)
        if "on_grad_computed" in self._batch_hooks:
            self._show_gradients(batch)
        update(self.optimizer_)

    def _show_gradients(self, batch: Batch) -> None:
        named = list(self.get_all_learnable_params())
        self.notify("on_grad_computed", named_parameters=named, batch=batch, training=True)

    def _record(self, terms: EpochTerms) -> None:
        """Write the epoch's row of the history."""
        means, finite = terms.means(self._watched)
        self.history.record("lr", self.model_lr())
        for name, mean in means.items():
            self.history.record(name, mean)
        loss = sum(mean for name, mean in means.items() if name.endswith("_loss"))
        self.record_loss("train_loss", loss)
        if not self.history[-1]["batches"]:
            # Of one batch at least: what skorch's callbacks write to files may name the last one.
            self.history.new_batch()
            self.history.record_batch("train_loss", loss)
            self.history.record_batch("train_batch_size", terms.n_rows)
        wrong = [name for name, mean in means.items() if not abs(mean) < float("inf")]
        if wrong or not finite:
            raise diverged(wrong, len(self.history), self.phase.name, self.lr)

    def record_loss(self, name: str, loss: float) -> None:
        """Write a loss into the epoch's row, and whether it is the lowest of the phase so far."""
        self.history.record(name, loss)
        self.history.record(f"{name}_best", loss < self._lowest.get(name, float("inf")))
        self._lowest[name] = min(loss, self._lowest.get(name, float("inf")))

    def _record_batch(self, loss: Tensor | None, size: int) -> None:
        """Write a batch into the history, as skorch does."""
        if loss is not None:  # a step may leave all to the next one
            self.history.record_batch("train_loss", loss.item())
        self.history.record_batch("train_batch_size", size)

    def on_epoch_begin(self, net: Any, **kwargs: Any) -> None:
        """Open a row of the history, and tell the observers."""
        super().on_epoch_begin(net, **kwargs)
        for observer in self.observers:
            observer.begin(self)

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Step the schedule, then let the observers look; any of them may end the phase."""
        self.step_schedule(self.history[-1, "train_loss"])
        # A list, for any() would not ask those after the first that stops.
        stops = [observer.end(self) for observer in self.observers]
        self._stop_asked = any(stops)

    def notify(self, method_name: str, **cb_kwargs: Any) -> None:
        """Notify the callbacks: a stop that one asks for ends the phase; Ctrl-C ends the fit."""
        stopped = False
        try:
            getattr(self, method_name)(self, **cb_kwargs)
            for name, callback in self.callbacks_:
                with in_the_name_of(name, callback, self):
                    getattr(callback, method_name)(self, **cb_kwargs)
        except KeyboardInterrupt as error:
            # skorch's callbacks, such as EarlyStopping, stop a fit by raising this, too.
            if method_name != "on_epoch_end" or not raised_in_code(error):
                raise
            stopped = True
        if method_name == "on_epoch_end":
            stopped = stopped or self._stop_asked
            if self.ranks is not None:
                stopped = self.ranks.end_epoch(self.module_, stopped=stopped)
            for observer in self.observers if stopped else ():
                observer.end_early(self)
            if self.keeper is not None:
                self.keeper.end_epoch(self, stopped=stopped)
            if stopped:
                raise Stop

    def __getstate__(self) -> dict[str, Any]:
        """Leave out `module`, which is `module_`."""
        # skorch moves what it initialised to a device that is there when it is loaded; `module`
        # would be a second copy, and stay where it was.
        # Who looks on, or keeps the fit, belongs to it, and holds locks and files.
        aside = {"observers": (), "keeper": None, "ranks": None, "_linear": None}
        state = {**super().__getstate__(), **aside}
        return {name: value for name, value in state.items() if name != "module"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.module = self.module_
