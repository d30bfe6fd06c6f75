"""Tables of reports as HTML and as Markdown."""

import html
from collections.abc import Iterable
from typing import Any

import pandas as pd

__all__ = ["Section", "as_html", "as_markdown", "with_interval"]

Section = tuple[str, pd.DataFrame, bool]  # a title or "", a table, whether its index is shown

# Colours are those of the page, dark or light; the grey of the lines is seen on both.
STYLE = """<style>
.sklearn-debias-report {color: inherit; overflow-x: auto}
.sklearn-debias-report table {border-collapse: collapse; border: 0; margin: .5em 0;
 font-variant-numeric: tabular-nums; color: inherit; background: none}
.sklearn-debias-report :is(th, td) {padding: .2em .7em; text-align: right; white-space: nowrap;
 border: 0; border-bottom: 1px solid rgba(128, 128, 128, .4); color: inherit; background: none}
.sklearn-debias-report thead th {border-bottom-width: 2px}
</style>"""


def with_interval(
    values: pd.Series, lower: pd.Series, upper: pd.Series, *, form: str = ".3f"
) -> list[str]:
    """Return texts of values with their intervals; "-" for a value that is none.

    Bounds that are unknown are left out.
    """
    texts = []
    for value, low, high in zip(values, lower, upper, strict=True):
        text = "-" if pd.isna(value) else f"{value:{form}}"
        known = not pd.isna(value) and not pd.isna(low)
        texts.append(f"{text} [{low:{form}}, {high:{form}}]" if known else text)
    return texts


def as_html(title: str, sections: Iterable[Section], notes: Iterable[str]) -> str:
    """Return a report as HTML that needs nothing beside it: a title, tables, and notes."""
    parts = [f'<div class="sklearn-debias-report">{STYLE}', f"<p><b>{html.escape(title)}</b></p>"]
    for heading, table, index in sections:
        if heading:
            parts.append(f"<p>{html.escape(heading)}</p>")
        parts.append(table.to_html(index=index, float_format="{:.3f}".format, border=0))
    lines = "<br>".join(html.escape(note.strip()) for note in notes)
    return "\n".join([*parts, f"<p>{lines}</p></div>"])


def as_markdown(title: str, sections: Iterable[Section], notes: Iterable[str]) -> str:
    """Return a report as GitHub's Markdown: a title, tables, and notes as a list."""
    parts = [f"**{_plain(title)}**"]
    for heading, table, index in sections:
        if heading:
            parts.append(_plain(heading))
        parts.append(_table(table, index))
    listed = "\n".join(f"- {_plain(' '.join(note.split()))}" for note in notes)
    return "\n\n".join([*parts, listed]).rstrip() + "\n"


def _table(frame: pd.DataFrame, has_index: bool) -> str:
    """Return a table in pipes, numbers to the right."""
    columns = [(str(name), column) for name, column in frame.items()]
    if has_index:  # above it stands what the columns are called, as pandas has it
        columns.insert(0, (str(frame.columns.name or ""), frame.index.to_series()))
    rules = [":--" if column.dtype.kind not in "iuf" else "--:" for _, column in columns]
    lines = [_row(_plain(name) for name, _ in columns), _row(rules)]
    rows = zip(*(column for _, column in columns), strict=True)
    return "\n".join([*lines, *(_row(_plain(_cell(value)) for value in row) for row in rows)])


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _plain(text: str, special: str = "\\`*_|<&~$") -> str:
    """Return a text as Markdown that reads like it: what has a meaning there loses it."""
    line = " ".join(text.splitlines())
    # A bracket alone means nothing, and intervals have many; a link needs the round one, too.
    return "".join(f"\\{c}" if c in special else c for c in line).replace("](", "]\\(")
