"""Write a page per method from what is told elsewhere, so that a new method gets one by itself.

The idea, the settings and the references come from the classifier's docstring, the algorithm and
its symbols from the docstrings of the objectives, the ranges from its search space, gains and costs
from ``docs/reproduction/defaults.csv``. Nothing is written here but how they stand on a page.
"""

import ast
import inspect
import re
import sys
from pathlib import Path

import figures
import numpy as np
import pandas as pd
from bibtex import as_bibtex, entries_of
from numpydoc.docscrape import NumpyDocString
from registry import METHODS, ROOT, groups_of_methods
from rst import heading, table_row, write_pages

from sklearn_debias.core import Objective
from sklearn_debias.datasets import make_spurious_embeddings
from sklearn_debias.estimators import BaseDebiasClassifier

SHARED = set(inspect.signature(BaseDebiasClassifier).parameters)
CITED = re.compile(r"\s*\[\d+\]_")
# Radii are ranges of the spread of the rows.
EMBEDDINGS = make_spurious_embeddings(random_state=0).train.data
UNTOLD = ", no bias labels"  # as defaults.py says it
# Names in defaults.csv of what is not called like its class.
MEASURED_AS = {"InferredGroups": "inferred groups"}


def docstring(thing):
    """Return a docstring's sections."""
    return NumpyDocString(inspect.getdoc(thing))


def page(name):
    """Return the page of a method, as reStructuredText."""
    cls = METHODS[name]
    doc = docstring(cls)
    parts = [
        heading(name, "="),
        idea(doc),
        figure(name),
        f".. seealso:: The reference of `sklearn_debias.{name}`, with all parameters.\n",
        *algorithm(cls, doc),
        *settings(cls, doc),
        *measured(name),
        *references(name, doc),
    ]
    return "\n".join(parts)


def idea(doc):
    """Return summary and extended summary, without marks of citations."""
    summary, extended = (" ".join(doc[key]) for key in ("Summary", "Extended Summary"))
    return CITED.sub("", f"**{summary}**\n\n{extended}\n")


def figure(name):
    """Return the figure, where the build draws any."""
    if not figures.file_of(name).exists():
        return ""
    options = f"   :alt: {figures.alt(name)}\n\n   {figures.caption(name)}\n"
    return f".. figure:: images/{name}.png\n{options}"


def objectives_of(cls):
    """Return the modules of the objectives that a classifier's own file names, in its order.

    Those are left out that only another class of the file names.
    """
    modules = {}
    for origin in cls.__mro__:
        if origin is BaseDebiasClassifier or origin.__module__.split(".")[0] != "sklearn_debias":
            continue
        file = sys.modules[origin.__module__]
        beside = {c for c in vars(file).values() if inspect.isclass(c)} - set(cls.__mro__)
        theirs = set().union(*(named_in(c) for c in beside if c.__module__ == file.__name__))
        for name, thing in vars(file).items():
            if name in theirs - named_in(origin):
                continue
            if inspect.isclass(thing) and issubclass(thing, Objective):
                modules[thing.__module__] = sys.modules[thing.__module__]
    plain = "sklearn_debias.objectives._erm"
    if len(modules) > 1:
        modules.pop(plain, None)  # the first stage of many
    return [module for name, module in modules.items() if ".objectives." in name]


def named_in(cls):
    """Return the names that the code of a class uses."""
    tree = ast.parse(inspect.getsource(cls))
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def algorithm(cls, doc):
    """Yield the docstrings of the objectives' files, and the functions they consist of."""
    modules = objectives_of(cls)
    if not modules and not doc["Notes"]:
        return
    yield heading("Algorithm", "-")
    if not modules:
        # No step of ours: what it does beside scikit-learn's stands in its notes.
        yield CITED.sub("", "\n".join(doc["Notes"])) + "\n"
    for module in modules:
        yield inspect.getdoc(module) + "\n"
        rows = [
            table_row(f"``{name}``", first_paragraph(thing))
            for name, thing in vars(module).items()
            if inspect.isfunction(thing) and thing.__module__ == module.__name__ and name[0] != "_"
        ]
        if rows:
            yield ".. list-table:: Its formulas, each a function\n   :widths: 30 70\n"
            yield "\n".join(rows) + "\n"


def first_paragraph(thing):
    """Return the first paragraph of a docstring in one line."""
    return " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())


def settings(cls, doc):
    """Yield what a method's own parameters are, and what of them is worth trying."""
    space = searched(cls)
    own = [
        p for p in doc["Parameters"] if p.name not in SHARED and not p.name.startswith("callbacks")
    ]
    if not own:
        return
    yield heading("Settings that matter", "-")
    yield ".. list-table::\n   :header-rows: 1\n   :widths: 20 25 25 30\n"
    yield table_row("parameter", "values and default", "worth trying on embeddings", "what")
    for parameter in own:
        tried = ", ".join(space.get(name.strip(), "") for name in parameter.name.split(","))
        what = CITED.sub("", first_sentence(" ".join(parameter.desc)))
        kind = parameter.type.replace("`", "")
        yield table_row(f"``{parameter.name}``", kind, tried.strip(", "), what)
    yield "\nThe ranges are those of ``search_space``, which tells their sources.\n"


def searched(cls):
    """Return what the search space of embeddings has, as text by parameter."""
    try:
        space = cls().search_space("embeddings", EMBEDDINGS)
    except (TypeError, AttributeError, ValueError):
        return {}  # wraps another estimator, whose parameters these are
    return {name: range_text(values) for name, values in space.items()}


def range_text(values):
    """Return a list, or the ends of a distribution."""
    if hasattr(values, "support"):
        low, high = values.support()
        scale = ", log scale" if values.dist.name in ("loguniform", "reciprocal") else ""
        return f"{low:.3g} to {high:.3g}{scale}"
    return ", ".join(dict.fromkeys(map(value_text, values)))


def value_text(value):
    """Return a string as it is, and of a long estimator no more than its class."""
    text = value if isinstance(value, str) else " ".join(repr(value).split())
    return text if len(text) <= 40 else f"{type(value).__name__}(...)"


def first_sentence(text):
    """Return the text up to the first full stop that ends a sentence."""
    return re.split(r"(?<=\.)\s", " ".join(text.split()), maxsplit=1)[0]


def measured(name):
    """Yield what a first fit gains and costs, and the pages that measure the method."""
    short = name.removesuffix("Classifier")
    rows = gains(MEASURED_AS.get(short, short))
    pages = [
        path for path in sorted((ROOT / "docs/reproduction").glob("*.md")) if names(path, short)
    ]
    if rows.empty and not pages:
        return
    yield heading("What was measured here", "-")
    if not rows.empty:
        yield gains_table(rows)
    if pages:
        yield "Measured further on these pages:\n"
        yield "\n".join(f"* :doc:`/reproduction/{path.stem}`" for path in pages) + "\n"


def names(path, short):
    """Return whether a page tells of a method, in which text Meta-IADA is MetaIADA."""
    text = path.read_text(encoding="utf-8")
    spelled = re.sub(r"(?<=[a-z])(?=[A-Z])", "[- ]?", short)
    found = len(re.findall(rf"(?<![\w-]){spelled}(?:Classifier)?(?![\w])", text))
    return found >= 3 and path.stem not in ("index", "defaults", "coverage")


def gains(short):
    """Return the rows of defaults.csv of a method, with ERM's CPU time."""
    frame = pd.read_csv(ROOT / "docs/reproduction/defaults.csv")
    seconds = frame[frame.method == "ERM"].set_index("set").seconds_per_fit
    # Some are measured both ways; a method has no score on rows that it does not take.
    rows = frame[frame.method.isin([short, short + UNTOLD])].dropna(subset=["score"])
    # As float: of no rows, pandas 3.1 makes text.
    return rows.assign(cost=rows.seconds_per_fit / rows["set"].map(seconds).astype(float))


def gains_table(rows):
    """Return a table of what a first fit gains over ERM's."""
    lines = [
        "With its defaults, beside ERM with its own; points, 95 % intervals over seeds and rows."
        f" A fit takes {np.median(rows.cost):.1f} times ERM's CPU time (median of the sets)."
        " :doc:`/reproduction/defaults` says what the sets are, and compares all methods.\n",
        ".. list-table::\n   :header-rows: 1\n",
        table_row("data", "worst group or mean of groups, %", "gain over ERM"),
    ]
    for row in rows.itertuples():
        score, gain, low, high = (
            100 * value for value in (row.score, row.gain, row.gain_lower, row.gain_upper)
        )
        text = f"{gain:+.1f} [{low:+.1f}, {high:+.1f}]" if row.method != "ERM" else ""
        told = UNTOLD if row.method.endswith(UNTOLD) else ""
        lines.append(table_row(row.set + told, f"{score:.1f}", text))
    return "\n".join(lines) + "\n"


def references(name, doc):
    """Yield the references as text, and as BibTeX."""
    entries = entries_of("\n".join(doc["References"]))
    if not entries:
        return
    yield heading("References", "-")
    yield "\n".join(f"* {entry}" for entry in entries) + "\n"
    bibtex = "\n\n".join(filter(None, map(as_bibtex, entries)))
    if bibtex:
        yield ".. dropdown:: BibTeX\n\n   .. code-block:: bibtex\n"
        yield "\n".join(f"      {line}".rstrip() for line in bibtex.splitlines()) + "\n"


def index():
    """Return the page above all methods."""
    text = [
        heading("Methods", "="),
        "What each of them is for, needs, costs and gained here. :doc:`/which_method` says what to"
        " start with.\n",
    ]
    for title, names_ in groups_of_methods().items():
        text += [heading(title, "-"), ".. list-table::\n   :widths: 35 65\n"]
        summaries = {name: " ".join(docstring(METHODS[name])["Summary"]) for name in names_}
        text += [table_row(f":doc:`{n}`", CITED.sub("", s)) for n, s in summaries.items()]
        text.append("")
    pages = "\n".join(f"   {name}" for names_ in groups_of_methods().values() for name in names_)
    return "\n".join([*text, f".. toctree::\n   :hidden:\n\n{pages}\n"])


def write(app, config):
    """Write the pages before Sphinx looks for sources."""
    if config.sphinx_gallery_conf["plot_gallery"] is True:
        figures.draw_all()
    pages = {name: page(name) for name in METHODS}
    write_pages(Path(app.srcdir) / "methods", {"index": index(), **pages})


def setup(app):
    """Register with Sphinx."""
    app.connect("config-inited", write)
    return {"parallel_read_safe": True}
