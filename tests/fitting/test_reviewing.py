"""Advice names parameters of the method, and nothing else."""

import pytest

from sklearn_debias.fitting._reviewing import advised
from sklearn_debias.testing import all_estimators, default


@pytest.mark.parametrize("name", [n for n, cls in all_estimators() if hasattr(cls, "_phases")])
def test_advice_names_parameters(name):
    clf = default(dict(all_estimators())[name])
    named = advised(clf).replace(" and ", ", ").split(", ")
    assert named[:2] == ["`lr`", "`max_epochs`"]
    assert 2 <= len(set(named)) == len(named) <= 4
    assert {word.strip("`") for word in named} <= set(clf.get_params(deep=False))
