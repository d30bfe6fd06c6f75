"""The search that trains its candidates together, in stacks of fits; each is one vmapped run.

``docs/design/batched_search.md`` says what a stack and a lane are, and what the run costs.
"""

from sklearn_debias.model_selection.batched._search import BatchedGridSearchCV

__all__ = ["BatchedGridSearchCV"]
