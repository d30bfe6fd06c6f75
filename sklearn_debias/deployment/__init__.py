"""Fitted classifiers where they serve: as ONNX files, which need neither Python nor torch."""

from sklearn_debias.deployment._onnx import export_onnx

__all__ = ["export_onnx"]
