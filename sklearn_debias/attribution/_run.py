"""Open a model on rows, bind a map to it, run it batch by batch."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sklearn_debias import maps as pure_maps
from sklearn_debias.arguments import is_one_of, is_switch, is_whole
from sklearn_debias.core import Net
from sklearn_debias.exceptions import DivergedError, warn
from sklearn_debias.fitting import Model, Opened, open_model
from sklearn_debias.metrics.internal import check_numeric
from sklearn_debias.training import blamed

METHODS = ("grad_cam", "integrated_gradients", "input_gradient", "gradient_x_input")
SCALARS = ("logit", "log_prob")
MOST_STEPS = 100_000  # of integrated gradients: more would take hours, and tell no more
Map = Callable[[Tensor, Tensor | None], Tensor]


def attend(
    estimator: Model,
    X: Any,
    y: Any,
    method: str | Callable,
    options: dict[str, Any],
) -> np.ndarray:
    """Return the maps of `attribute`."""
    if is_one_of(method, pure_maps.GRAD_CAM):
        method = "grad_cam"
    if not callable(method) and not is_one_of(method, METHODS):
        raise ValueError(
            f"`method` must be one of {', '.join(map(repr, METHODS))} or a callable, got "
            f"{method!r}."
        )
    if method != "grad_cam" and options.get("layer") is not None:
        raise ValueError(
            f'`layer`={options["layer"]!r} is for method="grad_cam", got method={method!r}. Leave '
            "it out."
        )
    check_signed(options["signed"], method)
    opened = open_model(estimator, X, y)
    maps = run(opened, lambda opened: bind(method, opened, options))
    flat = int((maps.reshape(len(maps), -1) == 0).all(1).sum())
    if flat:
        warn(
            f"{flat} of {len(maps)} maps are constant, and returned as zeros: nothing there speaks "
            "for the class, or the network has no gradient there. Try another `method`, or "
            "another `layer`.",
        )
    return maps


def run(opened: Opened, bind: Callable[[Opened], Map]) -> np.ndarray:
    """Return the maps of all rows, batch by batch."""
    with opened.terms():
        find = bind(opened)  # on these terms, since it may try the network on a row
        # Each batch leaves the device at once, which may not hold the maps of all rows.
        found = torch.cat(list(opened.batches(lambda x, y, _: find(x, y).cpu())))
    finite = torch.isfinite(found).flatten(1).all(1)
    if not finite.all():
        row = int((~finite).nonzero()[0, 0])
        raise DivergedError(
            f"The map of row {row} of `X` is not finite: the network overflows there. Scale X."
        )
    return found.numpy()


def bind(method: str | Callable, opened: Opened, options: dict[str, Any]) -> Map:
    """Bind a method: a function from inputs and class codes to attention in [0, 1] or [-1, 1]."""
    if options["signed"]:
        return bind_signed(method, opened, options)
    if callable(method):
        return lambda x, y: pure_maps.min_max(_called(method, opened.net, x, y))
    if method == "grad_cam":
        return bind_cam(pure_maps.grad_cam_attention, opened, options)
    if method == "integrated_gradients":
        return bind_path(pure_maps.integrated_gradients_attention, opened, options)
    check_scalar(options["scalar"])
    function = (
        pure_maps.input_gradient_attention
        if method == "input_gradient"
        else pure_maps.gradient_x_input_attention
    )
    return partial(function, opened.net, scalar=options["scalar"])


def bind_signed(method: str | Callable, opened: Opened, options: dict[str, Any]) -> Map:
    """Bind a method that keeps its sign: a function to maps in [-1, 1]."""
    if callable(method):
        return lambda x, y: pure_maps.max_abs(_called(method, opened.net, x, y, signed=True))
    if method == "integrated_gradients":
        find = bind_path(pure_maps.integrated_gradients, opened, options)
    else:
        check_scalar(options["scalar"])
        by_input = method == "gradient_x_input"
        function = pure_maps.gradient_x_input if by_input else pure_maps.input_gradient
        find = partial(function, opened.net, scalar=options["scalar"])
    additive = method != "input_gradient"
    return lambda x, y: pure_maps.signed_map(find(x, y), additive=additive)


def bind_cam(function: Callable, opened: Opened, options: dict[str, Any]) -> Map:
    """Bind Grad-CAM to the given layer, or to the last that serves."""
    check_scalar(options["scalar"])
    layer = options["layer"]
    if not isinstance(layer, str | None):
        raise ValueError(f"`layer` must be the name of a layer, or None, got {layer!r:.60}.")
    place = pure_maps.find_place(opened.net, _first(opened), layer)
    return lambda x, y: function(opened.net, x, y, place, scalar=options["scalar"])


def bind_path(function: Callable, opened: Opened, options: dict[str, Any]) -> Map:
    """Bind integrated gradients to the given baseline and number of steps."""
    check_scalar(options["scalar"])
    n_steps = options["n_steps"]
    row = _first(opened)[0]
    if not is_whole(n_steps) or n_steps < 1:
        raise ValueError(f"`n_steps` must be an int >= 1, such as 50, got {n_steps!r}.")
    if n_steps > MOST_STEPS:
        raise ValueError(
            f"`n_steps` must be at most {MOST_STEPS}, got {n_steps!r:.60}: 50 to 300 are usual."
        )
    try:
        check_numeric(options["baseline"], "baseline")
        baseline = torch.as_tensor(np.asarray(options["baseline"], dtype=float)).to(row)
        broadcasts = torch.broadcast_shapes(baseline.shape, row.shape) == row.shape
        fits = broadcasts and bool(baseline.isfinite().all())
    except (TypeError, ValueError, RuntimeError, OverflowError):
        fits = False
    if not fits:
        raise ValueError(
            "`baseline` must be a finite number, or an array that broadcasts to a row of shape "
            f"{tuple(row.shape)}, got {options['baseline']!r}."
        )
    return partial(
        function, opened.net, n_steps=int(n_steps), baseline=baseline, scalar=options["scalar"]
    )


def _called(
    method: Callable, net: Net, x: Tensor, y: Tensor | None, *, signed: bool = False
) -> Tensor:
    """Return what the user's function finds, resized to the images."""
    if y is None:  # explain what is predicted, as the other maps do
        with torch.no_grad():
            y = net(x).argmax(-1)
    with blamed(
        "method",
        "It is called with (module, x, y), and returns maps (b, h, w), or (b, d)"
        f"{'' if signed else ', at least 0'}.",
    ):
        # A copy of x, since what users pass may write to it.
        maps = torch.as_tensor(method(net.module, x.clone(), y)).detach().to(x)
        if not torch.isfinite(maps).all():
            raise ValueError("it returned NaN or infinity")
    if (
        len(maps) != len(x)
        or maps.ndim != max(2, x.ndim - 1)
        or (x.ndim == 2 and maps.shape != x.shape)
    ):
        wanted = "(b, d)" if x.ndim == 2 else "(b, h, w)"
        raise ValueError(
            f"`method` must return maps of shape {wanted} for rows of shape {tuple(x.shape)}, got "
            f"{tuple(maps.shape)}."
        )
    if not signed and (maps < 0).any():
        raise ValueError(
            "`method` must return maps at least 0, got negative values. Take their abs() or "
            "relu(), or ask for `signed`=True."
        )
    return maps if x.ndim == 2 else pure_maps.resize(maps, x.shape[-2:])


def check_signed(signed: Any, method: str | Callable) -> None:
    """Raise unless ``signed`` is True or False, and the method has a sign to keep."""
    if not is_switch(signed):
        raise ValueError(f"`signed` must be True or False, got {signed!r:.60}.")
    if signed and method == "grad_cam":
        raise ValueError(
            "`signed`=True needs a method that keeps what speaks against the class, such as "
            '"input_gradient" or "integrated_gradients", got \'grad_cam\'.'
        )


def _first(opened: Opened) -> Tensor:
    return opened.prepare(opened.source.take(np.arange(1)))


def check_scalar(scalar: Any) -> None:
    """Raise unless it names what is differentiated."""
    if not is_one_of(scalar, SCALARS):
        raise ValueError(
            f"`scalar` must be one of {', '.join(map(repr, SCALARS))}, got {scalar!r}."
        )
