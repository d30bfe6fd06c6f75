"""How alike two saliency maps are, and what they are made of."""

import torch
from torch import Tensor

SALIENCIES = ("logit", "label_logit", "log_prob", "label_log_prob", "prob", "sum_log_softmax")
FLAT = 1e-12  # a map of this size or less has no shape


def saliency_cotangent(logits: Tensor, y: Tensor, kind: str) -> Tensor:
    """Return the gradient of the explained scalar by the logits, shape (b, k), differentiable.

    Parameters
    ----------
    logits : Tensor of shape (b, k)
    y : Tensor of shape (b,), int64
        True classes, for the kinds that begin with "label".
    kind : {"logit", "label_logit", "log_prob", "label_log_prob", "prob", "sum_log_softmax"}
        The scalar: a logit, log-probability or probability of the arg-max class or of the label; or
        the sum of all log-probabilities.

    Examples
    --------
    >>> import torch
    >>> saliency_cotangent(torch.tensor([[0.0, 2.0]]), torch.tensor([0]), "logit")
    tensor([[0., 1.]])
    """
    chosen = y if kind.startswith("label") else logits.detach().argmax(-1)
    classes = torch.arange(logits.shape[-1], device=logits.device)
    one_hot = (chosen[:, None] == classes).to(logits.dtype)
    if kind.endswith("logit"):
        return one_hot
    probability = logits.softmax(-1)
    if kind.endswith("log_prob"):  # d log p_c / dz = 1_c - p
        return one_hot - probability
    if kind == "prob":  # d p_c / dz = p_c (1_c - p)
        return (one_hot * probability).sum(-1, keepdim=True) * (one_hot - probability)
    # d sum_c log p_c / dz = 1 - k p
    return 1 - logits.shape[-1] * probability


def scale_free(z: Tensor, *, by: str = "sample", norm: str = "max") -> Tensor:
    """Return N(z) = z / max|z| (or z / ||z||_2) of each sample, or of the whole batch.

    A flat map stays as it is.

    Parameters
    ----------
    z : Tensor of shape (b, ...)
    by : {"sample", "batch"}, default="sample"
    norm : {"max", "l2"}, default="max"

    Examples
    --------
    >>> import torch
    >>> scale_free(torch.tensor([[1.0, -4.0], [0.0, 0.0]]))
    tensor([[ 0.2500, -1.0000],
            [ 0.0000,  0.0000]])
    """
    rows = z.flatten(1) if by == "sample" else z.reshape(1, -1)
    if norm == "max":
        # The gradient goes to one largest entry; amax would split it where several tie.
        size = rows.gather(1, rows.detach().abs().argmax(1, keepdim=True)).abs()
    else:
        size = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    # Divided by its size, a flat map would have a gradient of 1e12 times anything.
    return (rows / torch.where(size > FLAT, size, 1.0)).reshape(z.shape)


def opposition(student: Tensor, teacher: Tensor, distance: str = "mse") -> Tensor:
    """Return the mean distance of -s and t; 0 where the maps are opposite. A scalar.

    Parameters
    ----------
    student, teacher : Tensor of the same shape
    distance : {"mse", "l1"}, default="mse"

    Examples
    --------
    >>> import torch
    >>> opposition(torch.tensor([[1.0, 0.0]]), torch.tensor([[-1.0, 1.0]]))
    tensor(0.5000)
    """
    gap = student + teacher
    return gap.abs().mean() if distance == "l1" else gap.square().mean()


def class_opposition(
    student: Tensor, teacher: Tensor, share: Tensor, distance: str = "mse"
) -> Tensor:
    """Return the `opposition` of samples whose maps are rows of two matrices. A scalar.

    Parameters
    ----------
    student, teacher : Tensor of shape (k, d)
        A map for each class.
    share : Tensor of shape (k, k)
        Share of the samples that have row i of ``student`` and row j of ``teacher``.
    distance : {"mse", "l1"}, default="mse"
    """
    if distance == "l1":
        return (share * (student[:, None] + teacher[None]).abs().mean(-1)).sum()
    # sum_ij share_ij |s_i + t_j|^2 / d, expanded: no (k, k, d) tensor of sums is made.
    share = share / student.shape[1]
    met = share.T @ student  # what the teacher's rows meet
    crossed = (teacher * torch.addcmul(2 * met, share.sum(0)[:, None], teacher)).sum()
    return crossed + (share.sum(1) @ student.square()).sum()


def similarity_matrix(activation: Tensor) -> Tensor:
    """Return E = A A^T of the flattened activations (b, ...); shape (b, b)."""
    rows = activation.flatten(1)
    return rows @ rows.T
