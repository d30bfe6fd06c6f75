"""scikit-learn estimators that learn what matters instead of the shortcut."""

from sklearn_debias.estimators import (
    AFRClassifier,
    BiasAdvClassifier,
    ClassScaling,
    DFRClassifier,
    ERMClassifier,
    GroupDROClassifier,
    JTTClassifier,
    LfFClassifier,
    ULEClassifier,
)

__all__ = [
    "AFRClassifier",
    "BiasAdvClassifier",
    "ClassScaling",
    "DFRClassifier",
    "ERMClassifier",
    "GroupDROClassifier",
    "JTTClassifier",
    "LfFClassifier",
    "ULEClassifier",
    "__version__",
]

__version__ = "0.1.0.dev0"
