"""What the network of a role is built from, and what updates it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn, optim


@dataclass(frozen=True)
class Role:
    """The network of one role, before it is built.

    Parameters
    ----------
    module : str, callable, nn.Module or None, default=None
        As the parameter ``module`` of the classifiers: a name, a class or factory, an instance.
    parameter : str, default="module"
        Name of the parameter that users set it by, for messages.
    helper : callable, default=None
        ``helper(modules)`` makes a network that does not look at X from those of the roles before,
        a mapping by role; it stands in for ``module``.
    optimizer : callable, default=None
        ``optimizer(parameters)`` makes an optimiser of the role's own, which no learning-rate
        schedule reaches. None shares the classifier's.
    lr : float, default=None
        A learning rate of its own in the shared optimiser.

    Examples
    --------
    >>> from torch import nn
    >>> from sklearn_debias.core import Role
    >>> Role(helper=lambda modules: nn.Linear(1, 1)).parameter
    'module'
    """

    module: Any = None
    parameter: str = "module"
    helper: Callable[[Mapping[str, nn.Module]], nn.Module] | None = None
    optimizer: Callable[[Any], optim.Optimizer] | None = None
    lr: float | None = None
