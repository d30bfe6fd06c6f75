"""Maps in [0, 1], of the size of the image."""

import torch
import torch.nn.functional as F
from torch import Tensor


def min_max(maps: Tensor) -> Tensor:
    """Return each map (b, ...) scaled to [0, 1].

    A map that is constant, up to rounding, becomes zeros: it has no shape. NaN and inf become NaN.

    Examples
    --------
    >>> import torch
    >>> from sklearn_debias.maps._scaling import min_max
    >>> min_max(torch.tensor([[1.0, 3.0, 2.0], [5.0, 5.0, 5.0]]))
    tensor([[0.0000, 1.0000, 0.5000],
            [0.0000, 0.0000, 0.0000]])
    """
    axes = tuple(range(1, maps.ndim))
    low = maps.amin(axes, keepdim=True)
    high = maps.amax(axes, keepdim=True)
    size = torch.maximum(low.abs(), high.abs())
    varies = high - low > 8 * torch.finfo(maps.dtype).eps * size
    scaled = (maps - low) / torch.where(varies, high - low, 1.0)
    # maps - maps: zeros, but NaN where an entry is not finite, which zeros would hide.
    return torch.where(varies, scaled, maps - maps)


def max_abs(maps: Tensor) -> Tensor:
    """Return each signed map (b, ...) divided by its largest magnitude: in [-1, 1], 0 stays 0.

    A map of zeros stays one. NaN and inf become NaN.

    Examples
    --------
    >>> import torch
    >>> from sklearn_debias.maps._scaling import max_abs
    >>> max_abs(torch.tensor([[1.0, -4.0, 2.0], [0.0, 0.0, 0.0]]))
    tensor([[ 0.2500, -1.0000,  0.5000],
            [ 0.0000,  0.0000,  0.0000]])
    """
    # As `losses.scale_free`, but however small the map is: nothing is differentiated here.
    size = maps.abs().amax(tuple(range(1, maps.ndim)), keepdim=True)
    # maps - maps: zeros, but NaN where an entry is not finite, which 0 / inf would hide.
    return maps / torch.where(size > 0, size, 1.0) + (maps - maps)


def resize(maps: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    """Return maps (b, h', w') at another size (b, h, w), bilinear, within the range they had."""
    if maps.shape[-2:] == tuple(size):
        return maps
    low = maps.amin((1, 2), keepdim=True)
    high = maps.amax((1, 2), keepdim=True)
    resized = F.interpolate(maps[:, None], tuple(size), mode="bilinear", align_corners=False)[:, 0]
    # Rounding may lead out of the range.
    return resized.clamp(low, high)
