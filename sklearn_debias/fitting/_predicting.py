"""How a fitted classifier predicts: in batches of one shape, so that no row depends on another."""

import copy
from collections.abc import Generator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from sklearn_debias.core import Net
from sklearn_debias.exceptions import DivergedError
from sklearn_debias.fitting._devices import make_prepare
from sklearn_debias.fitting._opened import Opened
from sklearn_debias.fitting._probe import is_small
from sklearn_debias.fitting._targets import encode_known
from sklearn_debias.fitting._twins import HEAD_BATCH, twin_of
from sklearn_debias.fitting._types import Classifier
from sklearn_debias.training import Source, padded


def predictor(classifier: Classifier) -> tuple[nn.Module, int | None]:
    """Return the module as `predict` runs it, in eval mode, and the rows of a batch."""
    module = classifier.module_
    # Heads in float64, where the order of sums hardly matters, so that a row is predicted the same
    # alone and in company. Images get there by batches of one shape.
    if len(classifier.input_shape_) == 1:
        return copy.deepcopy(module).cpu().double().eval(), HEAD_BATCH
    return _of_images(module), None


def _of_images(module: nn.Module) -> nn.Module:
    # Never switched here: another thread may be running it. A fit leaves eval mode behind; where a
    # caller has called train() since, a twin in eval mode answers, which shares its tensors.
    training = any(part.training for part in module.modules())
    return Net(module).frozen().module if training else module


def outputs(classifier: Classifier, source: Source) -> Generator[np.ndarray, None, None]:
    """Yield logits of a few rows after another, float64."""
    batch_size = None
    if len(classifier.input_shape_) == 1:
        twin = twin_of(classifier.module_)  # as `predictor` has it, but kept
        module = twin.module
        batch_size = twin.batch_size(len(source), classifier.input_shape_[0])
        device = torch.device("cpu")
    else:
        module = _of_images(classifier.module_)
        device = next(module.parameters()).device
    prepare = make_prepare(classifier._fitted, device)

    def forward(x: torch.Tensor, _: np.ndarray) -> torch.Tensor:
        with torch.inference_mode():
            # In this order everywhere: Apple's MPS has no float64.
            return module(x.double() if batch_size else x).cpu().double()

    for batch in padded(forward, source, prepare, batch_size):
        logits = batch.numpy()
        if not np.isfinite(logits).all():
            raise DivergedError(
                "The outputs of the fitted `module` are not finite for some rows of `X`. "
                "Scale X, and lower `lr` if this happens in fit."
            )
        yield logits


def opened(classifier: Classifier, X: Any, y: Any = None) -> Opened:
    """Return rows, and the network that predicts, for attacks and attention maps."""
    inputs = classifier._fitted.open(classifier, X)
    codes = None
    if y is not None:
        codes = torch.from_numpy(encode_known(classifier.classes_, y, len(inputs)))
    module, batch_size = predictor(classifier)
    parameter = next(module.parameters())
    # What attacks see has the precision of what predicts, or a borderline row would differ.
    prepare = replace(make_prepare(classifier._fitted, parameter.device), dtype=parameter.dtype)
    small = is_small(classifier.module_, classifier.input_shape_)
    return Opened(Net(module).frozen(), inputs, prepare, codes, small, batch_size)
