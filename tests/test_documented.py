"""The HTML picture of an estimator leads to its documentation."""

import re

import pytest
from sklearn.base import BaseEstimator

from sklearn_debias import ERMClassifier, documented
from sklearn_debias.corruptions import Corruption
from sklearn_debias.estimators import BaseDebiasClassifier
from sklearn_debias.feature_extraction import Embedder
from sklearn_debias.model_selection import BatchedGridSearchCV
from sklearn_debias.testing import all_estimators, quick

OTHERS = {
    "feature_extraction.Embedder": Embedder("simple_cnn"),
    "corruptions.Corruption": Corruption("blur"),
    "model_selection.BatchedGridSearchCV": BatchedGridSearchCV(ERMClassifier(), {"lr": [0.1]}),
}


@pytest.fixture(autouse=True)
def site(monkeypatch):
    monkeypatch.setattr(documented, "SITE", "https://site.test")


@pytest.mark.parametrize("name", [name for name, _ in all_estimators()])
def test_a_classifier_leads_to_its_page_and_shows_its_parameters(name):
    clf = quick(dict(all_estimators())[name])
    page = f"https://site.test/api/generated/sklearn_debias.{name}.html"
    html = clf._repr_html_()
    assert page in html
    described = re.findall(r'class="param-doc-description".*?</span>', html, flags=re.DOTALL)
    assert len(described) >= 3


@pytest.mark.parametrize("page", OTHERS)
def test_others_lead_to_the_page_of_their_package(page):
    found = OTHERS[page]._get_doc_link()
    assert found == f"https://site.test/api/generated/sklearn_debias.{page}.html"


def test_a_class_from_elsewhere_has_no_page_here():
    class Mine(BaseDebiasClassifier):
        """A method of somebody else's."""

    assert Mine()._get_doc_link() == ""


def test_without_a_site_there_is_no_link(monkeypatch, tmp_path):
    monkeypatch.setattr(documented, "SITE", "")
    monkeypatch.setattr(documented, "BUILT", tmp_path / "none")
    assert ERMClassifier()._get_doc_link() == ""
    assert isinstance(ERMClassifier(), BaseEstimator)
    monkeypatch.setattr(documented, "BUILT", tmp_path)
    assert ERMClassifier()._get_doc_link().startswith(tmp_path.as_uri())
