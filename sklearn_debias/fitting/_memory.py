"""What does not fit into the memory of a device, said before the first step."""

import os

import torch

from sklearn_debias.exceptions import OutOfMemoryError


def check_fits(n_bytes: int, device: torch.device, what: str, advice: str) -> None:
    """Raise where something takes more bytes than the whole memory of the device."""
    there = memory_of(device)
    if there is not None and n_bytes > there:
        raise OutOfMemoryError(
            f"{what} takes {in_gb(n_bytes)}, more than the {in_gb(there)} of the device "
            f"{str(device)!r}. {advice}"
        )


def memory_of(device: torch.device) -> int | None:
    """Return the bytes of memory that a device has in all, or None where that is not known."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    names = getattr(os, "sysconf_names", {})  # Windows has none
    if device.type != "cpu" or not {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= names.keys():
        return None
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def in_gb(n_bytes: int) -> str:
    """Return a number of bytes as a text, in GB."""
    return f"{n_bytes:,} bytes ({n_bytes / 1e9:.3g} GB)"
