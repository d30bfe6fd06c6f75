"""Names of values by their content, the same in every process.

A cache, a store of fits and a checkpoint find again by them what they hold.
"""

from sklearn_debias.content._fingerprint import fingerprint, name_of, outer_values
from sklearn_debias.content._keys import describe, key_of
from sklearn_debias.content._origin import installed
from sklearn_debias.content._tables import name_and_size

__all__ = [
    "describe",
    "fingerprint",
    "installed",
    "key_of",
    "name_and_size",
    "name_of",
    "outer_values",
]
