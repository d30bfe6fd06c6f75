"""Images, image files or datasets as embeddings of a network."""

from sklearn_debias.feature_extraction._embedder import Embedder

__all__ = ["Embedder"]
