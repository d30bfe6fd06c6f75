"""Values as plain data: text for what is small, named arrays for what is large; no code.

Checkpoints and saved models are made of it. Nothing that is read back can run code: of classes,
only dataclasses and `Plain` ones of this package are made again, by their fields.
"""

from sklearn_debias.plain._kinds import NotPlainError, Plain, is_ours
from sklearn_debias.plain._pack import pack
from sklearn_debias.plain._unpack import unpack

__all__ = ["NotPlainError", "Plain", "is_ours", "pack", "unpack"]
