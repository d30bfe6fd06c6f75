"""Where a fit keeps its progress, and what it finds there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from sklearn_debias.checkpoints import Checkpoints, Identity, Interval, describe_rows, terminable
from sklearn_debias.checkpoints import described as described_parameter
from sklearn_debias.content import installed, key_of
from sklearn_debias.fitting._accelerator import without_accelerator
from sklearn_debias.fitting._devices import pick_device
from sklearn_debias.fitting._given import Given
from sklearn_debias.fitting._types import Classifier
from sklearn_debias.plain import unpack
from sklearn_debias.training import Ranks, Streams

PACKAGES = ("sklearn_debias", "torch")
CLONED = "_is_clone"  # set on clones: those of a search share a folder
# What they change is not what is fitted; the last ones are looked at otherwise.
WITHOUT_EFFECT = ("verbose", "checkpoint", "checkpoint_every")
APART = ("callbacks", "device", "max_epochs", "random_state")


class Checkpoint:
    """The folder of a fit, what the fit is of, and the progress that was found.

    Parameters
    ----------
    estimator : BaseDebiasClassifier
    given : Given
        What ``fit`` was given.

    Attributes
    ----------
    found : dict or None
        The last progress that was kept; None where there is none.
    """

    writes = True

    def __init__(self, estimator: Classifier, given: Given) -> None:
        check_workers(estimator, given)
        self.estimator = estimator
        self.identity = identity_of(estimator, given)
        self.interval = Interval.read(estimator.checkpoint_every)
        folder = Path(estimator.checkpoint).expanduser()
        if vars(estimator).get(CLONED):
            if not _is_int(estimator.random_state):
                raise ValueError(
                    "`random_state` must be an int where a clone has a `checkpoint`, got "
                    f"{estimator.random_state!r}: clones with the same parameters and rows could "
                    "not be told apart, and the second would be the first again."
                )
            folder = folder / f"{type(estimator).__name__}-{self._key()}"
        # A search may ask for one fit twice: the second waits, and finds it done.
        self.checkpoints = Checkpoints(folder, wait=bool(vars(estimator).get(CLONED)))
        self.folder = self.checkpoints.folder
        self.found: dict[str, Any] | None = None
        self.latest: tuple[int, Any, dict[str, np.ndarray], list[str]] | None = None
        self.written = 0
        try:
            self._find()
        except BaseException:
            self.checkpoints.close()
            raise
        self.entropy: int | None = None if self.found is None else int(self.found["entropy"])

    def _key(self) -> str:
        """Return a name of the parameters and rows."""
        seed = self.estimator.random_state
        whole = (self.identity.key, self.estimator.max_epochs, int(seed))
        return key_of(whole)[:16]

    def _find(self) -> None:
        saved = self.checkpoints.last()
        if saved is None:
            return
        text = saved.text
        other = Identity({name: tuple(fact) for name, fact in text["identity"].items()})
        different = self.identity.differences(other)
        if different:
            raise ValueError(
                f"`checkpoint`={str(self.folder)!r} is of another fit. What differs: "
                f"{'; '.join(different)}. Name another folder, or remove this one to start anew."
            )
        self.found = {**text, "arrays": saved.arrays, "history": saved.history}
        epochs = int(text["epochs"])
        self.interval.begin(epochs)
        self.written = epochs

    def streams(self) -> Streams:
        """Return the random streams of the fit: those of the one that is gone on with."""
        streams = Streams(self.estimator.random_state, keeping=True)
        if self.entropy is not None:
            streams.entropy = self.entropy
        self.entropy = int(streams.entropy)  # type: ignore[arg-type]
        return streams

    def unpacked(self, name: str, device: Any) -> Any:
        """Return a part of what was found."""
        assert self.found is not None
        return unpack(self.found[name], self.found["arrays"], device=device)

    def note(
        self,
        epochs: int,
        parts: dict[str, Any],
        arrays: dict[str, np.ndarray],
        history: list[str],
    ) -> None:
        """Hold the progress after so many epochs of the fit, to be written when it is due."""
        text = {
            **parts,
            "identity": dict(self.identity.facts),
            "entropy": str(self.entropy),
            "epochs": epochs,
        }
        self.latest = epochs, text, arrays, history

    def write_if_due(self) -> None:
        """Write what is held where the interval is over."""
        if self.latest is not None and self.interval.is_over(self.latest[0]):
            self.write()

    def write(self) -> None:
        """Write what is held, if it is not written yet."""
        if self.latest is None or self.latest[0] == self.written:
            return
        epochs, text, arrays, history = self.latest
        self.checkpoints.write(epochs, text, arrays, history)
        self.written = epochs
        self.interval.begin(epochs)

    def close(self) -> None:
        """Leave the folder to others."""
        self.checkpoints.close()


class FollowedCheckpoint(Checkpoint):
    """The checkpoint of the first of several processes, as the others see it: they write nothing.

    Parameters
    ----------
    estimator : BaseDebiasClassifier
    found : dict or None
        What the first has found.
    """

    writes = False

    def __init__(self, estimator: Classifier, found: dict[str, Any] | None) -> None:
        self.estimator = estimator
        self.folder = Path(estimator.checkpoint).expanduser()
        self.found = found
        self.entropy = None if found is None else int(found["entropy"])

    def write(self) -> None:
        """Leave it to the first."""


@contextmanager
def checkpoint_of(
    estimator: Classifier, given: Given, ranks: Ranks | None = None
) -> Iterator[Checkpoint | None]:
    """Open the folder of a fit; write what is known when an error or a signal ends the block.

    Of several processes the first one does so, and the others learn what it has found.
    None where the estimator asks for no checkpoint: Ctrl-C says then how to keep a fit.
    """
    if estimator.checkpoint is None:
        try:
            yield None
        except KeyboardInterrupt as error:
            error.add_note(
                f"This fit of {type(estimator).__name__} is lost. Pass checkpoint='folder': the "
                "same call of fit then goes on from the last epoch."
            )
            raise
        return
    checkpoint = _opened(estimator, given, ranks)
    if not checkpoint.writes:
        yield checkpoint
        return
    try:
        with terminable():
            try:
                yield checkpoint
            except BaseException as error:
                _write_at_last(checkpoint, error)
                raise
    finally:
        checkpoint.close()


def _opened(estimator: Classifier, given: Given, ranks: Ranks | None) -> Checkpoint:
    """Open the folder in the first process; what it refuses is an error in all."""
    if ranks is None:
        return Checkpoint(estimator, given)
    own: list[Checkpoint] = []

    def open_first() -> dict[str, Any] | None:
        own.append(Checkpoint(estimator, given))
        return own[0].found

    try:
        found = ranks.from_first(open_first)
    except BaseException:  # another process is gone
        for checkpoint in own:
            checkpoint.close()
        raise
    return own[0] if own else FollowedCheckpoint(estimator, found)


def _write_at_last(checkpoint: Checkpoint, error: BaseException) -> None:
    """Write what is held before an error goes on."""
    try:
        checkpoint.write()
    except OSError as unwritten:
        error.add_note(f"The last epochs are not kept: {unwritten}")
        return
    # What is wrong with the fit itself will be wrong again.
    if checkpoint.written and not isinstance(error, ValueError | TypeError):
        error.add_note(
            f"{checkpoint.written} epochs of this fit are kept in "
            f"{str(checkpoint.folder)!r}: the same call of fit goes on from there."
        )


def check_checkpoint(estimator: Classifier) -> None:
    """Raise where the parameters of checkpoints cannot work, whatever the data."""
    Interval.read(estimator.checkpoint_every)
    if estimator.checkpoint is not None and not str(estimator.checkpoint).strip():
        raise ValueError("`checkpoint` must be the name of a folder, or None, got an empty text.")


def check_workers(estimator: Classifier, given: Given) -> None:
    """Raise where the random numbers of a Dataset's workers are out of reach."""
    persistent = (estimator.net_params or {}).get("iterator_train__persistent_workers")
    if persistent and isinstance(given.X, Dataset):
        raise ValueError(
            "`checkpoint` cannot keep the random numbers that a Dataset draws in workers that live "
            "on from epoch to epoch. Set iterator_train__persistent_workers=False in `net_params`."
        )


def identity_of(estimator: Classifier, given: Given) -> Identity:
    """Return what decides the fit of an estimator."""
    parameters = estimator.get_params(deep=False)
    facts = {
        **{f"the version of {name}": (str(installed(name)),) * 2 for name in PACKAGES},
        "the class": described_parameter("the class", type(estimator)),
    }
    for name, value in parameters.items():
        if name == "net_params":  # on how many processes a fit goes on does not matter
            value = without_accelerator(value)
        if name not in (*WITHOUT_EFFECT, *APART):
            facts[f"`{name}`"] = described_parameter(name, value)
    device = pick_device(estimator.device).type
    facts["`device`"] = (device, repr(device))
    kinds = repr(_kinds(estimator.callbacks))
    facts["`callbacks`"] = (kinds, kinds)
    # Others are drawn from once, and the checkpoint has what was drawn.
    state = estimator.random_state
    seed = repr(int(state)) if _is_int(state) else type(state).__name__
    facts["`random_state`"] = (seed, seed)
    rows = given.rows() | {
        "validation_data": given.validation_data,
        "the meta set": given.meta,
        "the extra rows": given.extra,
    }
    for name, value in rows.items():
        if value is not None:
            facts[f"`{name}`"] = describe_rows(name, value)
    return Identity(facts)


def _kinds(callbacks: Any) -> Any:
    """Return names and classes of callbacks: what they hold is the caller's."""
    if not isinstance(callbacks, list | tuple):
        return callbacks
    entries = [entry if isinstance(entry, tuple) else ("", entry) for entry in callbacks]
    return [(name, *_kind(held)) for name, held in entries]


def _kind(callback: Any) -> tuple[str, str]:
    """Return the class of a callback, and those of its arguments that are numbers or texts."""
    made = callback if isinstance(callback, type) else type(callback)
    given = {} if isinstance(callback, type) else callback.get_params(deep=False)
    plain = {k: v for k, v in given.items() if isinstance(v, bool | int | float | str | None)}
    return f"{made.__module__}.{made.__qualname__}", repr(sorted(plain.items()))


def _is_int(value: Any) -> bool:
    return isinstance(value, int | np.integer)
