from functools import cache
from unittest.mock import patch

import pytest


@pytest.fixture(scope="session", autouse=True)
def operators_once():
    """Let torch read its table of ONNX operators once: it takes half the time of each export."""
    try:
        from torch.onnx._internal.exporter._registration import ONNXRegistry
    except ImportError:  # another version of torch, or no onnxscript
        yield
        return
    once = staticmethod(cache(ONNXRegistry.from_torchlib))
    with patch.object(ONNXRegistry, "from_torchlib", once):
        yield
