"""scikit-learn estimators that learn what matters instead of the shortcut."""

from sklearn_debias.estimators import BiasAdvClassifier, ERMClassifier, JTTClassifier, LfFClassifier, ULEClassifier

__all__ = ["BiasAdvClassifier", "ERMClassifier", "JTTClassifier", "LfFClassifier", "ULEClassifier", "__version__"]

__version__ = "0.1.0.dev0"
