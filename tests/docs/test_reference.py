"""The reference has every public name, and every method a page: what the site writes by itself."""

import importlib
import inspect
import sys
from pathlib import Path

import pytest
from sklearn.base import BaseEstimator

import sklearn_debias
from sklearn_debias.documented import Documented
from sklearn_debias.testing import all_estimators

DOCS = Path(__file__).parents[2] / "docs"
sys.path.insert(0, str(DOCS / "_ext"))
import reference  # noqa: E402
import registry  # noqa: E402

PACKAGES = sorted(
    path.parent.name for path in (DOCS.parent / "sklearn_debias").glob("*/__init__.py")
)


@pytest.mark.parametrize("package", [p for p in PACKAGES if p not in reference.INTERNAL])
def test_every_name_of_a_package_is_in_the_reference(package):
    """As a name of the package, or of the top level, which users import it from."""
    room = f"sklearn_debias.{package}"
    names = set(importlib.import_module(room).__all__) - set(sklearn_debias.__all__)
    assert {f"{room}.{name}" for name in names} <= reference.documented()


def test_every_name_of_the_reference_exists_and_none_is_internal():
    for full in reference.documented():
        room, name = full.rsplit(".", 1)
        assert hasattr(importlib.import_module(room), name)
        assert room.split(".")[-1] not in reference.INTERNAL


def test_pictures_of_all_public_estimators_lead_to_their_page():
    found = set()
    for full in reference.documented():
        room, name = full.rsplit(".", 1)
        cls = getattr(importlib.import_module(room), name)
        if inspect.isclass(cls) and issubclass(cls, BaseEstimator):
            assert issubclass(cls, Documented), full
            found.add(full)
            assert cls.__new__(cls)._doc_link_url_param_generator() == {"page": full}
    assert len(found) >= 30


def test_each_classifier_is_in_one_group_of_methods():
    listed = [name for names in registry.groups_of_methods().values() for name in names]
    assert sorted(listed) == sorted({name for name, _ in all_estimators()} | {"GroupInferrer"})
    assert registry.OTHERS not in registry.groups_of_methods()


def test_a_method_that_no_table_has_gets_a_page_nevertheless(monkeypatch):
    monkeypatch.setitem(registry.METHODS, "NewClassifier", object)
    assert registry.groups_of_methods()[registry.OTHERS] == ["NewClassifier"]


def test_members_are_this_packages_and_few_of_others():
    members = dict(reference.members_of("sklearn_debias.models.NormalizedLinear")[::1])
    assert "parameters" not in members.values()
    found = {name for _, name in reference.members_of("sklearn_debias.JTTClassifier")}
    assert {"fit", "predict", "biased_module_", "get_params", "search_space"} <= found
    assert not {"set_fit_request", "get_metadata_routing"} & found
