"""A table of texts as plain text, Markdown, LaTeX and HTML."""

from collections.abc import Sequence
from html import escape

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
STYLE = (
    "border-collapse:collapse;font-variant-numeric:tabular-nums",
    "text-align:right;padding:2px 8px;border-bottom:1px solid #8888",
    "text-align:left;padding:2px 8px;border-bottom:1px solid #8888",
)


def as_text_table(table: pd.DataFrame, notes: Sequence[str]) -> str:
    """Return the table as aligned text, with its notes."""
    return "\n".join([table.to_string(), *notes])


def as_markdown(table: pd.DataFrame, notes: Sequence[str]) -> str:
    """Return the table as one of Markdown, with its notes."""
    rows = [["", *table.columns], ["---", *["---:"] * len(table.columns)]]
    rows += [[str(name), *row] for name, row in zip(table.index, table.to_numpy(), strict=True)]
    lines = ["| " + " | ".join(_pipes(cell) for cell in row) + " |" for row in rows]
    return "\n".join([*lines, "", *notes])


def as_latex(table: pd.DataFrame) -> str:
    """Return the table as a ``tabular``."""
    rows = [["", *table.columns]]
    rows += [[str(name), *row] for name, row in zip(table.index, table.to_numpy(), strict=True)]
    head, *body = [" & ".join(map(_latex, row)) + r" \\" for row in rows]
    begin = rf"\begin{{tabular}}{{l{'r' * len(table.columns)}}}"
    lines = [begin, r"\hline", head, r"\hline", *body, r"\hline", r"\end{tabular}"]
    return "\n".join(lines)


def as_html(table: pd.DataFrame, notes: Sequence[str]) -> str:
    """Return the table as HTML that needs no style sheet, light or dark."""
    of_table, right, left = STYLE
    head = "".join(f'<th style="{right}">{escape(str(c))}</th>' for c in ["", *table.columns])
    body = "".join(
        f'<tr><th style="{left}">{escape(str(name))}</th>'
        + "".join(f'<td style="{right}">{escape(str(cell))}</td>' for cell in row)
        + "</tr>"
        for name, row in zip(table.index, table.to_numpy(), strict=True)
    )
    said = "".join(f"<div>{escape(note)}</div>" for note in notes)
    return (
        f'<table style="{of_table}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        f"<small>{said}</small>"
    )


def _pipes(cell: object) -> str:
    return str(cell).replace("|", r"\|").replace("\n", " ")


def _latex(cell: object) -> str:
    return "".join(LATEX.get(letter, letter) for letter in str(cell))
