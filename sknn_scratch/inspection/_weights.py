"""Weights as images: what each neuron looks for in its input."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, isqrt, prod, sqrt
from numbers import Integral
from typing import Any

import numpy as np

from sknn_scratch.contracts import Array
from sknn_scratch.inspection import _access, _plotting

#: Without ``n``, at most this many images are drawn.
MOST = 100
#: The part of the weights that the colour scale tells apart; larger ones have its end's colour.
SHOWN = 0.995
#: Room between images, in parts of one; and the most images that have their numbers written.
_GAP, _NUMBERED = 0.12, 40


class WeightsDisplay:
    """The weights into each neuron as a small image, all in one colour scale about zero.

    Make one with :meth:`from_estimator`.

    Parameters
    ----------
    images : (n, height, width)
        The images, in the order of the neurons.
    layer : int
        Number of the layer, for the title.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    images_ : list of matplotlib AxesImage
    colorbar_ : matplotlib Colorbar

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
    ) -> WeightsDisplay:
        """Draw columns of ``coefs_[layer]`` as images.

        Parameters
        ----------
        estimator : fitted MLPClassifier or MLPRegressor, or a pipeline or search that ends in one
        layer : int, default=0
            The layer whose weights to draw, a negative number counts from the output.
        image_shape : (height, width), default=None
            None: a square, if the layer's inputs make one.
        n : int, default=None
            How many neurons, from the first; None: all, but at most 100.
        ax : matplotlib Axes, default=None
            None: a new figure.
        cmap : str or matplotlib Colormap, default="RdBu_r"
            A diverging one: zero is its centre.

        Returns
        -------
        display : WeightsDisplay

        Raises
        ------
        ValueError
            If there is no such layer, or the images cannot have that shape.
        """
        estimator = _access.last_step(estimator)
        coefs = _access.fitted(estimator, "coefs_", cls.__name__)
        W = np.asarray(coefs[_checked_layer(layer, len(coefs))])
        shape = _image_shape(image_shape, len(W))
        images = W.T[: _checked_n(n, W.shape[1])].reshape(-1, *shape)
        return cls(images, layer % len(coefs)).plot(ax, cmap=cmap)

    def plot(self, ax: Any = None, *, cmap: Any = "RdBu_r") -> WeightsDisplay:
        """Draw again.

        Parameters
        ----------
        ax, cmap
            As for :meth:`from_estimator`.

        Returns
        -------
        display : WeightsDisplay
            This one.
        """
        n, height, width = self.images.shape
        columns = ceil(sqrt(n * height / width))
        self.ax_ = _plotting.axes(ax, type(self).__name__)
        self.figure_ = self.ax_.figure
        # A few outliers would make all the rest pale.
        top = float(np.quantile(np.abs(self.images), SHOWN)) or 1.0
        self.images_ = [self._draw(k, columns, cmap=cmap, vmin=-top, vmax=top) for k in range(n)]
        self._finish(min(n, columns), ceil(n / columns))
        return self

    @property
    def _row_gap(self) -> float:
        """The space above a row; numbers need room of their own."""
        return 0.28 if len(self.images) <= _NUMBERED else _GAP

    def _draw(self, k: int, columns: int, **colours: Any) -> Any:
        """Draw image ``k``, one unit wide, at its place in the grid."""
        _, height, width = self.images.shape
        row, column = divmod(k, columns)
        ratio = height / width
        left, top = column * (1 + _GAP), row * (ratio + self._row_gap)
        extent = (left, left + 1, top + ratio, top)
        if len(self.images) <= _NUMBERED:
            self.ax_.text(left, top - 0.01, str(k), fontsize="x-small", color="0.4", va="bottom")
        # A frame, as weights near zero are as white as the paper.
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
    """Return (height, width); guess a square."""
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
