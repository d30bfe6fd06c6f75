"""The accelerator among `net_params`: which processes share each batch of a fit."""

ACCELERATOR = "accelerator"


def without_accelerator(net_params: dict | None) -> dict | None:
    """Return ``net_params`` without the accelerator; what has none is returned as it is."""
    if not isinstance(net_params, dict) or ACCELERATOR not in net_params:
        return net_params
    return {name: value for name, value in net_params.items() if name != ACCELERATOR} or None


def asked_by(net_params: dict | None) -> list[str]:
    """Return the names in ``net_params`` that ask for something: not an accelerator of None."""
    given = (net_params or {}).items()
    return [str(name) for name, value in given if name != ACCELERATOR or value is not None]
