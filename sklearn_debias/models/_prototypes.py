"""Ensembles of prototype heads."""

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sklearn_debias.models._build import build_module
from sklearn_debias.models._heads import with_other_head

STD = 0.01  # of the prototypes' start, as in the released code
TINY = 1e-12  # squared distance below which the root has no slope


def prototype_logits(z: Tensor, prototypes: Tensor, scale: Tensor) -> Tensor:
    """Return minus ``|scale|`` times the distances of normalised features to normalised prototypes.

    The head of IsoMax+ [1]_; shape (b, k), between ``-2 |scale|`` and 0. Distances below 1e-6 are
    taken for 1e-6, so that the slope stays finite.

    Parameters
    ----------
    z : Tensor of shape (b, d)
    prototypes : Tensor of shape (k, d)
        One for each class.
    scale : Tensor of shape (1,)

    References
    ----------
    .. [1] Macedo and Ludermir, "Enhanced Isotropy Maximization Loss: Seamless and High-Performance
       Out-of-Distribution Detection Simply Replacing the SoftMax Loss", arXiv 2105.14399.

    Examples
    --------
    >>> import torch
    >>> corners = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> prototype_logits(3 * corners, corners, torch.ones(1)).round(decimals=3).abs()
    tensor([[0.0000, 1.4140],
            [1.4140, 0.0000]])
    """
    cosine = F.linear(F.normalize(z, dim=-1), F.normalize(prototypes, dim=-1))
    # Of vectors of length 1; at distance 0 the root would have an infinite slope.
    return -scale.abs() * (2 - 2 * cosine).clamp(min=TINY).sqrt()


class Prototypes(nn.Module):
    """A head with one prototype for each class, and a scale of the distances.

    Parameters
    ----------
    in_features, out_features : int

    Examples
    --------
    >>> import torch
    >>> bool((Prototypes(3, 2)(torch.randn(4, 3)) <= 0).all())
    True
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        self.scale = nn.Parameter(torch.empty(1))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the prototypes anew; the scale is 1."""
        nn.init.normal_(self.weight, std=STD)
        nn.init.ones_(self.scale)

    def forward(self, z: Tensor) -> Tensor:
        """Return the logits of the features ``z`` (b, in_features); shape (b, out_features)."""
        return prototype_logits(z, self.weight, self.scale)

    def extra_repr(self) -> str:
        """Return the sizes, which are printed."""
        out_features, in_features = self.weight.shape
        return f"in_features={in_features}, out_features={out_features}"


class PrototypeEnsemble(nn.Module):
    """A head that averages the probabilities of several `Prototypes`; it gives their logarithm.

    Parameters
    ----------
    in_features, out_features : int
    n_heads : int, default=15

    Examples
    --------
    >>> import torch
    >>> head = PrototypeEnsemble(3, 2, n_heads=4)
    >>> probability = head(torch.randn(5, 3)).exp()
    >>> bool(torch.allclose(probability.sum(1), torch.ones(5)))
    True
    """

    def __init__(self, in_features: int, out_features: int, n_heads: int = 15) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.members = nn.ModuleList(Prototypes(in_features, out_features) for _ in range(n_heads))

    def reset_parameters(self) -> None:
        """Draw all prototypes anew."""
        for member in self.members:
            assert isinstance(member, Prototypes)
            member.reset_parameters()

    def forward(self, z: Tensor) -> Tensor:
        """Return log probabilities of the features ``z`` (b, in_features), (b, out_features)."""
        each = torch.stack([member(z).log_softmax(-1) for member in self.members])
        return each.logsumexp(0) - math.log(len(self.members))


def with_prototype_heads(
    n_classes: int,
    *,
    module: Any,
    shape: tuple[int, ...],
    options: Mapping[str, Any],
    n_heads: int,
) -> nn.Module:
    """Build a module as `build_module` does, with a `PrototypeEnsemble` as its head.

    It replaces the last linear layer; a head of another kind is kept.

    Parameters
    ----------
    n_classes : int
    module : str, callable, nn.Module or None
    shape : tuple of int
    options : mapping
        All as in `build_module`.
    n_heads : int
        Of the new head.

    Examples
    --------
    >>> head = with_prototype_heads(3, module="linear", shape=(5,), options={}, n_heads=2).head
    >>> head.members[1]
    Prototypes(in_features=5, out_features=3)
    """
    built = build_module(module, shape, n_classes, options=options)
    return with_other_head(built, lambda d, k: PrototypeEnsemble(d, k, n_heads))
