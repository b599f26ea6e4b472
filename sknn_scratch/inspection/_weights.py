"""Weights of neurons as images."""

from collections.abc import Sequence
from math import ceil, isqrt, prod, sqrt
from numbers import Integral
from typing import Any, Self

import numpy as np

from sknn_scratch.contracts import Array
from sknn_scratch.inspection import _access, _plotting

#: Without ``n``, at most this many images are drawn.
MOST = 100
#: Fraction of the weights within the colour scale; larger ones have the colour of its end.
SHOWN = 0.995
#: Gap between images, relative to their width; largest number of images with printed numbers.
_GAP, _NUMBERED = 0.12, 40


class WeightsDisplay:
    """Visualization of the weights into each neuron as images with a common colour scale.

    Create it with :meth:`from_estimator`.

    Parameters
    ----------
    images : (n, height, width)
        Images, in the order of the neurons.
    layer : int
        Number of the layer, for the title.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the images.
    figure_ : matplotlib Figure
        Figure that contains the axes.
    images_ : list of matplotlib AxesImage
        Image of each neuron.
    colorbar_ : matplotlib Colorbar
        Colour scale, centred at zero.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sknn_scratch import MLPClassifier
    >>> from sknn_scratch.inspection import WeightsDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> clf = MLPClassifier((16,), alpha=1.0, max_iter=500).fit(X / 16, y)  # doctest: +SKIP
    >>> display = WeightsDisplay.from_estimator(clf)  # doctest: +SKIP
    """

    ax_: Any
    figure_: Any
    images_: list[Any]
    colorbar_: Any

    def __init__(self, images: Array, layer: int = 0) -> None:
        self.images, self.layer = images, layer

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        layer: int = 0,
        image_shape: tuple[int, int] | None = None,
        n: int | None = None,
        *,
        ax: Any = None,
        cmap: Any = "RdBu_r",
    ) -> Self:
        """Plot columns of ``coefs_[layer]`` as images.

        Parameters
        ----------
        estimator : fitted MLPClassifier or MLPRegressor, or a pipeline or search that ends in one
            Fitted network.
        layer : int, default=0
            Number of the layer; negative numbers count from the output layer.
        image_shape : (height, width), default=None
            Shape of the images. If None, use a square, provided that the number of inputs is one.
        n : int, default=None
            Number of neurons to draw, from the first. If None, draw all, but at most 100.
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, create a figure.
        cmap : str or matplotlib Colormap, default="RdBu_r"
            Diverging colormap, with zero at its centre.

        Returns
        -------
        display : WeightsDisplay
            The display, already drawn.

        Raises
        ------
        ValueError
            If the layer does not exist, or its inputs do not fit the shape of the images.
        """
        estimator = _access.last_step(estimator)
        coefs = _access.fitted(estimator, "coefs_", cls.__name__)
        W = np.asarray(coefs[_checked_layer(layer, len(coefs))])
        shape = _image_shape(image_shape, len(W))
        images = W.T[: _checked_n(n, W.shape[1])].reshape(-1, *shape)
        return cls(images, layer % len(coefs)).plot(ax, cmap=cmap)

    def plot(self, ax: Any = None, *, cmap: Any = "RdBu_r") -> Self:
        """Plot again, for instance on other axes.

        Parameters
        ----------
        ax, cmap
            As for :meth:`from_estimator`.

        Returns
        -------
        display : WeightsDisplay
            The display itself.
        """
        n, height, width = self.images.shape
        columns = ceil(sqrt(n * height / width))
        self.ax_ = _plotting.axes(ax, type(self).__name__)
        self.figure_ = self.ax_.figure
        # Outliers would make all other weights pale.
        top = float(np.quantile(np.abs(self.images), SHOWN)) or 1.0
        self.images_ = [self._draw(k, columns, cmap=cmap, vmin=-top, vmax=top) for k in range(n)]
        self._finish(min(n, columns), ceil(n / columns))
        return self

    @property
    def _row_gap(self) -> float:
        """Space above a row of images, larger if it contains their numbers."""
        return 0.28 if len(self.images) <= _NUMBERED else _GAP

    def _draw(self, k: int, columns: int, **colours: Any) -> Any:
        """Draw image ``k``, one unit wide, at its position in the grid."""
        _, height, width = self.images.shape
        row, column = divmod(k, columns)
        ratio = height / width
        left, top = column * (1 + _GAP), row * (ratio + self._row_gap)
        extent = (left, left + 1, top + ratio, top)
        if len(self.images) <= _NUMBERED:
            self.ax_.text(left, top - 0.01, str(k), fontsize="x-small", color="0.4", va="bottom")
        # Draw a frame, because weights near zero are white like the background.
        xs, ys = [left, left + 1, left + 1, left, left], [top, top, top + ratio, top + ratio, top]
        self.ax_.plot(xs, ys, color="0.75", linewidth=0.5)
        return self.ax_.imshow(self.images[k], extent=extent, interpolation="nearest", **colours)

    def _finish(self, columns: int, rows: int) -> None:
        """Set the limits, the title and the colour scale."""
        ax, (n, height, width) = self.ax_, self.images.shape
        ax.set_xlim(-_GAP, columns * (1 + _GAP))
        ax.set_ylim(rows * (height / width + self._row_gap), -self._row_gap)
        ax.set_aspect("equal")
        ax.set_axis_off()
        ax.set_title(f"Weights into {n} neuron{'s' * (n > 1)} of layer {self.layer}")
        how = {"ax": ax, "shrink": 0.8, "extend": "both" if SHOWN < 1 else "neither"}
        self.colorbar_ = self.figure_.colorbar(self.images_[0], **how)


def _checked_layer(layer: Any, n_layers: int) -> int:
    if not isinstance(layer, Integral) or layer not in range(-n_layers, n_layers):
        raise ValueError(
            f"The 'layer' parameter of WeightsDisplay must be an integer from {-n_layers} to "
            f"{n_layers - 1}. Got {layer!r} instead."
        )
    return int(layer)


def _checked_n(n: Any, units: int) -> int:
    if n is not None and (not isinstance(n, Integral) or n < 1):
        raise ValueError(
            f"The 'n' parameter of WeightsDisplay must be a positive integer or None. "
            f"Got {n!r} instead."
        )
    return min(units, MOST if n is None else int(n))


def _image_shape(image_shape: Any, n_inputs: int) -> tuple[int, int]:
    """Return (height, width), by default a square."""
    side = isqrt(n_inputs)
    if image_shape is None and side * side == n_inputs:
        return side, side
    is_pair = isinstance(image_shape, Sequence) and len(image_shape) == 2
    is_shape = is_pair and all(isinstance(n, Integral) and int(n) > 0 for n in image_shape)
    if not is_shape or prod(map(int, image_shape)) != n_inputs:
        raise ValueError(
            "The 'image_shape' parameter of WeightsDisplay must be (height, width) with a product "
            f"of {n_inputs}, the number of inputs of the layer. Got {image_shape!r} instead."
        )
    height, width = image_shape
    return int(height), int(width)
