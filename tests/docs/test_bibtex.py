"""References become BibTeX: those of every classifier, with each part in its field."""

import inspect
import re
import sys
from pathlib import Path

import pytest

import sklearn_debias

sys.path.insert(0, str(Path(__file__).parents[2] / "docs" / "_ext"))
from bibtex import as_bibtex, entries_of

METHODS = sorted(set(sklearn_debias.__all__) - {"__version__"})


def references(name):
    """The references of a classifier."""
    doc = inspect.getdoc(getattr(sklearn_debias, name))
    section = re.search(r"^References\n-+\n(.*?)(?=^\w+\n-+\n|\Z)", doc, re.DOTALL | re.MULTILINE)
    return entries_of(section[1]) if section else []


def fields(entry):
    """The fields of a BibTeX entry, and its first line."""
    text = as_bibtex(entry)
    return dict(re.findall(r"^  (\w+) = \{(.*)\},$", text, re.MULTILINE)), text.splitlines()[0]


@pytest.mark.parametrize("name", [name for name in METHODS if references(name)])
def test_all_references_have_the_fields_of_one(name):
    for entry in references(name):
        found, first = fields(entry)
        assert {"author", "title", "year"} <= found.keys(), entry
        assert first.startswith("@inproceedings{" if "booktitle" in found else "@misc{")
        venue = found.get("booktitle", "ICML")
        assert re.fullmatch(r"[A-Z]\w+( Workshops)?", venue), entry
        for value in found.values():
            assert value.count("{") == value.count("}")


def test_most_methods_have_references():
    assert [name for name in METHODS if not references(name)] == ["InferredGroupsClassifier"]


def test_a_reference_field_by_field():
    found, first = fields(
        'Sohoni, Lee and Gu, "Is No Subclass Left?", NeurIPS 2020 (GEORGE); code: x.org/2021.'
    )
    assert first == "@inproceedings{sohoni2020subclass,"
    assert found == {
        "author": "Sohoni and Lee and Gu",
        "title": "{Is No Subclass Left?}",
        "booktitle": "NeurIPS",
        "year": "2020",
    }


@pytest.mark.parametrize(
    ("number", "year"), [("1907.02893", "2019"), ("2009.00329", "2020"), ("2409.02792", "2024")]
)
def test_the_number_of_a_preprint_is_no_year(number, year):
    found, first = fields(f'Roe et al., "A Method", arXiv {number}.')
    assert first == f"@misc{{roe{year}method,"
    assert found["year"] == year
    assert found["eprint"] == number
    assert found["archiveprefix"] == "arXiv"
    assert found["author"] == "Roe and others"
    assert "booktitle" not in found
    assert fields(f'Roe, "A Method", ICML 2025, arXiv {number}.')[0]["year"] == "2025"


def test_what_is_no_reference_is_no_entry():
    assert as_bibtex("See the paper.") == ""
