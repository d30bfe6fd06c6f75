"""Bias-adversarial augmentation on top of any base method."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid
from sklearn.utils._param_validation import HasMethods, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from sklearn_debias.core import Net, Phase, Role
from sklearn_debias.estimators._base import BaseDebiasClassifier
from sklearn_debias.estimators._erm import ERMClassifier
from sklearn_debias.estimators._jtt import JTTClassifier
from sklearn_debias.estimators._lff import LfFClassifier
from sklearn_debias.exceptions import warn
from sklearn_debias.fitting import (
    MODULE,
    NON_NEGATIVE,
    POSITIVE,
    POSITIVE_INT,
    SHARED_CONSTRAINTS,
    Networks,
    Q,
    TrainingSet,
    attack_rows,
    check_ball,
    clip_tensors,
    encode_known,
    ignored_parameters,
    is_fitted_name,
    kept_inside,
    make_prepare,
    on_own_terms,
    own_space,
    pick_device,
    placed,
    plain_params,
    read_clip,
    readable_errors,
    warn_of_still,
)
from sklearn_debias.objectives import BiasAdv
from sklearn_debias.presets import biasadv_preset, overridden
from sklearn_debias.search_spaces import SearchedRows, Space, biasadv_bases, biasadv_space
from sklearn_debias.training import Source

BASES = {"erm": ERMClassifier, "jtt": JTTClassifier, "lff": LfFClassifier}
# Rows that are attacked after a fit, to see whether the attack still moves them.
TRIED = 32


@dataclass(kw_only=True, eq=False, repr=False)
class BiasAdvClassifier(BaseDebiasClassifier):
    """BiasAdv: augment with samples on which the biased model fails and the model need not [1]_.

    For each batch an attack maximises ``L(x, y; biased) - lam * L(x, y; model)`` in a ball around
    x: it removes the cue that the biased model relies on. The model is trained by the base method's
    loss on x, plus ``beta`` times its loss on the attacked inputs.

    Parameters
    ----------
    {shared_parameters}
    base : {"erm", "jtt", "lff"} or estimator, default="lff"
        The debiasing method to augment. An estimator contributes its own method's parameters only
        (``base__upweight``); the shared ones are those of this estimator.
    lam : float, default=0.5
        How much the attack spares the model, at least 0.
    epsilon : float, default=0.3
        Radius of the attack, in the units of X (of [0, 1] for uint8 images), at least 0.
    beta : float, default=0.5
        Weight of the adversarial samples, at least 0. 0 is the base method.
    n_steps : int, default=5
        Steps of the attack, at least 1.
    norm : {"l2", "linf"}, default="l2"
        Norm of the radius. The paper does not say which. L2 fits its radii of up to 1 at 32 and at
        224 pixels, where a maximum norm of 1 would bound nothing. This is a guess, at roughly
        60/40: compare both before you quote it.
    step_size : float or None, default=None
        Length of one step (not stated in the paper); None is 2.5 epsilon / n_steps, at most
        epsilon.
    random_start : bool, default=False
        Start at a random point of the ball. The paper's algorithm is deterministic.
    clip : (low, high) or None, default=None
        Valid range of X, as numbers or one per channel. None does not clip: with inputs normalised
        outside of the module a range of [0, 1] would be wrong.
    q : float, default=0.7
        Exponent of the generalised cross entropy of the biased net, where the base has none
        (base="erm").
    gce_factor : bool, default=True
        Whether that loss carries the factor q, as in the code of LfF's authors; the gradient of the
        published formula has none. It matters for SGD and for weight decay. With base "lff" the
        base's own counts: ``base=LfFClassifier(gce_factor=False)``.
    biased_module : str, callable, nn.Module or None, default=None
        Another network for the biased net; None takes that of ``base``, or else ``module``.

    Attributes
    ----------
    {shared_attributes}
    biased_module_ : nn.Module
        The biased net.
    sample_difficulty_, error_set_, upweight_
        Those of the base, where it has them.

    Notes
    -----
    One step attacks with both nets as they are, in eval mode; then it computes the base's weights;
    then it updates the biased net and the model (Algorithms 1-3). With base "jtt" the biased net is
    the identification model and stays fixed.

    The adversarial samples weigh ``beta`` for "erm", ``beta`` times the sample's own weight for
    "jtt", and ``beta * (1 - W)`` for "lff". A weak attack undoes LfF: x_adv is then nearly x, and
    the two weights add up to plain training. Scale ``epsilon`` to the norm of X;
    ``docs/reproduction/biasadv.md`` has figures.

    References
    ----------
    .. [1] Lim et al., "BiasAdv: Bias-Adversarial Augmentation for Model Debiasing", CVPR 2023.

    Examples
    --------
    >>> from sklearn_debias import BiasAdvClassifier
    >>> from sklearn_debias.datasets import load_biased_digits
    >>> train = load_biased_digits(conflict_ratio=0.05, random_state=0).train
    >>> clf = BiasAdvClassifier(
    ...     base="lff", max_epochs=3, random_state=0
    ... ).fit(train.data, train.target)
    >>> clf.adversarial_examples(train.data[:5], train.target[:5]).shape == train.data[:5].shape
    True
    """

    base: Any = "lff"
    lam: float = 0.5
    epsilon: float = 0.3
    beta: float = 0.5
    n_steps: int = 5
    norm: str = "l2"
    step_size: float | None = None
    random_start: bool = False
    clip: Any = None
    q: float = 0.7
    gce_factor: bool = True
    biased_module: Any = None

    _parameter_constraints: ClassVar[dict] = {
        **BaseDebiasClassifier._parameter_constraints,
        "base": [StrOptions(set(BASES)), HasMethods(["fit", "_phases"])],
        "lam": NON_NEGATIVE,
        "epsilon": NON_NEGATIVE,
        "beta": NON_NEGATIVE,
        "n_steps": POSITIVE_INT,
        "norm": [StrOptions({"l2", "linf"})],
        "step_size": [*POSITIVE, None],
        "random_start": ["boolean"],
        "clip": [tuple, list, None],
        "q": Q,
        "gce_factor": ["boolean"],
        "biased_module": MODULE,
    }

    def _search_space(self, rows: SearchedRows) -> Space:
        space = super()._search_space(rows) | biasadv_space(rows, self.norm, self.base)
        if not isinstance(self.base, str):
            own = own_space(self.base, rows)
            return space | {f"base__{name}": values for name, values in own.items()}
        bases = biasadv_bases(self.base, rows)
        if not bases:
            return space
        # A name has no parameters to be set: estimators stand for its settings.
        grid = ParameterGrid(bases)
        return space | {"base": [BASES[self.base](**settings) for settings in grid]}

    @classmethod
    def from_preset(cls, name: str, base: str, **overrides: Any) -> "BiasAdvClassifier":
        """Return a classifier with the settings of the paper's experiments.

        Parameters
        ----------
        name : {"cifar10c", "bffhq", "bar", "metashift"}
            Data set of the paper. "bar" and "metashift" start from ImageNet weights, which
            torchvision downloads: override ``net_params={"module__weights": "path/to/file.pt"}`` to
            take a local file.
        base : {"erm", "jtt", "lff"}
        **overrides
            Parameters of this estimator that replace the preset's. Another ``max_epochs`` stretches
            its schedule: the rate halves at the same shares of the training, rounded up to epochs.

        Returns
        -------
        BiasAdvClassifier

        Examples
        --------
        >>> from sklearn_debias import BiasAdvClassifier
        >>> clf = BiasAdvClassifier.from_preset("cifar10c", "jtt", random_state=0)
        >>> clf.epsilon, clf.max_epochs, clf.base.identification_epochs, clf.base.upweight
        (0.5, 50, 20, 50)
        >>> clf.lr_schedule.keywords["step_size"]
        10
        >>> short = BiasAdvClassifier.from_preset("cifar10c", "jtt", max_epochs=25)
        >>> short.lr_schedule.keywords["step_size"]
        5
        """
        settings = biasadv_preset(name, base)
        base_name, own = settings.pop("base")
        settings["base"] = BASES[base_name](**own) if own else base_name
        return cls(**overridden(settings, overrides))

    @property
    def biased_module_(self) -> nn.Module:
        """The biased net."""
        return self._network("biased")

    def set_params(self, **params: Any) -> "BiasAdvClassifier":
        """Set parameters, also those of the base (``base__upweight``) and of `net_params`."""
        nested = [name for name in params if name.startswith("base__")]
        if nested and isinstance(base := params.get("base", self.base), str):
            raise ValueError(
                f"`{nested[0]}` needs an estimator as `base`, such as JTTClassifier(), got "
                f"{base!r}."
            )
        return super().set_params(**params)

    def _base(self) -> Any:
        """Return a fresh estimator of the base method; the user's is left alone."""
        if isinstance(self.base, str):
            return BASES[self.base]()
        base = clone(self.base)
        return base.set_params(**plain_params(base))

    def _base_in_fit(self) -> Any:
        """Return the base as if it were fitted in place of this estimator."""
        base = self._base()
        shared = {name: getattr(self, name) for name in SHARED_CONSTRAINTS}
        vars(base).update(shared | self._fitted.facts.attributes())
        base._fitted = replace(self._fitted, params=base.get_params(deep=False))
        return base

    def _check_params(self) -> None:
        super()._check_params()
        read_clip(self.clip)
        # A class has the methods that the constraint asks for, too.
        if isinstance(self.base, (type, BiasAdvClassifier)):
            raise TypeError(
                f"`base` must be one of {sorted(BASES)} or an estimator such as JTTClassifier()."
            )
        base = self._base()
        base._validate_params()
        base._check_params()
        if self.biased_module is not None and getattr(base, "biased_module", None) is not None:
            raise ValueError(
                "`biased_module` must not be given to both BiasAdvClassifier and its `base`."
            )
        ignored = ignored_parameters(self, base)
        if ignored:
            warn(
                f"{ignored} of `base` have no effect: BiasAdvClassifier's own are used. Set them "
                "there."
            )

    def _role(self, name: str) -> Role:
        # A `biased_module` of this estimator is that of no base, see `_check_params`.
        if getattr(self, f"{name}_module", None) is not None:
            return super()._role(name)
        # There is none when a saved model is loaded.
        method = vars(self).get("_method") or self._base_in_fit()
        return method._role(name)

    def _training_set(self, training: TrainingSet) -> TrainingSet:
        check_ball(training.inputs, epsilon=self.epsilon, norm=self.norm, clip=self.clip)
        # One for all hooks of the fit: what one of them sets, another may read.
        self._method = self._base_in_fit()
        inputs = kept_inside(training.inputs, self.clip)
        return self._method._training_set(replace(training, inputs=inputs))

    def _trains_by_group(self) -> bool:
        return self._base()._trains_by_group()

    def _needs_groups(self) -> bool:
        return self._base()._needs_groups()

    def _phases(self) -> tuple[Phase, ...]:
        return self._attacking(self._method._phases())

    def _settle(self, phases: tuple[Phase, ...], networks: Networks) -> tuple[Phase, ...]:
        return self._attacking(self._method._settle(self._method._phases(), networks))

    def _attacking(self, phases: tuple[Phase, ...]) -> tuple[Phase, ...]:
        """Return the phases of the base, the last one with adversarial samples."""
        *before, last = phases
        # The last step of the last phase trains the model; whatever comes before stays as it is.
        attack = BiasAdv(
            base=last.steps[-1],
            lam=self.lam,
            epsilon=self.epsilon,
            beta=self.beta,
            q=self.q,
            gce_factor=bool(self.gce_factor),
            step_size=self.step_size,
            n_steps=self.n_steps,
            norm=self.norm,
            random_start=self.random_start,
            clip=clip_tensors(self.clip, self.input_shape_, getattr(torch, self.dtype)),
        )
        steps = (*last.steps[:-1], placed(attack, pick_device(self.device)))
        return (*before, replace(last, steps=steps))

    def _inspect(self, phase: Phase, state: dict, training: TrainingSet) -> None:
        self._method._inspect(phase, state, training)

    def _finish(self, states: dict, training: TrainingSet) -> None:
        base = self._method
        # Its hook may ask for what is fitted.
        vars(base).update(net_=self.net_, history_=self.history_, n_iter_=self.n_iter_)
        base._finish(states, training)
        found = {name: value for name, value in vars(base).items() if is_fitted_name(name)}
        self.__dict__.update(found)
        # Kept, so that `adversarial_examples` has the parameters of the fit, not later ones.
        # On the CPU, so that it loads where there is no other device.
        attack: Any = self._phases()[-1].steps[-1]
        self._attack: Any = placed(attack, torch.device("cpu"))
        del self._method
        # Tried once: nothing else would show that the attack moves nothing.
        if self.beta > 0:
            few = np.unique(np.linspace(0, len(training) - 1, TRIED, dtype=int))
            rows = training.inputs.source.subset(training.index[few])
            warn_of_still(self._attacked(rows, training.y[few])[1])

    def adversarial_examples(self, X: Any, y: Any) -> np.ndarray:
        """Return bias-adversarial inputs at the fitted nets.

        Parameters
        ----------
        X : array-like
            As in ``fit``.
        y : array-like of shape (n,)
            Labels seen in ``fit``.

        Returns
        -------
        ndarray like X, floating
            Inside the ball around X; images in the range the modules see (uint8 becomes [0, 1]).

        Raises
        ------
        ValueError
            For labels not seen in ``fit``, and inputs unlike those of ``fit``.
        """
        check_is_fitted(self)
        inputs = self._fitted.open(self, X)
        params = self._fitted.params
        check_ball(inputs, epsilon=params["epsilon"], norm=params["norm"], clip=params["clip"])
        inputs = kept_inside(inputs, params["clip"])
        with on_own_terms(small=len(self.input_shape_) == 1), readable_errors(self):
            codes = encode_known(self.classes_, y, len(inputs.source))
            adversarial, still = self._attacked(inputs.source, codes)
        warn_of_still(still)
        return adversarial.numpy()

    def _attacked(self, source: Source, codes: np.ndarray) -> tuple[Tensor, Tensor]:
        """Return the adversarial inputs of all rows, and which of them hardly moved."""
        prepare = make_prepare(self._fitted, next(self.module_.parameters()).device)
        nets = {"model": Net(self.module_), "biased": Net(self.biased_module_)}
        seed = self._streams.seed("adversarial examples")
        shape = self.input_shape_
        return attack_rows(self._attack, nets, source, codes, prepare, seed, shape)
