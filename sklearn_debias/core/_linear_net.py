"""Linear layers on X, whose gradients are known in closed form."""

from functools import reduce

import torch
from torch import Tensor

Moved = tuple[Tensor, Tensor]  # coordinates (b, r) in directions (r, d)


class LinearNet:
    """A linear layer in a step without autograd: its logits, and the gradients that it is given.

    The classes come before the rows here: in this order a softmax over a few classes is vectorised
    over the rows, and one product serves all members of a stack.

    Parameters
    ----------
    weight : Tensor of shape (k, d)
    bias : Tensor of shape (k,)

    Examples
    --------
    >>> import torch
    >>> from sklearn_debias.core.internal import LinearNet
    >>> net = LinearNet(torch.zeros(3, 2), torch.zeros(3))
    >>> x = torch.ones(4, 2)
    >>> net.logits(x).shape
    torch.Size([3, 4])
    >>> net.pull(torch.ones(3, 4), x)
    >>> net.gradients()["weight"].shape, net.gradients()["bias"]
    (torch.Size([3, 2]), tensor([4., 4., 4.]))
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self.weight = weight
        self.bias = bias
        self._seen: list[tuple[Tensor, Tensor]] = []  # inputs, their logits
        self._pulled: list[tuple[Tensor, Tensor]] = []  # inputs, the sum of their residuals
        self._moved: list[tuple[Tensor, Moved]] = []  # residuals, what moved their inputs

    def frozen(self) -> "LinearNet":
        """Return the same layer: nothing here is trained."""
        return self

    def logits(self, x: Tensor) -> Tensor:
        """Return the logits (k, b) of rows (b, d); those of the same tensor are kept."""
        for known, logits in self._seen:
            if known is x:
                return logits
        logits = self.bias[:, None].addmm(self.weight, x.mT)
        self._seen.append((x, logits))
        return logits

    def pull(self, residual: Tensor, x: Tensor, moved: "Moved | None" = None) -> None:
        """Take the gradient of a loss by the logits (k, b) of ``x`` (b, d).

        Where these are the logits of ``x + c Q``, ``moved`` holds c (b, r) and Q (r, d).
        """
        if moved is not None:
            self._moved.append((residual, moved))
        # One product for all residuals of the same rows.
        for i, (known, before) in enumerate(self._pulled):
            if known is x:
                self._pulled[i] = (x, before + residual)
                return
        self._pulled.append((x, residual))

    def gradients(self) -> dict[str, Tensor]:
        """Return the gradients by "weight" and "bias": the sum of all that was pulled."""
        weights = [residual @ x for x, residual in self._pulled]
        weights += [(residual @ c) @ q for residual, (c, q) in self._moved]
        biases = [residual.sum(1) for _, residual in self._pulled]
        return {"weight": reduce(torch.add, weights), "bias": reduce(torch.add, biases)}
