"""Pictures of what models do."""

from sklearn_debias.inspection._saliency import SaliencyDisplay

__all__ = ["SaliencyDisplay"]
