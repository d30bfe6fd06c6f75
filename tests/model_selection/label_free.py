"""Rows with a shortcut, the scorers that see no bias label of them, and their values by NumPy."""

import numpy as np
from sklearn.linear_model import LogisticRegression

from sklearn_debias.datasets import make_spurious_embeddings
from sklearn_debias.group_inference import GroupInferrer
from sklearn_debias.model_selection import biased_balance_scorer, inferred_worst_group_scorer

TRAIN = make_spurious_embeddings(600, n_features=8, conflict_ratio=0.1, random_state=0).train
X, Y, BIAS = TRAIN.data, TRAIN.target, TRAIN.bias_labels
HELD_OUT = make_spurious_embeddings(400, n_features=8, conflict_ratio=0.1, random_state=1).train
INFERRER = GroupInferrer(random_state=0).fit(X, Y)
BIASED = LogisticRegression(C=1e-4).fit(X, Y)
MAKERS = {
    "parts": lambda: inferred_worst_group_scorer(INFERRER),
    "cells": lambda: inferred_worst_group_scorer(INFERRER, groups="cells"),
    "biased": lambda: biased_balance_scorer(BIASED),
}


def by_hand(kind, model, X, y):
    """The scores by NumPy alone."""
    right = model.predict(X) == y
    other = BIASED.predict(X) if kind == "biased" else INFERRER.predict(X, y)
    if kind == "parts":
        return min(right[other == part].mean() for part in (0, 1))
    cells = [right[(other == b) & (y == c)] for b in (0, 1) for c in (0, 1)]
    each = [cell.mean() for cell in cells if len(cell)]
    return np.mean(each) if kind == "biased" else min(each)


def judged():
    """Models between the shortcut and its absence."""
    weights = np.random.default_rng(0).random(len(Y))
    fits = [LogisticRegression(C=c).fit(X, Y) for c in (1e-4, 1e-2, 1.0)]
    return [*fits, LogisticRegression().fit(X, Y, sample_weight=weights)]
