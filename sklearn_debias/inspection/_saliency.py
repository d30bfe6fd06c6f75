"""Images, and where several models look in them."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sklearn_debias.attribution import attribute, saliency_share
from sklearn_debias.fitting import Model, open_model
from sklearn_debias.inspection._drawing import as_pictures, greys, grid_of_axes, outline, pyplot
from sklearn_debias.rows import as_array

INCHES = 1.5  # of a panel


class SaliencyDisplay:
    """Images beside the attention maps of one or several models.

    A row per image: the image, then its map laid over it for each model; the outline of the mask in
    all of them. It is recommended to use `from_estimator`.

    Parameters
    ----------
    images : array-like of shape (n, channels, height, width)
        Floats in [0, 1] or uint8; other floats are scaled by their range.
    maps : dict of str to array-like of shape (n, h, w)
        Per model, in [0, 1].
    mask : array-like of bool of shape (h, w) or (n, h, w), default=None
        The patch, the object, the background: its share of each map is written above it.
    labels : sequence, default=None
        What to write beside each image.

    Attributes
    ----------
    shares_ : dict of str to ndarray of shape (n,)
        Share of saliency inside the mask, as `sklearn_debias.attribution.saliency_share` has it;
        empty without a mask.
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
        self, images: Any, maps: Mapping[str, Any], *, mask: Any = None, labels: Any = None
    ) -> None:
        self.images = images
        self.maps = maps
        self.mask = mask
        self.labels = labels
        self.shares_ = {}
        self._check_maps()
        if mask is not None:
            self.shares_ = {name: saliency_share(m, mask) for name, m in maps.items()}

    def plot(
        self, ax: Any = None, *, cmap: Any = "inferno", alpha: float = 0.6
    ) -> "SaliencyDisplay":
        """Draw the images, and beside each the maps over it.

        Parameters
        ----------
        ax : Axes or array of Axes of shape (n, 1 + models), default=None
            One Axes is divided; None makes a figure.
        cmap : str or Colormap, default="inferno"
            Colours of the maps, from 0 to 1.
        alpha : float, default=0.6
            Opacity of a map over its image, in [0, 1].

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
        _check_look(cmap, alpha)
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
                axis.imshow(greys(picture))
                over = {"cmap": cmap, "alpha": alpha, "vmin": 0, "vmax": 1, "extent": extent}
                axis.imshow(as_array(maps, f"maps[{name!r}]")[i], **over)
                axis.set_title(self._title(name, i), fontsize="medium")
            for axis in row:
                self._outline(axis, i, extent)
        return self

    def _check_maps(self) -> None:
        """Raise unless there are maps, by model."""
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
        ax: Any = None,
        cmap: Any = "inferno",
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
        method, layer, n_steps, baseline, scalar
            As in `sklearn_debias.attribution.attribute`.
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
        return cls(images, maps, mask=mask, labels=labels).plot(ax, cmap=cmap, alpha=alpha)

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


def _check_look(cmap: Any, alpha: Any) -> None:
    """Raise unless matplotlib knows the colours, and the opacity is one."""
    plt = pyplot()
    try:
        plt.get_cmap(cmap)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"`cmap` must be a Colormap or the name of one, got {cmap!r}.") from error
    is_number = isinstance(alpha, int | float | np.number) and not isinstance(alpha, bool)
    if not is_number or not 0 <= alpha <= 1:
        raise ValueError(f"`alpha` must be a number in [0, 1], got {alpha!r}.")
