"""Images, image files or datasets as embeddings of a network, or as a few simple properties."""

from sklearn_debias.feature_extraction._embedder import Embedder
from sklearn_debias.feature_extraction._properties import image_properties

__all__ = ["Embedder", "image_properties"]
