"""Names that the packages above import; they may change without notice."""

from sklearn_debias.models._prototypes import prototype_logits, with_prototype_heads
from sklearn_debias.models._structure import named_weights
from sklearn_debias.models._timm import heads_of_timm

__all__ = ["heads_of_timm", "named_weights", "prototype_logits", "with_prototype_heads"]
