"""Which class a linear head predicts, where rounding errors cannot matter.

A float64 copy of each row takes longer than the product with the weights. Float32 is sure of nearly
all rows: where the lead of a logit exceeds what rounding can have done, the float64 logits of the
row have the same winner, in whatever order and company they are summed.

The bound is that of any order of summation [1]_, Eq. 3.5: the computed ``x . w + b`` of ``d``
features is off by at most ``gamma (|x| . |w| + |b|)``, and ``|x| . |w| <= norm(x) norm(w)``, with
``gamma = n u / (1 - n u)``, ``n = d + 1`` and the unit roundoff ``u``, 2 ** -24 in float32.

References
----------
.. [1] Higham, N. J. (2002). Accuracy and Stability of Numerical Algorithms, 2nd edition, SIAM.
"""

from dataclasses import dataclass

import numpy as np
from torch import nn

from sklearn_debias.core.internal import lone_linear

SLACK = 1.01  # for the rounding of the bound itself
LONGEST = 100_000  # features: beyond, the slack might not do
LARGEST = 1e17  # of weights: squared norms of rows overflow in float32 before their logits do


@dataclass(frozen=True)
class SureClasses:
    """The classes of rows by a linear layer, and which of them are beyond doubt.

    Parameters
    ----------
    weight : ndarray of shape (classes, d), float32 or float64
        Its type is the one that is computed in.
    bias : ndarray of shape (classes,)
    per_norm : float
        The lead that rounding may have made up, by the norm of the row.
    at_least : float
        The same for a row of zeros.
    """

    weight: np.ndarray
    bias: np.ndarray
    per_norm: float
    at_least: float

    @classmethod
    def of(cls, module: nn.Module, dtype: np.dtype) -> "SureClasses | None":
        """Return that of a lone linear layer in float64, or None for any other module.

        Also None where its weights are not finite, huge, or no numbers of ``dtype``.
        """
        layer = lone_linear(module)
        if layer is None or not 0 < layer.in_features <= LONGEST:
            return None
        exact = layer.weight.detach().numpy()
        shift = np.zeros(len(exact)) if layer.bias is None else layer.bias.detach().numpy()
        with np.errstate(over="ignore"):
            norm = float(np.linalg.norm(exact, axis=1).max())
        reach = float(np.abs(shift).max())
        if not (norm < LARGEST and reach < LARGEST):
            return None
        weight = exact.astype(dtype)
        bias = shift.astype(dtype)
        if not (np.array_equal(weight, exact) and np.array_equal(bias, shift)):
            return None
        kind = np.finfo(dtype)
        n = layer.in_features + 1
        gamma = n * kind.eps / (2 - n * kind.eps)  # eps is twice the roundoff
        # Of two logits, here and in the float64 of the module.
        sums = 2.0 if dtype == np.float32 else 4.0
        # What underflows is off by less than the smallest normal number, in products and in sums.
        at_least = gamma * reach + 2 * n * float(kind.smallest_normal)
        return cls(weight, bias, sums * SLACK * float(gamma) * norm, sums * SLACK * float(at_least))

    def __call__(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the codes of rows (b, d), of the weights' type, and whether each is sure, (b,).

        No row is sure that holds values which are not finite.
        """
        with np.errstate(all="ignore"):  # values that are not finite, norms that overflow
            squares = np.vecdot(rows, rows).astype(np.float64)
            logits = rows @ self.weight.T
            logits += self.bias
            lead, codes = _lead(logits)
            lost = self.weight.shape[1] * float(np.finfo(rows.dtype).smallest_normal)
            return codes, lead > self.per_norm * np.sqrt(squares + lost) + self.at_least


def _lead(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return by how much the largest logit leads the second, and its class; writes ``logits``."""
    if logits.shape[1] == 2:
        difference = logits[:, 1] - logits[:, 0]
        return np.abs(difference), (difference > 0).astype(np.intp)
    codes = logits.argmax(axis=1)
    every = np.arange(len(logits))
    first = logits[every, codes]
    logits[every, codes] = -np.inf
    return first - logits.max(axis=1), codes
