"""Weights from a file, checked against the module they are for."""

import hashlib
import os
import pickle
import re
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
    """Fill ``module`` from the state_dict in a file of torch.save or of safetensors.

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
    complaint = f"`{parameter}`={os.fspath(path)!r} cannot be read"
    try:
        if not os.path.isfile(path):
            raise ValueError("it is no file")
        state = _safetensors(path) if _is_safetensors(path) else _saved(path)
    except (MemoryError, ImportError):
        raise
    except (KeyError, pickle.UnpicklingError) as error:
        reason = "it is no file of tensors: a pickled module, or not of torch"
        raise ValueError(f"{complaint}: {reason}. {advice}") from error
    except Exception as error:  # damaged files end in errors of nearly any class
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        raise ValueError(f"{complaint}: {reason}. {advice}") from error
    state = _unwrapped(state)
    mapping = isinstance(state, Mapping)
    if not mapping or not all(isinstance(value, Tensor) for value in state.values()):
        found = f"a mapping with {list(state)[:4]}" if mapping else type(state).__name__
        raise ValueError(
            f"`{parameter}`={os.fspath(path)!r} must hold a state_dict, got {found}. {advice}"
        )
    return state


def _saved(path: str | os.PathLike) -> Any:
    """Read a file of torch.save, if it is what was saved: torch itself checks no sums."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise ValueError(f"its part {damaged!r} is damaged")
    elif not _has_the_hash_of_its_name(path):
        raise ValueError(
            "it is no zip archive, as torch.save writes since torch 1.6, nor of a name that ends "
            "in its hash, so that damage would go unseen; if it is in the format of before, save "
            "torch.load(path, weights_only=True) again"
        )
    # Tensors only: what else is pickled in a file could run code.
    return torch.load(path, map_location="cpu", weights_only=True)


def _has_the_hash_of_its_name(path: str | os.PathLike) -> bool:
    """Return whether the name of a file ends in its SHA-256, as in torchvision's downloads."""
    named = re.search(r"-([0-9a-f]{8,64})\.[^.]+$", os.path.basename(path))
    if named is None:
        return False
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest().startswith(named.group(1))


def _is_safetensors(path: str | os.PathLike) -> bool:
    return os.fspath(path).endswith(".safetensors")


def _safetensors(path: str | os.PathLike) -> Mapping[str, Tensor]:
    """Read a file of the package safetensors; its numbers have no checksum."""
    from safetensors.torch import load_file  # not at the top: few fits need it

    return load_file(path)


def _unwrapped(state: Any) -> Any:
    """Return the state_dict inside a checkpoint.

    Its names are those before torch.compile, DataParallel or Lightning put a prefix to each.
    """
    for key in ("state_dict", "model"):
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
    if not isinstance(state, Mapping):
        return state
    for prefix in ("_orig_mod.", "module.", "model."):
        # Only where all names have it: a module may have a part of that name.
        if state and all(str(name).startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state
