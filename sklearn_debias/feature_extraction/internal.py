"""Names that the packages above import; they may change without notice."""

from sklearn_debias.feature_extraction._fingerprint import fingerprint

__all__ = ["fingerprint"]
