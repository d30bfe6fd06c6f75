"""What the objectives of a fit require of parameters and networks, see `Objective.requires`."""

from torch import nn

from sklearn_debias.core import Net, Phase
from sklearn_debias.core.internal import has_own_forward, is_tokens
from sklearn_debias.fitting._networks import Networks
from sklearn_debias.fitting._params import split_net_params
from sklearn_debias.fitting._probe import check_gradient
from sklearn_debias.fitting._training_set import TrainingSet
from sklearn_debias.fitting._types import Classifier
from sklearn_debias.models import PrototypeEnsemble

KNOWN = {
    "meta",
    "attention_maps",
    "body",
    "linear_head",
    "prototypes",
    "input",
    "input_gradient",
    "pairs",
    "every_row",
}


def requirements(phases: tuple[Phase, ...]) -> frozenset[str]:
    """Return what any of the steps requires."""
    return frozenset().union(*(step.requires for phase in phases for step in phase.steps))


def looks_below_head(required: frozenset[str]) -> bool:
    """Return whether the steps need more of a frozen body than its features."""
    return bool(required & {"input", "input_gradient"})


def check_given(estimator: Classifier, training: TrainingSet, required: frozenset[str]) -> None:
    """Raise where parameters, or the rows, are not what a step requires."""
    owner = type(estimator).__name__
    if is_tokens(training.inputs.shape):
        _check_tokens(estimator, required)
    loader = split_net_params(estimator.net_params)[1]
    if "every_row" in required and loader.get("drop_last"):
        raise ValueError(
            f"`net_params` must not set iterator_train__drop_last for {owner}, which needs every "
            "row of an epoch. Leave it out."
        )
    if "pairs" in required and estimator.batch_size < 2:
        raise ValueError(
            f"`batch_size` must be at least 2 for {owner}, which compares rows of one batch, got "
            f"{estimator.batch_size}."
        )
    missing = {"attention_maps"} & required - training.views.keys()
    if training.meta is None:
        missing |= {"meta"} & required
    if missing:
        raise ValueError(
            f"`{owner}._training_set` must return a TrainingSet with {min(missing)!r}, which its "
            "objective requires: `Given` has `meta` and `views` for it."
        )


def _check_tokens(estimator: Classifier, required: frozenset[str]) -> None:
    """Raise where rows of tokens were to be changed, or looked at, as numbers: they are names."""
    if required & {"input", "input_gradient", "attention_maps"}:
        raise ValueError(
            f"`X` must hold features or images for {type(estimator).__name__}, which attacks, "
            "mixes or explains its values, got rows of tokens, whose ids are names. Fit it to "
            "embeddings of the text, by Embedder(module); or use another method."
        )
    for name in ("augment", "normalize"):
        if getattr(estimator, name) is not None:
            raise ValueError(
                f"`{name}` must be None for rows of tokens, whose ids are names, got "
                f"{getattr(estimator, name)!r}. Change the text before it is tokenised."
            )


def check_networks(estimator: Classifier, phases: tuple[Phase, ...], networks: Networks) -> None:
    """Raise where a network is not what a step requires of it."""
    for phase in phases:
        for step in phase.steps:
            for role in set(step.roles) - networks.helpers:
                _check_network(estimator, step.requires, role, networks)


def _check_network(
    estimator: Classifier, required: frozenset[str], role: str, networks: Networks
) -> None:
    module = networks.modules[role]
    if "linear_head" in required and role == "model":
        check_linear_head(estimator, module)
    if "prototypes" in required and role == "model":
        check_prototypes(estimator, module)
    if "body" in required:
        net = Net(module).frozen()  # or a later phase would find out after the first
        net.head(net.body(networks.example(role)))
    if "input_gradient" in required:
        check_gradient(module, networks.example(role), networks.roles[role].parameter)


def check_linear_head(estimator: Classifier, module: nn.Module) -> None:
    """Raise where the last layer is not linear: its weights say how features spread."""
    head = getattr(module, "head", None)
    plain = isinstance(head, nn.Linear) and type(head).forward is nn.Linear.forward
    plain = plain and not has_own_forward(head)
    # A parametrised layer makes its weight anew at each call.
    if head is None or not plain or "weight" not in head._parameters:
        raise TypeError(
            f"`module` must end in a plain linear layer for {type(estimator).__name__}, got "
            f"{'no head' if head is None else type(head).__name__}. Wrap it: "
            "sklearn_debias.core.SplitModule(body, torch.nn.Linear(...))."
        )


def check_prototypes(estimator: Classifier, module: nn.Module) -> None:
    """Raise where the last layer was no plain linear one, whose place the prototypes take."""
    head = getattr(module, "head", None)
    if not isinstance(head, PrototypeEnsemble):
        raise TypeError(
            f"`module` must end in a plain linear layer for {type(estimator).__name__}, which puts "
            f"prototypes in its place, got {'no head' if head is None else type(head).__name__}. "
            "Wrap it: sklearn_debias.core.SplitModule(body, torch.nn.Linear(...))."
        )
