"""scikit-learn estimators that learn what matters instead of the shortcut."""

from sklearn_debias.estimators import (
    AFRClassifier,
    BiasAdvClassifier,
    ClassScaling,
    CRTClassifier,
    DFRClassifier,
    ERMClassifier,
    FishClassifier,
    GroupDROClassifier,
    InvarianceClassifier,
    ISDAClassifier,
    JTTClassifier,
    LfFClassifier,
    LongTailClassifier,
    MetaIADAClassifier,
    MetaSAugClassifier,
    MetaWeightNetClassifier,
    MixUpClassifier,
    ULEClassifier,
)

__all__ = [
    "AFRClassifier",
    "BiasAdvClassifier",
    "CRTClassifier",
    "ClassScaling",
    "DFRClassifier",
    "ERMClassifier",
    "FishClassifier",
    "GroupDROClassifier",
    "ISDAClassifier",
    "InvarianceClassifier",
    "JTTClassifier",
    "LfFClassifier",
    "LongTailClassifier",
    "MetaIADAClassifier",
    "MetaSAugClassifier",
    "MetaWeightNetClassifier",
    "MixUpClassifier",
    "ULEClassifier",
    "__version__",
]

__version__ = "0.1.0.dev0"
