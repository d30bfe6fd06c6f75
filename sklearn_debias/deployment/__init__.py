"""Models as files: saved without pickle, loaded without running code, slim to serve."""

from sklearn_debias.deployment._files import load_model, save_model
from sklearn_debias.deployment._slim import slimmed

__all__ = ["load_model", "save_model", "slimmed"]
