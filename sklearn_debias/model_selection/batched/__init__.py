"""The search that trains its candidates at once: stacks of fits, each one vmapped run."""

from sklearn_debias.model_selection.batched._search import BatchedGridSearchCV

__all__ = ["BatchedGridSearchCV"]
