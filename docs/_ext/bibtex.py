"""References of docstrings as BibTeX.

The house style is: authors, "title", venue year, arXiv number; and more. What follows a semicolon,
a full stop or stands in parentheses is for readers, and in no field.
"""

import re

ENTRY = re.compile(r"^\.\. \[\d+\] ", flags=re.MULTILINE)
REFERENCE = re.compile(r'(?P<authors>.+?), "(?P<title>.+?)(?P<mark>[,.?!]?)",? ?(?P<rest>.*)')
ARXIV = re.compile(r"arXiv[: ](?P<year>\d\d)(?P<month>\d\d)\.(?P<number>\d{4,5})")


def entries_of(text):
    """Return the references of a section, each in one line."""
    entries = (" ".join(entry.split()) for entry in ENTRY.split(text))
    return [entry for entry in entries if entry]


def as_bibtex(entry):
    """Return a BibTeX entry for a reference; an empty text where it has no title in quotes."""
    found = REFERENCE.match(entry)
    if not found:
        return ""
    names = re.split(r", | and ", found["authors"].replace(" et al.", ", others"))
    names = [name for name in names if name]
    # Apart from the rest: the number begins with what looks like a year, 2105 or 1907.
    arxiv = ARXIV.search(found["rest"])
    rest = ARXIV.sub("", found["rest"])
    year = re.search(r"\b(?:19|20)\d\d\b", rest)
    year = year[0] if year else (f"20{arxiv['year']}" if arxiv else "")
    venue = re.sub(r"\([^)]*\)", "", re.split(r"[;.]", rest)[0].replace(year, ""))
    venue = " ".join(venue.replace(",", " ").split())
    mark = found["mark"] if found["mark"] in "?!" else ""
    fields = {
        "author": " and ".join(names),
        "title": "{" + found["title"] + mark + "}",
        "booktitle": venue,
        "year": year,
        "eprint": f"{arxiv['year']}{arxiv['month']}.{arxiv['number']}" if arxiv else "",
        "archiveprefix": "arXiv" if arxiv else "",
    }
    body = "".join(f"  {key} = {{{value}}},\n" for key, value in fields.items() if value)
    return f"@{'inproceedings' if venue else 'misc'}{{{key_of(names, year, found)},\n{body}}}"


def key_of(names, year, found):
    """Return first author, year, and the first word of the title that is not a short one."""
    first = re.sub(r"\W", "", names[0]).lower()
    words = re.findall(r"[A-Za-z-]+", found["title"])
    word = next((word for word in words if len(word) > 3), "")
    return f"{first}{year}{word.lower().replace('-', '')}"
