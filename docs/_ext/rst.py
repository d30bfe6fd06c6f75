"""Pieces of reStructuredText, and how the pages made of them are written."""


def heading(title, mark):
    """Return a heading."""
    return f"{title}\n{mark * len(title)}\n"


def table_row(*cells):
    """Return a row of a list-table."""
    return "   * - " + "\n     - ".join(cells)


def write_pages(folder, pages):
    """Write texts by page name; what has not changed is left, and not read anew by Sphinx."""
    folder.mkdir(exist_ok=True)
    for name, text in pages.items():
        path = folder / f"{name}.rst"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
