"""What a fit asks of estimators: anything of scikit-learn, a classifier, a model under scrutiny."""

from typing import Any, Protocol

from torch import nn


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
    monitor_every: int
    patience: int | None
    amp: bool
    dtype: str
    device: Any
    callbacks: Any
    net_params: dict | None
    checkpoint: Any
    checkpoint_every: int | str
    verbose: int
    random_state: Any

    classes_: Any
    input_shape_: tuple[int, ...]
    module_: Any
    net_: Any
    history_: Any
    n_iter_: int
    _fitted: Any
    predict_log_proba: Any

    # The hooks, whose types stand in the base class: it knows the rows and networks, this does not.
    _training_set: Any
    _phases: Any
    _role: Any
    _settle: Any
    _inspect: Any
    _finish: Any


Model = Estimator | nn.Module  # what attacks and maps look at
