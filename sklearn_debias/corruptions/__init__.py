"""Images made worse on purpose.

There are the eight corruptions of BiasAdv's supplement and the nineteen classic ones.
"""

from sklearn_debias.corruptions._corrupt import corrupt
from sklearn_debias.corruptions._registry import corruption_names
from sklearn_debias.corruptions._transformer import Corruption

__all__ = ["Corruption", "corrupt", "corruption_names"]
