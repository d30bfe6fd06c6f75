"""A candidate on one fold: opened and closed as `fit` does it, trained in between by a sweep."""

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from sklearn_debias.estimators import BaseDebiasClassifier
from sklearn_debias.fitting import Fit, Rows, choose_rows, on_own_terms, readable_errors
from sklearn_debias.model_selection.batched._members import Member
from sklearn_debias.model_selection.batched._stackable import check_fit, check_parameters, stack_key
from sklearn_debias.training import Engine, Feed, Source


@dataclass
class Fold:
    """What the candidates of one fold share: checked rows, and the feeds that hold them.

    Parameters
    ----------
    opened : dict
        Rows by how they are read, with the attributes that they set on an estimator.
    feeds : list of Feed
    """

    opened: dict[Hashable, tuple[Rows, dict[str, Any]]] = field(default_factory=dict)
    feeds: list[Feed] = field(default_factory=list)

    def choose(self, estimator: BaseDebiasClassifier, X: Any, y: Any, **given: Any) -> Rows:
        """Rows as `choose_rows` gives them, checked once."""
        key = (estimator.dtype, repr(estimator.image_size))
        if key not in self.opened:
            before = set(vars(estimator))
            rows = choose_rows(estimator, X, y, **given)
            self.opened[key] = rows, {k: v for k, v in vars(estimator).items() if k not in before}
        rows, known = self.opened[key]
        estimator.__dict__.update(known)
        return replace(rows)

    def feed(self, own: Feed) -> Feed:
        """A feed with the same rows, columns and batch size, if there is one; else ``own``."""
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
        Whether random numbers may be drawn, by its networks or by an attack, see
        `sklearn_debias.training.structure`.
    """

    estimator: BaseDebiasClassifier
    fold: Fold
    fit: Fit = field(init=False)
    member: Member = field(init=False)
    key: Hashable = field(init=False)
    exact: bool = field(init=False)

    def open(self, X: Any, y: Any, **fit_params: Any) -> None:
        """Do what ``fit`` does before training; its errors and warnings are those of ``fit``."""
        check_parameters(self.estimator, fit_params)
        self.estimator.__dict__["_train"] = self._take_over
        try:
            self.estimator.fit(X, y, **fit_params)
        finally:
            del self.estimator.__dict__["_train"]

    def _take_over(self, X: Any, y: Any, **given: Any) -> None:
        self.fit = self.estimator._open(X, y, choose=self.fold.choose, **given)
        self.fit.feed = self.fold.feed(self.fit.feed)
        engine = self.fit.engine()
        check_fit(self.fit, engine)
        nets = self.fit.nets(self.fit.phases[0])
        self.exact = self.estimator._attacks or any(net.noise is not None for net in nets.values())
        self.key = self.exact, stack_key(self.fit, engine, exact=self.exact)
        self.member = self._member(engine)

    def _member(self, engine: Engine) -> Member:
        fit = self.fit
        data = self.fit.data()
        return Member(
            phases=fit.phases,
            engine=engine,
            feed=fit.feed,
            data=data,
            nets=fit.nets,
            epochs=lambda phase, state: fit.epochs(phase, data, state),
            inspect=lambda phase, state: self.estimator._inspect(phase, dict(state), fit.rows),
            lane=(id(fit.feed), self.estimator._streams.entropy),
            schedule=fit.schedule,
        )

    def close(self) -> None:
        """Do what ``fit`` does after training, or raise what stopped it; the training data are let go."""
        member = self.member
        fit = self.fit
        estimator = self.estimator
        del self.member, self.fit
        try:
            if member.error is not None:
                raise member.error
            with on_own_terms(small=True), readable_errors(estimator):
                estimator.net_ = fit.finish(member.engine, member.states, member.history)
                estimator._review(fit.rows)
        except BaseException:
            estimator._forget()
            raise


def _same_feed(one: Feed, other: Feed) -> bool:
    """Whether two feeds give the same batches for the same order."""
    mine, theirs = ((f.batch_size, f.merge_single, f.prepare, len(f)) for f in (one, other))
    if (
        mine != theirs
        or one.columns.keys() != other.columns.keys()
        or one.others.keys() != other.others.keys()
    ):
        return False
    if (one.meta is None) != (other.meta is None):
        return False
    sources = [
        (one.source, other.source),
        *((one.others[role], other.others[role]) for role in one.others),
    ]
    return (
        all(_same_rows(a, b) for a, b in sources)
        and all(torch.equal(one.columns[name], other.columns[name]) for name in one.columns)
        and (one.meta is None or other.meta is None or _same_feed(one.meta, other.meta))
    )


def _same_rows(one: Source, other: Source) -> bool:
    if one.index is None or other.index is None:
        return one.rows is other.rows and one.index is other.index
    return one.rows is other.rows and np.array_equal(one.index, other.index)
