"""Statistics of each class's features, and how far a head spreads them.

Wang et al., "Implicit Semantic Data Augmentation for Deep Networks", NeurIPS 2019 (ISDA). A
covariance is full, (k, d, d), or diagonal, (k, d); the functions tell which by its shape.
"""

import torch
from torch import Tensor

from sklearn_debias.losses._membership import membership

Statistics = tuple[Tensor, Tensor, Tensor]


def no_statistics(n_classes: int, n_features: int, *, diagonal: bool, like: Tensor) -> Statistics:
    """Return the statistics of no sample: counts (k,), means (k, d), covariances, all zero."""
    shape = (n_classes, n_features) if diagonal else (n_classes, n_features, n_features)
    return like.new_zeros(n_classes), like.new_zeros(n_classes, n_features), like.new_zeros(shape)


def update_statistics(
    statistics: Statistics, features: Tensor, y: Tensor, *, by_class: bool = False
) -> Statistics:
    """Return the statistics of each class with a batch more.

    Parameters
    ----------
    statistics : (counts (k,), means (k, d), covariances (k, d, d) or (k, d))
        Covariances are biased: divided by the count.
    features : Tensor of shape (b, d)
    y : Tensor of shape (b,), int64
    by_class : bool, default=False
        Multiply each class's rows on their own, which is far less on a CPU. It reads numbers off
        the tensors: not in a vmapped run, and on other devices it waits.

    Returns
    -------
    statistics

    Examples
    --------
    >>> import torch
    >>> x, y = torch.tensor([[1.0], [3.0]]), torch.tensor([0, 0])
    >>> counts, means, covariances = update_statistics(
    ...     no_statistics(2, 1, diagonal=False, like=x), x, y
    ... )
    >>> counts.tolist(), means[0].tolist(), covariances[0].tolist()
    ([2.0, 0.0], [2.0], [[1.0]])
    """
    count, mean, covariance = statistics
    member = membership(y, torch.arange(len(count), device=y.device), features)
    size = member.sum(0)
    # With w = m / (n + m), m of the batch beside n before, and S' and mu' of the batch:
    # Sigma <- (1 - w) Sigma + w S' + w (1 - w) (mu' - mu)(mu' - mu)^T.
    # A class that the batch lacks has w = 0, and stays as it is.
    batch_mean = member.T @ features / size.clamp(min=1)[:, None]
    centred = features - batch_mean.index_select(0, y)
    share = size / (count + size).clamp(min=1)
    moved = batch_mean - mean
    within = share / size.clamp(min=1)
    between = share * (1 - share)
    if covariance.ndim == 2:
        added = member.T @ centred.square() * within[:, None] + moved.square() * between[:, None]
        new = covariance * (1 - share)[:, None] + added
    # The shift of the mean counts as one more row of the batch: few passes over (k, d, d).
    elif by_class:
        deviations = within.sqrt()[y][:, None] * centred
        rows = torch.cat([deviations, between.sqrt()[:, None] * moved])
        new = _added_by_class(covariance, size, share, rows, y)
    else:
        deviations = (member * within).T[:, :, None] * centred
        shift = (between[:, None] * moved)[:, None]
        weighted = torch.cat([deviations, shift], 1)
        rows = torch.cat([centred.expand(len(count), -1, -1), moved[:, None]], 1)
        new = torch.baddbmm(covariance * (1 - share)[:, None, None], weighted.mT, rows)
    return count + size, mean + share[:, None] * moved, new


def _added_by_class(
    covariance: Tensor, size: Tensor, share: Tensor, rows: Tensor, label: Tensor
) -> Tensor:
    """Return ``(1 - share) Sigma_c + R_c^T R_c``, with R_c the rows of class c and a last one."""
    every = torch.arange(len(size), device=label.device)
    order = torch.cat([label, every]).argsort()
    numbers = size.long().tolist()
    parts = rows[order].split([number + 1 for number in numbers])
    new = covariance.clone()
    for own, kept, number, part in zip(new, (1 - share).tolist(), numbers, parts, strict=True):
        if number:
            own.addmm_(part.mT, part, beta=kept)
    return new


def spread(weight: Tensor, covariance: Tensor) -> Tensor:
    """Return ``1/2 (w_j - w_c) Sigma_c (w_j - w_c)^T`` for all classes: row c, column j, (k, k).

    It is 0 where j = c.

    Parameters
    ----------
    weight : Tensor of shape (k, d)
        The head's.
    covariance : Tensor of shape (k, d, d) or (k, d)
        Symmetric; may be indefinite, then entries may be negative.
    """
    # Expanded into w_j Sigma_c w_j^T and w_c Sigma_c w_j^T: no (k, k, d) tensor of differences is
    # made.
    if covariance.ndim == 2:
        own = covariance * weight
        squares = covariance @ weight.square().T
        crossed = own @ weight.T
    else:
        seen = covariance @ weight.T  # (k, d, k): Sigma_c w_j
        squares = (seen * weight.T).sum(1)
        crossed = (weight[:, None, :] @ seen).squeeze(1)
    whole = 0.5 * (squares - 2 * crossed + crossed.diagonal()[:, None])
    # The diagonal would be rounding only.
    return whole * (1 - torch.eye(len(weight), dtype=whole.dtype, device=whole.device))
