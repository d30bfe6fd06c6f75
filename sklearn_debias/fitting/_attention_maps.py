"""Attention maps that are known before training: given, or made by another model."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from torch import nn

from sklearn_debias.exceptions import warn
from sklearn_debias.fitting._inputs import Inputs
from sklearn_debias.fitting._opened import Opened, open_model, unwrapped
from sklearn_debias.fitting._plain import plain
from sklearn_debias.fitting._training_set import TrainingSet
from sklearn_debias.fitting._types import Classifier
from sklearn_debias.maps import (
    find_place,
    grad_cam_attention,
    gradient_x_input_attention,
    otsu_threshold,
)
from sklearn_debias.training import ArraySource, Prepare, Source, as_given, blamed

CHUNK = 256  # rows handed to a callable together


def check_attention(attention: Any) -> None:
    """Raise unless ``attention`` is a name, an estimator of this package, or a function."""
    owner = unwrapped(attention)
    if isinstance(owner, type):
        raise TypeError(f"`attention` must be an estimator, not its class: {owner.__name__}().")
    if isinstance(owner, nn.Module):
        raise TypeError(
            "`attention` must be a name, an estimator or a function of (images, labels), got a "
            "torch module. Pass sklearn_debias.attribution's maps of it as `attention_maps`."
        )
    if hasattr(owner, "predict") and not hasattr(type(owner), "_opened"):
        best = " Pass its best_estimator_." if hasattr(owner, "best_estimator_") else ""
        raise TypeError(
            "`attention` must be an estimator of sklearn_debias, whose gradients can be taken, "
            f"got a {type(owner).__name__}.{best}"
        )


def one_sided(maps: Source, omega: float | str) -> dict[str, float]:
    """Return the shares of maps that call all of the image background, and all foreground.

    ``omega`` is "adaptive" where each map has a threshold of its own.
    """
    sides = {"background": 0, "foreground": 0}
    for start in range(0, len(maps), CHUNK):
        values = maps.take(np.arange(start, min(start + CHUNK, len(maps)))).flatten(1)
        at = otsu_threshold(values)[:, None] if isinstance(omega, str) else omega
        sides["background"] += int((values <= at).all(1).sum())
        sides["foreground"] += int((values > at).all(1).sum())
    return {side: count / len(maps) for side, count in sides.items()}


def warn_of_one_sided(
    shares: Mapping[str, float], omega: float | str, name: str, advice: str
) -> None:
    """Warn where most maps call all of the image background, or all of it foreground."""
    shown = omega if isinstance(omega, str) else f"{omega:g}"
    for side, share in shares.items():
        if share > 0.5:
            warn(
                f"`{name}` calls all of the image {side} in {share:.0%} of the maps, at "
                f"`omega`={shown}: there is nothing to tell apart. {advice}"
            )


def read_maps(maps: Any) -> np.ndarray:
    """Return ``attention_maps`` as floats (n, 1, h, w), or (n, d), in [0, 1]."""
    with blamed(
        "attention_maps",
        "They must be an array (n, height, width) in [0, 1], or (n, features) for 2-D X.",
    ):
        return _floats(plain(maps, "attention_maps"))


def _floats(maps: Any) -> np.ndarray:
    values = np.asarray(maps)
    if (
        values.dtype.kind not in "fiub"
        or values.ndim not in (2, 3, 4)
        or (values.ndim == 4 and values.shape[1] != 1)
    ):
        raise ValueError(f"got shape {values.shape} and dtype {values.dtype}")
    values = values.astype(np.float32, copy=False)
    if not np.isfinite(values).all():
        raise ValueError("they contain NaN or infinity")
    low, high = (values.min(), values.max()) if values.size else (0, 0)
    if low < 0 or high > 1:
        raise ValueError(f"they reach from {low:g} to {high:g}. Divide masks of 0 and 255 by 255")
    return values[:, None] if values.ndim == 3 else values


def check_size(maps: Inputs, shape: tuple[int, ...], name: str) -> None:
    """Raise unless the maps have the height and width, or the features, of X."""
    expected = (1, *shape[1:]) if len(shape) == 3 else shape
    if maps.shape != expected:
        sides = "(height, width)" if len(shape) == 3 else "(features)"
        raise ValueError(
            f"`{name}` must have the {sides} of X, {expected[-2:]}, got {maps.shape[-2:]}. Resize "
            f"the maps, or let `attention` make them."
        )


def fitted_attention(attention: Any, training: TrainingSet, seed: int) -> Any:
    """Return the estimator if it is fitted, else a clone fitted on the training rows.

    Its random states of None take the seed.
    """
    estimator = unwrapped(attention)
    if hasattr(estimator, "classes_"):
        return estimator
    estimator = clone(estimator)  # the user's own stays unfitted
    params = estimator.get_params()
    unseeded = [n for n in params if n.rpartition("__")[2] == "random_state" and params[n] is None]
    estimator.set_params(**dict.fromkeys(unseeded, seed % 2**32))
    advice = "As an estimator that is not fitted, it is fitted on the training rows."
    with blamed("attention", advice):
        return estimator.fit(as_given(training.source_of()), training.classes[training.y])


def maps_of(attention: Any, training: TrainingSet, prepare: Prepare) -> Inputs:
    """Return maps of the training rows, by a fitted estimator (Grad-CAM) or by a callable.

    Other rows have zeros.
    """
    source = training.source_of()
    labels = training.classes[training.y]
    if hasattr(attention, "predict"):
        found = _seen_by(attention, source, labels)
    else:
        found = _called(attention, source, prepare, labels)
    maps = np.zeros((len(training.inputs), *found.shape[1:]), dtype=np.float32)
    maps[training.index] = found
    return Inputs(ArraySource(maps), maps.shape[1:], 0.0, 1.0)


def _called(attention: Callable, source: Any, prepare: Prepare, y: np.ndarray) -> np.ndarray:
    parts = []
    advice = (
        "It is called with images (n, channels, height, width) and labels (n,), and returns maps "
        "in [0, 1]."
    )
    for start in range(0, len(source), CHUNK):
        index = np.arange(start, min(start + CHUNK, len(source)))
        with blamed("attention", advice):
            part = _floats(
                plain(attention(prepare(source.take(index)).cpu().numpy(), y[index]), "attention")
            )
            if len(part) != len(index):
                raise ValueError(f"it made {len(part)} maps for {len(index)} rows")
            parts.append(part)
    return np.concatenate(parts)


def _seen_by(estimator: Classifier, source: Any, y: np.ndarray) -> np.ndarray:
    """Return an estimator's Grad-CAM for the labels ``y``, or gradient x input on 2-D rows."""
    with blamed(
        "attention", "As an estimator it must be fitted on images like X, with the same labels."
    ):
        opened: Opened = open_model(
            estimator, source.take(np.arange(1)).numpy(), y[:1], name="attention"
        )
        codes = np.searchsorted(estimator.classes_, y)
        unknown = sorted(set(y.tolist()) - set(estimator.classes_.tolist()), key=str)
        if unknown:
            raise ValueError(f"it was fitted without the labels {unknown[:5]}")
    inputs = replace(opened.inputs, source=source)
    opened = replace(opened, inputs=inputs, y=torch.from_numpy(codes))
    with opened.terms():
        example = opened.prepare(source.take(np.arange(1)))
        if example.ndim == 2:
            maps = opened.batches(
                lambda x, y, _: gradient_x_input_attention(opened.net, x, y).cpu()
            )
        else:
            with blamed(
                "attention", "Use a function that makes the maps, or pass them as `attention_maps`."
            ):
                place = find_place(opened.net, example)
            maps = opened.batches(
                lambda x, y, _: grad_cam_attention(opened.net, x, y, place)[:, None].cpu()
            )
        return torch.cat(list(maps)).float().numpy()
