"""Whether a network that takes no mask tells padding from text by itself."""

import torch
from torch import Tensor, nn

from sklearn_debias.core.internal import COLUMNS, PADDING, Unpacked
from sklearn_debias.fitting._probe import awake
from sklearn_debias.training import is_of_device, is_of_memory, of_width

IDS = COLUMNS.index("input_ids")
CLOSE = 1e-5  # of the largest output; kernels round otherwise at another length


def try_padding(module: nn.Module, x: Tensor) -> None:
    """Note in each network of ``module`` that takes no mask up to what length it skips padding.

    Parameters
    ----------
    module : nn.Module
    x : Tensor of shape (b, columns, length)
        Rows of tokens that it can take.
    """
    longest = (x[:, IDS] != PADDING).sum(1).argmax()
    row = x[longest : longest + 1]
    row = row[:, :, : int((row[:, IDS] != PADDING).sum())]
    for part in module.modules():
        if isinstance(part, Unpacked) and not part.sees_masks:
            part.pads_to = row.shape[2] if _skips_padding(part, row) else 0


def _skips_padding(network: Unpacked, row: Tensor) -> bool:
    """Return whether the beginnings of a row (1, columns, length) are the same with padding.

    With it they are as long as the row, and not longer: the network may have no more positions.
    Short ones tell most, since in a long row a maximum may hide what padding adds.
    """
    try:
        with torch.no_grad():
            twin = awake(network).eval()
            # Who answers the same to any text says nothing about padding.
            if _alike(twin(row), twin(_other_text(row))):
                return False
            lengths = [2**i for i in range(row.shape[2].bit_length()) if 2**i < row.shape[2]]
            answers = [_ignores_padding(twin, row, length) for length in lengths]
    except Exception as error:
        if is_of_memory(error) or is_of_device(error):
            raise
        return False  # what it cannot do is named where it is tried on rows as they are
    return True in answers and False not in answers


def _ignores_padding(network: nn.Module, row: Tensor, length: int) -> bool | None:
    """Return whether padding changes nothing; None if so short a row is too short by itself."""
    try:
        alone = network(row[:, :, :length])
    except Exception as error:
        if is_of_memory(error) or is_of_device(error):
            raise
        return None
    return _alike(alone, network(of_width(row[:, :, :length], row.shape[2])))


def _other_text(row: Tensor) -> Tensor:
    """Return a row of one id that is in the vocabulary, and is not the row's largest."""
    other = row.clone()
    other[:, IDS] = (row[:, IDS].max() - 1).clamp(min=0)
    return other


def _alike(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape:
        return False
    tolerance = max(CLOSE, 8 * torch.finfo(one.dtype).eps) * one.nan_to_num().abs().max().item()
    return torch.allclose(one, other, rtol=0, atol=tolerance, equal_nan=True)
