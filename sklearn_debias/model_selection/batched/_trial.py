"""A candidate on one fold: opened and closed as `fit` does it, trained in between by a sweep.

Both go by the code of `fit`, so that both agree on everything that is checked or drawn.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import torch

from sklearn_debias.estimators import BaseDebiasClassifier
from sklearn_debias.fitting import (
    Attempt,
    Facts,
    Fit,
    Given,
    TrainingSet,
    View,
    on_own_terms,
    read_given,
    readable_errors,
    rows_blamed,
    train,
)
from sklearn_debias.model_selection.batched._members import Member
from sklearn_debias.model_selection.batched._stackable import (
    NotStackableError,
    check_fit,
    check_parameters,
    stack_key,
)
from sklearn_debias.training import Engine, Feed, Source, Streams


@dataclass
class Fold:
    """The checked rows of one fold, and the feeds that hold them: what its candidates share.

    Parameters
    ----------
    opened : dict
        What was given, its rows, and what was seen of them, by how they are read.
    feeds : list of Feed
    """

    opened: dict[Hashable, tuple[Given, TrainingSet, Facts]] = field(default_factory=dict)
    feeds: list[Feed] = field(default_factory=list)

    def read(
        self, estimator: BaseDebiasClassifier, given: Given, streams: Streams
    ) -> tuple[TrainingSet, Facts]:
        """Return rows as `read_given` does, checked once."""
        what = tuple(_identity(getattr(given, entry.name)) for entry in fields(given))
        # Which rows are held out is drawn.
        held_out = None
        if estimator.validation is not None:
            held_out = estimator.validation, streams.entropy
        # Of the estimator's parameters these alone change how rows are read, or are refused with
        # them.
        watched = estimator.monitor is not None
        key = (estimator.dtype, repr(estimator.image_size), held_out, watched, what)
        if key not in self.opened:
            # Kept with the rows, so that no later object has the same `id`.
            self.opened[key] = given, *read_given(estimator, given, streams)
        _, training, facts = self.opened[key]
        return training, facts

    def feed(self, own: Feed) -> Feed:
        """Return a feed with the same rows, columns and batch size, or else ``own``."""
        # Candidates with one feed are one lane, and hold the rows on the device once.
        for feed in self.feeds:
            if _same_feed(feed, own):
                return feed
        self.feeds.append(own)
        return own


@dataclass
class Trial:
    """One candidate on one fold.

    Parameters
    ----------
    estimator : BaseDebiasClassifier
    fold : Fold

    Attributes
    ----------
    fit : Fit
    member : Member
        For the sweep.
    key : hashable
        Equal for trials that one stack can train.
    exact : bool
        Whether random numbers may be drawn, by its networks or by an attack, see `structure`.
    """

    estimator: BaseDebiasClassifier
    fold: Fold
    fit: Fit = field(init=False)
    member: Member = field(init=False)
    key: Hashable = field(init=False)
    exact: bool = field(init=False)
    attempt: Attempt = field(init=False)

    def open(self, X: Any, y: Any, **fit_params: Any) -> None:
        """Do what ``fit`` does before training; its errors and warnings are those of ``fit``."""
        estimator = self.estimator
        check_parameters(estimator)
        estimator._validate_params()
        self.attempt = Attempt(estimator)
        try:
            given = _reader(estimator)(estimator, X, y, **fit_params)
            with on_own_terms(small=False), readable_errors(estimator):
                self._begin(given)
        except BaseException:
            self.attempt.undo()
            raise

    def _begin(self, given: Given) -> None:
        """Build the networks and the member, and find out what may be stacked with it."""
        fit = self.estimator._open(given, self.fold.read)
        fit.feed = self.fold.feed(fit.feed)
        self.fit = fit
        if fit.solved:
            return
        engine = fit.engine()
        check_fit(fit, engine)
        # A term that 0 or 1 switches off draws nothing in a fit alone. In one stack with others it
        # would, and shift the numbers after it.
        nets = fit.nets(fit.phases[0])
        draws = any(net.noise is not None for net in nets.values())
        self.exact = draws or "input_gradient" in fit.required
        self.key = self.exact, stack_key(fit, engine, exact=self.exact)
        self.member = self._member(engine)

    def _member(self, engine: Engine) -> Member:
        """Return the fit as a sweep trains it."""
        fit = self.fit
        data = fit.data()
        return Member(
            phases=fit.phases,
            engine=engine,
            feed=fit.feed,
            data=data,
            nets=fit.nets,
            start=lambda phase, nets: fit.begin(phase, nets, data),
            epochs=lambda phase, state: fit.epochs(phase, data, state),
            inspect=fit.inspect,
            lane=(id(fit.feed), fit.streams.entropy),
            schedule=fit.schedule,
            monitor=fit.monitor(),
        )

    @property
    def solved(self) -> bool:
        """Whether it needs no sweep: its loss is minimised as it is closed."""
        return self.fit.solved

    def close(self) -> None:
        """Do what ``fit`` does after training, or raise what stopped it; let the data go."""
        member = None if self.solved else self.member
        fit = self.fit
        estimator = self.estimator
        # Whoever keeps the trial keeps no data.
        vars(self).pop("member", None)
        del self.fit
        try:
            # A minimum depends on the number of threads, as it would in a fit of its own.
            small = fit.small if member is None else True
            rows = rows_blamed(fit.training.sources())
            with on_own_terms(small=small), readable_errors(estimator), rows:
                if member is None:
                    train(fit)
                elif member.error is not None:
                    raise member.error
                else:
                    monitor = member.monitor
                    kept = None if monitor is None else monitor.restore(member.engine)
                    fit.finish(member.engine, member.states, member.history, kept)
        except BaseException:
            self.attempt.undo()
            raise
        self.attempt.keep()


def _identity(given: Any) -> Hashable:
    """Return what tells one argument from another: the objects it holds, not their values."""
    if isinstance(given, Mapping):
        return tuple((name, _identity(value)) for name, value in given.items())
    if isinstance(given, View):
        return id(given.rows), given.argument, given.aligned
    if isinstance(given, tuple):
        return tuple(map(_identity, given))
    return id(given)


def _reader(estimator: BaseDebiasClassifier) -> Any:
    """Return what reads the arguments of ``fit``."""
    reader = getattr(type(estimator).fit, "given", None)
    if reader is None:
        raise NotStackableError(
            f"`{type(estimator).__name__}.fit` must be decorated with "
            "sklearn_debias.estimators.fit_method, so that a search can do what it does before "
            "training. Use GridSearchCV, or decorate it."
        )
    return reader


def _same_feed(one: Feed, other: Feed) -> bool:
    """Return whether two feeds give the same batches for the same order."""
    # What costs nothing is compared first: the rows' numbers and columns are long.
    for name in ("batch_size", "merge_single", "prepare"):
        if getattr(one, name) != getattr(other, name):
            return False
    if len(one) != len(other):
        return False
    if one.columns.keys() != other.columns.keys() or one.others.keys() != other.others.keys():
        return False
    if (one.meta is None) != (other.meta is None):
        return False
    sources = [(one.source, other.source)]
    sources += [(one.others[role], other.others[role]) for role in one.others]
    if not all(_same_rows(mine, theirs) for mine, theirs in sources):
        return False
    if not all(torch.equal(one.columns[name], other.columns[name]) for name in one.columns):
        return False
    return one.meta is None or other.meta is None or _same_feed(one.meta, other.meta)


def _same_rows(one: Source, other: Source) -> bool:
    """Return whether two sources show the same rows of the same items."""
    if one.check != other.check:
        return False
    if one.index is None or other.index is None:
        return one.items is other.items and one.index is other.index
    return one.items is other.items and np.array_equal(one.index, other.index)
