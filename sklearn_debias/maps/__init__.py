"""Where a network looks, as pure functions of a `Net` and a batch.

`attribution` asks fitted models.
"""

from sklearn_debias.maps._maps import (
    GRAD_CAM,
    grad_cam,
    grad_cam_attention,
    gradient_x_input,
    gradient_x_input_attention,
    input_gradient,
    input_gradient_attention,
    integrated_gradients,
    integrated_gradients_attention,
    signed_map,
)
from sklearn_debias.maps._places import Place, find_place, last_conv_layer
from sklearn_debias.maps._scaling import max_abs, min_max, resize
from sklearn_debias.maps._threshold import otsu_threshold

__all__ = [
    "GRAD_CAM",
    "Place",
    "find_place",
    "grad_cam",
    "grad_cam_attention",
    "gradient_x_input",
    "gradient_x_input_attention",
    "input_gradient",
    "input_gradient_attention",
    "integrated_gradients",
    "integrated_gradients_attention",
    "last_conv_layer",
    "max_abs",
    "min_max",
    "otsu_threshold",
    "resize",
    "signed_map",
]
