"""The candidates of a search on its folds: opened singly, trained in stacks, closed singly."""

import copy
import traceback
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from sklearn.base import BaseEstimator, ClassifierMixin
from tqdm.auto import tqdm

from sklearn_debias.exceptions import DeviceError, OutOfMemoryError
from sklearn_debias.fitting import device_failed, let_go, on_own_terms
from sklearn_debias.model_selection.batched._around import (
    around,
    before,
    close,
    inside,
    last_step,
    learned,
    recording,
    take_over,
)
from sklearn_debias.model_selection.batched._members import Member
from sklearn_debias.model_selection.batched._stackable import NotStackableError, check_callbacks
from sklearn_debias.model_selection.batched._structure import fingerprint
from sklearn_debias.model_selection.batched._sweep import sweep
from sklearn_debias.model_selection.batched._trial import Fold, Trial
from sklearn_debias.training import is_of_device, is_of_memory


@dataclass
class Prepared:
    """One fold as the earlier steps of a pipeline, or an inferrer of groups, hand it on.

    Parameters
    ----------
    learned : list of mappings
        What the fit of these has left: one for each that stands around the classifier.
    X, y, fit_params
        What reaches the classifier.
    fold : Fold
        What the candidates that begin from here share.
    """

    learned: list[Mapping[str, Any]]
    X: Any
    y: Any
    fit_params: dict[str, Any]
    fold: Fold = field(default_factory=Fold)


class Recorder(ClassifierMixin, BaseEstimator):
    """The classifier inside while what stands around it is fitted; it keeps what reaches it.

    Parameters
    ----------
    estimator : classifier
        The step that it stands in for. The recorder asks for the same metadata.
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    @property
    def stands_in_for(self) -> Any:
        """The classifier."""
        return self.estimator

    def fit(
        self, X: Any, y: Any, *, bias_labels: Any = None, sample_weight: Any = None, **others: Any
    ) -> "Recorder":
        """Keep what is given."""
        self.X = X
        self.y = y
        self.classes_ = None  # an inferrer hands them on
        # Named above, for who asks the signature.
        named = {"bias_labels": bias_labels, "sample_weight": sample_weight}
        self.fit_params = {k: v for k, v in named.items() if v is not None} | others
        return self

    def predict(self, X: Any) -> Any:
        """Raise: what stands around a classifier only looks whether it could predict."""
        raise NotImplementedError("A Recorder keeps what reaches it, and never predicts.")

    def get_metadata_routing(self) -> Any:
        """Return what the estimator asks for."""
        return self.estimator.get_metadata_routing()


@dataclass
class Candidate:
    """One setting on one fold with one seed.

    Parameters
    ----------
    estimator : classifier or Pipeline
        Unfitted; fitted in the end, unless ``error`` says why not.
    """

    estimator: Any
    trial: Trial | None = None
    error: Exception | None = None
    seconds: float = 0.0

    def open(
        self, X: Any, y: Any, fit_params: dict[str, Any], prepared: dict[Hashable, Prepared]
    ) -> None:
        """Begin the fit; keep what goes wrong, for the other candidates go on."""
        start = perf_counter()
        try:
            for fitted in (*around(self.estimator), last_step(self.estimator)):
                check_callbacks(fitted)
            known = self._prepare(X, y, fit_params, prepared)
            trial = Trial(last_step(self.estimator), known.fold)
            trial.open(known.X, known.y, **known.fit_params)
            self.trial = trial
        # Not the fault of a candidate: the search is asked for what it cannot do.
        except NotStackableError:
            raise
        except Exception as error:
            _set_free(error)
            self.error = error
        self.seconds += perf_counter() - start

    def _prepare(
        self, X: Any, y: Any, fit_params: dict[str, Any], prepared: dict[Hashable, Prepared]
    ) -> Prepared:
        """Fit what stands around the classifier, or take what equal ones have made of this fold."""
        outer = around(self.estimator)
        if not outer:
            return prepared.setdefault(None, Prepared([], X, y, fit_params))
        key = fingerprint([before(one) for one in outer])
        if key not in prepared:
            prepared[key] = self._record(X, y, fit_params)
        for one, state in zip(outer, prepared[key].learned, strict=True):
            take_over(one, state)
        return prepared[key]

    def _record(self, X: Any, y: Any, fit_params: dict[str, Any]) -> Prepared:
        """Fit what stands around the classifier, and return what reached it."""
        # scikit-learn's own fit does the rest: routing of metadata, caching, passthrough steps.
        with recording(around(self.estimator), Recorder(last_step(self.estimator))):
            self.estimator.fit(X, y, **fit_params)
            # An inferrer fits a clone of what it holds.
            one = self.estimator
            states = []
            while not isinstance(one, Recorder):
                states.append(learned(one))
                one = inside(one, fitted=True)
        return Prepared(states, one.X, one.y, one.fit_params)

    def close(self) -> None:
        """End the fit, and keep what goes wrong."""
        assert self.trial is not None
        # The candidate outlives its trial, which holds the data.
        trial = self.trial
        self.trial = None
        start = perf_counter()
        try:
            trial.close()
            close(self.estimator)
        except Exception as error:
            _set_free(error)
            self.error = error
        self.seconds += perf_counter() - start


def _set_free(error: Exception) -> None:
    """Let go of the rows: an error lives until the results are written, with its frames."""
    if isinstance(error, OutOfMemoryError | DeviceError):
        let_go(error)
    else:
        traceback.clear_frames(error.__traceback__)


def train(candidates: Sequence[Candidate], *, budget: int, bar: tqdm) -> None:
    """Train all candidates that are open, those of one structure together, and close them."""
    groups: dict[Hashable, list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        if candidate.trial is None:
            continue
        epochs = sum(phase.max_epochs for phase in candidate.trial.fit.phases)
        bar.total += epochs
        if candidate.trial.solved:
            candidate.close()
            bar.update(epochs)
        else:
            groups[candidate.trial.key].append(candidate)
    for group in groups.values():
        _train_group(group, budget, bar)


def _train_group(group: list[Candidate], budget: int, bar: tqdm) -> None:
    """Train candidates of one structure, close each, and share the time out among them."""
    trials = [candidate.trial for candidate in group if candidate.trial is not None]
    members = [trial.member for trial in trials]
    owner = {id(member): candidate for member, candidate in zip(members, group, strict=True)}

    def finish(member: Member) -> None:
        candidate = owner[id(member)]
        candidate.close()
        closing.append(candidate.seconds)

    closing: list[float] = []
    start = perf_counter()
    before = sum(candidate.seconds for candidate in group)
    exact = trials[0].exact
    try:
        with on_own_terms(small=trials[0].fit.small):
            sweep(members, budget=budget, exact=exact, finish=finish, progress=bar.update)
    except (OutOfMemoryError, DeviceError):  # ours, with advice of their own
        raise
    except (MemoryError, RuntimeError) as error:
        if not is_of_memory(error) and not is_of_device(error):
            # vmap has no error of its own for what it cannot run, such as a branch on data.
            raise NotStackableError(
                "`module`, or a step of the method, cannot be run for several candidates at once "
                "(torch.vmap): "
                f"{str(error).splitlines()[0]} Use sklearn.model_selection.GridSearchCV."
            ) from error
        # The frames hold the stack, and with it the memory that ran out.
        let_go(error)
        if is_of_device(error):
            raise device_failed(error) from None
        raise OutOfMemoryError(
            f"Out of memory in a stack of candidates with `memory`={budget} bytes. Lower it."
        ) from None
    # Candidates are closed in the middle of the run, and have counted that time already.
    shared = perf_counter() - start - (sum(closing) - before)
    for candidate in group:
        candidate.seconds += shared / len(group)


def reseeded(estimator: Any, seed: int, fresh: int) -> Any:
    """Set the random state of the ``seed``-th repetition; ``fresh`` stands in for None."""
    last = last_step(estimator)
    state = last.random_state
    if state is None:
        last.set_params(random_state=(fresh + seed) % 2**32)
    # The first repetition keeps the caller's own: it equals the fit of GridSearchCV.
    elif seed:
        first = state
        if hasattr(state, "randint"):
            # Of a copy, for a draw moves it. The number is the one that its own fit begins with.
            first = copy.deepcopy(state).randint(2**31 - 1)
        last.set_params(random_state=(int(first) + seed) % 2**32)
    return estimator
