"""Write the pages of the API reference: every public name, grouped as users look for it.

A room is a package. Its names come from its ``__all__``, so what is exported is on the site without
anything being said here. `ROOMS` says what a reader looks for, and where.
"""

import importlib
import inspect
from functools import cached_property
from pathlib import Path

from registry import METHODS, groups_of_methods
from rst import heading, table_row, write_pages

# What a reader wants -> the packages that have it.
ROOMS = {
    "Data": ["datasets", "corruptions", "feature_extraction"],
    "Is there a shortcut, and whose groups": ["inspection", "group_inference"],
    "Selection and comparison": ["model_selection", "comparison", "metrics"],
    "Where a model looks, and what fools it": ["attribution", "robustness", "attacks"],
    "Saving and serving": ["deployment"],
    "Other machines": ["clusters"],
    "Settings": ["presets", "models"],
    "For a method of your own": ["estimators", "core", "objectives", "losses", "maps", "testing"],
    "Errors and warnings": ["exceptions"],
}
# Openly internal: documented in the source, importable, and changed without notice.
INTERNAL = {"checkpoints", "content", "fitting", "plain", "search_spaces", "training"}
OF_SKLEARN = {"get_params", "set_params", "predict", "score"}

INTRODUCTION = """\
API reference
=============

Everything that is public. Methods stand first, by the labels that they need. All other names are on
the page of their package. :doc:`/methods/index` tells what a method does, and what it gained here.
Not listed, and changed without notice, are {internal}.

"""


def public_names(room):
    """Return the names of a package that are documented with it, sorted."""
    module = importlib.import_module(f"sklearn_debias.{room}")
    names = set(module.__all__)
    if room in ("estimators", "group_inference"):
        # The top level has them, too: that is where users import them from.
        names -= METHODS.keys()
    return sorted(names, key=str.lower)


def members_of(full):
    """Return ("method" or "property", name) of what a class has that is documented with it.

    That is what this package defines; of scikit-learn's the best known, of torch's none.
    """
    room, name = full.rsplit(".", 1)
    cls = getattr(importlib.import_module(room), name)
    found = []
    for name in sorted(dir(cls)):
        owner = next((c for c in cls.__mro__ if name in vars(c)), None)
        if name.startswith("_") or owner is None or name.endswith(("_request", "_routing")):
            continue
        if owner.__module__.split(".")[0] != "sklearn_debias" and name not in OF_SKLEARN:
            continue
        raw = vars(owner)[name]
        if isinstance(raw, (property, cached_property)):
            found.append(("property", name))
        elif inspect.isroutine(getattr(cls, name)) and getattr(cls, name).__doc__:
            found.append(("method", name))
    return found


def summary(names, module):
    """Return an autosummary of names of a module."""
    lines = [f".. currentmodule:: {module}", "", ".. autosummary::", "   :nosignatures:"]
    lines += ["   :toctree: generated", ""]
    return "\n".join([*lines, *(f"   {name}" for name in names), "", ""])


def index():
    """Return the page above the packages: all methods, and what each package is for."""
    text = INTRODUCTION.format(internal=", ".join(f"``{name}``" for name in sorted(INTERNAL)))
    text += heading("Methods", "-") + "\n"
    for title, names in groups_of_methods().items():
        text += heading(title, "~") + "\n" + summary(names, "sklearn_debias")
    for title, rooms in ROOMS.items():
        text += heading(title, "-") + "\n" + ".. list-table::\n   :widths: 35 65\n\n"
        for room in rooms:
            module = importlib.import_module(f"sklearn_debias.{room}")
            text += table_row(f":doc:`sklearn_debias.{room} <{room}>`", first_line(module)) + "\n"
        text += "\n.. toctree::\n   :hidden:\n\n"
        text += "".join(f"   sklearn_debias.{room} <{room}>\n" for room in rooms) + "\n"
    return text


def page_of(room):
    """Return the page of a package."""
    module = importlib.import_module(f"sklearn_debias.{room}")
    names = summary(public_names(room), module.__name__)
    return heading(module.__name__, "=") + "\n" + first_line(module) + "\n\n" + names


def first_line(thing):
    """Return the first line of a docstring."""
    return inspect.getdoc(thing).splitlines()[0]


def rooms():
    """Return the packages that the reference has, in its order."""
    return [room for rooms in ROOMS.values() for room in rooms]


def documented():
    """Return the full names that the reference has."""
    found = {f"sklearn_debias.{name}" for name in METHODS}
    return found | {
        f"sklearn_debias.{room}.{name}" for room in rooms() for name in public_names(room)
    }


def write(app, config):
    """Write the pages before Sphinx looks for sources."""
    pages = {room: page_of(room) for room in rooms()}
    write_pages(Path(app.srcdir) / "api", {"index": index(), **pages})


def show_signature(app, what, name, thing, options, signature, returned):
    """Show the parameters of a constructor, which a ``__new__`` of ours hides from Sphinx."""
    if what != "class" or signature != "(*args, **kwargs)":
        return None
    parameters = [
        p.replace(annotation=inspect.Parameter.empty)
        for p in inspect.signature(thing).parameters.values()
    ]
    return str(inspect.Signature(parameters)), returned


def setup(app):
    """Register with Sphinx."""
    app.connect("config-inited", write)
    app.connect("autodoc-process-signature", show_signature)
    return {"parallel_read_safe": True}
