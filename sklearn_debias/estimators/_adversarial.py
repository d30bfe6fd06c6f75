"""The family of adversarial training: classifiers that fit what an attack finds."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from sklearn.utils._param_validation import StrOptions

from sklearn_debias.attacks import make_ball
from sklearn_debias.core import Phase
from sklearn_debias.estimators._base import BaseDebiasClassifier
from sklearn_debias.exceptions import warn
from sklearn_debias.fitting import (
    NON_NEGATIVE,
    POSITIVE,
    POSITIVE_INT,
    Given,
    TrainingSet,
    check_ball,
    clip_tensors,
    fit_method,
    kept_inside,
    pair,
    pick_device,
    placed,
    read_clip,
    with_range,
)
from sklearn_debias.objectives.internal import InnerAttack
from sklearn_debias.search_spaces import SearchedRows, Space, adversarial_space


@dataclass(kw_only=True, eq=False, repr=False)
class AdversarialClassifier(BaseDebiasClassifier):
    """Base of the classifiers that train on what an attack finds; a subclass says by which loss."""

    lr: float = 0.1
    optimizer: Any = "sgd"
    weight_decay: float = 5e-4
    lr_schedule: Any = "drops"
    epsilon: float = 8 / 255
    step_size: float | None = None
    n_steps: int = 10
    norm: str = "linf"
    clip: Any = "auto"
    attack_mode: str = "train"
    awp: float = 0.0

    __metadata_request__fit = {
        "bias_labels": True,
        "validation_data": True,
        "X_extra": True,
        "y_extra": True,
    }
    _parameter_constraints: ClassVar[dict] = {
        **BaseDebiasClassifier._parameter_constraints,
        "epsilon": NON_NEGATIVE,
        "step_size": [*POSITIVE, None],
        "n_steps": POSITIVE_INT,
        "norm": [StrOptions({"linf", "l2"})],
        "clip": [StrOptions({"auto"}), tuple, list, None],
        "attack_mode": [StrOptions({"train", "eval"})],
        "awp": NON_NEGATIVE,
    }

    def _search_space(self, rows: SearchedRows) -> Space:
        return super()._search_space(rows) | adversarial_space(rows, self.norm)

    @fit_method
    def fit(
        self,
        X: Any,
        y: Any,
        *,
        bias_labels: Any = None,
        validation_data: Any = None,
        X_extra: Any = None,
        y_extra: Any = None,
    ) -> Any:
        """Fit the classifier.

        Parameters
        ----------
        {shared_arguments}
        {extra_arguments}

        Returns
        -------
        self
        """
        return Given(X, y, bias_labels, validation_data, extra=pair(X_extra, y_extra))

    def _objective(self, **attack: Any) -> InnerAttack:
        """Return the objective, with these settings of the attack."""
        raise NotImplementedError(f"{type(self).__name__} must define _objective().")

    def _radii(self) -> tuple[str, ...]:
        """Return the names of the parameters that are radii in the units of X."""
        return ("epsilon",)

    def _range(self) -> Any:
        """Return the `clip` parameter, "auto" resolved."""
        if isinstance(self.clip, str):
            return (0.0, 1.0) if len(self.input_shape_) == 3 else None
        return self.clip

    def _check_params(self) -> None:
        super()._check_params()
        # "auto" needs the shape of X, which is not known yet.
        read_clip(None if isinstance(self.clip, str) else self.clip)

    def _training_set(self, training: TrainingSet) -> TrainingSet:
        # The range of rows that are read one by one is known of some of them only.
        inputs = with_range(training.inputs)
        for name in self._radii():
            radius = getattr(self, name)
            check_ball(inputs, epsilon=radius, norm=self.norm, clip=self._range(), name=name)
            # Nothing else would show that the attack stops short of its radius.
            if self.n_steps * self._step() < radius:
                warn(
                    f"`step_size`={self.step_size} is too small for `{name}`={radius:g}: "
                    f"{self.n_steps} steps do not reach the border, so the attack is weaker than "
                    "it says. Use step_size=None, or more `n_steps`."
                )
        return replace(training, inputs=kept_inside(training.inputs, self._range()))

    def _step(self) -> float:
        """Return the length of a step of the attack."""
        if self.step_size is not None:
            return float(self.step_size)
        # One length serves all radii, as in DHAT's code. It follows from the first that is not 0:
        # `epsilon`, unless that attack is switched off.
        radii = [float(getattr(self, name)) for name in self._radii()]
        radius = next((radius for radius in radii if radius > 0), 0.0)
        return float(make_ball(self.norm, radius, None, self.n_steps).step_size)

    def _settings(self) -> dict[str, Any]:
        """Return the attack's settings as the objectives take them."""
        return {
            "epsilon": float(self.epsilon),
            "step_size": self._step(),
            "n_steps": int(self.n_steps),
            "norm": self.norm,
            "clip": clip_tensors(self._range(), self.input_shape_, getattr(torch, self.dtype)),
            "attack_mode": self.attack_mode,
            "awp": float(self.awp),
        }

    def _phases(self) -> tuple[Phase, ...]:
        objective = placed(self._objective(**self._settings()), pick_device(self.device))
        return (Phase("train", (objective,), self.max_epochs),)
