"""Learning curves: training loss, validation loss and validation score by epoch."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np

from sknn_scratch.contracts import Array
from sknn_scratch.inspection import _access, _plotting

#: Curves with their labels, and their line styles if colours distinguish runs.
CURVES = {
    "loss": ("training loss", "-"),
    "validation_loss": ("validation loss", "--"),
    "validation_score": ("validation score", "-."),
}
#: Identifiers of the second axes, to find them when another run is drawn on the same axes, and of
#: the line at the best epoch, which is not a curve.
_TWIN, _MARK = "sknn_scratch scores", "sknn_scratch mark"


class Curves(NamedTuple):
    """Curves of one run, with one entry per epoch; nan or None where a value is missing."""

    name: str | None
    epochs: Array
    loss: Array | None
    validation_loss: Array | None = None
    validation_score: Array | None = None
    best_epoch: int | None = None
    usual: tuple[str, ...] = tuple(CURVES)  #: curves to draw by default

    @classmethod
    def of_networks(cls, estimator: Any, name: str | None) -> "list[Curves]":
        """Return the curves of a fitted network, or of each member of an ensemble."""
        networks, names = _access.networks(estimator), [name]
        if len(networks) > 1:
            prefix = "member" if name is None else f"{name}: member"
            names = [f"{prefix} {k}" for k in range(len(networks))]
        runs = [cls.of_estimator(*one) for one in zip(networks, names, strict=True)]
        return [run.as_member() for run in runs] if _access.is_ensemble(estimator) else runs

    @classmethod
    def of_estimator(cls, estimator: Any, name: str | None) -> "Curves":
        """Return the curves of a fitted network of this package or of scikit-learn."""
        loss = _access.fitted(estimator, "loss_curve_", "LossCurveDisplay")
        # Without early stopping, "best" is the last epoch, which needs no mark.
        has_best = getattr(estimator, "_stops_early", getattr(estimator, "early_stopping", False))
        kept = getattr(estimator, "best_n_iter_", None) if has_best else None
        if history := getattr(estimator, "history_", None):
            return cls.of_rows(history, name, kept)
        first = max(getattr(estimator, "n_iter_", 0) - len(loss), 0) + 1
        scores = getattr(estimator, "validation_scores_", None)
        curves = {"loss": loss, "validation_loss": None, "validation_score": scores}
        return cls.put_together(name, np.arange(first, first + len(loss)), curves, kept)

    @classmethod
    def of_history(cls, history: Any, name: str | None) -> "Curves":
        """Return the curves of a list of dicts, one per epoch, or of a DataFrame."""
        records = getattr(history, "to_dict", None)
        rows = list(history) if records is None else records("records")
        if not rows or any("epoch" not in row or "loss" not in row for row in rows):
            raise ValueError(
                "history of LossCurveDisplay must be a list of dicts, one per epoch, with the keys "
                f"'epoch' and 'loss'. Got {rows[:1]!r}."
            )
        return cls.of_rows(rows, name)

    @classmethod
    def of_rows(cls, rows: Any, name: str | None, best: int | None = None) -> "Curves":
        """Return the curves of a list of dicts, in which any value may be missing."""
        curves = {key: _numbers([row.get(key) for row in rows]) for key in CURVES}
        return cls.put_together(name, np.array([row["epoch"] for row in rows]), curves, best)

    @classmethod
    def put_together(
        cls, name: str | None, epochs: Array, curves: dict[str, Any], best: int | None
    ) -> "Curves":
        """Return the run without redundant curves; determine the best epoch if not given."""
        loss, val_loss, score = (_measured(curves[key], len(epochs)) for key in CURVES)
        if val_loss is not None and score is not None:
            # With early stopping on the loss, the score is the negative loss.
            score = None if np.array_equal(score, -val_loss, equal_nan=True) else score
        if best is None and score is not None:
            best = int(epochs[np.nanargmax(score)])
        elif best is None and val_loss is not None:
            best = int(epochs[np.nanargmin(val_loss)])
        return cls(name, epochs, loss, val_loss, score, best)

    def shown(self, asked: Sequence[str] | None) -> list[str]:
        """Return the curves to draw, those asked for or the usual ones, if they have values."""
        names = self.usual if asked is None else asked
        return [name for name in names if getattr(self, name) is not None]

    def as_member(self) -> "Curves":
        """Return the curves of a member of an ensemble, whose last one is drawn by default."""
        return self._replace(usual=tuple(self.shown(None)[-1:]))

    def points(self, curve: str) -> tuple[Array, Array]:
        """Return the epochs at which a curve has values, and the values."""
        values = getattr(self, curve)
        measured = np.isfinite(values)
        return self.epochs[measured], values[measured]

    def mark(self, asked: Sequence[str] | None) -> tuple[str, float] | None:
        """Return the curve on which to mark the best epoch, and its value there."""
        there = [curve for curve in reversed(CURVES) if curve in self.shown(asked)]
        at = np.flatnonzero(self.epochs == self.best_epoch)
        return (there[0], float(getattr(self, there[0])[at[0]])) if there and len(at) else None


class LossCurveDisplay:
    """Visualization of loss and validation score by epoch, for one run or several.

    Create it with :meth:`from_estimator`, :meth:`from_estimators` or :meth:`from_history`.
    Losses are on the left axis, which is logarithmic if they span two decades; scores are on
    the right axis. A dot marks the best epoch, whose weights early stopping keeps.

    Parameters
    ----------
    runs : sequence of Curves
        Curves of each run.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the losses.
    score_ax_ : matplotlib Axes or None
        Axes of the scores.
    figure_ : matplotlib Figure
        Figure that contains the axes.
    lines_ : list of matplotlib Line2D
        Lines of the curves, run by run.
    legend_ : matplotlib Legend
        Legend of both axes.

    Examples
    --------
    >>> from sknn_scratch import MLPRegressor
    >>> from sknn_scratch.inspection import LossCurveDisplay
    >>> est = MLPRegressor(hidden_layer_sizes=(8,), solver="lbfgs", random_state=0)
    >>> est = est.fit([[0.0], [1.0]], [0.0, 1.0])
    >>> display = LossCurveDisplay.from_estimator(est)  # doctest: +SKIP
    >>> display.ax_.set_title("Two points")  # doctest: +SKIP
    """

    ax_: Any
    score_ax_: Any
    figure_: Any
    lines_: list[Any]
    legend_: Any

    def __init__(self, runs: Sequence[Curves]) -> None:
        self.runs = list(runs)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        ax: Any = None,
        name: str | None = None,
        curves: Sequence[str] | None = None,
        line_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Plot the curves of one fitted network, or of each member of an ensemble.

        Parameters
        ----------
        estimator : fitted MLPClassifier or MLPRegressor, or an estimator that contains some
            Fitted network. A pipeline, a search or a TransformedTargetRegressor contains one; a
            TabularMLPClassifier, a TabularMLPRegressor or an ensemble contains several.
        ax : matplotlib Axes, default=None
            Axes to draw on, which several displays may share. If None, create a figure.
        name : str, default=None
            Name of the run in the legend.
        curves : sequence of {"loss", "validation_loss", "validation_score"}, default=None
            Curves to draw. If None, draw all available curves of a network, and one curve for
            each member of an ensemble: the validation score or, without one, a loss.
        line_kw : dict, default=None
            Keyword arguments for matplotlib's ``plot``.

        Returns
        -------
        display : LossCurveDisplay
            The display, already drawn.
        """
        runs = Curves.of_networks(estimator, name)
        return cls(runs).plot(ax, curves=curves, line_kw=line_kw)

    @classmethod
    def from_estimators(
        cls,
        estimators: Mapping[str, Any] | Sequence[Any],
        *,
        ax: Any = None,
        curves: Sequence[str] | None = None,
        line_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Plot several runs on the same axes, with a colour per run and a line style per curve.

        Parameters
        ----------
        estimators : dict of fitted networks by name, or a sequence of them
            Fitted networks; in a sequence, their names are "run 1", "run 2", ...
        ax, curves, line_kw
            As for :meth:`from_estimator`.

        Returns
        -------
        display : LossCurveDisplay
            The display, already drawn.
        """
        if not isinstance(estimators, Mapping):
            estimators = {f"run {k}": est for k, est in enumerate(estimators, start=1)}
        runs = [run for name, est in estimators.items() for run in Curves.of_networks(est, name)]
        return cls(runs).plot(ax, curves=curves, line_kw=line_kw)

    @classmethod
    def from_history(
        cls,
        history: Any,
        *,
        ax: Any = None,
        name: str | None = None,
        curves: Sequence[str] | None = None,
        line_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Plot the curves of a history, for instance of a fit that is still running.

        Parameters
        ----------
        history : list of dict, one per epoch, or a DataFrame
            Values by the keys "epoch" and "loss", and with validation data also
            "validation_loss" and "validation_score".
        ax, name, curves, line_kw
            As for :meth:`from_estimator`.

        Returns
        -------
        display : LossCurveDisplay
            The display, already drawn.
        """
        return cls([Curves.of_history(history, name)]).plot(ax, curves=curves, line_kw=line_kw)

    def plot(
        self,
        ax: Any = None,
        *,
        curves: Sequence[str] | None = None,
        line_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Plot again, for instance on other axes or with other curves.

        Parameters
        ----------
        ax, curves, line_kw
            As for :meth:`from_estimator`.

        Returns
        -------
        display : LossCurveDisplay
            The display itself.
        """
        asked = None if curves is None else _checked(curves)
        wanted = self._found(asked)
        if not wanted:
            raise ValueError(
                f"No run of this LossCurveDisplay has values of {asked or list(CURVES)} to draw. "
                f"Got {self._found(list(CURVES))} only."
            )
        self.ax_ = _plotting.axes(ax, type(self).__name__)
        self.figure_, self.lines_ = self.ax_.figure, []
        self.score_ax_ = _twin(self.ax_) if "validation_score" in wanted else None
        if len(self.runs) == 1:
            self._draw_one(self.runs[0], asked, dict(line_kw or {}))
        else:
            self._draw_several(asked, dict(line_kw or {}))
        self._finish()
        return self

    def _found(self, asked: Sequence[str] | None) -> list[str]:
        """Return the curves to draw, of any run."""
        found = [curve for run in self.runs for curve in run.shown(asked)]
        return [curve for curve in asked or CURVES if curve in found]

    def _draw_one(self, run: Curves, asked: Sequence[str] | None, line_kw: dict[str, Any]) -> None:
        """Draw one run: a colour for each curve."""
        prefix = "" if run.name is None else f"{run.name}: "
        for curve in run.shown(asked):
            style = {"label": prefix + CURVES[curve][0], "color": _next_color(self.ax_)}
            self._draw(run, curve, style | line_kw)
        if run.mark(asked):
            label = f"{prefix}best epoch ({run.best_epoch})"
            self._mark(run, asked, self.lines_[-1].get_color(), label)
            self.ax_.axvline(run.best_epoch, color="0.6", linewidth=0.8, zorder=0, gid=_MARK)

    def _draw_several(self, asked: Sequence[str] | None, line_kw: dict[str, Any]) -> None:
        """Draw several runs: a colour for each, and a line style for each curve."""
        for run in self.runs:
            color, label = _next_color(self.ax_), run.name
            for curve in run.shown(asked):
                style = {"color": color, "linestyle": CURVES[curve][1], "label": label}
                self._draw(run, curve, style | line_kw)
                label = None
            self._mark(run, asked, color)
        # Explain each line style once in the legend, in grey.
        wanted = self._found(asked)
        for curve in wanted if len(wanted) > 1 else ():
            label, dashes = CURVES[curve]
            self.ax_.plot([], [], color="0.4", linestyle=dashes, label=label)
        if any(run.mark(asked) for run in self.runs):
            self.ax_.plot([], [], color="0.4", label="best epoch", **_DOT)

    def _draw(self, run: Curves, curve: str, style: dict[str, Any]) -> None:
        epochs, values = run.points(curve)
        marker = "." if len(values) == 1 else None
        self.lines_ += self._axes(curve).plot(epochs, values, **{"marker": marker} | style)

    def _mark(
        self, run: Curves, asked: Sequence[str] | None, color: Any, label: Any = None
    ) -> None:
        """Draw a dot on the curve that determines the best epoch."""
        mark = run.mark(asked)
        if mark is not None:
            curve, value = mark
            self._axes(curve).plot(run.best_epoch, value, color=color, label=label, **_DOT)

    def _axes(self, curve: str) -> Any:
        return self.score_ax_ if curve == "validation_score" else self.ax_

    def _finish(self) -> None:
        """Label and scale the axes, and draw the legend."""
        ax, twin = self.ax_, self.score_ax_
        losses = [line.get_ydata() for line in ax.get_lines() if line.get_gid() != _MARK]
        ax.set(xlabel="epoch", ylabel="loss")
        ax.locator_params(axis="x", integer=True)
        ax.grid(alpha=0.3)
        _plotting.set_scale(ax, "y", np.concatenate([*losses, [np.nan]]))
        if twin is not None:
            twin.set_ylabel("validation score")
        self.legend_ = _plotting.legend(ax, twin)


_DOT = {"marker": "o", "markersize": 6, "markeredgecolor": "white", "linestyle": "none"}


def _numbers(values: Sequence[Any]) -> Array:
    """Return an array of the values, with nan for None."""
    return np.array([np.nan if value is None else value for value in values], float)


def _measured(values: Any, n_epochs: int) -> Array | None:
    """Return a curve, padded at the start if it begins later, or None if it has no values."""
    curve = np.full(n_epochs, np.nan)
    if values is not None and len(values):
        curve[-len(values) :] = _numbers(values)
    return curve if np.isfinite(curve).any() else None


def _checked(curves: Any) -> list[str]:
    """Return the names of the curves to draw."""
    names = list(CURVES if curves is None else [curves] if isinstance(curves, str) else curves)
    unknown = [name for name in names if name not in CURVES]
    if unknown or not names:
        raise ValueError(
            f"The 'curves' parameter of LossCurveDisplay must be names among {list(CURVES)}. "
            f"Got {curves!r} instead."
        )
    return names


def _next_color(ax: Any) -> Any:
    """Return the next colour of the cycle of ``ax``, used for the second axes as well."""
    (line,) = ax.plot([], [])
    line.remove()
    return line.get_color()


def _twin(ax: Any) -> Any:
    """Return the second axes over ``ax``; reuse those of an earlier run."""
    for other in ax.get_shared_x_axes().get_siblings(ax):
        if other.get_gid() == _TWIN and other.bbox.bounds == ax.bbox.bounds:
            return other
    twin = ax.twinx()
    twin.set_gid(_TWIN)
    return twin
