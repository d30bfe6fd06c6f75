"""Which rows belong to which class or group, as a matrix."""

from torch import Tensor


def membership(group: Tensor, groups: Tensor, like: Tensor) -> Tensor:
    """Which rows with codes ``group`` (b,) belong to which of the codes ``groups`` (e,): 0 or 1, shape (b, e).

    Examples
    --------
    >>> import torch
    >>> membership(torch.tensor([1, 0, 1]), torch.arange(2), torch.zeros(()))
    tensor([[0., 1.],
            [1., 0.],
            [0., 1.]])
    """
    return (group[:, None] == groups).to(like.dtype)
