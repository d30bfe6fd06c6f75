"""By the environments that hurt a reference model's confidence most: EIIL."""

from typing import Any

import numpy as np
import torch

from sklearn_debias.group_inference._errors import MAKE_MISTAKES
from sklearn_debias.group_inference._inference import Inference, Task
from sklearn_debias.group_inference._reference import cross_fit, mean_log_proba, reference
from sklearn_debias.objectives.internal import (
    best_environments,
    eiil_gradient,
    eiil_penalty,
)

LR = 1e-3  # of the authors' code


def ascend(gradient: torch.Tensor, n_steps: int, seed: int) -> torch.Tensor:
    """Return q (n,) after Adam's steps uphill from random logits, as the authors' code does it."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(gradient.shape, generator=generator, dtype=gradient.dtype)
    logits.requires_grad_()
    adam = torch.optim.Adam([logits], lr=LR)
    for _ in range(n_steps):
        adam.zero_grad()
        (-eiil_penalty(logits.sigmoid(), gradient)).backward()
        adam.step()
    return logits.detach().sigmoid()


class EIILInference(Inference):
    """Label 1 for the environment that more confidence would hurt, 0 for the other."""

    reads = frozenset({"n_splits", "n_steps"})
    n_splits = 5
    advice = MAKE_MISTAKES

    def __init__(self, task: Task) -> None:
        self.classes = task.classes
        self.models, held_out = cross_fit(reference(task), task)
        gradient = self._gradient(held_out, task.codes)
        chosen = best_environments(gradient)
        n_steps = task.params["n_steps"]
        if n_steps is not None:
            chosen = ascend(gradient, n_steps, task.seed) > 0.5
            # The environments have no names: the second is the one that confidence hurts.
            if gradient[chosen].sum() < gradient[~chosen].sum():
                chosen = ~chosen
        self.labels = chosen.long().numpy()
        self.suspicion = gradient.numpy()
        self.score = float(eiil_penalty(chosen.double(), gradient))

    def predict(self, X: Any, codes: np.ndarray | None) -> np.ndarray:
        """Return the environment of each row (m,) by its own gradient."""
        proba = mean_log_proba(self.models, X, self.classes)
        gradient = self._gradient(proba, proba.argmax(1) if codes is None else codes)
        return best_environments(gradient).long().numpy()

    @staticmethod
    def _gradient(proba: np.ndarray, codes: np.ndarray) -> torch.Tensor:
        # Logarithms of probabilities are logits up to a constant, which does not count.
        return eiil_gradient(torch.from_numpy(proba), torch.from_numpy(codes))
