"""The scikit-learn face of every method: constructor, hooks, prediction."""

import copy
import inspect
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.special import log_softmax, softmax
from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin
from sklearn.utils.validation import check_is_fitted
from torch import nn

from sklearn_debias.core import Phase, Role
from sklearn_debias.fitting import (
    ACCELERATOR,
    CLONED,
    SHARED_CONSTRAINTS,
    CallbackBridge,
    Fit,
    Fitted,
    Given,
    NetParams,
    Networks,
    Opened,
    ScoredByRows,
    SearchableNet,
    StoresNetworks,
    TrainingSet,
    all_outputs,
    check_shared,
    checkpoint_of,
    fill,
    fit_method,
    is_small,
    linear_weights,
    on_own_terms,
    opened,
    predicted,
    ranks_of,
    read_given,
    readable_errors,
    rows_blamed,
    rows_to_predict,
    seed_alike,
    train,
    training_set_of,
    without_accelerator,
)
from sklearn_debias.training import Ranks, Source, Streams


# A dataclass writes the constructor that scikit-learn wants: every parameter named, and stored as
# it is. Its repr and its equality would stand in the way of scikit-learn's.
@dataclass(kw_only=False, eq=False, repr=False)
class BaseDebiasClassifier(
    StoresNetworks,
    NetParams,
    SearchableNet,
    CallbackSupportMixin,
    ScoredByRows,
    BaseEstimator,
):
    """Base class of all torch classifiers of this package, and of methods from elsewhere.

    A subclass is a dataclass: its fields are its parameters, so that each constructor is explicit.
    Its hook `_phases` says which objectives are trained, in which order. The other hooks have
    defaults. ``docs/guide/own_method.md`` shows how to write a method outside of this package.

    ======================  =====================================================================
    hook                    says
    ======================  =====================================================================
    ``_check_params()``     raise where a parameter cannot work, whatever the data
    ``_training_set(t)``    the rows to train on: their groups and weights, what goes beside them
    ``_phases()``           what is trained, in which order; the last phase trains "model"
    ``_role(name)``         what the network of a role is built from
    ``_settle(p, n)``       the phases, with what only the built networks tell
    ``_inspect(p, s, t)``   look at the state that a phase begins with
    ``_finish(s, t)``       set the fitted attributes of the method
    ``_trains_by_group()``  whether bias labels, where given, change what is trained
    ``_needs_groups()``     whether the method is another one without bias labels
    ``_search_space(r)``    what is worth trying of the parameters, on rows like these
    ======================  =====================================================================

    While these run, `classes_`, `input_shape_` and the like are known. What they set on the
    estimator belongs to the fit: the next one drops it.

    Parameters
    ----------
    {shared_parameters}

    Attributes
    ----------
    {shared_attributes}
    """

    module: Any = None
    _: KW_ONLY
    lr: float = 1e-3
    max_epochs: int = 100
    batch_size: int = 128
    optimizer: Any = "adam"
    weight_decay: float = 1e-4
    lr_schedule: Any = None
    augment: Any = None
    normalize: Any = None
    image_size: Any = None
    freeze: str | None = None
    validation: float | None = None
    monitor: Any = None
    monitor_every: int = 1
    patience: int | None = None
    amp: bool = False
    dtype: str = "float32"
    device: Any = "auto"
    callbacks: Any = None
    net_params: dict | None = None
    checkpoint: Any = None
    checkpoint_every: int | str = 1
    verbose: int = 0
    random_state: Any = None

    _parameter_constraints: ClassVar[dict] = SHARED_CONSTRAINTS
    # Requested by default, so that no user needs `set_fit_request`.
    __metadata_request__fit = {"bias_labels": True, "validation_data": True}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # The shared parameters are documented once. The text is put in when a class is made.
        if cls.__doc__:
            cls.__doc__ = fill(cls.__doc__, cls)

    def __sklearn_clone__(self) -> Any:
        # A clone shares the callbacks, which each fit copies: a writer or a trial of a search that
        # they point to is no parameter to be copied, and often cannot be.
        # So is an accelerator, of which a process has one.
        bare = copy.copy(self)
        bare.callbacks = None
        bare.net_params = without_accelerator(self.net_params)
        twin = BaseEstimator.__sklearn_clone__(bare)
        held = self.callbacks
        twin.callbacks = type(held)(held) if isinstance(held, (list, tuple)) else held
        if bare.net_params is not self.net_params:
            held_params: Any = self.net_params
            twin.net_params = {**(twin.net_params or {}), ACCELERATOR: held_params[ACCELERATOR]}
        if self.checkpoint is not None:
            setattr(twin, CLONED, True)  # clones, those of a search, keep apart in one folder
        return twin

    def _check_params(self) -> None:
        """Raise where a parameter cannot work, whatever the data; none are read before."""
        check_shared(self)

    def _training_set(self, training: TrainingSet) -> TrainingSet:
        """Return the rows that the method trains on; raise or warn where they do not suit it."""
        return training

    def _phases(self) -> tuple[Phase, ...]:
        """Return the phases of the fit, the last of which trains the role "model"."""
        raise NotImplementedError(f"{type(self).__name__} must define _phases().")

    def _role(self, name: str) -> Role:
        """Return what the network of a role is built from: `<name>_module`, else `module`."""
        own = getattr(self, f"{name}_module", None)
        return Role(self.module) if own is None else Role(own, parameter=f"{name}_module")

    def _settle(self, phases: tuple[Phase, ...], networks: Networks) -> tuple[Phase, ...]:
        """Return the phases, completed by what only the built networks tell.

        Raise where the networks do not suit.
        """
        return phases

    def _inspect(self, phase: Phase, state: dict, training: TrainingSet) -> None:
        """Look at the state that a phase begins with; warn of what is strange."""

    def _finish(self, states: dict, training: TrainingSet) -> None:
        """Set the fitted attributes of the method from the last state of each phase."""

    def _trains_by_group(self) -> bool:
        """Return whether bias labels, where given, change what is trained."""
        return False

    def _needs_groups(self) -> bool:
        """Return whether the method is another one, or plain training, without bias labels."""
        return self._trains_by_group()

    @fit_method
    def fit(self, X: Any, y: Any, *, bias_labels: Any = None, validation_data: Any = None) -> Any:
        """Fit the classifier.

        Parameters
        ----------
        {shared_arguments}

        Returns
        -------
        self
        """
        return Given(X, y, bias_labels, validation_data)

    def _fit(self, given: Given) -> None:
        """Train on what `fit` was given."""
        self._check_params()
        terms = on_own_terms(small=False)
        errors = readable_errors(self)
        joined = ranks_of(self, given)
        with terms, errors, joined as ranks, checkpoint_of(self, given, ranks) as checkpoint:
            self._train(given, checkpoint, ranks)

    # A function of its own: this one's frame is in the errors that `_fit` raises, and what stood in
    # it would stay on the device as long as the user looks at the error.
    def _train(self, given: Given, checkpoint: Any, ranks: Ranks | None) -> None:
        streams = Streams(self.random_state) if checkpoint is None else checkpoint.streams()
        seed_alike(ranks, streams, self.random_state)
        fit = self._opened_fit(given, read_given, streams, ranks)
        epochs = sum(phase.max_epochs for phase in fit.phases)
        context = self._init_callback_context(max_subtasks=epochs)
        # A callback's scorer would be handed bias labels it never asked for, were routing off.
        routed = given.bias_labels is not None and get_config()["enable_metadata_routing"]
        task = {
            "X": given.X,
            "y": given.y,
            "metadata": {"bias_labels": given.bias_labels} if routed else {},
        }
        context.call_on_fit_task_begin(estimator=self, **task)
        with rows_blamed(fit.training.sources()):
            train(fit, CallbackBridge(self, context, **task), checkpoint)
        context.call_on_fit_task_end(estimator=self, **task)

    def _open(self, given: Given, read: Any = read_given) -> Fit:
        """Check everything, and build the networks.

        ``read`` does what `read_given` does; a search passes one that reads each fold once.
        """
        self._check_params()
        return self._opened_fit(given, read, Streams(self.random_state))

    def _opened_fit(
        self, given: Given, read: Any, streams: Streams, ranks: Ranks | None = None
    ) -> Fit:
        training, facts = read(self, given, streams)
        # A copy of the parameters: `set_params` after a fit must not change its predictions.
        params = self.get_params(deep=False)
        params["net_params"] = without_accelerator(params["net_params"])
        self._fitted = Fitted(params, facts, streams)
        # Before the hooks, which may ask for them.
        self.__dict__.update(facts.attributes())
        return Fit(self, training_set_of(self, training), self._fitted, ranks)

    @property
    def _streams(self) -> Streams:
        """Random streams of the fit."""
        return self._fitted.streams

    @staticmethod
    def _takers(argument: str) -> list[str]:
        """Return the names of the public estimators whose ``fit`` takes this argument."""
        # Not at the top: the package imports this module.
        from sklearn_debias import estimators

        public = [getattr(estimators, name) for name in estimators.__all__]
        return [
            cls.__name__
            for cls in public
            if cls is not BaseDebiasClassifier
            and hasattr(cls, "fit")
            and argument in inspect.signature(cls.fit).parameters
        ]

    @property
    def module_(self) -> nn.Module:
        """The module that predicts."""
        return self._network("model")

    @property
    def coef_(self) -> np.ndarray:
        """Weights of a linear network of 2-D X, as scikit-learn has them; others have none."""
        return linear_weights(self)[0]

    @property
    def intercept_(self) -> np.ndarray:
        """Intercepts that go with `coef_`."""
        return linear_weights(self)[1]

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the logits of the classes.

        Parameters
        ----------
        X : array-like
            As in ``fit``.

        Returns
        -------
        ndarray of shape (n, classes), or (n,) for two classes
            For two classes the logit of the second minus that of the first.
        """
        logits = self._logits(X)
        if len(self.classes_) == 2:
            return logits[:, 1] - logits[:, 0]
        return logits

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probabilities of the classes, shape (n, classes)."""
        return softmax(self._logits(X), axis=1)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return the logarithms of the probabilities, shape (n, classes)."""
        return log_softmax(self._logits(X), axis=1)

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class of each row, in the labels of ``fit``, shape (n,)."""
        codes = self._read_rows(X, predicted)
        return self.classes_[codes]

    def _logits(self, X: Any) -> np.ndarray:
        """Return logits (n, classes), float64; those of a row do not depend on its neighbours."""
        return self._read_rows(X, all_outputs)

    def _read_rows(self, X: Any, read: Callable[[Any, Source], np.ndarray]) -> np.ndarray:
        """Return what ``read(self, rows)`` makes of rows, which must be like those of the fit."""
        check_is_fitted(self)
        terms = on_own_terms(small=is_small(self.module_, self.input_shape_))
        errors = readable_errors(self, advice="Predict fewer rows at a time")
        with terms, errors:
            return read(self, rows_to_predict(self, X))

    def _opened(self, X: Any, y: Any = None) -> Opened:
        """Return rows, and the network that predicts, for attacks and attention maps."""
        check_is_fitted(self)
        with readable_errors(self, advice="Pass fewer rows at a time"):
            return opened(self, X, y)


# The class itself is not among its subclasses, whose docstrings are filled in as they are made.
BaseDebiasClassifier.__doc__ = fill(BaseDebiasClassifier.__doc__ or "")
