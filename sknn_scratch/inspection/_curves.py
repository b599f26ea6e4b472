"""Learning curves: training loss, validation loss and validation score by epoch."""

from collections import Counter
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
    mean: str | None = None  #: label of the mean that the run is part of

    @classmethod
    def of_networks(cls, estimator: Any, name: str | None) -> "list[Curves]":
        """Return the curves of a fitted network, or of each member of an ensemble."""
        networks, names = _access.networks(estimator), [name]
        if len(networks) > 1:
            names = [f"{_prefix(name)}member {k}" for k in range(len(networks))]
        runs = [cls.of_estimator(*one) for one in zip(networks, names, strict=True)]
        if not _access.is_ensemble(estimator):
            return runs
        if any(run.validation_score is not None for run in runs):
            runs = [run.with_score() for run in runs]
        means = _means(_access.alike(estimator), name)
        pairs = zip(runs, means, strict=True)
        return [run.as_member()._replace(mean=mean) for run, mean in pairs]

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

    def with_score(self) -> "Curves":
        """Return the curves with a score, which is the negative loss if it was redundant."""
        if self.validation_score is not None or self.validation_loss is None:
            return self
        return self._replace(validation_score=-self.validation_loss)

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
    the right axis, or on the left if there are no losses. A dot marks the best epoch, whose weights
    early stopping keeps.

    The members of a TabularMLPClassifier or TabularMLPRegressor have thin curves, and their mean a
    thick one. For the mean, a member that has ended, or has no value at an epoch, keeps its last
    value. Members with different losses have different units, so there is one mean for each loss.

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
    mean_lines_ : list of matplotlib Line2D
        Lines of the means over members.
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
    mean_lines_: list[Any]
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
            Keyword arguments for matplotlib's ``plot``, also for means.

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
        self.figure_, self.lines_, self.mean_lines_ = self.ax_.figure, [], []
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
        prefix = _prefix(run.name)
        for curve in run.shown(asked):
            style = {"label": prefix + CURVES[curve][0], "color": _next_color(self.ax_)}
            self.lines_ += self._draw(curve, run.points(curve), style | line_kw)
        if run.mark(asked):
            label = f"{prefix}best epoch ({run.best_epoch})"
            self._mark(run, asked, self.lines_[-1].get_color(), label)
            self.ax_.axvline(run.best_epoch, color="0.6", linewidth=0.8, zorder=0, gid=_MARK)

    def _draw_several(self, asked: Sequence[str] | None, line_kw: dict[str, Any]) -> None:
        """Draw several runs: a colour for each run or mean, and a line style for each curve."""
        colors: dict[str | int, Any] = {}
        for k, run in enumerate(self.runs):
            key = run.mean or k
            color = colors[key] if key in colors else _next_color(self.ax_)
            colors[key], is_thin = color, run.mean is not None
            style, label = (_THIN, None) if is_thin else ({}, run.name)
            for curve in run.shown(asked):
                own = {"color": color, "label": label} | self._dashes(curve, asked)
                self.lines_ += self._draw(curve, run.points(curve), style | own | line_kw)
                label = None
            if run.mark(asked):
                self._mark(run, asked, self.lines_[-1].get_color(), size=5 if is_thin else 6)
        self.mean_lines_ = self._draw_means(asked, colors, line_kw)
        self._explain(asked)

    def _draw_means(
        self, asked: Sequence[str] | None, colors: dict[Any, Any], line_kw: dict[str, Any]
    ) -> list[Any]:
        """Draw the means of members, and return their lines."""
        members: dict[tuple[str, str], list[Curves]] = {}
        for run in self.runs:
            for curve in run.shown(asked) if run.mean is not None else ():
                members.setdefault((str(run.mean), curve), []).append(run)
        lines, labelled = [], set()
        for (mean, curve), runs in members.items():
            own = {"color": colors[mean], "label": None if mean in labelled else mean}
            style = _THICK | own | self._dashes(curve, asked) | line_kw
            lines += self._draw(curve, _mean([run.points(curve) for run in runs]), style)
            labelled.add(mean)
        return lines

    def _dashes(self, curve: str, asked: Sequence[str] | None) -> dict[str, str]:
        """Return the line style of a curve, which is solid if there is only one."""
        return {"linestyle": CURVES[curve][1] if len(self._found(asked)) > 1 else "-"}

    def _explain(self, asked: Sequence[str] | None) -> None:
        """Explain thin lines, line styles and dots once in the legend, in grey."""
        wanted = self._found(asked)
        if any(run.mean is not None for run in self.runs):
            self.ax_.plot([], [], color="0.4", label="member", **_THIN)
        for curve in wanted if len(wanted) > 1 else ():
            label, dashes = CURVES[curve]
            self.ax_.plot([], [], color="0.4", linestyle=dashes, label=label)
        if any(run.mark(asked) for run in self.runs):
            self.ax_.plot([], [], color="0.4", label="best epoch", **_DOT)

    def _draw(self, curve: str, points: tuple[Array, Array], style: dict[str, Any]) -> list[Any]:
        marker = "." if len(points[0]) == 1 else None
        lines: list[Any] = self._axes(curve).plot(*points, **{"marker": marker} | style)
        return lines

    def _mark(
        self,
        run: Curves,
        asked: Sequence[str] | None,
        color: Any,
        label: Any = None,
        size: float = 6,
    ) -> None:
        """Draw a dot on the curve that determines the best epoch."""
        mark = run.mark(asked)
        if mark is not None:
            curve, value = mark
            style = _DOT | {"color": color, "label": label, "markersize": size}
            self._axes(curve).plot(run.best_epoch, value, **style)

    def _axes(self, curve: str) -> Any:
        return self.score_ax_ if curve == "validation_score" else self.ax_

    def _finish(self) -> None:
        """Label and scale the axes, and draw the legend."""
        ax, scores = self.ax_, _twin_of(self.ax_)  # perhaps of an earlier run
        losses = [line.get_ydata() for line in ax.get_lines() if line.get_gid() != _MARK]
        values = np.concatenate([*losses, [np.nan]])
        ax.set(xlabel="epoch", ylabel="loss")
        ax.locator_params(axis="x", integer=True)
        ax.grid(alpha=0.3)
        _plotting.set_scale(ax, "y", values)
        if scores is not None:
            _label_scores(ax, scores, has_losses=bool(np.isfinite(values).any()))
        self.legend_ = _plotting.legend(ax, scores)


_DOT = {"marker": "o", "markersize": 6, "markeredgecolor": "white", "linestyle": "none"}
_THIN = {"linewidth": 1.0, "alpha": 0.6}
_THICK = {"linewidth": 2.5, "zorder": 3}


def _label_scores(ax: Any, twin: Any, has_losses: bool) -> None:
    """Label the axis of scores, which is on the left if the axes have no losses."""
    ax.yaxis.set_visible(has_losses)
    twin.set_ylabel("validation score")
    side = "right" if has_losses else "left"
    twin.yaxis.set_ticks_position(side)
    twin.yaxis.set_label_position(side)
    twin.grid(not has_losses, axis="y", **({} if has_losses else {"alpha": 0.3}))


def _prefix(name: str | None) -> str:
    return "" if name is None else f"{name}: "


def _means(kinds: Sequence[str | None], name: str | None) -> list[str | None]:
    """Return the label of the mean of each member; None if no other member is of its kind."""
    counts, several = Counter(kinds), len(set(kinds)) > 1
    labels = {
        kind: f"{_prefix(name)}mean of {n} members" + (f", {kind}" if several else "")
        for kind, n in counts.items()
        if kind is not None and n > 1
    }
    return [None if kind is None else labels.get(kind) for kind in kinds]


def _mean(points: Sequence[tuple[Array, Array]]) -> tuple[Array, Array]:
    """Return epochs and the mean of curves, each held at its last value where it has none."""
    epochs = np.unique(np.concatenate([own for own, _ in points]))
    epochs = epochs[epochs >= max(own[0] for own, _ in points)]
    held = [values[np.searchsorted(own, epochs, "right") - 1] for own, values in points]
    return epochs, np.mean(held, axis=0)


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
    found = _twin_of(ax)
    if found is not None:
        return found
    twin = ax.twinx()
    twin.set_gid(_TWIN)
    return twin


def _twin_of(ax: Any) -> Any:
    """Return the second axes over ``ax`` of an earlier run, or None."""
    for other in ax.get_shared_x_axes().get_siblings(ax):
        if other.get_gid() == _TWIN and other.bbox.bounds == ax.bbox.bounds:
            return other
    return None
