"""Penalties on what differs between environments: risks, gradients and features.

An environment is given by its column of a membership matrix ``member`` (b, environments), 1 where a
row belongs to it. One that a batch does not hold counts for nothing, in the value and in the
gradient.
"""

import torch
from torch import Tensor

GAMMAS = (1e-3, 1e-2, 1e-1, 1e0, 1e1, 1e2, 1e3)  # DomainBed's


def environment_means(values: Tensor, member: Tensor) -> Tensor:
    """Return the mean of ``values``, (b,) or (b, d), in each environment: (e,) or (e, d).

    It is 0 where the batch has no row of the environment.
    """
    return _shares(member).T @ values


def mean_over_present(values: Tensor, member: Tensor, rows: int = 1) -> Tensor:
    """Return the mean of ``values``, one per environment, (e,): a scalar.

    It is over the environments that have at least ``rows`` rows, and 0 where none has.
    """
    present = _present(member, rows)
    return present @ values / present.sum().clamp(min=1)


def irm_penalty(logits: Tensor, y: Tensor, member: Tensor) -> Tensor:
    """Return the penalty of IRMv1 [1]_, a scalar.

    It is the squared gradient of each environment's risk by a multiplier of the logits, at 1. That
    of the cross entropy is the mean of ``sum_k p_k z_k - z_y``: nothing is differentiated twice.
    The paper sums over the environments; here, as in its code, it is the mean.

    Parameters
    ----------
    logits : Tensor of shape (b, k)
    y : Tensor of shape (b,), int64
    member : Tensor of shape (b, e)
        1 where a row belongs to an environment, else 0.

    References
    ----------
    .. [1] Arjovsky et al., "Invariant Risk Minimization", 2019.

    Examples
    --------
    >>> import torch
    >>> float(irm_penalty(torch.zeros(2, 3), torch.tensor([0, 1]), torch.ones(2, 1)))
    0.0
    """
    slope = (logits.softmax(-1) * logits).sum(-1) - logits.gather(-1, y[:, None]).squeeze(-1)
    return mean_over_present(environment_means(slope, member).square(), member)


def risk_variance(loss: Tensor, member: Tensor) -> Tensor:
    """Return the variance of the environments' mean losses, V-REx [1]_; ``loss`` is (b,).

    References
    ----------
    .. [1] Krueger et al., "Out-of-Distribution Generalization via Risk Extrapolation (REx)", ICML
       2021.

    Examples
    --------
    >>> import torch
    >>> risk_variance(torch.tensor([1.0, 3.0]), torch.eye(2))
    tensor(1.)
    """
    risk = environment_means(loss, member)
    return mean_over_present((risk - mean_over_present(risk, member)).square(), member)


def feature_variance(features: Tensor, member: Tensor) -> Tensor:
    """Return the variance of the features (b, d) within environments: IB-IRM's bottleneck [1]_.

    Unbiased; a scalar, the mean over features and over the environments with at least two rows.

    References
    ----------
    .. [1] Ahuja et al., "Invariance Principle Meets Information Bottleneck for Out-of-Distribution
       Generalization", NeurIPS 2021.
    """
    squares = member.T @ _centred(features, member).square()
    return mean_over_present((squares / _freedom(member)[:, None]).mean(-1), member, rows=2)


def coral_distance(features: Tensor, member: Tensor) -> Tensor:
    """Return the mean squared difference of the environments' feature means and covariances.

    The two are added up to a scalar. Deep CORAL [1]_ compares the covariances of two domains;
    DomainBed adds the means and averages over all pairs of environments [2]_. An environment with a
    single row has no covariance to compare.

    Parameters
    ----------
    features : Tensor of shape (b, d)
    member : Tensor of shape (b, e)

    References
    ----------
    .. [1] Sun and Saenko, "Deep CORAL: Correlation Alignment for Deep Domain Adaptation", ECCV 2016
       Workshops.
    .. [2] Gulrajani and Lopez-Paz, "In Search of Lost Domain Generalization", ICLR 2021.
    """
    centred = _centred(features, member)
    weighted = (member / _freedom(member)).T[:, :, None] * centred
    covariance = weighted.transpose(1, 2) @ centred
    means = _mean_over_pairs(environment_means(features, member), _present(member, 1))
    return means + _mean_over_pairs(covariance.flatten(1), _present(member, 2))


def mmd_distance(features: Tensor, member: Tensor, gammas: tuple[float, ...] = GAMMAS) -> Tensor:
    """Return the squared maximum mean discrepancy of the features (b, d) [1]_, a scalar.

    It is a mean over pairs of environments. The kernel is ``sum_g exp(-g |u - v|^2)``, with the
    bandwidths of DomainBed; rows meet themselves, too.

    References
    ----------
    .. [1] Li et al., "Domain Generalization with Adversarial Feature Learning", CVPR 2018.
    """
    # The distances do not change by this, and their rounding errors shrink.
    at = features - features.detach().mean(0)
    norm = at.square().sum(-1)
    # |u - v|^2 expanded: rounding may leave it a little below 0.
    distance = (norm[:, None] + norm - 2 * at @ at.T).clamp(min=0)
    kernel = torch.stack([(-gamma * distance).exp() for gamma in gammas]).sum(0)
    share = _shares(member)
    present = _present(member, 1)
    met = share.T @ kernel @ share
    own = met.diagonal()
    # Of ordered pairs; an environment paired with itself adds 0.
    pair = present[:, None] * present * (own[:, None] + own - 2 * met)
    n = present.sum()
    return pair.sum() / (n * (n - 1)).clamp(min=1)


def _present(member: Tensor, rows: int) -> Tensor:
    """Return 1 for the environments that have at least ``rows`` rows, else 0; (e,)."""
    return (member.sum(0) >= rows).to(member.dtype)


def _shares(member: Tensor) -> Tensor:
    """Return ``member`` with columns that sum to 1, or to 0 where the environment is absent."""
    return member / member.sum(0).clamp(min=1)


def _freedom(member: Tensor) -> Tensor:
    """Return the degrees of freedom of each environment's variance, at least 1; (e,)."""
    return (member.sum(0) - 1).clamp(min=1)


def _centred(features: Tensor, member: Tensor) -> Tensor:
    """Return the features minus the mean of the row's own environment."""
    return features - member @ environment_means(features, member)


def _mean_over_pairs(values: Tensor, present: Tensor) -> Tensor:
    """Return the mean of ``(v_i - v_j)^2`` over entries and pairs of present rows; (e, d) values.

    By ``sum_{i<j} |v_i - v_j|^2 = n sum_i |v_i - mean|^2``.
    """
    n = present.sum()
    mean = present @ values / n.clamp(min=1)
    return 2 * (present @ (values - mean).square()).mean() / (n - 1).clamp(min=1)
