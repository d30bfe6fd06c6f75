"""What a project that others join must keep: one version, true metadata, whole distributions."""

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest
from packaging.version import Version

import sklearn_debias

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
REPOSITORY = PYPROJECT["project"]["urls"]["Homepage"]
WRITTEN = ("_build", "api", "gallery", "methods")  # in docs, by the site; .gitignore has them
YAML = [
    "CITATION.cff",
    ".pre-commit-config.yaml",
    *(str(path.relative_to(ROOT)) for path in sorted((ROOT / ".github").rglob("*.yml"))),
]


def read(page):
    return (ROOT / page).read_text(encoding="utf-8")


def load(page):
    return pytest.importorskip("yaml").safe_load(read(page))


def changelog():
    """(version, date) of the changelog's sections, in its order."""
    return re.findall(r"^## \[([^]]+)\](?: - (\S+))?$", read("CHANGELOG.md"), flags=re.MULTILINE)


def test_the_version_stands_in_one_place():
    assert "version" not in PYPROJECT["project"]
    assert PYPROJECT["project"]["dynamic"] == ["version"]
    source = PYPROJECT["tool"]["setuptools"]["dynamic"]["version"]
    assert source == {"attr": "sklearn_debias.__version__"}


def test_the_citation_names_the_version():
    citation = load("CITATION.cff")
    assert citation["version"] == sklearn_debias.__version__
    assert citation["repository-code"] == REPOSITORY
    assert citation["license"] == PYPROJECT["project"]["license"]
    assert ("date-released" in citation) == (not Version(sklearn_debias.__version__).is_devrelease)


def test_the_changelog_begins_with_what_comes_next():
    ahead, newest, *older = changelog()
    version = Version(sklearn_debias.__version__)
    assert ahead == ("Unreleased", "")
    assert newest[0] == version.base_version
    assert (newest[1] == "unreleased") == version.is_devrelease
    for released, date in older if version.is_devrelease else [newest, *older]:
        assert Version(released) <= version
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", date)


def test_notes_of_a_version_are_short():
    sections = re.split(r"^## ", read("CHANGELOG.md"), flags=re.MULTILINE)[1:]
    assert max(len(section.splitlines()) for section in sections) < 80


def test_the_readme_is_short():
    assert len(read("README.md").splitlines()) < 120


@pytest.mark.parametrize("page", YAML)
def test_yaml_can_be_read(page):
    assert isinstance(load(page), dict)


@pytest.mark.parametrize("page", [page for page in YAML if "workflows" in page])
def test_workflows_may_only_read_and_pin_their_actions(page):
    workflow = load(page)
    assert workflow["permissions"] == {"contents": "read"}
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    uses = [step["uses"] for step in steps if "uses" in step]
    assert uses
    for action in uses:
        assert re.fullmatch(r"actions/[a-z-]+@v\d+", action), action
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 60


def test_ci_runs_environments_that_exist():
    found = re.findall(r"^\[testenv:([\w-]+)\]", read("tox.ini"), flags=re.MULTILINE)
    named = {*found, "tests"}
    jobs = load(".github/workflows/ci.yml")["jobs"]
    run = {row["environment"] for row in jobs["tests"]["strategy"]["matrix"]["include"]}
    run |= set(jobs["checks"]["strategy"]["matrix"]["environment"])
    steps = [step.get("run", "") for name in ("docs", "package") for step in jobs[name]["steps"]]
    alone = {name for step in steps for name in re.findall(r"^tox run -e ([\w-]+)$", step)}
    assert alone == {"docs", "docs-browser", "package"}
    assert run | alone <= named
    assert {"tests", "oldest", "lint", "types"} <= run


def test_ci_runs_every_python_that_is_promised():
    rows = load(".github/workflows/ci.yml")["jobs"]["tests"]["strategy"]["matrix"]["include"]
    promised = [
        line.rpartition(" ")[2]
        for line in PYPROJECT["project"]["classifiers"]
        if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", line)
    ]
    newest = [row["python"] for row in rows if row["dependencies"] == "newest"]
    oldest = [row["python"] for row in rows if row["dependencies"] == "oldest"]
    assert newest == promised
    assert oldest == promised[:1]


def test_issue_forms_ask_what_they_need():
    forms = [page for page in YAML if "ISSUE_TEMPLATE" in page and "config" not in page]
    assert len(forms) == 3
    for page in forms:
        form = load(page)
        assert {"name", "description", "body"} <= form.keys()
        ids = [field["id"] for field in form["body"] if field["type"] != "markdown"]
        assert len(set(ids)) == len(ids)
        assert any(field.get("validations", {}).get("required") for field in form["body"])


def test_lint_is_the_same_everywhere():
    """The extra, tox and the hooks before a commit ask for the same tools and versions."""
    lint = set(PYPROJECT["project"]["optional-dependencies"]["lint"])
    section = read("tox.ini").partition("[testenv:lint]")[2].partition("[testenv:")[0]
    assert lint <= set(section.split())
    hooks = load(".pre-commit-config.yaml")["repos"][0]["hooks"]
    assert {name for hook in hooks for name in hook["additional_dependencies"]} == lint


def test_placeholders_are_those_that_the_release_checklist_names():
    checklist = read("docs/releasing.md")
    assert REPOSITORY in checklist
    for page in ("CITATION.cff", "SECURITY.md", ".github/ISSUE_TEMPLATE/config.yml", "README.md"):
        for found in re.findall(r"https://github\.com/[\w.-]+/sklearn-debias\b", read(page)):
            assert found == REPOSITORY, page
    assert "`CONTACT`" in checklist or "CONTACT" not in read("CODE_OF_CONDUCT.md")


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    """Names in an sdist of a copy of the checkout, with litter, without the top folder."""
    copy = tmp_path_factory.mktemp("sdist") / "checkout"
    litter = [".git", ".venv", ".tox", "*.egg-info", "dist", "build", "_build", ".*_cache"]
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*litter))
    made_by_the_site = [f"docs/{folder}/x.rst" for folder in WRITTEN]
    others = ["docs/reproduction/x.sqlite", "tests/__pycache__/x.pyc", "data/x.npy", "x.log"]
    for path in (*made_by_the_site, *others):
        (copy / path).parent.mkdir(exist_ok=True)
        (copy / path).touch()
    setup = "from setuptools import setup; setup()"
    made = subprocess.run(
        [sys.executable, "-c", setup, "-q", "sdist"], cwd=copy, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    (path,) = copy.glob("dist/*.tar.gz")
    with tarfile.open(path) as archive:
        members = {member.name.partition("/")[2] for member in archive if member.isfile()}
        (info,) = [m for m in archive if re.fullmatch("[^/]+/PKG-INFO", m.name)]
        return members, archive.extractfile(info).read().decode("utf-8")


@pytest.mark.slow
def test_an_sdist_holds_what_its_reader_needs(sdist):
    members, _ = sdist
    needed = ["pyproject.toml", "tox.ini", "README.md", "CHANGELOG.md", "CONTRIBUTING.md"]
    needed += ["LICENSE", "CITATION.cff", "SECURITY.md", "CODE_OF_CONDUCT.md", ".ci/run"]
    for folder in ("docs", "examples", "tests", "sklearn_debias", ".github"):
        for path in (ROOT / folder).rglob("*"):
            page = path.relative_to(ROOT)
            is_written = page.parts[0] == "docs" and page.parts[1] in WRITTEN
            if path.suffix in {".py", ".md", ".png", ".yml"} and not is_written:
                needed.append(str(page))
    needed.append("sklearn_debias/py.typed")
    assert not set(needed) - members


@pytest.mark.slow
def test_an_sdist_holds_no_data_and_no_litter(sdist):
    members, _ = sdist
    litter = r"__pycache__|\.pyc|\.sqlite|\.log$|\.npy|\.pt$|\.npz|_cache/|\.git/|^data/|^results/"
    written = rf"^docs/({'|'.join(WRITTEN)})/"
    assert not [page for page in members if re.search(f"{litter}|{written}", page)]


@pytest.mark.slow
def test_an_sdist_has_the_version(sdist):
    assert f"\nVersion: {sklearn_debias.__version__}\n" in sdist[1]
