"""Modules as ``head(body(x))``."""

from typing import Any

from torch import Tensor, nn

from sklearn_debias.core._hooks import has_own
from sklearn_debias.core._tokens import (
    TokenLimits,
    Unpacked,
    is_of_transformers,
    split_transformer,
)

AUXILIARY = ("AuxLogits", "aux1", "aux2")  # of Inception v3; of GoogLeNet


class SplitModule(nn.Module):
    """A module made of a body (inputs to features) and a head (features to logits).

    Parameters
    ----------
    body : nn.Module
        Maps inputs (b, ...) to features, (b, d) or (b, c, h, w).
    head : nn.Module
        Maps features to logits (b, k).

    Examples
    --------
    >>> from torch import nn, zeros
    >>> module = SplitModule(nn.Flatten(), nn.Linear(4, 2))
    >>> module(zeros(3, 1, 2, 2)).shape
    torch.Size([3, 2])
    """

    def __init__(self, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        # Not annotated in the class, where torch.jit.script looks for types that it knows.
        self.body: nn.Module = body
        self.head: Any = head

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of ``x``, shape (b, k)."""
        return self.head(self.body(x))


def split(module: nn.Module) -> nn.Module:
    """Split ``module`` into body and head where that is safe, else return it as it is.

    Split are: modules with ``.body`` and ``.head``, a lone linear layer, a Sequential that ends in
    one, and the classifiers of torchvision, timm and transformers, whose last linear layer becomes
    the head. Of what a network of transformers returns, the logits alone come back. Auxiliary heads
    of torchvision's Inception and GoogLeNet are taken away.

    What `torch.compile` and ``DataParallel`` wrap is taken out of the wrapper, which would hide its
    parts, and stand in the way of derivatives and copies: it is run as it is.

    Parameters
    ----------
    module : nn.Module
        Not copied: its layers become part of the result.

    Returns
    -------
    nn.Module
        A module with ``.body`` and ``.head``; or ``module`` itself, without such a wrapper, where
        none of the rules apply.

    Examples
    --------
    >>> from torch import nn
    >>> split(nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2))).head
    Linear(in_features=4, out_features=2, bias=True)
    """
    module = _without_wrapper(module)
    parts = (getattr(module, "body", None), getattr(module, "head", None))
    if all(isinstance(part, nn.Module) for part in parts):
        return module
    if isinstance(module, nn.Linear):
        return SplitModule(nn.Identity(), module)
    # A forward or a hook that was put on the whole would not see the whole any more.
    watched = has_own(module)
    if is_of_transformers(module):
        body, head = (Unpacked(module), None) if watched else split_transformer(module)
        return body if head is None else SplitModule(body, head)
    if watched:
        return module
    # Exactly a Sequential: a subclass may have a forward of its own, and so may a subclass of
    # torchvision's or timm's, whose type is of another package.
    if type(module) is nn.Sequential and len(module) > 1 and isinstance(module[-1], nn.Linear):
        return SplitModule(module[:-1], module[-1])
    if type(module).__module__.startswith("torchvision.models"):
        return _split_torchvision(_without_auxiliary(module))
    if type(module).__module__.startswith("timm.models"):
        return _split_timm(module)
    return module


def split_for_tokens(module: nn.Module) -> nn.Module:
    """Split a module that is called with tokens by name, as `split` does others.

    The body of a `SplitModule` is called so, or else the whole, which is not split then.

    Parameters
    ----------
    module : nn.Module
        Not copied.
    """
    module = _without_wrapper(module)
    if is_of_transformers(module):
        return split(module)
    # Exactly this: modules with a body and a head of their own may have another forward.
    if type(module) is SplitModule:
        body = module.body
        return module if isinstance(body, Unpacked) else SplitModule(Unpacked(body), module.head)
    return Unpacked(module)


def token_limits(module: nn.Module) -> TokenLimits:
    """Return what a network takes of rows of tokens before it is split; it stays as it is."""
    module = _without_wrapper(module)
    network: Any = module.body if type(module) is SplitModule else module
    return TokenLimits.of(network if isinstance(network, Unpacked) else Unpacked(network))


def _without_wrapper(module: nn.Module) -> nn.Module:
    """Return the module that is compiled, or shared out over devices."""
    while True:
        inner: Any = module
        if isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
            inner = module.module
        elif type(module).__name__ == "OptimizedModule":  # its class is private to torch
            inner = module._orig_mod
        if inner is module:
            return module
        module = inner


def unsplit(module: nn.Module) -> str:
    """Return that a module has no body and head, and what to do about it."""
    kind = type(module).__name__
    if has_own(module):
        return (
            f"got a {kind} with a hook, or a forward of its own, which would not see the whole any "
            "more. Take it off, or split by hand: sklearn_debias.core.SplitModule(body, head)"
        )
    return (
        f"got a {kind} that cannot be split. Wrap it: sklearn_debias.core.SplitModule(body, head)"
    )


def layer_of(module: nn.Module, name: str) -> nn.Module:
    """Return the layer of that name, as in ``named_modules``.

    The body's layers go by their names within the body, too, or within the network it calls.

    Raises
    ------
    ValueError
        With the names there are.
    """
    layers = dict(module.named_modules())
    for known in (name, f"body.{name}", f"network.{name}", f"body.network.{name}"):
        if name and known in layers:
            return layers[known]
    names = [known.removeprefix("body.") for known in layers if known not in ("", "body")]
    shown = ", ".join(repr(known) for known in names[:40])
    if len(names) > 40:
        shown += " and more"
    raise ValueError(f"there is no layer {name!r}; the layers are {shown}")


def _without_auxiliary(module: nn.Module) -> nn.Module:
    """Take away, in place, the heads whose logits a network returns beside its own in training."""
    if getattr(module, "aux_logits", False):
        own: Any = module
        own.aux_logits = False
        for head in AUXILIARY:
            if hasattr(module, head):
                setattr(module, head, None)
    return module


def _split_torchvision(module: nn.Module) -> nn.Module:
    """Take the last linear layer out of a classifier of torchvision, in place, as the head."""
    # By the families' habits: ResNets "fc", ViT "heads", Swin "head", most others "classifier".
    for path in ("fc", "heads", "head", "classifier"):
        owner: Any = module
        leaf: Any = getattr(module, path, None)
        name = path
        # The layer itself may be the last of a small Sequential.
        while isinstance(leaf, nn.Sequential):
            owner = leaf
            name = list(leaf._modules)[-1]
            leaf = leaf[-1]
        if isinstance(leaf, nn.Linear):
            setattr(owner, name, nn.Identity())
            return SplitModule(module, leaf)
    return module


def _split_timm(module: Any) -> nn.Module:
    """Take the linear layer that timm calls the classifier out of a network, as the head."""
    leaf = module.get_classifier() if hasattr(module, "get_classifier") else None
    if not isinstance(leaf, nn.Linear):  # of a distilled network it is a pair
        return module
    alike = [
        path
        for path, layer in module.named_modules(remove_duplicate=False)
        if isinstance(layer, nn.Linear) and layer.weight.shape == leaf.weight.shape
    ]
    # A second classifier, such as that of VOLO's patches, has a part in the logits.
    if len(alike) != 1:
        return module
    owner, _, name = alike[0].rpartition(".")
    setattr(module.get_submodule(owner), name, nn.Identity())
    return SplitModule(module, leaf)
