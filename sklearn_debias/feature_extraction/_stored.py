"""The network of an embedder as a saved model holds it."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from sklearn_debias.feature_extraction._network import Features, bare_features
from sklearn_debias.fitting import Fitted, StoredNetwork, materialised, on_own_terms
from sklearn_debias.training import Streams

OF_FEATURES = ("layer", "side", "pool", "channels")


@dataclass(frozen=True)
class StoredFeatures:
    """The numbers of an embedder's network, and where the embedding is taken.

    Parameters
    ----------
    network : StoredNetwork
    place : dict of str to Any
        Settings of `Features`.
    """

    network: StoredNetwork
    place: dict[str, Any]

    @classmethod
    def of(cls, features: nn.Module) -> "StoredFeatures":
        """Return what is stored of a network."""
        return cls(StoredNetwork.of(features), {n: getattr(features, n) for n in OF_FEATURES})

    def build(self, fitted: Fitted) -> Features:
        """Return the network, built by the parameters of the fit."""
        dtype = torch.float64 if fitted.params["dtype"] == "float64" else torch.float32
        shape = tuple(fitted.facts.shape)
        with on_own_terms(small=False):  # one thread in forked children: they may load a model
            with Streams(0).noise("initialisation"):
                front, network = bare_features(fitted.params, shape)
                features = Features(front, network, **self.place).to(dtype).eval()
                features.requires_grad_(False)
                materialised(features, shape, dtype, torch.device("cpu"))
            self.network.fill(features, "embedding")
        return features
