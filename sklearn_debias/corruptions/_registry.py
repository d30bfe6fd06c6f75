"""The corruptions by name, and the strength of each at every severity."""

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
from torch import Tensor

from sklearn_debias.arguments import is_one_of, is_whole
from sklearn_debias.corruptions import _biasadv, _blurs, _colours, _digital, _noise, _weather
from sklearn_debias.corruptions._draws import Draws

SEVERITIES = (1, 2, 3, 4, 5)
ORIGINAL = "original"
GREY_OR_COLOUR = (1, 3)


@dataclass(frozen=True)
class Recipe:
    """A corruption as a function of images in [0, 1], random draws, and its strength."""

    # (x, draws, *strength) -> a tensor like x, which the caller cuts to [0, 1].
    apply: Callable[..., Tensor]
    # One per severity; none where each image draws its own.
    strengths: tuple[tuple[Any, ...], ...] = ()
    # Numbers of channels that it can take; None is any number.
    channels: tuple[int, ...] | None = None

    def strength(self, severity: int | None) -> tuple[Any, ...]:
        """Return what ``apply`` is given at a severity."""
        return () if severity is None else self.strengths[severity - 1]


def original(x: Tensor, draws: Draws) -> Tensor:
    """Return the images as they are."""
    return x


def _one(*strengths: Any) -> tuple[tuple[Any, ...], ...]:
    """Return the strengths of a corruption that takes one number at each severity."""
    return tuple((strength,) for strength in strengths)


def _zooms() -> tuple[tuple[Any, ...], ...]:
    """Return factors from 1 in steps of .01, up to 1.05, 1.10, ... 1.25."""
    # Half a step further than the last: arange leaves its end out, or not, as rounding has it.
    ends = [1 + 0.05 * severity + 0.005 for severity in SEVERITIES]
    return _one(*(tuple(np.round(np.arange(1, end, 0.01), 2)) for end in ends))


BIASADV = {
    "gaussian_noise": Recipe(_biasadv.gaussian_noise),
    "salt_and_pepper": Recipe(_biasadv.salt_and_pepper),
    "cutout": Recipe(_biasadv.cutout),
    "coarse_dropout": Recipe(_biasadv.coarse_dropout),
    "rotation": Recipe(_biasadv.rotation),
    "perspective": Recipe(_biasadv.perspective),
    "jpeg": Recipe(_biasadv.jpeg, channels=GREY_OR_COLOUR),
    "gaussian_blur": Recipe(_biasadv.gaussian_blur),
}
# Facts of CIFAR-10-C: its strengths, in pixels of 32x32 images and in values of [0, 1].
CLASSIC = {
    "gaussian_noise": Recipe(_noise.gaussian_noise, _one(0.04, 0.06, 0.08, 0.09, 0.10)),
    "shot_noise": Recipe(_noise.shot_noise, _one(500, 250, 100, 75, 50)),
    "impulse_noise": Recipe(_noise.impulse_noise, _one(0.01, 0.02, 0.03, 0.05, 0.07)),
    "speckle_noise": Recipe(_noise.speckle_noise, _one(0.06, 0.10, 0.12, 0.16, 0.20)),
    "gaussian_blur": Recipe(_blurs.gaussian_blur, _one(0.4, 0.6, 0.7, 0.8, 1.0)),
    "defocus_blur": Recipe(
        _blurs.defocus_blur, ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1))
    ),
    "glass_blur": Recipe(
        _blurs.glass_blur, ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2))
    ),
    "motion_blur": Recipe(_blurs.motion_blur, ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5))),
    "zoom_blur": Recipe(_blurs.zoom_blur, _zooms()),
    "snow": Recipe(
        _weather.snow,
        (
            (0.10, 0.2, 1.00, 0.60, 8, 3, 0.95),
            (0.10, 0.2, 1.00, 0.50, 10, 4, 0.90),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.90),
            (0.25, 0.3, 2.25, 0.60, 12, 6, 0.85),
            (0.30, 0.3, 1.25, 0.65, 14, 12, 0.80),
        ),
        GREY_OR_COLOUR,
    ),
    "frost": Recipe(
        _weather.frost, ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)), GREY_OR_COLOUR
    ),
    "fog": Recipe(_weather.fog, ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75))),
    "brightness": Recipe(_colours.brightness, _one(0.05, 0.10, 0.15, 0.20, 0.30), GREY_OR_COLOUR),
    "contrast": Recipe(_colours.contrast, _one(0.75, 0.5, 0.4, 0.3, 0.15)),
    "elastic": Recipe(
        _digital.elastic,
        ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03)),
    ),
    "pixelate": Recipe(_digital.pixelate, _one(0.95, 0.90, 0.85, 0.75, 0.65)),
    "jpeg": Recipe(_digital.jpeg, _one(80, 65, 58, 50, 40), GREY_OR_COLOUR),
    "spatter": Recipe(
        _weather.spatter,
        (
            (0.62, 0.1, 0.7, 0.70, 0.5, 0),
            (0.65, 0.1, 0.8, 0.70, 0.5, 0),
            (0.65, 0.3, 1.0, 0.69, 0.5, 0),
            (0.65, 0.1, 0.7, 0.69, 0.6, 1),
            (0.65, 0.1, 0.5, 0.68, 0.6, 1),
        ),
        GREY_OR_COLOUR,
    ),
    "saturate": Recipe(
        _colours.saturate, ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)), (3,)
    ),
}
FAMILIES = {
    "all": tuple(dict.fromkeys((*BIASADV, *CLASSIC, ORIGINAL))),
    "biasadv": tuple(BIASADV),
    "classic": tuple(CLASSIC),
    # Class i of Corrupted CIFAR-10 goes with corruption i.
    "type0": (
        *("snow", "frost", "fog", "brightness", "contrast"),
        *("spatter", "elastic", "jpeg", "pixelate", "saturate"),
    ),
    "type1": (
        *("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise", "gaussian_blur"),
        *("defocus_blur", "glass_blur", "motion_blur", "zoom_blur", ORIGINAL),
    ),
}


def corruption_names(family: str = "all") -> tuple[str, ...]:
    """Return the names of the corruptions.

    Parameters
    ----------
    family : {"all", "biasadv", "classic", "type0", "type1"}, default="all"
        "biasadv": the eight that draw their strength per image, used with ``severity=None``.
        "classic": the nineteen with a severity. "type0", "type1": the ten of each type of Corrupted
        CIFAR-10 [1]_, in the order of the classes, "original" (no corruption) among them.

    Returns
    -------
    tuple of str

    Raises
    ------
    ValueError
        If there is no such family.

    References
    ----------
    .. [1] J. Nam, H. Cha, S. Ahn, J. Lee and J. Shin, "Learning from Failure: Training Debiased
       Classifier from Biased Classifier", NeurIPS 2020.

    Examples
    --------
    >>> from sklearn_debias.corruptions import corruption_names
    >>> corruption_names("biasadv")[:3], len(corruption_names("classic"))
    (('gaussian_noise', 'salt_and_pepper', 'cutout'), 19)
    """
    if not is_one_of(family, FAMILIES):
        raise ValueError(
            f"`family` must be one of {', '.join(map(repr, FAMILIES))}, got {family!r}."
        )
    return FAMILIES[family]


def find(
    name: str, severity: int | None, said: tuple[str, str] = ("`name`", "`severity`")
) -> tuple[Recipe, int | None]:
    """Return the recipe of a corruption, and its severity; raise a ValueError if there is none.

    Messages call name and severity as ``said``, which is what the caller's arguments are called.
    """
    said_name, said_severity = said
    if not isinstance(name, str) or name not in FAMILIES["all"]:
        near = get_close_matches(str(name), FAMILIES["all"], 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"{said_name} must be one of {', '.join(FAMILIES['all'])}; got {name!r}.{hint}"
        )
    if severity is not None and not (is_whole(severity) and severity in SEVERITIES):
        raise ValueError(f"{said_severity} must be an int in 1..5 or None, got {severity!r}.")
    if name == ORIGINAL:  # at any severity: it takes part in reports and in "type1"
        return Recipe(original), None
    if severity is None and name not in BIASADV:
        raise ValueError(
            f"{said_severity} must be an int in 1..5 for {name!r}, got None: only "
            f"{', '.join(BIASADV)} draw their strength per image."
        )
    if severity is not None and name not in CLASSIC:
        raise ValueError(
            f"{said_severity} must be None for {name!r}, which draws its strength per image; got "
            f"{severity!r}."
        )
    # Some names are in both tables: the severity tells which is meant.
    return (BIASADV[name], None) if severity is None else (CLASSIC[name], int(severity))


def fits(name: str, severity: int | None, n_channels: int) -> bool:
    """Return whether a corruption can take images with so many channels."""
    channels = find(name, severity)[0].channels
    return channels is None or n_channels in channels
