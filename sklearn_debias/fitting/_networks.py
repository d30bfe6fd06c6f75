"""The networks of a fit, and rows to try them on."""

from dataclasses import replace

from torch import Tensor, nn

from sklearn_debias.core import Phase, Role
from sklearn_debias.core.internal import TokenLimits, is_tokens
from sklearn_debias.fitting._skips_padding import try_padding
from sklearn_debias.fitting._training_set import TrainingSet
from sklearn_debias.training import SAME, Prepare, Roles


class Networks:
    """The networks of all roles, and two rows to try each on.

    Parameters
    ----------
    training : TrainingSet
    prepare : Prepare

    Attributes
    ----------
    modules : Roles
        By role.
    roles : dict of str to Role
        What they were built from.
    helpers : set of str
        Roles whose networks do not look at X.
    training : TrainingSet
    """

    def __init__(self, training: TrainingSet, prepare: Prepare) -> None:
        self.training = training
        self.prepare = prepare
        self.modules = Roles({})
        self.roles: dict[str, Role] = {}
        self.helpers: set[str] = set()
        self.examples: dict[str, Tensor] = {}
        self._limits = TokenLimits()
        self._starts: dict[str, dict[str, Tensor]] = {}

    def example(self, role: str) -> Tensor:
        """Return the first two training rows as a role sees them; read and prepared once."""
        view = role if role in self.training.views else SAME
        if view not in self.examples:
            # Two rows, since BatchNorm cannot train on one.
            first = self.training.index[[0, min(1, len(self.training) - 1)]]
            self.examples[view] = self.prepare(self.training.inputs_of(role).source.take(first))
        return self.examples[view]

    def add(self, role: str, module: nn.Module) -> None:
        """Keep the network of a role; rows of tokens that it cannot take are refused from now."""
        self.modules[role] = module
        limits = TokenLimits.of(module)
        self.training = self.training.limited(self._limits & limits)
        if not limits.may_pad and is_tokens(self.training.inputs_of(role).shape):
            try_padding(module, self.example(role))
            limits = TokenLimits.of(module)
        self._limits &= limits
        if not self._limits.may_pad and is_tokens(self.training.inputs.shape):
            # It learns from rows as they are: padded ones would be others in each batch.
            first = self.training.inputs.source.take(self.training.index[:1])
            self._limits = replace(self._limits, exactly=first.shape[-1])
        self.training = self.training.limited(self._limits)

    def remember(self, phases: tuple[Phase, ...]) -> None:
        """Keep the parts that a phase lets start anew."""
        for name in (name for phase in phases for name in phase.restarts):
            part = self.modules.get_submodule(name)
            start = {key: value.clone() for key, value in part.state_dict().items()}
            self._starts.setdefault(name, start)

    def begin(self, phase: Phase) -> None:
        """Reset the parts that a phase restarts; copy the model into its snapshot roles."""
        for name in phase.restarts:
            self.modules.get_submodule(name).load_state_dict(self._starts[name])
        self.snapshot(phase)

    def snapshot(self, phase: Phase) -> None:
        """Copy the model into each snapshot role."""
        for role in phase.snapshots:
            self.modules[role].load_state_dict(self.modules["model"].state_dict())
