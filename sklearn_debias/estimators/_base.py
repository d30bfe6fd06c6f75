"""The scikit-learn face of every method: constructor, validation, prediction."""

import copy
import inspect
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from scipy.special import log_softmax, softmax
from sklearn import get_config
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.callback import CallbackSupportMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted
from torch import nn

from sklearn_debias.core import Net, Phase
from sklearn_debias.exceptions import DivergedError, warn
from sklearn_debias.fitting import (
    FITTED,
    SHARED_CONSTRAINTS,
    CallbackBridge,
    Fit,
    NetParams,
    Opened,
    Rows,
    check_shared,
    choose_rows,
    encode_known,
    fill,
    forget,
    is_small,
    make_prepare,
    on_own_terms,
    open_inputs,
    readable_errors,
)
from sklearn_debias.fitting._fit_method import fit_method
from sklearn_debias.training import Source, Streams, padded

HEAD_ROWS = 256
REVIEW_ROWS = 2048


@dataclass(kw_only=False, eq=False, repr=False)
class BaseDebiasClassifier(NetParams, CallbackSupportMixin, ClassifierMixin, BaseEstimator):
    """What all torch classifiers of this package share.

    A subclass is a dataclass: its fields are its parameters, so that each constructor is explicit.
    It says which phases it trains (`_phases`) and what it keeps of them (`_finish`).
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
    amp: bool = False
    dtype: str = "float32"
    device: Any = "auto"
    callbacks: Any = None
    net_params: dict | None = None
    verbose: int = 0
    random_state: Any = None

    _parameter_constraints: ClassVar[dict] = SHARED_CONSTRAINTS
    _attacks: ClassVar[bool] = False
    _knobs: ClassVar[str] = "`lr` and `max_epochs`"
    __metadata_request__fit = {"bias_labels": True, "validation_data": True}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__doc__:
            cls.__doc__ = fill(cls.__doc__, cls)

    @staticmethod
    def _takers(argument: str) -> list[str]:
        """Names of the public estimators whose ``fit`` takes this argument."""
        from sklearn_debias import estimators

        public = [getattr(estimators, name) for name in estimators.__all__]
        return [
            cls.__name__
            for cls in public
            if hasattr(cls, "fit") and argument in inspect.signature(cls.fit).parameters
        ]

    def _phases(self) -> tuple[Phase, ...]:
        """Phases of the fit, the last of which trains the role "model"."""
        raise NotImplementedError(f"{type(self).__name__} must define _phases().")

    def _check_params(self) -> None:
        """Raise where a parameter cannot work whatever the data; called before they are touched."""
        check_shared(self)

    def _module_of(self, role: str) -> tuple[str, Any]:
        """Name and value of the parameter that says which network a role has."""
        other = getattr(self, f"{role}_module", None)
        return ("module", self.module) if other is None else (f"{role}_module", other)

    def _weights(self, rows: Rows) -> np.ndarray | None:
        """Weights of the training rows, mean 1, or None."""
        return rows.weight

    def _check_rows(self, rows: Rows) -> None:
        """Raise where the data do not suit the method."""

    def _looks_below_head(self) -> bool:
        """Whether the method needs more of a frozen body than its features."""
        return self._attacks

    def _min_batch(self) -> int:
        """Rows that a batch must have."""
        return 1

    def _optimizer_options(self) -> dict[str, Any]:
        """Arguments of the optimiser beyond lr and weight decay; `net_params` overrides them."""
        return {}

    def _own_optimizers(self) -> dict[str, Callable[[Any], torch.optim.Optimizer]]:
        """What makes the optimisers of the roles that do not share ``optimizer``, from their parameters."""
        return {}

    def _helper(self, role: str, modules: Mapping[str, nn.Module]) -> nn.Module | None:
        """The network of a role that does not look at X, or None; ``modules`` are those of the roles before."""
        return None

    def _check_modules(self, roles: nn.ModuleDict, example: Callable[[str], torch.Tensor]) -> None:
        """Raise where the networks do not suit the method; ``example(role)`` gives two rows."""

    def _settled(
        self,
        phases: tuple[Phase, ...],
        roles: nn.ModuleDict,
        example: Callable[[str], torch.Tensor],
    ) -> tuple[Phase, ...]:
        """The phases, with what only the networks tell."""
        return phases

    def _aligned_views(self) -> frozenset[str]:
        """Names of the further inputs, images of their own, that are augmented as the rows of X are."""
        return frozenset()

    def _inspect(self, phase: Phase, state: dict, rows: Rows) -> None:
        """Look at the state a phase begins with."""

    def _finish(self, states: dict, rows: Rows) -> None:
        """Set the fitted attributes of the method from the last state of each phase."""

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
        return self._fit(X, y, bias_labels=bias_labels, validation_data=validation_data)

    def _fit(
        self,
        X: Any,
        y: Any,
        *,
        bias_labels: Any = None,
        validation_data: Any = None,
        sample_weight: Any = None,
        others: Any = None,
        meta: Any = None,
        extra: Any = None,
    ) -> Any:
        self._forget()
        self._check_params()
        given = {
            "sample_weight": sample_weight,
            "validation_data": validation_data,
            "others": others or {},
            "meta": meta,
            "extra": extra,
        }
        try:
            with on_own_terms(small=False), readable_errors(self):
                self._train(X, y, bias_labels=bias_labels, **given)
        except BaseException:
            self._forget()
            raise
        return self

    def _open(
        self, X: Any, y: Any, *, choose: Callable[..., Rows] = choose_rows, **given: Any
    ) -> Fit:
        """Check everything and build the networks."""
        self._fitted, self._streams = self.get_params(deep=False), Streams(self.random_state)
        rows = choose(self, X, y, streams=self._streams, **given)
        self._check_rows(rows)
        return Fit(self, rows, self._streams)

    def _train(self, X: Any, y: Any, *, bias_labels: Any, **given: Any) -> None:
        fit = self._open(X, y, bias_labels=bias_labels, **given)
        context = self._init_callback_context(max_subtasks=sum(p.max_epochs for p in fit.phases))
        # A callback's scorer would be handed bias labels it never asked for, were routing off.
        routed = bias_labels is not None and get_config()["enable_metadata_routing"]
        metadata = {"bias_labels": bias_labels} if routed else {}
        context.call_on_fit_task_begin(estimator=self, X=X, y=y, metadata=metadata)
        self.net_ = fit.run(CallbackBridge(self, context, X, y, metadata))
        self._review(fit.rows)
        context.call_on_fit_task_end(estimator=self, X=X, y=y, metadata=metadata)

    def _review(self, rows: Rows) -> None:
        """Warn where the fitted model predicts one class for all training rows; look until it does not."""
        chosen = rows.train[np.unique(np.linspace(0, len(rows.train) - 1, REVIEW_ROWS, dtype=int))]
        seen: set[int] = set()
        with closing(self._outputs(rows.inputs.source.subset(chosen))) as batches:
            for logits in batches:
                seen.update(logits.argmax(1).tolist())
                if len(seen) > 1:
                    return
        warn(
            f"The fitted model predicts {self.classes_[list(seen)].tolist()[0]!r} for all of "
            f"{len(chosen)} training rows: it has learned nothing. Try other values of "
            f"{self._knobs}, or scale X."
        )

    def _forget(self) -> None:
        forget(self, FITTED)

    @property
    def module_(self) -> nn.Module:
        """The module that predicts."""
        return self._role("model")

    def _role(self, role: str) -> nn.Module:
        roles = vars(self).get("net_") and self.net_.module_
        if not roles or role not in roles:
            raise NotFittedError(
                f"This {type(self).__name__} has no fitted {role!r} module. Call `fit` first."
            )
        return roles[role]

    def decision_function(self, X: Any) -> np.ndarray:
        """Logits of the classes.

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
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of the classes, shape (n, classes)."""
        return softmax(self._logits(X), axis=1)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithms of the probabilities, shape (n, classes)."""
        return log_softmax(self._logits(X), axis=1)

    def predict(self, X: Any) -> np.ndarray:
        """Most probable class of each row, in the labels of ``fit``, shape (n,)."""
        codes = self._logits(X).argmax(axis=1)
        return self.classes_[codes]

    def _logits(self, X: Any) -> np.ndarray:
        """Logits (n, classes), float64; a row's logits do not depend on its neighbours."""
        check_is_fitted(self)
        source = open_inputs(self, X, reset=False).source
        small = is_small(self.module_, self.input_shape_)
        with (
            on_own_terms(small=small),
            readable_errors(self),
            closing(self._outputs(source)) as batches,
        ):
            return np.concatenate(list(batches))

    def _opened(self, X: Any, y: Any = None) -> Opened:
        """Rows, and the network that predicts, for attacks and attention maps; precise where `predict` is."""
        check_is_fitted(self)
        inputs = open_inputs(self, X, reset=False)
        y = (
            None
            if y is None
            else torch.from_numpy(encode_known(self.classes_, y, len(inputs.source)))
        )
        module, rows = self._predictor()
        prepare = make_prepare(self, next(module.parameters()).device)
        prepare = replace(prepare, dtype=next(module.parameters()).dtype)
        small = is_small(self.module_, self.input_shape_)
        return Opened(
            Net(module).frozen(), inputs.source, prepare, y, inputs.low, inputs.high, small, rows
        )

    def _predictor(self) -> tuple[nn.Module, int | None]:
        """The module as `predict` runs it, and the rows of a batch."""
        if len(self.input_shape_) == 1:  # heads: in float64, where the order of sums hardly matters
            return copy.deepcopy(self.module_).double().cpu(), HEAD_ROWS
        return self.module_, None

    def _outputs(self, source: Source) -> Generator[np.ndarray, None, None]:
        """Logits of a few rows after another."""
        module, rows = self._predictor()
        prepare = make_prepare(self, next(module.parameters()).device)

        @torch.inference_mode()
        def forward(x: torch.Tensor, _: np.ndarray) -> torch.Tensor:
            return module(x.double() if rows else x).double().cpu()

        was_training = module.training
        module.eval()
        try:
            for logits in padded(forward, source, prepare, rows):
                if not torch.isfinite(logits).all():
                    raise DivergedError(
                        "The outputs of the fitted `module` are not finite for some rows of `X`. "
                        "Scale X, and lower `lr` if this happens in fit."
                    )
                yield logits.numpy()
        finally:
            module.train(was_training)
