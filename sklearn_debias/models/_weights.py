"""Weights from a file, checked against the module they are for."""

import os
import pickle
import zipfile
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn


def load_weights(
    module: nn.Module,
    path: str | os.PathLike,
    *,
    known: Collection[str] = (),
    optional: str | None = None,
    parameter: str = "weights",
) -> None:
    """Fill ``module`` from the state_dict in a file of torch.save.

    Parameters
    ----------
    module : nn.Module
        Changed in place, and only if the whole file fits.
    path : path-like
    known : collection of str, default=()
        Further names that the file may have: those of a head that ``module`` lacks.
    optional : str, default=None
        A submodule, such as the head, that keeps what it has.
    parameter : str, default="weights"
        What the user calls the file; for messages.

    Raises
    ------
    ValueError
        If the file cannot be read, is damaged, or is that of another architecture.
    """
    state = _read(path, parameter)
    own = module.state_dict()
    wanted = {k: v for k, v in own.items() if optional is None or not k.startswith(f"{optional}.")}
    counters = {k for k in wanted if k.endswith("num_batches_tracked")}  # old files lack them
    shared = [k for k in wanted if k in state]
    problems = {
        "lacks": [k for k in wanted if k not in state and k not in counters],
        "has unknown": [k for k in state if k not in own and k not in known],
        "has differently shaped": [k for k in shared if state[k].shape != wanted[k].shape],
    }
    found = [
        f"{verb} {len(names)} entries, such as {names[:3]}"
        for verb, names in problems.items()
        if names
    ]
    if found:
        raise ValueError(
            f"`{parameter}`={os.fspath(path)!r} is a file for another architecture than "
            f"{type(module).__name__}: it {', and '.join(found)}."
        )
    # What may be missing was checked above: counters, and what is optional.
    module.load_state_dict({k: state[k] for k in shared}, strict=False)


def _read(path: str | os.PathLike, parameter: str) -> Mapping[str, Tensor]:
    """Read a state_dict from a file that the user calls ``parameter``."""
    advice = "Expected is what torch.save(module.state_dict(), path) writes."
    try:
        if not os.path.isfile(path):
            raise ValueError("it is no file")
        # torch checks no sums: a damaged file would load as other numbers.
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                damaged = archive.testzip()
            if damaged is not None:
                raise ValueError(f"its part {damaged!r} is damaged")
        # Tensors only: what else is pickled in a file could run code.
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (
        OSError,
        EOFError,
        RuntimeError,
        ValueError,
        KeyError,
        pickle.UnpicklingError,
        zipfile.BadZipFile,
    ) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if isinstance(error, (KeyError, pickle.UnpicklingError)):
            reason = "it is no file of tensors: a pickled module, or not of torch"
        raise ValueError(
            f"`{parameter}`={os.fspath(path)!r} cannot be read: {reason}. {advice}"
        ) from error
    state = _unwrapped(state)
    mapping = isinstance(state, Mapping)
    if not mapping or not all(isinstance(value, Tensor) for value in state.values()):
        found = f"a mapping with {list(state)[:4]}" if mapping else type(state).__name__
        raise ValueError(
            f"`{parameter}`={os.fspath(path)!r} must hold a state_dict, got {found}. {advice}"
        )
    return state


def _unwrapped(state: Any) -> Any:
    """Return the state_dict inside a checkpoint.

    Its names are those before DataParallel or Lightning put a prefix to each.
    """
    for key in ("state_dict", "model"):
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
    if not isinstance(state, Mapping):
        return state
    for prefix in ("module.", "model."):
        # Only where all names have it: a module may have a part of that name.
        if state and all(str(name).startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state
