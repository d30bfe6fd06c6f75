"""Meta-Weight-Net."""

from dataclasses import dataclass
from typing import ClassVar

from sklearn.utils._param_validation import StrOptions
from torch import nn

from sklearn_debias.core import Phase, Role
from sklearn_debias.estimators._meta_classifier import MetaClassifier, adam, two_layers
from sklearn_debias.fitting import POSITIVE
from sklearn_debias.objectives import LearnWeights, WeightedByNet
from sklearn_debias.search_spaces import SearchedRows, Space, meta_weight_net_space


@dataclass(kw_only=True, eq=False, repr=False)
class MetaWeightNetClassifier(MetaClassifier):
    """Meta-Weight-Net: weigh each sample by a learned function of its loss [1]_.

    A network of one hidden layer maps a sample's loss to its weight in (0, 1). It learns which
    weights make a step of the model serve a small balanced, clean meta set. For long tails it comes
    to weigh large losses more, for label noise less.

    Parameters
    ----------
    {shared_parameters}
    virtual_step : {"head", "all"}, default="all"
        What the virtual step moves: the whole network, as in the paper, or the last layer, which is
        cheaper.
    weight_lr : float, default=1e-3
        Learning rate of the weight net, whose optimiser is Adam, > 0; ``lr_schedule`` leaves it
        alone.
    {meta_parameters}

    Attributes
    ----------
    {shared_attributes}
    weight_module_ : nn.Module
        Maps losses (b, 1) to weights (b, 1) in (0, 1), which a batch divides by their sum.
    meta_indices_ : ndarray of int, or None
        Rows of X held out as the meta set.

    Notes
    -----
    The terms in ``history_`` are the meta set's loss (``weigher_loss``) and the weighted one
    (``model_loss``).

    References
    ----------
    .. [1] Shu et al., "Meta-Weight-Net: Learning an Explicit Mapping For Sample Weighting", NeurIPS
       2019.

    Examples
    --------
    >>> import torch
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_debias import MetaWeightNetClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = MetaWeightNetClassifier(max_epochs=20, random_state=0).fit(X, y)
    >>> clf.weight_module_(torch.tensor([[0.1], [5.0]])).shape
    torch.Size([2, 1])
    """

    virtual_step: str = "all"
    weight_lr: float = 1e-3

    _parameter_constraints: ClassVar[dict] = {
        **MetaClassifier._parameter_constraints,
        "virtual_step": [StrOptions({"head", "all"})],
        "weight_lr": POSITIVE,
    }

    def _search_space(self, rows: SearchedRows) -> Space:
        return super()._search_space(rows) | meta_weight_net_space(rows)

    def _phases(self) -> tuple[Phase, ...]:
        ahead = LearnWeights(self.virtual_step, int(self.meta_interval))
        # In this order: the real step uses the weight net that was just updated (Eqs. 7 and 8).
        return (Phase("train", (ahead, WeightedByNet()), self.max_epochs),)

    def _role(self, name: str) -> Role:
        if name != "weigher":
            return super()._role(name)
        optimizer = adam(self.weight_lr, self.device)
        return Role(helper=lambda modules: two_layers(1), optimizer=optimizer)

    @property
    def weight_module_(self) -> nn.Module:
        """Maps losses (b, 1) to weights (b, 1)."""
        return nn.Sequential(self._network("weigher"), nn.Sigmoid())
