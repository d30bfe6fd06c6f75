"""What was saved on CUDA loads where there is none."""

import pickle

import numpy as np
import pytest
import skops.io
import torch
from saved_networks import X, Y
from torch import nn

from sklearn_debias import (
    BiasAdvClassifier,
    DHATClassifier,
    DPEClassifier,
    ERMClassifier,
    JTTClassifier,
    MetaIADAClassifier,
)
from sklearn_debias.feature_extraction import Embedder
from sklearn_debias.testing import quick
from sklearn_debias.testing._estimator_data import fitted

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")


class OnCuda(torch.Tensor):
    """A tensor that says it lies on CUDA, and can be read by a copy to the CPU only."""

    @staticmethod
    def __new__(cls, held):
        kinds = {"dtype": held.dtype, "device": "cuda:0"}
        return torch.Tensor._make_wrapper_subclass(cls, held.shape, held.stride(), **kinds)

    def __init__(self, held):
        self.held = held

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        (tensor, *_) = args
        kwargs = kwargs or {}
        if function is torch.ops.aten.detach.default:
            return OnCuda(tensor.held)
        if function is torch.ops.aten._to_copy.default and kwargs["device"].type == "cpu":
            return tensor.held.clone()
        raise RuntimeError(f"{function} of a tensor on cuda:0 on a machine without")


def moved(module):
    """Move a network as `Module.to` does; its tensors need no gradient any more."""
    for part in module.modules():
        for held in (part._parameters, part._buffers):
            for name, tensor in held.items():
                if tensor is not None:
                    there = OnCuda(tensor.detach())
                    there._is_param = isinstance(tensor, nn.Parameter)
                    held[name] = there


def as_if_fitted_on_cuda(model):
    moved(getattr(model, "net_", model).module_)
    model._fitted.params["device"] = "cuda"
    model.device = "cuda"
    assert {p.device.type for p in model.module_.parameters()} == {"cuda"}
    with pytest.raises(RuntimeError, match="on a machine without"):
        next(model.module_.parameters()) + 1
    return model


@pytest.mark.parametrize(
    "model",
    [
        quick(ERMClassifier),
        quick(BiasAdvClassifier, clip=(-9.0, 9.0)),
        quick(JTTClassifier, module="mlp"),
        quick(MetaIADAClassifier),
        quick(DPEClassifier),
        quick(DHATClassifier, module="mlp"),
    ],
    ids=lambda model: type(model).__name__,
)
def test_a_model_of_cuda_predicts_on_the_cpu(model):
    assert not torch.cuda.is_available() or pytest.skip("there is a CUDA device")
    model = fitted(model)
    expected = model.predict_proba(X)
    attacks = hasattr(model, "adversarial_examples")
    attacked = model.adversarial_examples(X, Y) if attacks else None
    there = as_if_fitted_on_cuda(model)
    content = skops.io.dumps(there)
    trusted = skops.io.get_untrusted_types(data=content)
    for again in (pickle.loads(pickle.dumps(there)), skops.io.loads(content, trusted=trusted)):
        np.testing.assert_array_equal(again.predict_proba(X), expected)
        assert {p.device.type for p in again.net_.module_.parameters()} == {"cpu"}
        assert again.device == "cuda"  # a fit asks for it again
        if attacks:
            np.testing.assert_array_equal(again.adversarial_examples(X, Y), attacked)
        # And on from there.
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(again)).predict_proba(X), expected)


def test_an_embedder_of_cuda_embeds_on_the_cpu():
    assert not torch.cuda.is_available() or pytest.skip("there is a CUDA device")
    images = np.random.default_rng(0).random((4, 3, 16, 16), dtype=np.float32)
    model = Embedder("simple_cnn", cache_dir=None).fit(images)
    expected = model.transform(images)
    model._fitted.params["device"] = "cuda"
    with pytest.raises(ValueError, match="finds no CUDA device"):
        model.transform(images)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.transform(images), expected)
