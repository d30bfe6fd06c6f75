"""What the pages of methods say; needs numpydoc and Sphinx, which `tox run -e docs` has."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

DOCS = Path(__file__).parents[2] / "docs"
sys.path.insert(0, str(DOCS / "_ext"))
pytest.importorskip("numpydoc")
pytest.importorskip("sphinx")
import links  # noqa: E402
import methods  # noqa: E402

from sklearn_debias.estimators import BaseDebiasClassifier  # noqa: E402


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("BiasAdvClassifier", "biasadv"),
        ("DHATClassifier", "dhat"),
        ("MetaIADAClassifier", "meta_iada"),
        ("ULEClassifier", "ule"),
    ],
)
def test_a_method_leads_to_the_page_that_reproduces_it(name, page):
    assert f":doc:`/reproduction/{page}`" in "".join(methods.measured(name))


def test_the_algorithm_is_that_of_the_class_not_of_its_neighbour():
    found = {name: methods.objectives_of(cls) for name, cls in methods.METHODS.items()}
    files = {name: [m.__name__.split(".")[-1] for m in found[name]] for name in found}
    assert files["ISDAClassifier"] == ["_isda"]
    assert files["JTTClassifier"] == ["_jtt"]
    assert files["InvarianceClassifier"] == ["_invariance"]
    assert "_meta_saug" in files["MetaSAugClassifier"]


@pytest.mark.parametrize("name", methods.METHODS)
def test_each_setting_is_told_in_a_sentence(name):
    cls = methods.METHODS[name]
    cells = "".join(methods.settings(cls, methods.docstring(cls))).splitlines()
    assert not [cell for cell in cells if cell.strip().startswith("- *")]


def test_a_method_without_parameters_of_its_own_has_no_settings():
    class Plain(BaseDebiasClassifier):
        """A method."""

    assert list(methods.settings(Plain, {"Parameters": []})) == []


def test_a_bare_word_is_no_member_of_a_class():
    kinds = {"a.fit": "method", "b.fit": "method", "a.only": "method", "a.split": "function"}
    objects = {name: SimpleNamespace(objtype=kind) for name, kind in kinds.items()}
    names = ["a.fit", "b.fit"]
    assert links.meant("fit", names, objects) == links.meant("fit()", names, objects) == []
    assert links.meant("A.fit", names, objects) == names
    assert links.meant("only", ["a.only"], objects) == []
    assert links.meant("only()", ["a.only"], objects) == ["a.only"]
    assert links.meant("split", ["a.split"], objects) == ["a.split"]
