"""Where local copies of real data live."""

import os
from pathlib import Path

_VARIABLE = "SKLEARN_DEBIAS_DATA"


# Both: a wrong argument to callers who think of parameters, a missing file to those of files.
class MissingDataError(ValueError, FileNotFoundError):
    """A folder or file of data that the caller named is not there."""


def data_folder(*, required: bool = True) -> Path | None:
    """Return the folder named by the environment variable ``SKLEARN_DEBIAS_DATA``.

    Parameters
    ----------
    required : bool, default=True
        Whether an unset (or empty) variable is an error. With False it gives None, which lets a
        test or a script skip what needs real data.

    Returns
    -------
    folder : pathlib.Path or None
        The existing folder.

    Raises
    ------
    ValueError
        If the variable is unset and `required` is True, or if it names no existing folder. The
        error is a FileNotFoundError as well.

    Examples
    --------
    >>> from sklearn_debias.datasets import data_folder
    >>> folder = data_folder(required=False)
    >>> folder is None or folder.is_dir()
    True
    """
    value = os.environ.get(_VARIABLE)
    if value:  # shells and CI unset a variable by making it empty
        folder = existing_path(value, _VARIABLE)
        if not folder.is_dir():
            raise MissingDataError(f"`{_VARIABLE}` must name a folder; {value!r} is a file.")
        return folder
    if not isinstance(required, bool):
        raise ValueError(f"`required` must be a bool, got {required!r}.")
    if required:
        raise MissingDataError(
            f"The environment variable `{_VARIABLE}` is not set. Set it to the folder that holds "
            f"your copies of the data sets, for example `export {_VARIABLE}=~/data`."
        )
    return None


def existing_path(path: str | os.PathLike[str], name: str) -> Path:
    """Return `path` (str or path-like, ~ allowed) as an existing Path."""
    if not isinstance(path, str | os.PathLike):
        raise ValueError(f"`{name}` must be a str or a path, got {path!r}.")
    found = Path(path).expanduser()
    if not found.exists():
        raise MissingDataError(f"`{name}` must name what exists; there is no {str(found)!r}.")
    return found
