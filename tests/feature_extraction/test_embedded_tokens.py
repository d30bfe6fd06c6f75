"""Embeddings of rows of tokens: each by itself, from the cache or not."""

import numpy as np
import pytest
import torch
from tokens import Bag, Rows, bag, make_rows
from torch import nn

from sklearn_debias.feature_extraction import Embedder

X, y, _ = make_rows()


class ByToken(nn.Module):
    """Embeddings of the tokens, one by one."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(20, 8)

    def forward(self, input_ids):
        return self.embedding(input_ids)


def test_rows_are_embedded_alone_as_in_company(tmp_path):
    embedder = Embedder(bag(), cache_dir=None).fit(X)
    together = embedder.transform(X)
    assert together.shape == (len(X), 8)
    np.testing.assert_array_equal(embedder.transform(X[7:8]), together[7:8])
    cached = Embedder(bag(), cache_dir=tmp_path).fit(X)
    np.testing.assert_array_equal(cached.transform(X[::-1])[::-1], together)
    np.testing.assert_array_equal(cached.transform(Rows(X, y)), together)


def test_known_rows_are_not_computed_again(tmp_path):
    class Counting(Bag):
        rows = 0

        def forward(self, input_ids, attention_mask):
            Counting.rows += len(input_ids)
            return super().forward(input_ids, attention_mask)

    embedder = Embedder(Counting(), cache_dir=tmp_path).fit(X)
    embedder.transform(X)
    before = Counting.rows
    embedder.transform([*X[:9], {**X[9], "text": "no column of tokens"}])
    assert Counting.rows == before


def test_activations_of_tokens_are_averaged_over_those_that_are_seen():
    module = ByToken()
    found = Embedder(module, cache_dir=None).fit(X).transform(X)
    ids = torch.tensor(X[0]["input_ids"])
    expected = module.embedding(ids).mean(0).detach().numpy()
    np.testing.assert_allclose(found[0], expected, atol=1e-6)
    with pytest.raises(ValueError, match="`pool`='flatten' needs rows of one length"):
        Embedder(ByToken(), pool="flatten", cache_dir=None).fit(X)


def test_settings_for_images_are_refused():
    with pytest.raises(ValueError, match="`normalize` must be None or 'auto' for rows of tokens"):
        Embedder(bag(), normalize=(0.0, 1.0), cache_dir=None).fit(X)
    with pytest.raises(ValueError, match="`module` must be a module for rows of tokens"):
        Embedder(cache_dir=None).fit(X)
