"""The public function: images in, corrupted images of the same kind out."""

from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from sklearn_debias.corruptions._draws import Seed, draws_of, read_seed
from sklearn_debias.corruptions._registry import find

SMALLEST = 8  # pixels of a side
PIXELS = 1 << 21  # values of the images that are worked on together: 8 MB of float32
NUMPY_DTYPES = (np.uint8, np.float16, np.float32, np.float64)
# bfloat16 is torch's alone.
DTYPES = (torch.uint8, torch.float16, torch.bfloat16, torch.float32, torch.float64)

Images = TypeVar("Images", np.ndarray, Tensor)


def corrupt(
    images: Images, name: str, severity: int | None = None, random_state: Seed = 0
) -> Images:
    """Corrupt images, each with random parameters of its own.

    What happens to an image depends on the seed and on the image alone: not on the others, their
    order, the size of a batch or the number of workers. Equal images are corrupted alike, and so
    are an image in [0, 1] and its uint8 twin.

    Parameters
    ----------
    images : ndarray or Tensor of shape (b, c, h, w)
        uint8 in 0..255, or floats in [0, 1]; at least 8x8 pixels. They are not changed. Tensors
        stay on their device.
    name : str
        One of :func:`corruption_names`.
    severity : {1, 2, 3, 4, 5} or None, default=None
        None: one of the eight corruptions of BiasAdv's supplement [1]_, which draw their strength
        per image. Else one of the nineteen classic ones [2]_ at the strengths of CIFAR-10-C, which
        are meant for 32 pixels and are not scaled to other sizes. Gaussian noise, Gaussian blur and
        JPEG are in both.
    random_state : None, int, RandomState or Generator, default=0
        None draws fresh entropy. No global generator is read or moved.

    Returns
    -------
    ndarray or Tensor of shape (b, c, h, w)
        As ``images``: of the same type, dtype, device and range.

    Raises
    ------
    TypeError
        If ``images`` is neither an array nor a tensor.
    ValueError
        If there is no such corruption at this severity, or the images have another shape, dtype or
        range, or a number of channels that the corruption cannot take.

    References
    ----------
    .. [1] J. Lim et al., "BiasAdv: Bias-Adversarial Augmentation for Model Debiasing", CVPR 2023,
       Section D.3.
    .. [2] D. Hendrycks and T. Dietterich, "Benchmarking Neural Network Robustness to Common
       Corruptions and Perturbations", ICLR 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_debias.corruptions import corrupt
    >>> images = np.zeros((2, 3, 32, 32), dtype=np.uint8)
    >>> noisy = corrupt(images, "gaussian_noise", severity=5)
    >>> noisy.dtype, noisy.shape, bool(noisy.any())
    (dtype('uint8'), (2, 3, 32, 32), True)
    """
    recipe, severity = find(name, severity)
    seed = read_seed(random_state)
    x = check_images(images)
    if recipe.channels is not None and x.shape[1] not in recipe.channels:
        allowed = " or ".join(map(str, recipe.channels))
        raise ValueError(f"`images` must have {allowed} channels for {name!r}, got {x.shape[1]}.")
    out = torch.empty_like(x, memory_format=torch.contiguous_format)
    step = max(1, PIXELS // max(1, x[0].numel())) if len(x) else 1
    with torch.no_grad():
        for first in range(0, len(x), step):
            rows = slice(first, first + step)
            unit = to_unit(x[rows])
            levels = (unit * 255).round().to(torch.uint8)
            draws = draws_of(levels, name, seed, unit)
            worse = recipe.apply(unit, draws, *recipe.strength(severity))
            out[rows] = from_unit(worse, x.dtype)
    return out if isinstance(images, Tensor) else out.numpy()


def check_images(images: np.ndarray | Tensor, name: str = "images") -> Tensor:
    """Return ``images`` as a tensor (b, c, h, w), uint8 or floats in [0, 1].

    They are copied only where it must be.
    """
    if not isinstance(images, Tensor | np.ndarray):
        raise TypeError(
            f"`{name}` must be an ndarray or a Tensor of images (b, c, h, w), got "
            f"{type(images).__name__}."
        )
    if images.ndim != 4:
        raise ValueError(
            f"`{name}` must be images of shape (b, c, h, w), got the shape {tuple(images.shape)}."
        )
    channels, height, width = (int(size) for size in images.shape[1:])
    # A width of 1, 3 or 4 is no image: the channels came last.
    if width in (1, 3, 4) and channels not in (1, 3, 4) and height > 4:
        hint = (
            "Move the channels with `images.transpose(0, 3, 1, 2)` (an array) or "
            "`images.permute(0, 3, 1, 2)`."
        )
        raise ValueError(
            f"`{name}` must be (b, c, h, w); the shape {tuple(images.shape)} looks like NHWC. "
            f"{hint}"
        )
    if min(height, width) < SMALLEST or channels < 1:
        found = f"{channels} channels of {height}x{width} pixels"
        raise ValueError(
            f"`{name}` must have channels of {SMALLEST}x{SMALLEST} pixels or more, got {found}."
        )
    return _in_range(_as_tensor(images, name), name)


def _as_tensor(images: np.ndarray | Tensor, name: str) -> Tensor:
    """Return the images as a tensor, if their dtype is allowed."""
    if isinstance(images, Tensor):
        if images.dtype not in DTYPES:
            raise _wrong_dtype(images.dtype, name)
        return images.detach()
    # torch refuses foreign byte order and negative strides, and warns of read-only memory.
    native = images.dtype.newbyteorder("=")
    if native not in NUMPY_DTYPES:
        raise _wrong_dtype(native, name)
    array = np.asarray(images, dtype=native, order="C")
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def _wrong_dtype(dtype: np.dtype | torch.dtype, name: str) -> ValueError:
    """Return the error of images whose dtype does not say how they are scaled."""
    hint = "Images in 0..255 of another dtype: cast them to uint8, or divide by 255."
    return ValueError(
        f"`{name}` must be uint8 in 0..255 or floats in [0, 1], got the dtype {dtype}. {hint}"
    )


def _in_range(x: Tensor, name: str) -> Tensor:
    """Return the images, if their values lie in [0, 1] or are bytes."""
    if x.dtype == torch.uint8 or not x.numel():
        return x
    low = x.min().item()
    high = x.max().item()
    if not (low >= 0 and high <= 1):  # `low < 0 or high > 1` would let NaN pass
        hint = (
            "Divide grey levels by 255; undo a normalisation, and leave it to the estimator's "
            "`normalize`."
        )
        raise ValueError(
            f"`{name}` must be floats in [0, 1], got values from {low:g} to {high:g}. {hint}"
        )
    return x


def to_unit(x: Tensor) -> Tensor:
    """Return images as float32 or float64 in [0, 1]."""
    if x.dtype == torch.uint8:
        return x.float() / 255
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def from_unit(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Return floats, cut to [0, 1], as images of ``dtype``."""
    x = x.clamp(0, 1)
    return (x * 255).round().to(dtype) if dtype == torch.uint8 else x.to(dtype)
