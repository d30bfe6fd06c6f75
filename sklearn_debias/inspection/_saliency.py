"""Images, and where several models look in them."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sklearn_debias.arguments import is_switch
from sklearn_debias.attribution import attribute, saliency_share
from sklearn_debias.fitting import Model, open_model
from sklearn_debias.inspection._drawing import (
    as_pictures,
    check_look,
    greys,
    grid_of_axes,
    hatch_negative,
    outline,
)
from sklearn_debias.rows import as_array

INCHES = 1.5  # of a panel
UNSIGNED = "inferno"
SIGNED = "RdBu_r"


class SaliencyDisplay:
    """Images beside the attention maps of one or several models.

    A row per image: the image, then its map laid over it for each model; the outline of the mask in
    all of them. It is recommended to use `from_estimator`.

    Parameters
    ----------
    images : array-like of shape (n, channels, height, width)
        Floats in [0, 1] or uint8; other floats are scaled by their range.
    maps : dict of str to array-like of shape (n, h, w)
        Per model, in [0, 1], or in [-1, 1] if ``signed``.
    mask : array-like of bool of shape (h, w) or (n, h, w), default=None
        The patch, the object, the background: its share of each map is written above it.
    labels : sequence, default=None
        What to write beside each image.
    signed : bool, default=False
        Whether maps have a sign. Red is then above 0, blue below and hatched, so that a print in
        greys tells them apart; values less than a tenth from 0 are not hatched. They are drawn
        beside the image, not over it.

    Attributes
    ----------
    shares_ : dict of str to ndarray of shape (n,)
        Share of saliency inside the mask, as `sklearn_debias.attribution.saliency_share` has it;
        empty without a mask. Of signed maps, the share of their magnitude.
    axes_ : ndarray of Axes of shape (n, 1 + models)
        Set by `plot`.
    figure_ : Figure
        Set by `plot`.

    See Also
    --------
    sklearn_debias.attribution.mean_saliency_share : the number for many images, with its interval.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_debias.inspection import SaliencyDisplay
    >>> maps = {"ERM": np.eye(8)[None], "ULE": np.eye(8)[None, ::-1]}
    >>> display = SaliencyDisplay(np.zeros((1, 1, 8, 8)), maps, mask=np.eye(8) > 0).plot()
    >>> display.axes_.shape, display.shares_["ULE"]
    ((1, 3), array([0.]))
    """

    def __init__(
        self,
        images: Any,
        maps: Mapping[str, Any],
        *,
        mask: Any = None,
        labels: Any = None,
        signed: bool = False,
    ) -> None:
        self.images = images
        self.maps = maps
        self.mask = mask
        self.labels = labels
        self.signed = signed
        self.shares_ = {}
        self._check_maps()
        if mask is not None:
            sizes = {name: _magnitude(m, name) for name, m in maps.items()} if signed else maps
            self.shares_ = {name: saliency_share(m, mask) for name, m in sizes.items()}

    def plot(self, ax: Any = None, *, cmap: Any = None, alpha: float = 0.6) -> "SaliencyDisplay":
        """Draw the images, and beside each the maps over it.

        Parameters
        ----------
        ax : Axes or array of Axes of shape (n, 1 + models), default=None
            One Axes is divided; None makes a figure.
        cmap : str or Colormap, default=None
            Colours of the maps, from 0 to 1, or from -1 to 1 if signed. None is "inferno", or
            "RdBu_r" if signed.
        alpha : float, default=0.6
            Opacity of a map over its image, in [0, 1]. Signed maps stand alone.

        Returns
        -------
        SaliencyDisplay

        Raises
        ------
        ImportError
            Without matplotlib, which the extra ``plot`` brings.
        ValueError
            If ``ax`` has another shape, or the images cannot be drawn.
        """
        pictures = as_pictures(self.images)
        self._check_maps()
        cmap = (SIGNED if self.signed else UNSIGNED) if cmap is None else cmap
        check_look(cmap, alpha)
        labels = self._labels(len(pictures))
        self._check(len(pictures), pictures.shape[1:3])
        height, width = pictures.shape[1:3]
        panel = (INCHES * width / height, INCHES)
        self.axes_ = grid_of_axes(ax, len(pictures), 1 + len(self.maps), panel)
        self.figure_ = self.axes_[0, 0].figure
        extent = (-0.5, width - 0.5, height - 0.5, -0.5)
        for i, (row, picture) in enumerate(zip(self.axes_, pictures, strict=True)):
            row[0].imshow(picture)
            if labels is not None:
                row[0].set_ylabel(str(labels[i]))
            for axis, (name, maps) in zip(row[1:], self.maps.items(), strict=True):
                found = as_array(maps, f"maps[{name!r}]")[i]
                if self.signed:  # alone: over a picture two colours that mix with greys mislead
                    axis.imshow(found, cmap=cmap, vmin=-1, vmax=1, extent=extent)
                    hatch_negative(axis, found, extent)
                else:
                    axis.imshow(greys(picture))
                    over = {"cmap": cmap, "alpha": alpha, "extent": extent}
                    axis.imshow(found, vmin=0, vmax=1, **over)
                axis.set_title(self._title(name, i), fontsize="medium")
            for axis in row:
                self._outline(axis, i, extent)
        if self.signed:
            self.axes_[-1, -1].set_xlabel("hatched: below 0", fontsize="small")
        return self

    def _check_maps(self) -> None:
        """Raise unless there are maps, by model, and it is said whether they are signed."""
        if not is_switch(self.signed):
            raise ValueError(f"`signed` must be True or False, got {self.signed!r:.60}.")
        if not isinstance(self.maps, Mapping) or not self.maps:
            raise ValueError(
                "`maps` must be a dict of arrays (n, h, w) by model, got "
                f"{type(self.maps).__name__}."
            )

    def _labels(self, n: int) -> list | None:
        """Return what to write beside each image."""
        if self.labels is None:
            return None
        labels = as_array(self.labels, "labels", dtype=object)
        if labels.shape != (n,):
            raise ValueError(
                f"`labels` must hold one label for each of the {n} images, got "
                f"{', '.join(map(str, labels.shape)) or 'one value'}."
            )
        return list(labels)

    def _check(self, n: int, size: tuple[int, ...]) -> None:
        """Raise unless there is a map for each image."""
        for name, maps in self.maps.items():
            found = as_array(maps, f"maps[{name!r}]")
            if found.shape != (n, *size) or found.dtype.kind not in "fiub":
                raise ValueError(
                    f"`maps[{name!r}]` must have shape {(n, *size)}, as the images, and hold "
                    f"numbers, got {found.dtype} of shape {found.shape}."
                )

    @classmethod
    def from_estimator(
        cls,
        estimator: Model | Mapping[str, Model],
        X: Any,
        y: Any = None,
        *,
        method: str | Callable = "grad_cam",
        mask: Any = None,
        layer: str | None = None,
        n_steps: int = 50,
        baseline: Any = 0.0,
        scalar: str = "logit",
        signed: bool = False,
        ax: Any = None,
        cmap: Any = None,
        alpha: float = 0.6,
    ) -> "SaliencyDisplay":
        """Find the maps of one or several models, and draw them side by side.

        Parameters
        ----------
        estimator : fitted classifier, nn.Module, or dict of str to these
            A dict names the columns.
        X : array-like
            The images to show, a few: as in the classifier's ``fit``. They are drawn as the last
            model sees them.
        y : array-like of shape (n,), default=None
            The classes explained, and written beside the images. None takes each model's
            predictions.
        method, layer, n_steps, baseline, scalar, signed
            As in `sklearn_debias.attribution.attribute`: ``signed=True`` with "input_gradient"
            draws gradients with their sign.
        mask : array-like of bool of shape (h, w) or (n, h, w), default=None
            See `SaliencyDisplay`.
        ax, cmap, alpha
            As in `plot`.

        Returns
        -------
        SaliencyDisplay

        Raises
        ------
        ValueError, TypeError
            As `attribute`, `saliency_share` and `plot` do, and if X holds no images or no model is
            given.

        Warns
        -----
        DebiasWarning
            Where maps are constant.
        """
        if isinstance(estimator, Mapping):
            models = dict(estimator)
        else:
            models = {type(estimator).__name__: estimator}
        if not models:
            raise ValueError(
                "`estimator` must be a fitted classifier, a module, or a dict with at least one of "
                "them."
            )
        options = {"layer": layer, "n_steps": n_steps, "baseline": baseline, "scalar": scalar}
        options["signed"] = signed
        maps = {name: attribute(m, X, y, method=method, **options) for name, m in models.items()}
        sizes = {name: np.shape(m)[1:] for name, m in maps.items()}
        if len(set(sizes.values())) > 1:
            raise ValueError(
                f"`estimator` must hold models that see X at one size, got maps of {sizes}. Resize "
                f"X first, and fit without `image_size`; or draw them apart."
            )
        seen = open_model(list(models.values())[-1], X)
        images = seen.prepare(seen.source.take(np.arange(len(seen)))).cpu().numpy()
        labels = None if y is None else list(np.asarray(y))
        display = cls(images, maps, mask=mask, labels=labels, signed=signed)
        return display.plot(ax, cmap=cmap, alpha=alpha)

    def _title(self, name: str, i: int) -> str:
        share = ""
        if self.shares_:
            value = self.shares_[name][i]
            share = "no map" if np.isnan(value) else f"{value:.0%} in mask"
        return f"{name}\n{share}".strip() if i == 0 else share

    def _outline(self, axis: Any, i: int, extent: tuple[float, float, float, float]) -> None:
        if self.mask is not None:
            mask = np.asarray(self.mask)
            outline(axis, mask[i] if mask.ndim == 3 else mask, extent)


def _magnitude(maps: Any, name: str) -> np.ndarray:
    """Return how far each value is from 0."""
    found = as_array(maps, f"maps[{name!r}]")
    return np.abs(found) if found.dtype.kind in "fiu" else found  # others are refused as they are
