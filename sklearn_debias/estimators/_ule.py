"""Unlearning from experience."""

import numbers
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor, nn

from sklearn_debias.core import Net, Phase, Role
from sklearn_debias.core.internal import unsplit
from sklearn_debias.estimators._base import BaseDebiasClassifier
from sklearn_debias.fitting import (
    MODULE,
    NON_NEGATIVE,
    POSITIVE,
    Given,
    Networks,
    TrainingSet,
    View,
    fit_method,
)
from sklearn_debias.losses import SALIENCIES
from sklearn_debias.objectives import ERM, ULE
from sklearn_debias.presets import overridden, ule_preset
from sklearn_debias.search_spaces import SearchedRows, Space, ule_space
from sklearn_debias.training import blamed

PIXEL_SCALE = 100.0  # of the mean over pixels, a few of which are large
HEAD_START = 5  # epochs of the student alone: its maps must peak on the shortcut first


@dataclass(kw_only=True, eq=False, repr=False)
class ULEClassifier(BaseDebiasClassifier):
    """ULE: a teacher trained against the saliency of a shortcut-loving student [1]_.

    Student and teacher see the same batches. The student is trained by the cross entropy alone. The
    teacher minimises ``lam * CE + (1 - lam) * scale * || N(-g_s) - N(g_t) ||^2``, where g_s and g_t
    are the saliency maps of the two nets: it is asked to look elsewhere. The teacher predicts.
    ``lam=1`` is ERM.

    Parameters
    ----------
    {shared_parameters}
    lam : float, default=0.5
        Weight of the teacher's cross entropy, in [0, 1]. Always have 1, which is ERM, in the grid.
    where : "auto", "features", "input", "output" or the name of a layer, default="auto"
        What the maps are gradients by: the head's input, the module's input, or the output of a
        layer, named as in ``module.named_modules()`` of the fitted ``module_``. "auto" is
        "features" for 2-D X and for ``freeze="body"``, else "input". With ``similarity="gram"`` it
        says which activations are compared; "auto" is then "output", the logits, where the features
        cannot learn, and "features" elsewhere.
    saliency : {"auto", "logit", "label_logit", "log_prob", "label_log_prob", "prob", \
"sum_log_softmax"}, default="auto"
        The scalar that is explained: logit, log-probability or probability of each net's arg-max
        class, or of the label; or the sum of all log-probabilities. "auto" is "logit" on features,
        else "label_log_prob".
    magnitude : "auto" or bool, default="auto"
        Compare the maps' absolute values. "auto" is False on features, else True.
    normalize_by : {"sample", "batch"}, default="sample"
        Whether N divides each map by its own size, or all maps of a batch by the largest.
    norm : {"max", "l2"}, default="max"
        N divides by the largest entry (the paper), or by the Euclidean norm.
    distance : {"mse", "l1"}, default="mse"
        Distance of the two maps, a mean over all entries.
    scale : "auto", "ratio" or float, default="auto"
        Factor that brings the two terms to one order of magnitude. "ratio" is CE / distance in each
        step. "auto" is 100 for maps of inputs and layers, elsewhere a power of ten from the first
        batch.
    student_warmup : "auto" or int, default="auto"
        Epochs that the student first trains alone. "auto" is 0 on features, else 5.
    similarity : {"saliency", "gram"}, default="saliency"
        "gram" compares similarities of the samples of a batch, ``A A^T``: for nets whose maps
        differ in shape.
    student_module : str, callable, nn.Module or None, default=None
        Another network for the student; None takes ``module``.
    student_lr : float, default=None
        Learning rate of the student; None takes ``lr``.

    Attributes
    ----------
    {shared_attributes}
    student_module_ : nn.Module
        The student.
    where_, saliency_, magnitude_, student_warmup_
        What "auto" stood for.
    scale_ : float
        The factor used; NaN where it changed at each step (``scale="ratio"``), or where no batch
        set it.

    Notes
    -----
    No code was released, and the paper leaves the scalar, the reach of N and the scale open. The
    defaults for training from scratch on images are the reading that reproduces its MNIST result:
    see ``docs/reproduction/ule.md``, also for what is not reproduced. The defaults of ``lr``,
    ``max_epochs`` and ``optimizer`` are those of heads on embeddings. From scratch on images
    ``optimizer="adam", lr=1e-3, max_epochs=20`` is a better start.

    On features with linear heads the gradients are known in closed form, and nothing is
    differentiated twice. On frozen embeddings no reading was found that beats ERM across data sets,
    and ``lam=0.5`` can cost much there: have ``lam=1`` in the grid, and compare with JTT and DFR. N
    is blind to the size of the weights, so heads that start near zero are thrown about at first;
    ``net_params={"module__std": None}`` starts "linear" as torch does.

    References
    ----------
    .. [1] Mitchell, Martinez del Rincon and McLaughlin, "UnLearning from Experience to Avoid
       Spurious Correlations", arXiv 2409.02792.

    Examples
    --------
    >>> from sklearn_debias import ULEClassifier
    >>> from sklearn_debias.datasets import make_spurious_embeddings
    >>> data = make_spurious_embeddings(n_samples=200, random_state=0).train
    >>> clf = ULEClassifier(lam=0.8, max_epochs=20, random_state=0).fit(data.data, data.target)
    >>> clf.where_, clf.saliency_, clf.predict(data.data).shape
    ('features', 'logit', (200,))
    """

    lr: float = 1e-2
    max_epochs: int = 300
    optimizer: Any = "sgd"
    lam: float = 0.5
    where: str = "auto"
    saliency: str = "auto"
    magnitude: str | bool = "auto"
    normalize_by: str = "sample"
    norm: str = "max"
    distance: str = "mse"
    scale: str | float = "auto"
    student_warmup: str | int = "auto"
    similarity: str = "saliency"
    student_module: Any = None
    student_lr: float | None = None

    __metadata_request__fit = {"bias_labels": True, "validation_data": True, "X_student": True}
    _parameter_constraints: ClassVar[dict] = {
        **BaseDebiasClassifier._parameter_constraints,
        "lam": [Interval(numbers.Real, 0, 1, closed="both")],
        "where": [str],
        "saliency": [StrOptions({"auto", *SALIENCIES})],
        "magnitude": [StrOptions({"auto"}), "boolean"],
        "normalize_by": [StrOptions({"sample", "batch"})],
        "norm": [StrOptions({"max", "l2"})],
        "distance": [StrOptions({"mse", "l1"})],
        "scale": [StrOptions({"auto", "ratio"}), *NON_NEGATIVE],
        "student_warmup": [
            StrOptions({"auto"}),
            Interval(numbers.Integral, 0, None, closed="left"),
        ],
        "similarity": [StrOptions({"saliency", "gram"})],
        "student_module": MODULE,
        "student_lr": [*POSITIVE, None],
    }

    def _search_space(self, rows: SearchedRows) -> Space:
        return super()._search_space(rows) | ule_space(rows)

    @classmethod
    def from_preset(cls, name: str, **overrides: Any) -> "ULEClassifier":
        """Return a classifier with the settings of the paper's experiments.

        The paper states the networks, the epochs, SGD with momentum 0.9 for heads, and that the
        worst group of validation rows selects one of every ten epochs: hand ``fit`` such rows with
        their bias labels, as ``validation_data`` or by ``validation``. It searches ``lr`` from 1e-1
        to 1e-5, ``lam`` from 0 to 1 in steps of .1, and two strengths of ``weight_decay`` that it
        does not give: these stay the classifier's defaults, as does the batch size. ImageNet
        weights of frozen networks, which torchvision downloads, and ``normalize="imagenet"`` are
        ours; to take a file, override ``net_params={"module__weights": "path/to/file.pt"}``. They
        are for 224 pixels: give ``image_size`` for images of other sizes. Of ViT-H-14 those are
        "IMAGENET1K_SWAG_LINEAR_V1", and "DEFAULT" is for 518 pixels.

        The student is the same network unless ``student_module`` names another, with weights as
        ``student_module__weights`` and with ``similarity="gram"``: the paper's mixed models.

        Parameters
        ----------
        name : {"waterbirds", "celeba", "urbancars", "spawrious", "mnist", "mnist_sc", \
"coloured_mnist"}
            The first four have frozen networks. Those are ResNet-50: on Waterbirds and CelebA the
            paper also has ``module="resnet18"`` and ``module="vit_h_14"``, and on Spawrious we do
            not know the paper's. The others train the CNN of Table 1 from scratch, without a head
            start of the student: ``student_warmup="auto"`` is ours, and nearer to the paper's
            results.
        **overrides
            Parameters of this estimator that replace the preset's.

        Returns
        -------
        ULEClassifier

        Examples
        --------
        >>> from sklearn_debias import ULEClassifier
        >>> clf = ULEClassifier.from_preset("waterbirds", lam=0.9, random_state=0)
        >>> clf.module, clf.freeze, clf.max_epochs, clf.monitor
        ('resnet50', 'body', 300, 'worst_group_accuracy')
        """
        return cls(**overridden(ule_preset(name), overrides))

    @fit_method
    def fit(
        self,
        X: Any,
        y: Any,
        *,
        bias_labels: Any = None,
        validation_data: Any = None,
        X_student: Any = None,
    ) -> Any:
        """Fit the classifier.

        Parameters
        ----------
        {shared_arguments}
        X_student : array-like of n rows, default=None
            The same samples as the student sees them, e.g. embeddings by another backbone. Rows of
            another shape need ``similarity="gram"``.

        Returns
        -------
        self
        """
        views = {} if X_student is None else {"student": View(X_student, "X_student")}
        return Given(X, y, bias_labels, validation_data, views=views)

    @property
    def student_module_(self) -> nn.Module:
        """The student."""
        return self._network("student")

    def _check_params(self) -> None:
        super()._check_params()
        gram = self.similarity == "gram"
        if gram and self.batch_size == 1:
            raise ValueError(
                "`batch_size` must be at least 2 with `similarity`='gram', which compares samples "
                "of one batch, got 1."
            )
        if self.where == ("input" if gram else "output"):
            raise ValueError(
                f"`where`={self.where!r} does not go with `similarity`={self.similarity!r}: the "
                f"{'input' if gram else 'logits'} cannot be unlearned. Use 'auto', 'features' or a "
                "layer's name."
            )

    def _objective(self) -> ULE:
        """Return the objective, every "auto" resolved."""
        where = self._where()
        inside = where not in ("features", "output")
        saliency = self.saliency
        if saliency == "auto":
            saliency = "label_log_prob" if inside else "logit"
        return ULE(
            lam=self.lam,
            scale=PIXEL_SCALE if isinstance(self.scale, str) else float(self.scale),
            scaling=self._scaling(inside),
            where=where,
            saliency=saliency,
            magnitude=inside if self.magnitude == "auto" else bool(self.magnitude),
            normalize_by=self.normalize_by,
            norm=self.norm,
            distance=self.distance,
            similarity=self.similarity,
        )

    def _where(self) -> str:
        """Return `where`, "auto" resolved."""
        if self.where != "auto":
            return self.where
        frozen = self.freeze == "body"
        if self.similarity == "gram":
            # There the features cannot learn: no gradient would reach the teacher.
            return "output" if frozen or self.module in (None, "linear") else "features"
        flat = len(self.input_shape_) == 1
        return "features" if frozen or flat else "input"

    def _scaling(self, inside: bool) -> str:
        """Return what decides the scale; ``inside``: maps of inputs or of a layer."""
        if self.scale == "ratio":
            return "ratio"
        # The factor of pixels is measured. What similarities and features need, a batch must tell.
        if self.scale == "auto" and (self.similarity == "gram" or not inside):
            return "first"
        return "fixed"

    def _head_start(self, objective: ULE) -> int:
        """Return the epochs that the student first trains alone."""
        if self.student_warmup != "auto":
            return int(self.student_warmup)
        return 0 if objective.where in ("features", "output") else HEAD_START

    def _phases(self) -> tuple[Phase, ...]:
        objective = self._objective()
        epochs = self._head_start(objective)
        before = (Phase("student", (ERM(role="student"),), epochs),) if epochs else ()
        return (*before, Phase("train", (objective,), self.max_epochs))

    def _role(self, name: str) -> Role:
        role = super()._role(name)
        return replace(role, lr=self.student_lr) if name == "student" else role

    def _settle(self, phases: tuple[Phase, ...], networks: Networks) -> tuple[Phase, ...]:
        # A try on two rows: a wrong layer, or maps that cannot be compared, fail before training.
        objective = self._objective()
        gram = objective.similarity == "gram"
        seen = {}
        for role in objective.roles:
            net = Net(networks.modules[role])
            found = self._explained(net, networks.example(role), objective.where)
            if gram and role == "model" and not found.requires_grad:
                raise ValueError(
                    f"`where`={self.where!r} gives activations that cannot learn: all below is "
                    "frozen. Use 'output'."
                )
            seen[role] = tuple(found.shape[1:])
        if not gram and seen["student"] != seen["model"]:
            raise ValueError(
                "`similarity`='saliency' compares maps of one shape, but those of student and "
                f"teacher are {seen['student']} and {seen['model']}. Use similarity='gram', or "
                "another `student_module`."
            )
        return phases

    def _explained(self, net: Net, x: Tensor, where: str) -> Tensor:
        """Return the activations that are explained or compared; raise where there are none."""
        if where == "features" and not isinstance(getattr(net.module, "body", None), nn.Module):
            raise TypeError(
                "`module` must have a body and a head where `where` is 'features', "
                f"{unsplit(net.module)}, or let `where` name a layer, or 'input'."
            )
        advice = "It must name a layer whose output is one tensor, 'features', 'input' or 'auto'."
        with blamed("where", advice):
            found = _activation(net, x, where)
            if not isinstance(found, Tensor):
                raise TypeError(f"its output is a {type(found).__name__}")
        return found

    def _finish(self, states: dict, training: TrainingSet) -> None:
        objective = self._objective()
        self.where_ = objective.where
        self.saliency_ = objective.saliency
        self.magnitude_ = objective.magnitude
        self.student_warmup_ = self._head_start(objective)
        # 0 as long as no batch has told a scale; in no state where it changes at each step.
        first = states["train"].get("scale")
        chosen = float(first) if first is not None and first > 0 else float("nan")
        self.scale_ = objective.scale if objective.scaling == "fixed" else chosen


def _activation(net: Net, x: Tensor, where: str) -> Tensor:
    """Return the activations by which, or of which, a map of ``where`` is made."""
    if where == "input":
        return x
    if where == "features":
        return net.body(x)
    if where == "output":
        return net(x)
    return net.with_layer(x, where)[1]
