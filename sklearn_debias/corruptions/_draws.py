"""Random numbers of each image by its content: neither order, nor batches, nor workers matter."""

from collections.abc import Callable, Sequence
from hashlib import blake2b
from secrets import randbits
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sklearn_debias.arguments import is_seed
from sklearn_debias.seeds import Seed


class Draws:
    """One random generator per image of a batch.

    Everything is drawn by NumPy on the CPU, so that an image meets the same numbers on any device.

    Parameters
    ----------
    generators : sequence of numpy.random.Generator, of length b
    like : Tensor
        Gives the dtype and the device of what is drawn.
    """

    def __init__(self, generators: Sequence[np.random.Generator], like: Tensor) -> None:
        self._generators = generators
        self._like = like

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Draw U(low, high) of shape (b, *shape)."""
        return self.tensor(lambda rng: rng.uniform(low, high, shape))

    def normal(self, *shape: int) -> Tensor:
        """Draw N(0, 1) of shape (b, *shape)."""
        return self.tensor(lambda rng: rng.standard_normal(shape))

    def poisson(self, rate: Tensor) -> Tensor:
        """Draw Poisson numbers with the means ``rate``, a tensor of b rows."""
        rates = rate.cpu().double().numpy()
        drawn = [rng.poisson(row) for rng, row in zip(self._generators, rates, strict=True)]
        return self.like(np.stack(drawn))

    def arrays(self, draw: Callable[[np.random.Generator], Any]) -> np.ndarray:
        """Return what ``draw`` makes of each generator, stacked."""
        return np.stack([np.asarray(draw(rng)) for rng in self._generators])

    def tensor(self, draw: Callable[[np.random.Generator], Any]) -> Tensor:
        """Return what ``draw`` makes of each generator, as a tensor."""
        return self.like(self.arrays(draw))

    def like(self, values: np.ndarray) -> Tensor:
        """Return an array as a tensor of the images' dtype and device."""
        return torch.from_numpy(values).to(self._like.dtype).to(self._like.device)


def read_seed(random_state: Seed) -> int:
    """Return the seed that a ``random_state`` stands for.

    The global generators are neither read nor moved.
    """
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31))
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**63))
    if random_state is None:
        return randbits(64)
    if is_seed(random_state):
        return int(random_state)
    raise ValueError(
        "`random_state` must be None, an int >= 0, a RandomState or a Generator, got "
        f"{random_state!r}."
    )


def draws_of(levels: Tensor, name: str, seed: int, like: Tensor) -> Draws:
    """Return generators keyed by the seed, the corruption and the content of each image.

    The content is its grey ``levels`` (b, c, h, w), uint8, not its floats: an image in [0, 1] and
    its uint8 twin meet the same numbers. The severity is left out, so that an image meets the same
    noise at every severity, only more of it.
    """
    # The shape is a part of the key: images of other shapes may have the same bytes.
    head = f"{name}/{seed}/{tuple(levels.shape[1:])}/".encode()
    images = levels.cpu().contiguous().numpy()
    keys = [
        int.from_bytes(blake2b(head + image.tobytes(), digest_size=16).digest()) for image in images
    ]
    return Draws([np.random.default_rng(key) for key in keys], like)
