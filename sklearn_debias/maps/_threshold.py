"""Where a map's own values part into low and high ones."""

import torch
from torch import Tensor


def otsu_threshold(maps: Tensor) -> Tensor:
    """Return the value up to which each map is low, by Otsu's criterion [1]_; shape (b,).

    Of all ways to cut the sorted values in two it takes the one whose parts have means that are
    farthest apart, ``w_low w_high (mean_high - mean_low)^2``, with w their shares. All of a map
    that is constant is low.

    Parameters
    ----------
    maps : Tensor of shape (b, ...)

    References
    ----------
    .. [1] Otsu, "A Threshold Selection Method from Gray-Level Histograms", IEEE Transactions on
       Systems, Man, and Cybernetics, 1979.

    Examples
    --------
    >>> import torch
    >>> otsu_threshold(torch.tensor([[0.0, 0.1, 0.8, 0.9, 0.2], [0.5, 0.5, 0.5, 0.5, 0.5]]))
    tensor([0.2000, 0.5000])
    """
    values = maps.detach().flatten(1).sort(1).values
    n = values.shape[1]
    if n == 1:
        return values[:, 0]
    low = torch.arange(1, n, device=values.device, dtype=values.dtype) / n
    sums = values.cumsum(1)
    means_low = sums[:, :-1] / (n * low)
    means_high = (sums[:, -1:] - sums[:, :-1]) / (n * (1 - low))
    between = low * (1 - low) * (means_high - means_low).square()
    # A cut among equal values is none.
    parted = values[:, 1:] > values[:, :-1]
    best = torch.where(parted, between, -1).argmax(1, keepdim=True)
    # Where no cut is left, this is the first value, and the largest one.
    return values.gather(1, best)[:, 0]
