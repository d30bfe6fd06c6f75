"""Datasets of Hugging Face by what they hold: their own fingerprint names how they were made."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

AT_ONCE = 1000  # rows
OF_DATASETS = ("Dataset", "Column")  # the classes whose content is told here
FILE = {"bytes", "path"}  # what is stored of an image


def is_table(value: Any) -> bool:
    """Return whether a value is a dataset of Hugging Face, or a column of one."""
    kind = type(value)
    return kind.__name__ in OF_DATASETS and kind.__module__.partition(".")[0] == "datasets"


def parts_of_table(value: Any) -> Iterator[Any]:
    """Yield what decides the rows of a dataset, or of a column of one.

    The rows count as Arrow holds them, in pieces of one size, wherever they lie; then the kinds of
    the columns, and the format, with the code of a transform. Files that are named in the table and
    not inside of it, as those of images are, count by name and size.
    """
    if type(value).__name__ == "Column":
        yield from list(value)
        return
    yield repr(value.features), value.format
    plain = value.with_format("arrow")
    for start in range(0, len(value), AT_ONCE):
        table = plain[start : start + AT_ONCE]
        yield _bytes_of(table)
        yield [name_and_size(path) for column in table.columns for path in _files(column)]


def name_and_size(path: Any) -> tuple[str, int]:
    """Return the name and the size of a file, -1 where there is none."""
    try:
        return os.fspath(path), Path(path).stat().st_size
    except (OSError, ValueError):  # of a label, say
        return os.fspath(path), -1


def _bytes_of(table: Any) -> bytes:
    """Return a table of Arrow as bytes that do not depend on how it lies in memory."""
    import pyarrow as pa  # datasets brings it

    table = table.replace_schema_metadata(None).combine_chunks()
    stream = pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    return stream.getvalue().to_pybytes()


def _files(column: Any) -> list[str]:
    """Return the names of the files of a column that are not inside of it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if not pa.types.is_struct(kind) or {kind.field(i).name for i in range(kind.num_fields)} != FILE:
        return []
    path, inside = (pc.struct_field(column, name) for name in ("path", "bytes"))
    return path.filter(pc.and_(path.is_valid(), inside.is_null())).to_pylist()
