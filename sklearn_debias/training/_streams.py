"""Random streams by name, so that one more network never shifts another's numbers."""

import threading
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from sklearn_debias.plain import Plain

_GLOBAL_RNG = threading.RLock()


class Streams(Plain):
    """Independent random streams, each keyed by the names it is asked for.

    Parameters
    ----------
    random_state : int, RandomState or None
        An int gives the same streams every time; None fresh ones; a RandomState is drawn from once.
    keeping : bool, default=False
        Hold the streams that are asked for, so that `taken` tells how far they are.
    """

    def __init__(self, random_state: Any, *, keeping: bool = False) -> None:
        self.made: dict[tuple[str, ...], torch.Generator | Noise] | None = {} if keeping else None
        if isinstance(random_state, np.random.RandomState):
            random_state = int(random_state.randint(np.iinfo(np.int32).max))
        self.entropy = np.random.SeedSequence(
            None if random_state is None else int(random_state)
        ).entropy

    def seed(self, *names: str) -> int:
        """Return the seed of the stream ``names``, 0 to 2**63 - 1."""
        # A checksum: Python's hash of a text differs from process to process.
        key = tuple(zlib.crc32(name.encode()) for name in names)
        words = np.random.SeedSequence(self.entropy, spawn_key=key).generate_state(1, np.uint64)
        return int(words[0] >> np.uint64(1))

    def generator(self, *names: str, device: Any = "cpu") -> torch.Generator:
        """Return a torch generator of the stream ``names`` on ``device``."""
        generator = torch.Generator(device)
        generator.manual_seed(self.seed(*names))
        if self.made is not None:
            self.made[names] = generator
        return generator

    def noise(self, *names: str, device: Any = "cpu") -> "Noise":
        """Return a context in which torch's global numbers come from the stream ``names``."""
        noise = Noise(self.seed(*names), torch.device(device))
        if self.made is not None:
            self.made[names] = noise
        return noise

    def taken(self) -> dict[tuple[str, ...], list[torch.Tensor]]:
        """Return how far each stream is that was asked for."""
        return {
            names: stream.states if isinstance(stream, Noise) else [stream.get_state()]
            for names, stream in (self.made or {}).items()
        }

    def put_back(self, taken: Mapping[tuple[str, ...], list[torch.Tensor]]) -> None:
        """Move the streams that were asked for to where they were."""
        for names, stream in (self.made or {}).items():
            if names in taken and isinstance(stream, Noise):
                stream.states = list(taken[names])
            elif names in taken:
                stream.set_state(taken[names][0])  # type: ignore[union-attr]

    def let_go(self) -> None:
        """Hold no stream any longer."""
        self.made = None


class Noise:
    """Lend torch's global random generators a private stream; the caller's state comes back after.

    Layers such as dropout draw from the global generators and cannot be told to do otherwise. A
    lock keeps fits in other threads out meanwhile.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self.device = device
        own = [torch.Generator()] + ([torch.Generator(device)] if device.type == "cuda" else [])
        self.states = [generator.manual_seed(seed).get_state() for generator in own]

    def generators(self) -> list[torch.Generator]:
        """Return the global generators that are lent the stream."""
        if self.device.type != "cuda":
            return [torch.default_generator]
        index = torch.cuda.current_device() if self.device.index is None else self.device.index
        return [torch.default_generator, torch.cuda.default_generators[index]]

    def __enter__(self) -> "Noise":
        _GLOBAL_RNG.acquire()
        self.outside = [generator.get_state() for generator in self.generators()]
        self._set(self.states)
        return self

    def __exit__(self, *exc: object) -> None:
        # The stream goes on from here at the next use.
        self.states = [generator.get_state() for generator in self.generators()]
        self._set(self.outside)
        _GLOBAL_RNG.release()

    def _set(self, states: list[torch.Tensor]) -> None:
        """Put the global generators into these states."""
        for generator, state in zip(self.generators(), states, strict=True):
            generator.set_state(state)
