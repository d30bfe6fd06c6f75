"""The attack's parameters against the data, its random starts, and whether it moved anything."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from sklearn_debias.attacks import row_keys
from sklearn_debias.attacks.internal import draw
from sklearn_debias.core import Net
from sklearn_debias.exceptions import warn
from sklearn_debias.fitting._inputs import Inputs
from sklearn_debias.metrics.internal import check_numeric
from sklearn_debias.objectives import BiasAdv
from sklearn_debias.objectives.internal import InnerAttack
from sklearn_debias.training import (
    ArraySource,
    Prepare,
    Source,
    inference_rows,
    padded,
    span,
    white,
)

LOOKED_AT = 64  # rows, where they are read one by one
SLACK = 1e-6  # of a range: rounding
STILL = 0.01  # of epsilon: less is no attack

Attack = TypeVar("Attack", BiasAdv, InnerAttack)


def read_clip(clip: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the `clip` parameter as (low, high), numbers or one per channel, or None."""
    if clip is None:
        return None
    try:
        for bound in clip:
            check_numeric(bound, "clip")
        low, high = (np.asarray(bound, dtype=np.float64) for bound in clip)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise ValueError(
            f"`clip` must be (low, high), numbers or one per channel, got {clip!r}."
        ) from error
    if max(low.ndim, high.ndim) > 1:
        raise ValueError(
            f"`clip` must hold numbers or one per channel, got shapes {low.shape} and {high.shape}."
        )
    if (
        low.size * high.size == 0
        or not np.isfinite([*low.flat, *high.flat]).all()
        or low.max() >= high.min()
    ):
        raise ValueError(f"`clip` must be finite with low < high, got {clip!r}.")
    return low, high


def clip_tensors(clip: Any, shape: tuple[int, ...], dtype: torch.dtype) -> tuple | None:
    """Return bounds on the CPU that broadcast against inputs (b, *shape), or None."""
    bounds = read_clip(clip)
    if bounds is None:
        return None
    wrong = [bound.shape for bound in bounds if bound.ndim == 1 and len(bound) != shape[0]]
    if wrong:
        raise ValueError(
            f"`clip` must hold numbers, or one for each of the {shape[0]} channels (or features) "
            f"of X, got {clip!r}."
        )
    dims = (-1,) + (1,) * (len(shape) - 1)
    tensors = (torch.as_tensor(bound, device="cpu").to(dtype) for bound in bounds)
    return tuple(bound.view(dims) if bound.ndim else bound for bound in tensors)


def check_ball(
    inputs: Inputs, *, epsilon: float, norm: str, clip: Any, name: str = "epsilon"
) -> None:
    """Raise where a radius exceeds the range of the data, or `clip` does not hold them."""
    bounds = read_clip(clip)
    # Without a range, only images in [0, 1] tell what a radius may be.
    if bounds is None and not 0 <= inputs.low <= inputs.high <= 1:
        return
    low, high = (0.0, 1.0) if bounds is None else (bounds[0].min(), bounds[1].max())
    check_inside(clip, (low, high), inputs.low, inputs.high)
    if bounds is not None and (ends := _channel_ends(inputs, bounds)) is not None:
        check_inside(clip, bounds, *ends)
    reach = high - low if norm == "linf" else (high - low) * np.sqrt(np.prod(inputs.shape))
    if epsilon > reach:
        raise ValueError(
            f"`{name}`={epsilon} is larger than the whole range of the data ({low:g} to {high:g}, "
            f"{reach:g} in the {norm} norm). It is in the units of X: divide by 255 where you "
            f"think in grey levels."
        )


def check_inside(clip: Any, bounds: tuple[Any, Any], low: Any, high: Any) -> None:
    """Raise where values from ``low`` to ``high``, numbers or one per channel, leave the bounds."""
    below = np.less(low, np.subtract(bounds[0], SLACK))
    above = np.greater(high, np.add(bounds[1], SLACK))
    if np.any(below) or np.any(above):
        channels = ", by its channels" if np.ndim(low) else ""
        raise ValueError(
            f"`clip`={clip!r} must hold X, which reaches from {_said(low)} to "
            f"{_said(high)}{channels}: clipping would throw samples far out of the ball. Widen it, "
            f"or use clip=None; or scale X, and let `normalize` standardise it inside the module."
        )


def _said(bound: Any) -> str:
    if np.ndim(bound) == 0:
        return f"{bound:g}"
    return f"[{', '.join(f'{value:g}' for value in bound)}]"


def _channel_ends(
    inputs: Inputs, bounds: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the range of each channel, (c,), if bounds need it and rows are in memory."""
    source = inputs.source
    in_memory = isinstance(source, ArraySource) and source.resident()
    long = {len(bound) for bound in bounds if bound.ndim}
    if not in_memory or long != {inputs.shape[0]}:
        return None
    values = np.asarray(source.items)
    top = white(values)
    others = tuple(axis for axis in range(values.ndim) if axis != 1)
    return values.min(others) / top, values.max(others) / top


def kept_inside(inputs: Inputs, clip: Any) -> Inputs:
    """Return inputs whose rows, read one by one, raise where `clip` does not hold them.

    `check_ball` knows the range of those that are in memory, and of the others that of a few.
    """
    bounds = read_clip(clip)
    source = inputs.source
    if bounds is None or (isinstance(source, ArraySource) and source.resident()):
        return inputs
    low, high = (tuple(bound.tolist()) if bound.ndim else float(bound) for bound in bounds)
    return replace(inputs, source=source.checked(_Inside(low, high)))


@dataclass(frozen=True)
class _Inside:
    """Raise unless rows (b, ...) lie in a range; equal where the range is."""

    low: float | tuple[float, ...]
    high: float | tuple[float, ...]

    def __call__(self, rows: Tensor) -> None:
        bounds = (self.low, self.high)
        ends: tuple[Any, Any] = span(rows)
        if any(isinstance(bound, tuple) for bound in bounds):
            channels = rows.transpose(0, 1).flatten(1).double() / white(rows)
            ends = (channels.amin(1).numpy(), channels.amax(1).numpy())
        check_inside(bounds, bounds, *ends)


def with_range(inputs: Inputs) -> Inputs:
    """Return inputs that are read one by one with the range of some of their rows."""
    if inputs.source.resident():
        return inputs
    chosen = np.unique(np.linspace(0, len(inputs) - 1, LOOKED_AT, dtype=int))
    low, high = span(inputs.source.take(chosen))
    return replace(inputs, low=min(inputs.low, low), high=max(inputs.high, high))


def placed(attack: Attack, device: torch.device) -> Attack:
    """Return the attack with its range on ``device``."""
    return replace(attack, clip=attack.clip and tuple(bound.to(device) for bound in attack.clip))


def attack_rows(
    attack: BiasAdv,
    nets: Mapping[str, Net],
    source: Source,
    codes: np.ndarray,
    prepare: Prepare,
    seed: int,
    shape: tuple[int, ...],
) -> tuple[Tensor, Tensor]:
    """Return adversarial inputs of all rows, and which hardly moved; batches do not matter.

    ``shape`` is that of a row, as the networks see it.
    """
    y = torch.from_numpy(codes)
    still = []
    attack = placed(attack, prepare.device)
    order = 2 if attack.norm == "l2" else float("inf")

    def attacked(x: Tensor, index: np.ndarray) -> Tensor:
        # Keyed by the row's content, so that neither order nor company changes a start.
        start = draw(attack.ball, x, row_keys(x, seed)) if attack.random_start else None
        out = attack.attack(nets, x, y[index].to(x.device), start=start)
        still.append(((out - x).flatten(1).norm(p=order, dim=1) < STILL * attack.epsilon).cpu())
        return out.cpu()

    n_rows = inference_rows(prepare.device, shape)
    adversarial = torch.cat(list(padded(attacked, source, prepare, n_rows)))
    return adversarial, torch.cat(still)[: len(source)]


def warn_of_still(still: Tensor) -> None:
    """Warn where the attack hardly moves most samples (b,)."""
    if still.float().mean() > 0.5:
        warn(
            f"The attack moves {int(still.sum())} of {len(still)} samples by less than {STILL:.0%} "
            "of `epsilon`: the networks are saturated, or not smooth in X. Lower `lr` or "
            f"`max_epochs`, raise `weight_decay`, and remove softmax and rounding from `module`."
        )
