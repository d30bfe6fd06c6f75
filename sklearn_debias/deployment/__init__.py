"""Models as files: saved without pickle, loaded without running code, slim to serve, as ONNX."""

from sklearn_debias.deployment._files import load_model, save_model
from sklearn_debias.deployment._onnx import export_onnx
from sklearn_debias.deployment._slim import slimmed

__all__ = ["export_onnx", "load_model", "save_model", "slimmed"]
