"""A corruption as a step of a pipeline."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from torch import Tensor

from sklearn_debias.corruptions._corrupt import check_images, corrupt
from sklearn_debias.corruptions._draws import Seed
from sklearn_debias.corruptions._registry import find
from sklearn_debias.documented import Documented


# The dataclass writes the constructor alone: estimators have a repr, and equal only themselves.
@dataclass(eq=False, repr=False)
class Corruption(Documented, TransformerMixin, BaseEstimator):
    """Corrupt images in a pipeline; nothing is learned.

    In front of a fitted classifier it shows what the classifier makes of worse images. In front of
    one that is to be fitted, the same corruption meets every epoch.

    Parameters
    ----------
    name : str, default="original"
        One of :func:`corruption_names`.
    severity : {1, 2, 3, 4, 5} or None, default=None
        None: the corruptions of BiasAdv's supplement, which draw their strength per image. Else the
        classic ones.
    random_state : None, int, RandomState or Generator, default=0
        An int: an image is corrupted alike in every call, whatever the other images are. The global
        generators are never touched.

    Attributes
    ----------
    n_features_in_ : int
        Channels.

    See Also
    --------
    corrupt : The function.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_debias.corruptions import Corruption
    >>> images = np.full((2, 1, 8, 8), 0.5)
    >>> Corruption("contrast", severity=3).fit_transform(images).shape
    (2, 1, 8, 8)
    """

    name: str = "original"
    severity: int | None = None
    random_state: Seed = 0

    def fit(self, X: Any, y: Any = None) -> "Corruption":
        """Check the parameters and the images.

        Parameters
        ----------
        X : ndarray or Tensor of shape (n, c, h, w)
            uint8 in 0..255, or floats in [0, 1].
        y : ignored

        Returns
        -------
        self
        """
        find(self.name, self.severity)
        self.n_features_in_ = check_images(_opened(X), "X").shape[1]
        return self

    def transform(self, X: Any) -> Any:
        """Corrupt the images.

        Parameters
        ----------
        X : ndarray or Tensor of shape (n, c, h, w)
            Not changed.

        Returns
        -------
        ndarray or Tensor of shape (n, c, h, w)
            As X: of the same type, dtype, device and range.
        """
        X = _opened(X)
        channels = check_images(X, "X").shape[1]
        # Nothing is learned, so that an unfitted step works: it has no channels to compare.
        if channels != getattr(self, "n_features_in_", channels):
            raise ValueError(
                f"X has {channels} features (channels), but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input."
            )
        return corrupt(X, self.name, self.severity, self.random_state)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.two_d_array = False  # images only
        tags.transformer_tags.preserves_dtype = ["float64", "float32", "float16", "uint8"]
        return tags


def _opened(X: Any) -> Any:
    """Return X, with nested lists as an array."""
    return X if isinstance(X, Tensor | np.ndarray) else np.asarray(X)
