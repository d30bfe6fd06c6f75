"""Pure loss functions: tensors in, one value per sample or a scalar out."""

from sklearn_debias.losses._alignment import (
    SALIENCIES,
    class_opposition,
    opposition,
    saliency_cotangent,
    scale_free,
    similarity_matrix,
)
from sklearn_debias.losses._classification import (
    cross_entropy,
    gce_weight,
    generalized_cross_entropy,
    true_probability,
)

__all__ = [
    "SALIENCIES",
    "class_opposition",
    "cross_entropy",
    "gce_weight",
    "generalized_cross_entropy",
    "opposition",
    "saliency_cotangent",
    "scale_free",
    "similarity_matrix",
    "true_probability",
]
