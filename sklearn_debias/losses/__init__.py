"""Pure loss functions: tensors in, one value per sample or a scalar out."""

from sklearn_debias.losses._adversarial import (
    background_residual,
    batch_background_residual,
    boosted_cross_entropy,
    kl_divergence,
)
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
    gce_weight_of_loss,
    generalized_cross_entropy,
    true_probability,
)
from sklearn_debias.losses._covariance import no_statistics, spread, update_statistics
from sklearn_debias.losses._imbalance import (
    balanced_softmax_loss,
    class_balanced_weights,
    focal_loss,
    ldam_loss,
    ldam_margins,
    logit_adjusted_loss,
)
from sklearn_debias.losses._invariance import (
    coral_distance,
    environment_means,
    feature_variance,
    irm_penalty,
    mean_over_present,
    mmd_distance,
    risk_variance,
)
from sklearn_debias.losses._membership import membership

__all__ = [
    "SALIENCIES",
    "background_residual",
    "balanced_softmax_loss",
    "batch_background_residual",
    "boosted_cross_entropy",
    "class_balanced_weights",
    "class_opposition",
    "coral_distance",
    "cross_entropy",
    "environment_means",
    "feature_variance",
    "focal_loss",
    "gce_weight",
    "gce_weight_of_loss",
    "generalized_cross_entropy",
    "irm_penalty",
    "kl_divergence",
    "ldam_loss",
    "ldam_margins",
    "logit_adjusted_loss",
    "mean_over_present",
    "membership",
    "mmd_distance",
    "no_statistics",
    "opposition",
    "risk_variance",
    "saliency_cotangent",
    "scale_free",
    "similarity_matrix",
    "spread",
    "true_probability",
    "update_statistics",
]
