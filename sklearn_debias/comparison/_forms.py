"""A table of texts as plain text and as LaTeX."""

from collections.abc import Sequence

import pandas as pd

LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def as_text_table(table: pd.DataFrame, notes: Sequence[str]) -> str:
    """Return the table as aligned text, with its notes."""
    return "\n".join([table.to_string(), *notes])


def as_latex(table: pd.DataFrame) -> str:
    """Return the table as a ``tabular``."""
    rows = [["", *table.columns]]
    rows += [[str(name), *row] for name, row in zip(table.index, table.to_numpy(), strict=True)]
    head, *body = [" & ".join(map(_latex, row)) + r" \\" for row in rows]
    begin = rf"\begin{{tabular}}{{l{'r' * len(table.columns)}}}"
    lines = [begin, r"\hline", head, r"\hline", *body, r"\hline", r"\end{tabular}"]
    return "\n".join(lines)


def _latex(cell: object) -> str:
    return "".join(LATEX.get(letter, letter) for letter in str(cell))
