"""The documentation site: `tox run -e docs`, or without the gallery `tox run -e docs-quick`."""

import os
import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS / "_ext"))


from reference import members_of  # noqa: E402

import sklearn_debias  # noqa: E402

# Bars of progress would fill the output of examples, before their tables.
os.environ["TQDM_DISABLE"] = "1"

# The quick build runs no example and trains no model for a figure.
QUICK = os.environ.get("SKLEARN_DEBIAS_DOCS") == "quick"

project = "sklearn_debias"
author = "The sklearn_debias developers"
copyright = f"2026, {author}"
version = release = sklearn_debias.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "numpydoc",
    "myst_parser",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "reference",  # docs/_ext: the pages of the API
    "methods",  # a page per method
    "links",  # names in text lead to the reference, parameters to the glossary
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build", "_templates", "_ext", "images"]
templates_path = ["_templates"]
nitpicky = True

# Docstrings say what types are; in single backticks stands a name, which `links` looks up.
default_role = "name"
add_module_names = False
toc_object_entries_show_parents = "hide"
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autosummary_generate = True
autosummary_context = {"members_of": members_of}
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
numpydoc_xref_param_type = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
suppress_warnings = ["config.cache"]  # functions of the gallery's settings cannot be pickled

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    # These two need files that are not ours to give.
    "filename_pattern": r"(?<!biasadv_on_bar)(?<!ule_on_mnist)\.py$",
    "ignore_pattern": r"__init__\.py",
    "plot_gallery": not QUICK,
    "abort_on_example_error": True,
    "backreferences_dir": "gallery/of",
    "doc_module": ("sklearn_debias",),
    "within_subsection_order": "gallery_order.TourFirst",
    "download_all_examples": False,
    "show_memory": False,
    "remove_config_comments": True,
    "min_reported_time": 0,
    # Of examples that end in a table.
    "default_thumb_file": str(DOCS / "images" / "front.png"),
    "write_computation_times": False,  # a page that loads its sorting from elsewhere
}

html_theme = "pydata_sphinx_theme"
html_title = "sklearn_debias"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "show_nav_level": 1,
    "navigation_with_keys": True,
    "show_toc_level": 2,
    "header_links_before_dropdown": 8,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
# These have no pages below them, and a sidebar would be empty.
html_sidebars = {"which_method": [], "glossary": []}
html_context = {"default_mode": "auto"}
