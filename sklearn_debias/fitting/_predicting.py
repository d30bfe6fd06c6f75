"""How a fitted classifier predicts: in batches of one shape, so that no row depends on another."""

import copy
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from sklearn_debias.core import Net
from sklearn_debias.core.internal import is_tokens
from sklearn_debias.exceptions import DivergedError
from sklearn_debias.fitting._devices import make_prepare
from sklearn_debias.fitting._features import LooseRows, are_plain, as_type, in_double, in_pieces
from sklearn_debias.fitting._opened import NO_GRADIENT, Opened
from sklearn_debias.fitting._probe import is_small
from sklearn_debias.fitting._short import ShortBatches
from sklearn_debias.fitting._sure import SureClasses
from sklearn_debias.fitting._targets import encode_known
from sklearn_debias.fitting._twins import HEAD_BATCH, twin_of
from sklearn_debias.fitting._types import Classifier
from sklearn_debias.training import Source, inference_rows, padded

PIECE = 512  # rows of a piece that is read, checked and predicted at once


def predictor(classifier: Classifier) -> tuple[nn.Module, int | None]:
    """Return the module as `predict` runs it, in eval mode, and the rows of a batch."""
    module = classifier.module_
    # Heads in float64, where the order of sums hardly matters, so that a row is predicted the same
    # alone and in company. Images get there by batches of one shape.
    if len(classifier.input_shape_) == 1:
        return copy.deepcopy(module).cpu().double().eval(), HEAD_BATCH
    return _in_eval_mode(module), None


def _in_eval_mode(module: nn.Module) -> nn.Module:
    # Never switched here: another thread may be running it. A fit leaves eval mode behind; where a
    # caller has called train() since, a twin in eval mode answers, which shares its tensors.
    training = any(part.training for part in module.modules())
    return Net(module).frozen().module if training else module


def predicted(classifier: Classifier, source: Source) -> np.ndarray:
    """Return the codes of the classes with the largest logits, (n,)."""
    if isinstance(source, LooseRows):
        dtype = np.dtype(classifier._fitted.params["dtype"])
        sure = twin_of(classifier.module_).sure
        sure = tuple(level for level in sure if np.can_cast(dtype, level.weight.dtype))
        if sure:
            return _by_sure_classes(classifier, source, dtype, sure)
    with closing(outputs(classifier, source)) as batches:
        # Batch by batch: the logits of all rows may be large where there are many classes.
        return np.concatenate([logits.argmax(axis=1) for logits in batches])


def all_outputs(classifier: Classifier, source: Source) -> np.ndarray:
    """Return the logits of all rows (n, classes), float64."""
    every = np.empty((len(source), len(classifier.classes_)))
    done = 0
    with closing(outputs(classifier, source)) as batches:
        for logits in batches:
            every[done : done + len(logits)] = logits
            done += len(logits)
    return every


def _by_sure_classes(
    classifier: Classifier, source: LooseRows, dtype: np.dtype, sure: tuple[SureClasses, ...]
) -> np.ndarray:
    """Return the codes by the first of ``sure`` that is sure of a row, else by the outputs."""
    codes = np.empty(len(source), dtype=np.intp)
    doubted = []
    n_doubted = 0
    done = 0
    for rows in in_pieces(source, dtype, PIECE):
        at = np.arange(done, done + len(rows))
        done += len(rows)
        for level in sure if n_doubted < done / 2 else ():
            codes[at], is_sure = level(as_type(rows, level.weight.dtype))
            rows, at = rows[~is_sure], at[~is_sure]
            if not len(at):
                break
        doubted.append(at)
        # Where most are in doubt, as between classes that tie, asking costs more than it saves.
        n_doubted += len(at)
    index = np.concatenate(doubted)
    for start in range(0, len(index), PIECE):  # no copy of all rows, were all in doubt
        few = index[start : start + PIECE]
        logits = np.concatenate(list(outputs(classifier, source.rows(few))))
        codes[few] = logits.argmax(axis=1)
    return codes


def outputs(classifier: Classifier, source: Source) -> Generator[np.ndarray, None, None]:
    """Yield logits of a few rows after another, float64."""
    found = _of_heads if len(classifier.input_shape_) == 1 else _of_images
    for logits in found(classifier, source):
        if not np.isfinite(logits).all():
            raise DivergedError(
                "The outputs of the fitted `module` are not finite for some rows of `X`. "
                "Scale X, and lower `lr` if this happens in fit."
            )
        yield logits


def _of_heads(classifier: Classifier, source: Source) -> Generator[np.ndarray, None, None]:
    twin = twin_of(classifier.module_)  # as `predictor` has it, but kept
    n_rows = twin.batch_size(len(source), classifier.input_shape_[0])
    dtype = np.dtype(classifier._fitted.params["dtype"])
    for x, n in in_double(source, dtype, n_rows):
        with torch.inference_mode():
            logits = twin.module(x)
        yield logits[:n].double().numpy()


def _of_images(classifier: Classifier, source: Source) -> Generator[np.ndarray, None, None]:
    module = _in_eval_mode(classifier.module_)
    prepare = make_prepare(classifier._fitted, next(module.parameters()).device)
    n_rows = inference_rows(prepare.device, classifier.input_shape_)
    batches = ShortBatches(classifier.module_, module, n_rows)

    def forward(x: torch.Tensor, _: np.ndarray) -> torch.Tensor:
        with torch.inference_mode():
            # In this order everywhere: Apple's MPS has no float64.
            return batches(x).cpu().double()

    for logits in padded(forward, source, prepare, n_rows, batches.size):
        yield logits.numpy()


def rows_to_predict(classifier: Classifier, X: Any) -> Source:
    """Return rows that must be like those of the fit; those of arrays are checked as they are read.

    To look at all of X first would take longer than a head takes, and a copy of X.
    """
    fitted = classifier._fitted

    def refuse() -> None:
        fitted.open(classifier, X)
        raise ValueError("Input X contains NaN or infinity.")  # it has changed since

    shape = fitted.facts.shape
    plain = len(shape) == 1 and fitted.facts.names is None and fitted.params["image_size"] is None
    if plain and are_plain(X, shape[0]):
        return LooseRows(X, refuse)
    return fitted.open(classifier, X).source


def opened(classifier: Classifier, X: Any, y: Any = None) -> Opened:
    """Return rows, and the network that predicts, for attacks and attention maps."""
    inputs = classifier._fitted.open(classifier, X)
    if is_tokens(inputs.shape):
        raise ValueError(NO_GRADIENT)
    codes = None
    if y is not None:
        codes = torch.from_numpy(encode_known(classifier.classes_, y, len(inputs)))
    module, batch_size = predictor(classifier)
    parameter = next(module.parameters())
    # What attacks see has the precision of what predicts, or a borderline row would differ.
    prepare = replace(make_prepare(classifier._fitted, parameter.device), dtype=parameter.dtype)
    small = is_small(classifier.module_, classifier.input_shape_)
    return Opened(Net(module).frozen(), inputs, prepare, codes, small, batch_size)
