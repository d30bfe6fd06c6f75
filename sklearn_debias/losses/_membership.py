"""Which rows belong to which class or group, as a matrix."""

from torch import Tensor


def membership(group: Tensor, groups: Tensor, like: Tensor) -> Tensor:
    """Return which rows, with codes ``group`` (b,), belong to which of ``groups`` (e,).

    A matrix (b, e) of 0 and 1, in the dtype of ``like``.

    Examples
    --------
    >>> import torch
    >>> membership(torch.tensor([1, 0, 1]), torch.arange(2), torch.zeros(()))
    tensor([[0., 1.],
            [1., 0.],
            [0., 1.]])
    """
    return (group[:, None] == groups).to(like.dtype)
