"""Maps of fitted classifiers and modules, as NumPy arrays."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from sklearn_debias import maps as pure_maps
from sklearn_debias.attribution._run import attend, bind_cam, bind_path, check_scalar, run
from sklearn_debias.fitting import Model, open_model


def attribute(
    estimator: Model,
    X: Any,
    y: Any = None,
    *,
    method: str | Callable = "grad_cam",
    layer: str | None = None,
    n_steps: int = 50,
    baseline: Any = 0.0,
    scalar: str = "logit",
    signed: bool = False,
) -> np.ndarray:
    """Return the attention map of each row: where the network looks for a class, in [0, 1].

    Parameters
    ----------
    estimator : fitted classifier or nn.Module
        A classifier of this package, or a module that maps inputs to logits. It is left as it is.
    X : array-like
        As in the classifier's ``fit``. For a module: a float array or tensor, or uint8 images,
        scaled to [0, 1].
    y : array-like of shape (n,), default=None
        The classes explained: labels, or codes for a module. None takes the predicted ones.
    method : str or callable, default="grad_cam"
        "grad_cam" (or "gradcam") [1]_
            what a convolutional layer found, weighted by its effect on the class; coarse, for
            images.
        "integrated_gradients" [2]_
            magnitude of what each pixel (its channels together) adds between ``baseline`` and the
            image.
        "input_gradient" [3]_
            largest ``|gradient|`` over the channels of a pixel.
        "gradient_x_input"
            ReLU of input times gradient, channels together: what speaks for the class.
        callable
            ``method(module, x, y)`` gives maps at least 0 of shape (b, h', w'), or (b, d) for 2-D
            X, as a tensor; captum's attributions fit in here. The module is frozen and in eval
            mode, ``x`` a tensor of rows as it sees them, ``y`` codes.
    layer : str, default=None
        For Grad-CAM: a layer's name as in ``named_modules``, whose output has channels at positions
        of the image: channels second or last, or a sequence of patches. None takes the last one
        that is not pooled, has more than one position, and (of a sequence) reaches the output.
    n_steps : int, default=50
        Points on the path of integrated gradients.
    baseline : float or array-like that broadcasts to a row, default=0
        Where that path begins, in units of the network's input (uint8 images: [0, 1]).
    scalar : {"logit", "log_prob"}, default="logit"
        What is differentiated: the class's logit, or its log-probability.
    signed : bool, default=False
        Keep the sign: above 0 is what speaks for the class, below what speaks against it. Of
        gradients a pixel has the entry of the largest magnitude over its channels; of
        "integrated_gradients" and "gradient_x_input", their sum. Not for Grad-CAM, which drops what
        speaks against the class. A callable may then give negative values.

    Returns
    -------
    ndarray of shape (n, h, w), or (n, d) for 2-D X
        Every map is scaled to reach from 0 to 1; Grad-CAM's is then resized to the image,
        bilinearly. Signed maps are divided by their largest magnitude instead, as ULE's are: they
        lie in [-1, 1]. (Images have the size at which the network sees them.)

    Raises
    ------
    ValueError
        For an unknown method, layer or scalar, a network without a layer for Grad-CAM, bad X or y.
    DivergedError
        If a map is not finite.

    Warns
    -----
    DebiasWarning
        If maps are constant: they have no shape to scale, and come back as zeros.

    See Also
    --------
    saliency_share : how much of a map lies inside a mask.

    References
    ----------
    .. [1] Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
       Localization", ICCV 2017.
    .. [2] Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks", ICML 2017.
    .. [3] Simonyan, Vedaldi and Zisserman, "Deep Inside Convolutional Networks", ICLR Workshop
       2014.

    Examples
    --------
    >>> import torch
    >>> from sklearn_debias.attribution import attribute
    >>> module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2, bias=False))
    >>> _ = module[1].weight.data.copy_(torch.tensor([[0.0, 1.0, 0.0, 2.0], [0.0, 0.0, 0.0, 0.0]]))
    >>> attribute(module, torch.ones(1, 1, 2, 2), [0], method="input_gradient")
    array([[[0. , 0.5],
            [0. , 1. ]]], dtype=float32)
    """
    options = {"layer": layer, "n_steps": n_steps, "baseline": baseline, "scalar": scalar}
    return attend(estimator, X, y, method, options | {"signed": signed})


def grad_cam(
    estimator: Model, X: Any, y: Any = None, *, layer: str | None = None, scalar: str = "logit"
) -> np.ndarray:
    """Return Grad-CAM as it is: at the layer's size, after ReLU, not scaled.

    Parameters
    ----------
    estimator, X, y, layer, scalar
        As in `attribute`.

    Returns
    -------
    ndarray of shape (n, h', w')
        At least 0, in units of the scalar.

    Raises
    ------
    ValueError
        As `attribute` does.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from sklearn_debias.attribution import grad_cam
    >>> module = nn.Sequential(
    ...     nn.Conv2d(1, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 3)
    ... )
    >>> grad_cam(module, torch.ones(5, 1, 8, 6), layer="0").shape
    (5, 6, 4)
    """
    options = {"layer": layer, "scalar": scalar}
    opened = open_model(estimator, X, y)
    return run(opened, lambda opened: bind_cam(pure_maps.grad_cam, opened, options))


def integrated_gradients(
    estimator: Model,
    X: Any,
    y: Any = None,
    *,
    n_steps: int = 50,
    baseline: Any = 0.0,
    scalar: str = "logit",
) -> np.ndarray:
    """Return signed integrated gradients: they sum to the scalar's rise from the baseline.

    Parameters
    ----------
    estimator, X, y, n_steps, baseline, scalar
        As in `attribute`.

    Returns
    -------
    ndarray of the shape of X as the network sees it

    Raises
    ------
    ValueError
        As `attribute` does.

    Examples
    --------
    >>> import torch
    >>> from sklearn_debias.attribution import integrated_gradients
    >>> module = torch.nn.Linear(2, 2, bias=False)
    >>> _ = module.weight.data.copy_(torch.tensor([[1.0, 2.0], [0.0, 0.0]]))
    >>> integrated_gradients(module, torch.tensor([[3.0, 1.0]]), [0], baseline=1.0).round(4)
    array([[2., 0.]], dtype=float32)
    """
    options = {"n_steps": n_steps, "baseline": baseline, "scalar": scalar}
    opened = open_model(estimator, X, y)
    return run(opened, lambda opened: bind_path(pure_maps.integrated_gradients, opened, options))


def input_gradients(
    estimator: Model, X: Any, y: Any = None, *, scalar: str = "logit"
) -> np.ndarray:
    """Return the signed gradient of the class's scalar by the input.

    Parameters
    ----------
    estimator, X, y, scalar
        As in `attribute`.

    Returns
    -------
    ndarray of the shape of X as the network sees it

    Raises
    ------
    ValueError
        As `attribute` does.

    Examples
    --------
    >>> import torch
    >>> from sklearn_debias.attribution import input_gradients
    >>> module = torch.nn.Linear(2, 2)
    >>> _ = module.weight.data.copy_(torch.tensor([[1.0, -2.0], [0.0, 3.0]]))
    >>> input_gradients(module, torch.zeros(2, 2), [0, 1])
    array([[ 1., -2.],
           [ 0.,  3.]], dtype=float32)
    """
    check_scalar(scalar)
    opened = open_model(estimator, X, y)
    return run(opened, lambda opened: partial(pure_maps.input_gradient, opened.net, scalar=scalar))
