"""Debiased adversarial training."""

import numbers
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import nn

from sklearn_debias.core import Phase
from sklearn_debias.estimators._adversarial import AdversarialClassifier
from sklearn_debias.exceptions import warn
from sklearn_debias.fitting import (
    MODULE,
    NON_NEGATIVE,
    Given,
    Inputs,
    Networks,
    TrainingSet,
    View,
    check_attention,
    check_size,
    fit_method,
    fitted_attention,
    make_prepare,
    maps_of,
    one_sided,
    pair,
    pick_device,
    read_maps,
    warn_of_one_sided,
)
from sklearn_debias.maps import GRAD_CAM, find_place
from sklearn_debias.objectives import DHAT, ERM
from sklearn_debias.presets import dhat_preset, overridden
from sklearn_debias.rows import check_same_rows
from sklearn_debias.search_spaces import SearchedRows, Space, dhat_space

MAPS = "attention_maps"  # the argument of `fit`, and the name in the objective's batches
BUILT_IN = {*GRAD_CAM, "integrated_gradients"}


@dataclass(kw_only=True, eq=False, repr=False)
class DHATClassifier(AdversarialClassifier):
    """DHAT: adversarial training towards confident logits without their background's share [1]_.

    The adversary x^ maximises the cross entropy around x. The inverse adversary x~ is an easier
    neighbour of x, as in UIAT. Its background x~_B is x~ where the attention of a plainly trained
    network is at most ``omega``. The loss is ``CE(z^) + lam1 DHLR + lam2 FLOE``: DHLR draws the
    logits of x^ to the debiased ones, z* = z~ - z~_B; FLOE separates z~ from the direction of z~_B.

    Parameters
    ----------
    {shared_parameters}
    {attack_parameters}
    inverse_epsilon : float, default=4/255
        Radius of the inverse adversaries, at least 0.
    lam1, lam2 : float, default=1.0
        Weights of DHLR and FLOE, at least 0. Both 0 is PGD-AT.
    omega : float or "adaptive", default=0.1
        Attention above this is foreground, in [0, 1]. The paper calls it adaptive and does not say
        how; its code has 0.1. "adaptive" is our reading: each map is cut where its low and its high
        values are farthest apart, see `sklearn_debias.maps.otsu_threshold`.
    dhlr : {"code", "paper", "as_printed"}, default="code"
        "code": KL(p(z^) || p(z*)). "paper": KL(p(z*) || p(z^)), as the paper's text has it.
        "as_printed": KL(p(z*) || p(z~)), as the box of Algorithm 1 has it. That is probably a
        misprint: it leaves the adversary out.
    floe : {"code", "paper"}, default="code"
        "code": the loss lowers ||Z~ - (Z~ Z_B^T / ||Z_B Z_B^T||_F) Z_B||_F / b of the batch's
        logits. "paper": the loss raises the mean distance of each z~ to its projection on z~_B.
        That is the opposite sign, and has no bound: watch ``history_``. The published results are
        the code's.
    floe_norm : float, default=2.0
        p of the norm of the distance in ``floe="paper"``, at least 1; "code" has Frobenius' norm.
    attention : {"gradcam", "integrated_gradients"}, estimator or callable, default="gradcam"
        Where the foreground is. By name: maps, for the true label, of a network that is trained
        first, plainly, on the same rows. Grad-CAM ("gradcam" or "grad_cam") looks at the last layer
        with positions, the patches of a transformer included; on 2-D X it is the positive part of
        gradient times feature, a mask over features. An estimator's Grad-CAM, or a callable's maps,
        ``attention(images, labels)`` -> (n, h, w) in [0, 1], are made once, before training. An
        estimator that is not fitted, as after ``clone``, is fitted on the training rows first; if
        it has no seed, ``random_state`` gives it one. Scikit-learn's ``FrozenEstimator`` takes a
        fitted one through a search as it is.
    attention_module : str, callable, nn.Module or None, default=None
        The network to train for the attention; None takes ``module``.
    attention_epochs : int or None, default=None
        Epochs of that network, at least 1. None is ``max_epochs``; each costs a fraction of one of
        the others.

    Attributes
    ----------
    {shared_attributes}
    attention_module_ : nn.Module
        The network whose attention was used, where one was trained, or `attention_` has one.
    attention_ : estimator
        Where ``attention`` is an estimator: the same, or its clone that was fitted on the training
        rows.

    See Also
    --------
    AdversarialTrainingClassifier : PGD-AT, TRADES, MART.
    UIATClassifier : inverse adversaries without the background.

    Notes
    -----
    The defaults are the authors' code; `sklearn_debias.DHATClassifier.from_preset` has the settings
    of the experiments. ``history_`` holds each term, the robust accuracy on the training batches,
    and the shares of maps with no foreground and with no background. For the robust accuracy on
    held-out rows set ``monitor`` to `sklearn_debias.robustness.robust_accuracy`. The authors' code
    selects the epoch on test images; nothing here does. ``docs/reproduction/dhat.md`` has figures.

    References
    ----------
    .. [1] Zhang, Weng, Li, Luo, "Towards Adversarial Robustness via Debiased High-Confidence Logit
       Alignment", ICCV 2025, arXiv 2408.06079.

    Examples
    --------
    >>> from sklearn_debias import DHATClassifier
    >>> from sklearn_debias.datasets import load_biased_digits
    >>> train = load_biased_digits(random_state=0).train
    >>> clf = DHATClassifier(
    ...     module="simple_cnn", epsilon=0.1, n_steps=2, lr=0.01, max_epochs=2, random_state=0
    ... )
    >>> clf.fit(train.data, train.target).history_[["phase", "dhlr"]].shape
    (4, 2)
    """

    inverse_epsilon: float = 4 / 255
    lam1: float = 1.0
    lam2: float = 1.0
    omega: float | str = 0.1
    dhlr: str = "code"
    floe: str = "code"
    floe_norm: float = 2.0
    attention: Any = "gradcam"
    attention_module: Any = None
    attention_epochs: int | None = None

    __metadata_request__fit = {
        "bias_labels": True,
        "validation_data": True,
        "attention_maps": True,
        "X_extra": True,
        "y_extra": True,
    }
    _parameter_constraints: ClassVar[dict] = {
        **AdversarialClassifier._parameter_constraints,
        "inverse_epsilon": NON_NEGATIVE,
        "lam1": NON_NEGATIVE,
        "lam2": NON_NEGATIVE,
        "omega": [Interval(numbers.Real, 0, 1, closed="both"), StrOptions({"adaptive"})],
        "dhlr": [StrOptions({"code", "paper", "as_printed"})],
        "floe": [StrOptions({"code", "paper"})],
        "floe_norm": [Interval(numbers.Real, 1, None, closed="left")],
        "attention": [StrOptions(BUILT_IN), HasMethods(["fit", "predict"]), callable],
        "attention_module": MODULE,
        "attention_epochs": [Interval(numbers.Integral, 1, None, closed="left"), None],
    }

    def _search_space(self, rows: SearchedRows) -> Space:
        return super()._search_space(rows) | dhat_space(rows, self.norm)

    @classmethod
    def from_preset(cls, name: str, **overrides: Any) -> "DHATClassifier":
        """Return a classifier with the settings of the paper's experiments.

        The paper states radii, steps and epochs, and for CIFAR the optimiser and its schedule. The
        batch size, the network (a ResNet-18) and, for ImageNet, the optimiser and its schedule
        (those of CIFAR), the inverse radius and the crops are ours. Give ``image_size`` with images
        of other sizes than 224.

        Parameters
        ----------
        name : {"cifar10", "cifar100", "imagenet"}
        **overrides
            Parameters of this estimator that replace the preset's.

        Returns
        -------
        DHATClassifier

        Examples
        --------
        >>> from sklearn_debias import DHATClassifier
        >>> clf = DHATClassifier.from_preset("imagenet", random_state=0)
        >>> clf.n_steps, clf.max_epochs, round(clf.epsilon * 255)
        (2, 50, 4)
        """
        return cls(**overridden(dhat_preset(name), overrides))

    @fit_method
    def fit(
        self,
        X: Any,
        y: Any,
        *,
        bias_labels: Any = None,
        validation_data: Any = None,
        attention_maps: Any = None,
        X_extra: Any = None,
        y_extra: Any = None,
    ) -> Any:
        """Fit the classifier.

        Parameters
        ----------
        {shared_arguments}
        attention_maps : array-like of shape (n, height, width), or (n, features) for 2-D X, \
default=None
            Attention in [0, 1], 1 on the foreground, instead of what ``attention`` says: the masks
            of a segmentation model, for instance. They are cropped and flipped with the images by
            ``augment="crop-flip"``, and resized by ``image_size`` as the images are.
        {extra_arguments}

        Returns
        -------
        self
        """
        extra = pair(X_extra, y_extra)
        if attention_maps is None:
            return Given(X, y, bias_labels, validation_data, extra=extra)
        if extra is not None:
            raise ValueError(
                "`attention_maps` must not be given with `X_extra`, whose rows have none. Let "
                "`attention` make them."
            )
        check_same_rows({"X": X, MAPS: attention_maps})
        views = {MAPS: View(read_maps(attention_maps), MAPS, aligned=True)}
        return Given(X, y, bias_labels, validation_data, views=views)

    @property
    def attention_module_(self) -> nn.Module:
        """The network whose attention was used."""
        check_is_fitted(self)
        if hasattr(self, "attention_"):
            return self.attention_.module_
        if "attention" not in self.net_.module_ and not self._is_slim:
            raise AttributeError(
                f"This {type(self).__name__} trained no network for attention: see its parameters."
            )
        return self._network("attention")

    def _check_params(self) -> None:
        super()._check_params()
        check_attention(self.attention)
        if self.floe_norm != 2 and self.floe == "code":
            raise ValueError(
                f"`floe_norm`={self.floe_norm} needs `floe`='paper': the code's has Frobenius' "
                "norm. Leave it at 2, or set floe='paper'."
            )

    def _radii(self) -> tuple[str, ...]:
        return ("epsilon", "inverse_epsilon")

    def _is_pgd_at(self) -> bool:
        """Whether the settings are those of PGD-AT, which needs no attention."""
        return self.lam1 == 0 == self.lam2

    def _kind(self) -> str:
        """Return where the attention comes from, as the objective calls it."""
        if self._maps_given or not isinstance(self.attention, str):
            return "given"
        if self.attention not in GRAD_CAM:
            return self.attention
        # Rows of features have no layer with positions for Grad-CAM to look at.
        return "gradcam" if len(self.input_shape_) == 3 else "gradient_x_input"

    def _training_set(self, training: TrainingSet) -> TrainingSet:
        training = super()._training_set(training)
        # Known from here on; the hooks that ask for `_kind` run later.
        self._maps_given = MAPS in training.views
        if self._kind() != "given" or self._is_pgd_at():
            if self._maps_given:
                warn(
                    "`attention_maps` serve nothing with `lam1` and `lam2` both 0, which is PGD-AT."
                )
            return replace(training, views={})
        if self.augment is not None and self.augment != "crop-flip":
            raise ValueError(
                "`augment` must be 'crop-flip' or None where attention maps are made before "
                f"training, got {self.augment!r}: a map has to be moved with its image. Use "
                "attention='gradcam', which sees the augmented images."
            )
        maps = training.views[MAPS] if self._maps_given else self._made_maps(training)
        name = "attention_maps" if self._maps_given else "attention"
        check_size(maps, self.input_shape_, name)
        # Attention that tells nothing apart makes z* 0: it is warned of before the long training.
        shares = one_sided(maps.source.subset(training.index), self.omega)
        advice = "Are the maps in [0, 1], with 1 on the foreground?"
        warn_of_one_sided(shares, self.omega, name, advice)
        return replace(training, views={MAPS: maps}, aligned=frozenset({MAPS}))

    def _made_maps(self, training: TrainingSet) -> Inputs:
        """Return maps by the function or the estimator that `attention` is, fitted if it is not."""
        attention = self.attention
        # A callable has no `predict`; a fitted estimator is used as it is.
        if hasattr(attention, "predict"):
            attention = fitted_attention(attention, training, self._streams.seed("attention"))
            self.attention_ = attention
        return maps_of(attention, training, make_prepare(self._fitted, pick_device("cpu")))

    def _objective(self, **attack: Any) -> DHAT:
        adaptive = isinstance(self.omega, str)
        return DHAT(
            inverse_epsilon=float(self.inverse_epsilon),
            lam1=float(self.lam1),
            lam2=float(self.lam2),
            omega=0.0 if adaptive else float(self.omega),
            adaptive=adaptive,
            dhlr=self.dhlr,
            floe=self.floe,
            floe_norm=float(self.floe_norm),
            attention=self._kind(),
            **attack,
        )

    def _phases(self) -> tuple[Phase, ...]:
        phases = super()._phases()
        if "attention" not in phases[-1].roles:
            return phases
        epochs = self.max_epochs if self.attention_epochs is None else self.attention_epochs
        return (Phase("attention", (ERM(role="attention"),), epochs), *phases)

    def _settle(self, phases: tuple[Phase, ...], networks: Networks) -> tuple[Phase, ...]:
        *before, last = phases
        if "attention" not in last.roles or self._kind() != "gradcam":
            return phases
        # The last one in order of execution: only a built network tells.
        try:
            place = find_place(networks.modules["attention"], networks.example("attention"))
        except ValueError:
            raise ValueError(
                "`attention`='gradcam' needs a layer with positions in the attention network, "
                "which has none for X. Use attention='integrated_gradients', or an "
                "`attention_module` with convolutions."
            ) from None
        (objective,) = last.steps
        settled: Any = replace(objective, layer=place)  # type: ignore[type-var]
        return (*before, replace(last, steps=(settled,)))

    def _finish(self, states: dict, training: TrainingSet) -> None:
        if self._kind() == "given" or self._is_pgd_at():
            return
        # The maps of a network of the fit change with it: those of the last epoch count.
        last = self.history_.iloc[-1]
        shares = {"background": last["no_foreground"], "foreground": last["no_background"]}
        advice = (
            "Use another `omega`, or train the attention network by another `lr`, or for more "
            "epochs."
        )
        warn_of_one_sided(shares, self.omega, "attention", advice)
