"""Attacks that go step by step, each sample by itself.

So an evaluation can stop those that are fooled, and fill their places.
"""

import zlib
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from sklearn_debias.arguments import is_real, is_whole
from sklearn_debias.attacks._balls import Ball
from sklearn_debias.attacks._threat import Threat

Network = Callable[[Tensor], Tensor]
State = Mapping[str, Tensor]
SLACK = 1e-4  # of rounding, in a range


class Look(NamedTuple):
    """One step of an attack, as it saw each sample.

    Parameters
    ----------
    state : mapping of str to Tensor of shape (b, ...)
        State of the next step.
    point : Tensor of shape (b, ...)
        The inputs it stands for, inside of the threat.
    codes : Tensor of shape (b,), int64
        Class that the network sees there, where it fools.
    fools : Tensor of shape (b,), bool
        Whether the network misses their class.
    over : Tensor of shape (b,), bool
        Whether the attack has made all its steps.
    flat : Tensor of shape (b,), bool
        Whether it does not fool, and the gradient is exactly zero, so that the attack cannot move.
    lost : Tensor of shape (b,), bool, or None, default=None
        Whether the gradient is not finite; None where none was taken.
    undefined : Tensor of shape (b,), bool, or None, default=None
        Whether the network's outputs are NaN, which fools; None is nowhere.
    """

    state: State
    point: Tensor
    codes: Tensor
    fools: Tensor
    over: Tensor
    flat: Tensor
    lost: Tensor | None = None
    undefined: Tensor | None = None


class StepwiseAttack:
    """Base of the attacks of this package: `begin` and `step` treat each sample by itself.

    A subclass is a frozen dataclass. It draws all random numbers from ``keys``, one per sample, so
    that no sample depends on its neighbours.
    """

    restarts: int = 1

    def check(self, threat: Threat, n_classes: int, shape: tuple[int, ...]) -> None:
        """Raise a ValueError where the attack does not suit the threat, classes or rows' shape."""
        check_finite(type(self).__name__, threat)

    def begin(self, x: Tensor, threat: Threat, keys: Tensor) -> State:
        """Return the state before the first step; ``keys`` (b,), int64, seed the random numbers."""
        raise NotImplementedError

    def step(self, net: Network, x: Tensor, y: Tensor, threat: Threat, state: State) -> Look:
        """Look at the present point of each sample, and go one step on."""
        raise NotImplementedError

    def attack(
        self,
        net: Network,
        x: Tensor,
        y: Tensor,
        threat: Threat,
        *,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Make all steps once; return the last point of each sample, detached.

        Parameters
        ----------
        net : callable
            Maps inputs like ``x`` to logits (b, k). Frozen and in eval mode, by the caller.
        x : Tensor of shape (b, ...)
        y : Tensor of shape (b,), int64
        threat : Threat
        generator : torch.Generator, default=None
            Source of the random numbers, on the CPU; None is torch's global one.

        Returns
        -------
        Tensor like x

        Raises
        ------
        TypeError, ValueError
            For rows, labels or a threat of another kind, rows outside of the threat's range, and
            what `check` refuses.
        """
        n_classes = check_points(net, x, y, threat)
        self.check(threat, n_classes, tuple(x.shape[1:]))
        # Below 2**62, so that adding a number of steps to a key cannot overflow.
        keys = torch.randint(2**62, (len(x),), generator=generator, device="cpu")
        x = x.detach()
        state = self.begin(x, threat, keys)
        while True:
            look = self.step(net, x, y, threat, state)
            if bool(look.over.all()):
                return look.point
            state = look.state


def check_points(net: Network, x: Tensor, y: Tensor, threat: Threat) -> int:
    """Raise unless these can be attacked; return the number of classes.

    Needed are floats (b, ...) in range, class codes (b,), a threat, and logits (b, k).
    """
    if not isinstance(threat, Threat):
        raise TypeError(
            f"`threat` must be a Threat, such as Threat(8 / 255, clip=(0, 1)), got {threat!r}."
        )
    if not isinstance(x, Tensor) or not x.is_floating_point() or x.ndim < 2:
        found = (
            f"{x.dtype} of shape {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
        )
        raise TypeError(
            f"`x` must be a tensor of floats of shape (b, ...), got {found}. uint8 images: divide "
            "by 255."
        )
    if not isinstance(y, Tensor) or y.dtype != torch.int64 or y.shape != x.shape[:1]:
        found = (
            f"{y.dtype} of shape {tuple(y.shape)}" if isinstance(y, Tensor) else type(y).__name__
        )
        raise TypeError(
            f"`y` must be an int64 tensor of class codes, one for each of {len(x)} rows, got "
            f"{found}."
        )
    if 0 in x.shape or not bool(torch.isfinite(x).all()):
        raise ValueError(
            f"`x` must hold at least one row, and finite numbers only, got shape {tuple(x.shape)}"
            f"{' with NaN or infinity' if x.numel() else ''}."
        )
    if threat.clip is not None:
        low, high = _bounds(threat.clip, x)
        if bool(((x < low - SLACK) | (x > high + SLACK)).any()):
            raise ValueError(
                f"`clip`={threat.clip!r} of the threat must hold x: {float(x.min())} to "
                f"{float(x.max())}."
            )
    with torch.no_grad():
        # Of a copy: a first layer may work in place.
        logits = net(x[:1].clone())
    if not isinstance(logits, Tensor) or logits.ndim != 2 or logits.shape[1] < 2:
        shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(
            f"`net` must map a row to logits of shape (1, classes), of two classes or more, got "
            f"{shape}."
        )
    k = logits.shape[1]
    if int(y.min()) < 0 or int(y.max()) >= k:
        raise ValueError(
            f"`y` must hold class codes 0 to {k - 1}, got {int(y.min())} to {int(y.max())}."
        )
    return k


def check_finite(name: str, threat: Threat) -> None:
    """Raise where a radius is infinite, for an attack that draws from the ball or steps by it."""
    if threat.epsilon == float("inf"):
        raise ValueError(
            f"`epsilon` of the threat must be finite for {name}, got inf. Only CarliniWagner does "
            "without a radius: it looks for the nearest input."
        )


def _bounds(clip: tuple, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the range of valid inputs like ``x``; raise where it is that of other rows."""
    low, high = (torch.as_tensor(bound, device=x.device).to(x) for bound in clip)
    for bound in (low, high):
        if bound.ndim > x.ndim or any(
            a not in (1, b) for a, b in zip(bound.shape[::-1], x.shape[::-1], strict=False)
        ):
            raise ValueError(
                f"`clip` of the threat must hold numbers, or tensors that broadcast against x of "
                f"shape {tuple(x.shape)}, got shape {tuple(bound.shape)}."
            )
    return low, high


def logits_and_gradient(
    net: Network, x: Tensor, loss: Callable[[Tensor, Tensor], Tensor], y: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the logits (b, k) at ``x``, the gradient of each sample's ``loss(logits, y)``.

    What is not finite in a gradient counts as 0; where that is so, (b,), comes third.
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        logits = net(x.clone())  # a first layer may work in place, which a leaf forbids
        gradient = None
        if logits.requires_grad:
            (gradient,) = torch.autograd.grad(loss(logits, y).sum(), x, allow_unused=True)
    if gradient is None:
        raise no_gradient()
    return logits.detach(), gradient.nan_to_num(0.0, 0.0, 0.0), not_finite(gradient)


def codes_of(logits: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return the classes (b,) that logits stand for, and where they are NaN.

    NaN is a miss: it stands for another class than ``y``.
    """
    undefined = logits.isnan().any(1)
    codes = logits.argmax(1)
    return torch.where(undefined & (codes == y), (y + 1) % logits.shape[1], codes), undefined


def not_finite(gradient: Tensor) -> Tensor:
    """Return where a gradient (b, ...) has NaN or infinity, (b,)."""
    return ~torch.isfinite(gradient).flatten(1).all(1)


def wide(x: Tensor) -> Tensor:
    """Return ``x`` in at least single precision.

    The constants of optimisers and of ranges need it.
    """
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def no_gradient() -> ValueError:
    """Return the error of a network whose outputs depend on its inputs unseen by autograd."""
    return ValueError(
        "No gradient of the network's outputs reaches X: an attack by gradients would call it "
        "robust whatever it is. Remove argmax, rounding, detach() or no_grad() from its forward, "
        "or use RandomSearch()."
    )


def row_keys(x: Tensor, seed: int) -> Tensor:
    """Return seeds (b,), int64, by each row's content: neither order nor batches matter."""
    rows = x.detach().cpu().contiguous()
    # As bytes, for NumPy knows no bfloat16.
    contents = (row.contiguous().view(torch.uint8).numpy().tobytes() for row in rows)
    return torch.tensor([seed ^ zlib.crc32(content) for content in contents], device="cpu")


def draw(ball: Ball, x: Tensor, keys: Tensor) -> Tensor:
    """Draw perturbations like ``x``, uniform in the ball, each from the stream of its key."""
    # In the order of the axes: images with channels last, as on CUDA, would draw otherwise.
    rows = x.detach().cpu().contiguous()
    drawn = [
        ball.random(row[None], torch.Generator().manual_seed(key))
        for row, key in zip(rows, keys.tolist(), strict=True)
    ]
    return torch.empty_like(x).copy_(torch.cat(drawn))


def read_count(owner: object, name: str) -> None:
    """Make a field of a frozen dataclass an int; raise unless it is one (or NumPy's) above 0."""
    value = getattr(owner, name)
    if not is_whole(value) or value < 1:
        raise ValueError(f"`{name}` of {type(owner).__name__} must be an int >= 1, got {value!r}.")
    object.__setattr__(owner, name, int(value))


def read_positive(owner: object, name: str) -> None:
    """Make a field of a frozen dataclass a float; raise unless it is a finite number above 0."""
    value = getattr(owner, name)
    if not is_real(value) or not 0 < value < float("inf"):
        raise ValueError(
            f"`{name}` of {type(owner).__name__} must be a finite number > 0, got {value!r}."
        )
    object.__setattr__(owner, name, float(value))
