"""What a fit asks of estimators: anything of scikit-learn, a classifier, a model under scrutiny."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from torch import nn

from sklearn_debias.core import Phase, Role

if TYPE_CHECKING:
    from sklearn_debias.fitting._fitted import Fitted
    from sklearn_debias.fitting._modules import Networks
    from sklearn_debias.fitting._training_set import TrainingSet


class Estimator(Protocol):
    """An estimator of scikit-learn's kind."""

    fit: Any

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters."""
        ...

    def set_params(self, **params: Any) -> Any:
        """Set parameters, and return the estimator."""
        ...


class Classifier(Estimator, Protocol):
    """A torch classifier: the shared parameters, the hooks, what a fit sets."""

    module: Any
    lr: float
    max_epochs: int
    batch_size: int
    optimizer: Any
    weight_decay: float
    lr_schedule: Any
    augment: Any
    normalize: Any
    image_size: Any
    freeze: str | None
    validation: float | None
    monitor: Any
    amp: bool
    dtype: str
    device: Any
    callbacks: Any
    net_params: dict | None
    verbose: int
    random_state: Any

    classes_: Any
    input_shape_: tuple[int, ...]
    net_: Any
    history_: Any
    n_iter_: int
    _fitted: Fitted
    _sgd_momentum: Any  # a ClassVar, which a protocol cannot ask for

    def _training_set(self, given: TrainingSet) -> TrainingSet: ...

    def _phases(self) -> tuple[Phase, ...]: ...

    def _role(self, name: str) -> Role: ...

    def _settle(self, phases: tuple[Phase, ...], networks: Networks) -> tuple[Phase, ...]: ...

    def _inspect(self, phase: Phase, state: dict, training: TrainingSet) -> None: ...

    def _review(self, training: TrainingSet) -> None: ...

    def _finish(self, states: dict, training: TrainingSet) -> None: ...


Model = Estimator | nn.Module  # what attacks and maps look at
