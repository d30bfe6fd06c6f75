"""One fit: rows, modules, phases."""

from collections.abc import Callable, Mapping
from itertools import takewhile
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from sklearn_debias.core import Data, Net, Phase
from sklearn_debias.exceptions import warn
from sklearn_debias.fitting._augmentation import augmentation
from sklearn_debias.fitting._devices import make_prepare, pick_device
from sklearn_debias.fitting._engine import make_engine
from sklearn_debias.fitting._frozen import features_by_role, features_of, heads_of, on_features
from sklearn_debias.fitting._inputs import Inputs, image_size, open_inputs
from sklearn_debias.fitting._observers import Monitor, open_scorer
from sklearn_debias.fitting._params import check_callbacks, check_normalize, drops, split_net_params
from sklearn_debias.fitting._probe import (
    check_gradient,
    check_module,
    draws,
    has_batch_norm,
    is_small,
    like_probabilities,
)
from sklearn_debias.fitting._rows import Rows
from sklearn_debias.models import build_module, is_same_network
from sklearn_debias.training import Engine, Feed, Observer, Roles, Source, Streams, cpu_threads


class Fit:
    """Builds what a fit needs and runs its phases.

    Parameters
    ----------
    estimator : BaseDebiasClassifier
        With its data attributes set by `choose_rows`.
    rows : Rows
    streams : Streams
    """

    def __init__(self, estimator: Any, rows: Rows, streams: Streams) -> None:
        self.estimator = estimator
        self.rows = rows
        self.streams = streams
        self.phases: tuple[Phase, ...] = estimator._phases()
        self.options, self.loader, self.skorch = split_net_params(estimator.net_params)
        self.prepare = make_prepare(estimator, pick_device(estimator.device))
        check_normalize(estimator.normalize, estimator.input_shape_[0])
        self.softmax: set[str] = set()
        self.helpers: set[str] = set()  # roles whose networks do not look at X
        self.quiet: set[str] = set()  # roles whose networks draw no random numbers
        roles = dict.fromkeys(role for phase in self.phases for role in phase.roles)
        self.roles = Roles({})
        for role in roles:
            self.roles[role] = self._build(role)
        estimator._check_modules(self.roles, self._example)
        self.phases = estimator._settled(self.phases, self.roles, self._example)
        self.frozen = (
            estimator.freeze == "body"
            and estimator.augment is None
            and not estimator._looks_below_head()
        )
        self.trained = heads_of(self.roles, self.helpers) if self.frozen else self.roles
        for name in sorted(self.softmax):
            warn(
                f"`{name}` seems to end in a softmax: its outputs are positive and sum to 1. "
                "Logits are expected; remove the softmax, or training will be slow and attacks "
                "weak."
            )
        self.feed = self._feed()

    def _build(self, role: str) -> nn.Module:
        """Module of one role, initialised from its own stream, checked on two rows."""
        estimator = self.estimator
        n_classes = len(self.estimator.classes_)
        device = self.prepare.device
        dtype = self.prepare.dtype
        with self.streams.noise("initialisation", role, device=device):
            helper = estimator._helper(role, self.roles)
        if helper is not None:
            self.helpers.add(role)
            self.quiet.add(role)
            return helper.to(device=device, dtype=dtype)
        name, spec = estimator._module_of(role)
        shared = is_same_network(spec, estimator.module)
        with self.streams.noise("initialisation", role, device=device):
            module = build_module(
                spec,
                self._inputs(role).shape,
                n_classes,
                options=self.options if shared else {},
                normalize=estimator.normalize,
                auxiliary=role != "model" and shared,
                parameter=name,
            )
            if estimator.freeze == "body":
                Net(module)._part("body").requires_grad_(False)
            module = module.to(device=device, dtype=dtype)
            if device.type == "cuda" and len(self._inputs(role).shape) == 3:
                module = module.to(memory_format=torch.channels_last)
            logits = check_module(module, self._example(role), n_classes, name)
        if like_probabilities(logits):
            self.softmax.add(name)
        if estimator._attacks:
            check_gradient(module, self._example(role), name)
        return module

    def _inputs(self, role: str) -> Inputs:
        return self.rows.others.get(role, self.rows.inputs)

    def _example(self, role: str) -> Tensor:
        n = len(self.rows.train)
        return self.prepare(self._inputs(role).source.take(self.rows.train[[0, min(1, n - 1)]]))

    def _source(self, inputs: Inputs) -> Source:
        """The training rows of some inputs."""
        whole = len(self.rows.train) == len(inputs.source)
        return inputs.source if whole else inputs.source.subset(self.rows.train)

    def _feed(self) -> Feed:
        estimator = self.estimator
        rows = self.rows
        columns = {"y": torch.from_numpy(rows.y)}
        weight = estimator._weights(rows)
        if weight is not None:
            columns["weight"] = torch.from_numpy(weight).to(self.prepare.dtype)
        if rows.group is not None:
            columns["group"] = torch.from_numpy(rows.group.astype(np.int64))
        if self.loader.get("drop_last") and len(rows.train) < estimator.batch_size:
            raise ValueError(
                f"`iterator_train__drop_last` leaves no training step: {len(rows.train)} rows are "
                f"fewer than `batch_size`={estimator.batch_size}. Lower `batch_size`."
            )
        source = self._source(rows.inputs)
        others = {role: self._source(inputs) for role, inputs in rows.others.items()}
        if self.frozen:
            seeing = [role for role in self.roles if role not in self.helpers]
            views = {role: (self.roles[role], others.get(role, source)) for role in seeing}
            source, others = features_by_role(views, self.prepare)
        merge = has_batch_norm(self.trained) or estimator._min_batch() > 1
        options = {
            "augment": self._augment(),
            "merge_single": merge,
            "loader": self.loader,
            "others": others,
        }
        aligned = estimator._aligned_views()
        return Feed(
            source,
            columns,
            self.prepare,
            estimator.batch_size,
            **options,
            meta=self._meta(),
            aligned=aligned,
        )

    def _meta(self) -> Feed | None:
        if self.rows.meta is None:
            return None
        source, y = self.rows.meta
        if self.frozen:
            source = features_of(self.roles["model"], source, self.prepare)
        columns = {"y": torch.from_numpy(y)}
        return Feed(
            source, columns, self.prepare, self.estimator.batch_size, augment=self._augment("meta")
        )

    def _augment(self, of: str = "callable") -> Any:
        return augmentation(
            self.estimator, self.streams.noise("augmentation", of, device=self.prepare.device)
        )

    @property
    def small(self) -> bool:
        """Whether one CPU thread is faster than several."""
        shape = (
            tuple(self.feed.example("model").shape[1:])
            if self.frozen
            else self.estimator.input_shape_
        )
        return is_small(self.trained, shape)

    def data(self) -> Data:
        """The training set as objectives see it."""
        return self.feed.data(
            len(self.estimator.classes_), 0 if self.rows.cells is None else len(self.rows.cells)
        )

    def run(self, bridge: Observer) -> Engine:
        """Train through all phases, `bridge` looking on, and return the net that holds the result."""
        estimator = self.estimator
        history = []
        with cpu_threads(small=self.small):
            engine = self.engine()
            data = self.data()
            monitor = self._monitor()
            states: dict[str, Mapping[str, Tensor]] = {}
            for phase in self.phases:
                nets = self.nets(phase)
                state: dict[str, Tensor] = {}
                for objective in phase.steps:
                    state |= objective.init(nets, data)
                estimator._inspect(phase, state, self.rows)
                last = phase is self.phases[-1]
                states[phase.name] = engine.run_phase(
                    phase,
                    nets,
                    state,
                    self.epochs(phase, data, state),
                    amp=estimator.amp,
                    lr_schedule=self.schedule(phase),
                    observers=(bridge, *([monitor] if monitor and last else [])),
                )
                history += [dict(row) for row in engine.history]
            if monitor is not None:
                monitor.restore(engine)
        return self.finish(engine, states, history)

    def schedule(self, phase: Phase) -> Callable | None:
        """What makes the learning-rate schedule of a phase, and of those that continue it."""
        if self.estimator.lr_schedule != "drops":
            return self.estimator.lr_schedule
        first = self.phases.index(phase)
        after = takewhile(lambda later: later.continues, self.phases[first + 1 :])
        return drops(phase.max_epochs + sum(later.max_epochs for later in after))

    def finish(
        self, engine: Engine, states: dict[str, Mapping[str, Tensor]], history: list[dict]
    ) -> Engine:
        """Set what is known after the last phase."""
        engine.trim()
        self.estimator.history_ = tidy(history)
        self.estimator.n_iter_ = len(history)
        self.estimator._finish(states, self.rows)
        return engine

    def _monitor(self) -> Monitor | None:
        if self.rows.validation is None:
            return None
        estimator = self.estimator
        if not self.frozen:
            return Monitor(estimator, *self.rows.validation, estimator.monitor)
        X, y, bias_labels = self.rows.validation
        features = features_of(
            self.roles["model"], open_inputs(estimator, X, reset=False).source, self.prepare
        )
        view = on_features(estimator, features, self.trained)
        return Monitor(view, features.rows, y, bias_labels, estimator.monitor, live=False)

    def nets(self, phase: Phase) -> dict[str, Net]:
        """The net of each role, with a stream of its own where it draws random numbers."""
        nets = {}
        for role, module in self.trained.items():
            noise = self.streams.noise("noise", phase.name, role, device=self.prepare.device)
            if role not in self.quiet and not draws(module, self.feed.example(role), noise):
                self.quiet.add(role)
            nets[role] = Net(module, noise=None if role in self.quiet else noise)
        return nets

    def epochs(self, phase: Phase, data: Any, state: Mapping[str, Tensor]) -> Any:
        """Batches of a phase, in the order that its first objective with an opinion asks for."""
        generator = self.streams.generator("order", phase.name)
        draw = self.streams.generator("rows", phase.name)

        def rows() -> Tensor:
            chosen = (objective.rows(data, state, draw) for objective in phase.steps)
            return next((r for r in chosen if r is not None), torch.arange(len(self.feed)))

        order = self.feed.order(rows, generator)
        device = self.prepare.device
        augment, attack = (
            self.streams.generator(name, phase.name, device=device)
            for name in ("augmentation", "attack")
        )
        meta = None
        if any("meta" in objective.requires for objective in phase.steps):
            ahead = self.streams.generator("meta", phase.name)
            meta = ahead, self.streams.generator("meta augmentation", phase.name, device=device)
        return self.feed.batches(order, augment, attack, meta)

    def engine(self) -> Engine:
        """The skorch net, initialised."""
        return make_engine(self.estimator, self.roles, self.prepare.device, self.skorch)


def check_shared(estimator: Any) -> None:
    """Check the shared parameters beyond their types and ranges, which scikit-learn has checked."""
    image_size(estimator.image_size)
    pick_device(estimator.device)
    if estimator.amp and estimator.dtype == "float64":
        raise ValueError("`amp`=True has no effect in float64. Use dtype='float32', or amp=False.")
    split_net_params(estimator.net_params)
    check_callbacks(estimator.callbacks)
    open_scorer(estimator.monitor)


def tidy(history: list[dict]) -> pd.DataFrame:
    """One row per epoch: phase, epoch, every term, seconds."""
    names = dict.fromkeys(name for row in history for name in row)
    columns = {name: [row.get(name) for row in history] for name in names}
    for name in ("batches", "event_best", "train_loss"):
        columns.pop(name, None)
    seconds = {"seconds": columns.pop("dur")} if "dur" in columns else {}
    first = {name: columns.pop(name) for name in ("phase", "epoch", "lr") if name in columns}
    return pd.DataFrame({**first, **columns, **seconds})
