"""Just Train Twice."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import StrOptions
from torch import nn

from sklearn_debias.core import Phase
from sklearn_debias.estimators._base import BaseDebiasClassifier
from sklearn_debias.exceptions import warn
from sklearn_debias.fitting import MODULE, POSITIVE, POSITIVE_INT, TrainingSet
from sklearn_debias.objectives import ERM, UpweightErrors
from sklearn_debias.presets import jtt_preset, overridden
from sklearn_debias.search_spaces import SearchedRows, Space, jtt_space

MOST_VISITS = 2**31  # of an epoch: their numbers alone take 16 GiB


@dataclass(kw_only=True, eq=False, repr=False)
class JTTClassifier(BaseDebiasClassifier):
    """Just Train Twice: train again with the first model's errors upweighted [1]_.

    Parameters
    ----------
    {shared_parameters}
    identification_epochs : int, default=20
        Epochs of the first model, which identifies errors. It should learn the shortcut and little
        else: too many epochs leave no errors, too few leave errors everywhere. A warning tells of
        both.
    upweight : int, float or "auto", default="auto"
        How often an error counts in the second training; a whole number where errors are
        duplicated. With "auto" all errors together weigh half as much as the other rows, each of
        them 1 to 20, rounded where they are duplicated. Published values, 20 to 100 in most
        experiments, were tuned on each data set, for error sets of a few per cent; where errors are
        many, such values ruin the model.
    upweight_by : {"duplicate", "weight"}, default="duplicate"
        Repeat the errors in each epoch, or weight their loss. In the paper there are ``upweight``
        copies in all; its released code has one more.
    biased_module : str, callable, nn.Module or None, default=None
        Another network for the identification model; None takes ``module``.

    Attributes
    ----------
    {shared_attributes}
    biased_module_ : nn.Module
        The identification model.
    error_set_ : ndarray of int
        Rows of X that the identification model gets wrong, sorted.
    upweight_ : float
        How often each of them counted.

    Notes
    -----
    The error set comes from a pass in eval mode after the identification phase, as in the paper's
    Algorithm 1; the released code logs the predictions made while training.

    References
    ----------
    .. [1] Liu et al., "Just Train Twice: Improving Group Robustness without Training Group
       Information", ICML 2021.

    Examples
    --------
    >>> from sklearn_debias import JTTClassifier
    >>> from sklearn_debias.datasets import load_biased_digits
    >>> train = load_biased_digits(conflict_ratio=0.05, random_state=0).train
    >>> clf = JTTClassifier(identification_epochs=4, max_epochs=5, random_state=0)
    >>> 0 < len(clf.fit(train.data, train.target).error_set_) < len(train.target)
    True
    """

    identification_epochs: int = 20
    upweight: float | str = "auto"
    upweight_by: str = "duplicate"
    biased_module: Any = None

    _parameter_constraints: ClassVar[dict] = {
        **BaseDebiasClassifier._parameter_constraints,
        "identification_epochs": POSITIVE_INT,
        "upweight": [*POSITIVE, StrOptions({"auto"})],
        "upweight_by": [StrOptions({"duplicate", "weight"})],
        "biased_module": MODULE,
    }

    @classmethod
    def from_preset(cls, name: str, **overrides: Any) -> "JTTClassifier":
        """Return a classifier with the settings of the released code.

        Both networks are a ResNet-50 from ImageNet weights, those that torchvision then had (it
        downloads them; ``net_params={"module__weights": "path/to/file.pt"}`` takes a file). The
        epoch of the second training is chosen by the worst group of validation rows: hand ``fit``
        such rows with their bias labels, as ``validation_data`` or by ``validation``. Nothing is
        augmented. Give ``image_size`` for images of other sizes than 224.

        Parameters
        ----------
        name : {"waterbirds", "celeba"}
        **overrides
            Parameters of this estimator that replace the preset's.

        Returns
        -------
        JTTClassifier

        Examples
        --------
        >>> from sklearn_debias import JTTClassifier
        >>> clf = JTTClassifier.from_preset("waterbirds", random_state=0)
        >>> clf.module, clf.identification_epochs, clf.upweight, clf.weight_decay
        ('resnet50', 60, 100, 1.0)
        """
        return cls(**overridden(jtt_preset(name), overrides))

    def _search_space(self, rows: SearchedRows) -> Space:
        return super()._search_space(rows) | jtt_space(rows)

    @property
    def biased_module_(self) -> nn.Module:
        """The identification model."""
        return self._network("biased")

    def _check_params(self) -> None:
        super()._check_params()
        if self.upweight_by != "duplicate" or isinstance(self.upweight, str):
            return
        if self.upweight < 1 or self.upweight != int(self.upweight):
            raise ValueError(
                "`upweight` must be a whole number >= 1 where errors are duplicated, got "
                f"{self.upweight}. Use upweight_by='weight' for other values."
            )

    def _phases(self) -> tuple[Phase, ...]:
        return (
            Phase("identification", (ERM(role="biased"),), self.identification_epochs),
            Phase("train", (self._upweighting(),), self.max_epochs),
        )

    def _upweighting(self) -> UpweightErrors:
        upweight = None if isinstance(self.upweight, str) else float(self.upweight)
        return UpweightErrors(upweight, self.upweight_by == "duplicate")

    def _inspect(self, phase: Phase, state: dict, training: TrainingSet) -> None:
        # Of the two phases only the second begins with an error set.
        if "error" not in state:
            return
        errors = int(state["error"].sum())
        upweight = float(self._upweighting().times(state["error"]))
        if self.upweight_by == "duplicate" and upweight * errors > MOST_VISITS:
            raise ValueError(
                f"`upweight`={upweight:g} would repeat {errors} errors to "
                f"{upweight * errors:g} rows an epoch; at most {MOST_VISITS} are possible. "
                "Lower it, or use upweight_by='weight'."
            )
        if errors == 0:
            warn(
                "The error set is empty: after "
                f"`identification_epochs`={self.identification_epochs} the first model fits all "
                f"{len(training)} training rows, and nothing is upweighted. Lower it."
            )
        elif errors == len(training):
            warn(
                f"The error set holds all {errors} training rows: after `identification_epochs`="
                f"{self.identification_epochs} the first model has learned nothing. Raise it, or "
                "`lr`."
            )

    def _finish(self, states: dict, training: TrainingSet) -> None:
        error = states["train"]["error"].cpu()
        self.error_set_: np.ndarray = training.index[error.numpy()]
        self.upweight_ = float(self._upweighting().times(error))
