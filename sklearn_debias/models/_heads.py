"""Heads other than linear ones."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sklearn_debias.core import SplitModule
from sklearn_debias.core.internal import is_linear
from sklearn_debias.models._build import build_module


class NormalizedLinear(nn.Module):
    """``scale`` times the cosines between features and class vectors; without bias.

    Parameters
    ----------
    in_features, out_features : int
    scale : float, default=30.0
        The logits lie between ``-scale`` and ``scale``.

    Examples
    --------
    >>> import torch
    >>> head = NormalizedLinear(3, 2, scale=10.0)
    >>> bool((head(torch.randn(4, 3)).abs() <= 10.0).all())
    True
    """

    def __init__(self, in_features: int, out_features: int, scale: float = 30.0) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.scale = scale
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw class vectors of length 1, all directions alike."""
        # A normalised normal draw has no preferred direction.
        with torch.no_grad():
            self.weight.copy_(F.normalize(nn.init.normal_(self.weight)))

    def forward(self, z: Tensor) -> Tensor:
        """Return the logits of the features ``z`` (b, in_features); shape (b, out_features)."""
        return self.scale * F.linear(F.normalize(z, dim=-1), F.normalize(self.weight, dim=-1))

    def extra_repr(self) -> str:
        """Return what the head prints of itself."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, scale={self.scale}"
        )


def with_normalized_head(
    n_classes: int, *, module: Any, shape: tuple[int, ...], options: Mapping[str, Any], scale: float
) -> nn.Module:
    """Build a module as `build_module` does, with a `NormalizedLinear` as its head.

    It replaces the last linear layer; a head of another kind is kept.

    Parameters
    ----------
    n_classes : int
    module : str, callable, nn.Module or None
    shape : tuple of int
    options : mapping
        All as in `build_module`.
    scale : float
        Of the new head.

    Examples
    --------
    >>> with_normalized_head(3, module="linear", shape=(5,), options={}, scale=30.0).head
    NormalizedLinear(in_features=5, out_features=3, scale=30.0)
    """
    built = build_module(module, shape, n_classes, options=options)
    return with_other_head(built, lambda d, k: NormalizedLinear(d, k, scale))


def with_other_head(built: nn.Module, make: Callable[[int, int], nn.Module]) -> nn.Module:
    """Return a module with what ``make`` makes of its numbers of features and classes as its head.

    It replaces a plain linear layer; a head of another kind is kept.
    """
    body = getattr(built, "body", None)
    head: Any = getattr(built, "head", None)
    if not isinstance(body, nn.Module) or not is_linear(head):
        return built
    return SplitModule(body, make(head.in_features, head.out_features))
