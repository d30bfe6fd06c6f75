"""Where a network looks: Grad-CAM, integrated and input gradients, and their share in a mask."""

from sklearn_debias.attribution._attribute import (
    attribute,
    grad_cam,
    input_gradients,
    integrated_gradients,
)
from sklearn_debias.attribution._share import MeanShare, mean_saliency_share, saliency_share

__all__ = [
    "MeanShare",
    "attribute",
    "grad_cam",
    "input_gradients",
    "integrated_gradients",
    "mean_saliency_share",
    "saliency_share",
]
