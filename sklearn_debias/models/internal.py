"""Names that the packages above import; they may change without notice."""

from sklearn_debias.models._prototypes import prototype_logits, with_prototype_heads

__all__ = ["prototype_logits", "with_prototype_heads"]
