"""Where an estimator is documented: what its picture in a notebook links to."""

import itertools
import sys
from pathlib import Path

__all__ = ["Documented"]

# Built by `tox run -e docs` in a checkout. There is no other site yet: docs/releasing.md.
BUILT = Path(__file__).parents[1] / "docs" / "_build" / "html"
SITE = ""


class Documented:
    """Base of estimators whose HTML picture links to this package's reference.

    scikit-learn looks for these names. The links lead to the published site, or else to the pages
    that this checkout has built; where there are neither, the picture has no links.
    """

    _doc_link_module = "sklearn_debias"

    @property
    def _doc_link_template(self) -> str:
        root = SITE or (BUILT.as_uri() if BUILT.exists() else "")
        return f"{root}/api/generated/{{page}}.html" if root else ""

    def _doc_link_url_param_generator(self) -> dict[str, str]:
        cls = type(self)
        name = cls.__name__
        top, *rest = cls.__module__.split(".")
        if name in sys.modules[top].__all__:
            return {"page": f"{top}.{name}"}
        public = itertools.takewhile(lambda part: not part.startswith("_"), rest)
        # What a room keeps in a wing of its own it exports by its own face.
        return {"page": f"{top}.{next(public)}.{name}"}
