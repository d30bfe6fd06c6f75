"""One fit: networks, batches, what its phases need."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import takewhile
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sklearn_debias.core import Data, Net, Phase
from sklearn_debias.fitting._augmentation import augmentation
from sklearn_debias.fitting._checkpoint import check_checkpoint
from sklearn_debias.fitting._convex import check_solvable, check_solved
from sklearn_debias.fitting._devices import make_prepare, pick_device
from sklearn_debias.fitting._engine import make_engine
from sklearn_debias.fitting._fitted import Fitted
from sklearn_debias.fitting._frozen import (
    features_by_role,
    features_of,
    heads_of,
    is_head_of_body,
    on_features,
)
from sklearn_debias.fitting._given import indexed
from sklearn_debias.fitting._hooks import phases_of, settled
from sklearn_debias.fitting._inputs import read_image_size
from sklearn_debias.fitting._modules import build_networks
from sklearn_debias.fitting._observers import Monitor, open_scorer, tidy
from sklearn_debias.fitting._params import check_normalize, drops, is_solved, split_net_params
from sklearn_debias.fitting._probe import draws, has_batch_norm, is_small
from sklearn_debias.fitting._processes import check_accelerator, check_divided, share, shared_net
from sklearn_debias.fitting._requirements import (
    check_given,
    check_networks,
    looks_below_head,
    requirements,
)
from sklearn_debias.fitting._reviewing import review
from sklearn_debias.fitting._scale import warn_of_scale
from sklearn_debias.fitting._token_limits import look_at_tokens
from sklearn_debias.fitting._training_set import TrainingSet
from sklearn_debias.fitting._types import Classifier
from sklearn_debias.training import (
    ArraySource,
    Engine,
    Epochs,
    Feed,
    Prepare,
    Ranks,
    SharedEpochs,
    Source,
    check_callbacks,
    check_state,
    check_visits,
)


class Fit:
    """Build what a fit needs: networks, batches, and what each phase begins with.

    Parameters
    ----------
    estimator : BaseDebiasClassifier
        With the public attributes that the data tell.
    training : TrainingSet
    fitted : Fitted
    ranks : Ranks, default=None
        The processes that share each batch.
    """

    def __init__(
        self,
        estimator: Classifier,
        training: TrainingSet,
        fitted: Fitted,
        ranks: Ranks | None = None,
    ) -> None:
        self.estimator = estimator
        self.training = training
        self.fitted = fitted
        self.ranks = ranks
        self.streams = fitted.streams
        warn_of_scale(estimator, training.inputs)
        phases = phases_of(estimator)
        check_divided(estimator, phases)
        self.required = requirements(phases)
        check_given(estimator, training, self.required)
        options, self.loader, self.skorch = split_net_params(estimator.net_params)
        self.prepare = make_prepare(fitted, pick_device(estimator.device))
        check_normalize(estimator.normalize, training.inputs.shape[0])
        self.networks = build_networks(
            estimator, phases, training, self.prepare, self.streams, options
        )
        self.training = self.networks.training
        check_networks(estimator, phases, self.networks)
        look_at_tokens(estimator, self.training, fitted, self.networks, self.loader)
        self.phases = settled(estimator, phases, self.networks)
        self.networks.remember(self.phases)
        # Features are computed once where they stay the same in every epoch.
        self.frozen = (
            estimator.freeze == "body"
            and estimator.augment is None
            and not looks_below_head(self.required)
            and all(
                is_head_of_body(module, self.networks.example(role))
                for role, module in self.networks.modules.items()
                if role not in self.networks.helpers
            )
        )
        self.trained = self.networks.modules
        if self.frozen:
            self.trained = heads_of(self.networks.modules, self.networks.helpers)
        self._begun: tuple[Phase | None, dict[str, Tensor]] = (None, {})
        self.quiet = set(self.networks.helpers)  # roles whose networks draw no random numbers
        self.feed = self._feed()
        self.solved = is_solved(estimator)
        if self.solved:
            check_solved(self)

    def _feed(self) -> Feed:
        estimator = self.estimator
        training = self.training
        columns = {"y": torch.from_numpy(training.y)}
        if training.weight is not None:
            columns["weight"] = torch.from_numpy(training.weight).to(self.prepare.dtype)
        if training.group is not None:
            columns["group"] = torch.from_numpy(training.group.astype(np.int64))
        if self.loader.get("drop_last") and len(training) < estimator.batch_size:
            raise ValueError(
                f"`iterator_train__drop_last` leaves no training step: {len(training)} rows are "
                f"fewer than `batch_size`={estimator.batch_size}. Lower `batch_size`."
            )
        source = training.source_of()
        others = {name: training.source_of(name) for name in training.views}
        examples = dict(self.networks.examples)
        if self.frozen:
            views = {
                role: (module, others.get(role, source))
                for role, module in self.networks.modules.items()
                if role not in self.networks.helpers
            }
            source, others = features_by_role(views, self.prepare, self.networks.example("model"))
            examples = {}  # they were of X
        return Feed(
            source,
            columns,
            self._prepare_fed(),
            estimator.batch_size,
            augment=self._augment(),
            # BatchNorm, and what compares rows, cannot train on one.
            merge_single=has_batch_norm(self.trained) or "pairs" in self.required,
            loader=self.loader,
            others=others,
            meta=self._meta(),
            aligned=training.aligned,
            examples=examples,
        )

    def _features_of(self, rows: Source) -> ArraySource:
        """Return the features of other rows than those that are trained on."""
        model = self.networks.modules["model"]
        return features_of(model, rows, self.prepare, self.fitted.facts.shape)

    def _meta(self) -> Feed | None:
        if self.training.meta is None:
            return None
        source, y = self.training.meta
        if self.frozen:
            source = self._features_of(source)
        columns = {"y": torch.from_numpy(y)}
        size = self.estimator.batch_size
        return Feed(source, columns, self._prepare_fed(), size, augment=self._augment("meta"))

    def _prepare_fed(self) -> Prepare:
        # Features are of images that were resized before.
        return replace(self.prepare, size=None) if self.frozen else self.prepare

    def _augment(self, of: str = "callable") -> Any:
        noise = self.streams.noise("augmentation", of, device=self.prepare.device)
        return augmentation(self.estimator.augment, self.training.inputs.shape, noise)

    @property
    def small(self) -> bool:
        """Whether one CPU thread is faster than several."""
        shape = self.training.inputs.shape
        if self.frozen:
            shape = tuple(self.feed.example("model").shape[1:])
        return is_small(self.trained, shape)

    def data(self) -> Data:
        """Return the training set as objectives see it."""
        groups = self.training.groups
        return self.feed.data(len(self.training.classes), 0 if groups is None else len(groups))

    def begin(self, phase: Phase, nets: Mapping[str, Net], data: Data) -> dict[str, Tensor]:
        """Return the state before the first step of a phase."""
        self.networks.begin(phase)
        data = replace(data, before=self._left_to(phase))
        state: dict[str, Tensor] = {}
        for objective in phase.steps:
            own = objective.init(nets, data)
            check_state(objective, own)
            state |= own
        self.note_begun(phase, state)
        return state

    def begin_again(
        self, phase: Phase, begun: dict[str, Tensor], engine: Engine
    ) -> dict[str, Tensor]:
        """Return what a phase began with that is gone on with; its networks are put back later."""
        if phase.continues:
            number = self.phases.index(phase)
            first = [one for one in self.phases[:number] if not one.continues][-1]
            engine.fresh_optimizer(self.schedule(first))
        self.note_begun(phase, begun)
        return begun

    def note_begun(self, phase: Phase, begun: dict[str, Tensor]) -> None:
        """Note what a phase began with: the next one may look at it."""
        self._begun = phase, begun

    def _left_to(self, phase: Phase) -> dict[str, Tensor]:
        """Return the state that the phase before this one began with, if it was the last begun."""
        # A search begins all phases to measure them, and then trains: what it saw is outdated.
        begun, state = self._begun
        number = self.phases.index(phase)
        return state if number and self.phases[number - 1] is begun else {}

    def inspect(self, phase: Phase, state: Mapping[str, Tensor]) -> None:
        """Let the estimator look at what a phase begins with."""
        self.estimator._inspect(phase, dict(state), self.training)

    def schedule(self, phase: Phase) -> Callable | None:
        """Return what makes the schedule of a phase, and of those that continue it."""
        if self.estimator.lr_schedule != "drops":
            return self.estimator.lr_schedule
        first = self.phases.index(phase)
        after = takewhile(lambda later: later.continues, self.phases[first + 1 :])
        return drops(phase.max_epochs + sum(later.max_epochs for later in after))

    def finish(
        self,
        engine: Engine,
        states: Mapping[str, Mapping[str, Tensor]],
        history: list[dict],
        kept: int | None = None,
    ) -> None:
        """Set what is known after the last phase; ``kept`` is the epoch that `monitor` chose."""
        # The last epoch is kept without a monitor, too.
        chosen = kept is not None and kept < len(engine.history)
        which = f"epoch {kept} of {self.phases[-1].name!r}" if chosen else None
        engine.trim()
        engine.forecast = None
        engine.ranks = None
        self.streams.let_go()
        estimator = self.estimator
        estimator.net_ = engine
        estimator.history_ = tidy(history)
        estimator.n_iter_ = len(history)
        review(estimator, self.training, which)  # a network that gives NaN has nothing to finish
        estimator._finish(dict(states), self.training)

    def monitor(self) -> Monitor | None:
        """Return what scores the validation rows after each epoch, if there are any."""
        if self.training.validation is None:
            return None
        estimator = self.estimator
        # A minimum is looked at once.
        every = 1 if self.solved else int(estimator.monitor_every)
        when: dict[str, Any] = {"every": every, "last": self.phases[-1].max_epochs}
        if not self.frozen:
            return Monitor(estimator, *self.training.validation, estimator.monitor, **when)
        X, y, bias_labels = self.training.validation
        rows = self.fitted.open(estimator, X).source
        features = self._features_of(rows)
        if not hasattr(y, "iloc"):  # features of X have no index
            y = indexed(y, X)
        view = on_features(estimator, features, self.trained)
        scorer = estimator.monitor
        return Monitor(view, features.items, y, bias_labels, scorer, live=False, **when)

    def nets(self, phase: Phase) -> dict[str, Net]:
        """Return the net of each role, with a stream of its own where it draws random numbers."""
        nets = {}
        for role, module in self.trained.items():
            noise = self.streams.noise("noise", phase.name, role, device=self.prepare.device)
            # A stream costs a lock and two copies of the global state per forward pass.
            if role not in self.quiet and not draws(module, self.feed.example(role), noise):
                self.quiet.add(role)
            nets[role] = Net(module, noise=None if role in self.quiet else noise)
            if self.ranks is not None:
                example = self.feed.example(role)
                nets[role] = shared_net(self.ranks, role, nets[role], example)
        return nets

    def epochs(self, phase: Phase, data: Data, state: Mapping[str, Tensor]) -> Epochs:
        """Return the batches of a phase, in the order of its first objective with an opinion."""
        device = self.prepare.device
        # The stream's name is older than the hook's, and decides every number drawn.
        draw = self.streams.generator("rows", phase.name)

        def visits() -> Tensor:
            for objective in phase.steps:
                visited = objective.visits(data, state, draw)
                if visited is not None:
                    check_visits(objective, visited, len(self.feed))
                    return visited
            return torch.arange(len(self.feed))

        order = self.feed.order(visits, self.streams.generator("order", phase.name))
        augment = self.streams.generator("augmentation", phase.name, device=device)
        attack = self.streams.generator("attack", phase.name, device=device)
        if self.ranks is not None:
            return SharedEpochs(self.ranks, self.feed, order, augment, attack)
        meta = None
        if any("meta" in objective.requires for objective in phase.steps):
            ahead = self.streams.generator("meta", phase.name)
            changed = self.streams.generator("meta augmentation", phase.name, device=device)
            meta = ahead, changed
        return self.feed.batches(order, augment, attack, meta)

    def engine(self) -> Engine:
        """Return the skorch net, initialised."""
        engine = make_engine(self.estimator, self.networks, self.skorch)
        if self.ranks is not None:
            share(engine, self.ranks)
        return engine


def check_shared(estimator: Classifier) -> None:
    """Check the shared parameters beyond types and ranges, which scikit-learn has checked."""
    read_image_size(estimator.image_size)
    pick_device(estimator.device)
    if estimator.amp and estimator.dtype == "float64":
        raise ValueError("`amp`=True has no effect in float64. Use dtype='float32', or amp=False.")
    split_net_params(estimator.net_params)
    check_callbacks(estimator.callbacks)
    check_checkpoint(estimator)
    check_solvable(estimator)
    check_accelerator(estimator)
    if estimator.patience is not None and estimator.monitor is None:
        raise ValueError(
            f"`patience`={estimator.patience} needs `monitor`, the score that it waits for. Set "
            "monitor='worst_group_accuracy', say, and `validation`."
        )
    open_scorer(estimator.monitor)
