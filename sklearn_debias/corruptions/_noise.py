"""Noises of "Benchmarking Neural Network Robustness": Gaussian, shot, impulse, speckle."""

import torch
from torch import Tensor

from sklearn_debias.corruptions._draws import Draws


def gaussian_noise(x: Tensor, draws: Draws, std: float) -> Tensor:
    """Add N(0, std) to every value."""
    return x + std * draws.normal(*x.shape[1:])


def shot_noise(x: Tensor, draws: Draws, photons: float) -> Tensor:
    """Count photons: Poisson(photons x) / photons."""
    return draws.poisson(x * photons) / photons


def impulse_noise(x: Tensor, draws: Draws, share: float) -> Tensor:
    """Make each value, channel by channel, 0 or 1 with probability ``share``."""
    hit = draws.uniform(0, 1, *x.shape[1:]) < share
    white = (draws.uniform(0, 1, *x.shape[1:]) < 0.5).to(x)
    return torch.where(hit, white, x)


def speckle_noise(x: Tensor, draws: Draws, std: float) -> Tensor:
    """Multiply every value by 1 + N(0, std)."""
    return x + x * (std * draws.normal(*x.shape[1:]))
