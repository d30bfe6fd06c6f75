"""Pure loss functions: tensors in, one value per sample out."""

from sklearn_debias.losses._classification import (
    cross_entropy,
    gce_weight,
    generalized_cross_entropy,
    true_probability,
)

__all__ = ["cross_entropy", "gce_weight", "generalized_cross_entropy", "true_probability"]
