"""Results of a parameter search, as curves of the score over one parameter."""

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, NamedTuple, Self

import numpy as np

from sknn_scratch.contracts import Array
from sknn_scratch.inspection import _access, _plotting


class ScoreCurve(NamedTuple):
    """Scores of candidates that differ in one parameter only, sorted by it."""

    label: str | None
    x: Array
    mean: Array
    std: Array


class SearchCurveDisplay:
    """Visualization of the mean test score of a search over one numeric parameter.

    Each combination of the other parameters has one line, with a band of one standard
    deviation over the folds. A star marks the best candidate. Candidates of a randomized search,
    which share no parameter values, are points with error bars. Create it with
    :meth:`from_cv_results`.

    Parameters
    ----------
    param : str
        Label of the horizontal axis.
    curves : sequence of ScoreCurve
        Curves to draw.
    best : (float, float)
        Parameter and score of the best candidate.
    score_name : str
        Label of the vertical axis.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the curves.
    figure_ : matplotlib Figure
        Figure that contains the axes.
    lines_ : list of matplotlib Line2D
        Line of each curve.
    legend_ : matplotlib Legend
        Legend of the axes.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sknn_scratch import MLPClassifier
    >>> from sknn_scratch.inspection import SearchCurveDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> grid = {"alpha": [1e-4, 1e-2, 1.0], "activation": ["relu", "tanh"]}
    >>> search = GridSearchCV(MLPClassifier(), grid).fit(X, y)  # doctest: +SKIP
    >>> display = SearchCurveDisplay.from_cv_results(search, "alpha")  # doctest: +SKIP
    """

    ax_: Any
    figure_: Any
    lines_: list[Any]
    legend_: Any

    def __init__(
        self,
        param: str,
        curves: Sequence[ScoreCurve],
        best: tuple[float, float],
        score_name: str = "score",
    ) -> None:
        self.param, self.curves = param, list(curves)
        self.best, self.score_name = best, score_name

    @classmethod
    def from_cv_results(
        cls,
        results: Any,
        param: str | None = None,
        *,
        metric: str = "score",
        ax: Any = None,
        line_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Plot the scores of a search.

        Parameters
        ----------
        results : fitted search such as GridSearchCV, its ``cv_results_``, or a DataFrame of these
            Results of the search.
        param : str, default=None
            Name of a numeric parameter. If None, use the parameter with the most values.
        metric : str, default="score"
            Name of the score, if the search computed several.
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, create a figure.
        line_kw : dict, default=None
            Keyword arguments for matplotlib's ``plot``.

        Returns
        -------
        display : SearchCurveDisplay
            The display, already drawn.

        Raises
        ------
        ValueError
            If the parameter or score does not exist, or the parameter is not numeric.
        """
        results = _results(results)
        columns = {
            key.removeprefix("param_"): list(results[key])
            for key in results
            if key.startswith("param_")
        }
        scores = _Scores.read(results, metric)
        param = _choose(param, columns)
        x = np.array([v if _is_number(v) else np.nan for v in columns.pop(param)], float)
        curves = _curves(x, columns, scores)
        name = "mean test score" if metric == "score" else f"mean test {metric}"
        display = cls(_last(param), curves, (x[scores.best], scores.mean[scores.best]), name)
        return display.plot(ax, line_kw=line_kw)

    def plot(self, ax: Any = None, *, line_kw: Mapping[str, Any] | None = None) -> Self:
        """Plot again, for instance on other axes.

        Parameters
        ----------
        ax, line_kw
            As for :meth:`from_cv_results`.

        Returns
        -------
        display : SearchCurveDisplay
            The display itself.
        """
        self.ax_ = _plotting.axes(ax, type(self).__name__)
        self.figure_, self.lines_ = self.ax_.figure, []
        for curve in self.curves:
            self._draw(curve, dict(line_kw or {}))
        if np.isfinite(self.best).all():  # the best candidate may lack the parameter
            self.ax_.plot(*self.best, label=f"best ({self.best[1]:.4g})", **_STAR)
        self.ax_.set(xlabel=self.param, ylabel=self.score_name)
        self.ax_.grid(alpha=0.3)
        _plotting.set_scale(self.ax_, "x", np.concatenate([curve.x for curve in self.curves]))
        self.legend_ = _plotting.legend(self.ax_)
        return self

    def _draw(self, curve: ScoreCurve, line_kw: dict[str, Any]) -> None:
        """Draw one curve and its band, or points and bars if it has no label."""
        points = {"marker": "o", "markersize": 4, "label": curve.label}
        if curve.label is None:
            points |= {"linestyle": "none"}
        (line,) = self.ax_.plot(curve.x, curve.mean, **points | line_kw)
        self.lines_.append(line)
        low, high = curve.mean - curve.std, curve.mean + curve.std
        if curve.label is None:
            self.ax_.vlines(curve.x, low, high, color=line.get_color(), alpha=0.3)
        else:
            self.ax_.fill_between(curve.x, low, high, color=line.get_color(), alpha=0.15, lw=0)


_STAR = {"marker": "*", "markersize": 14, "color": "black", "markeredgecolor": "white"} | {
    "linestyle": "none",
    "zorder": 5,
}


class _Scores(NamedTuple):
    """Mean and standard deviation over the folds, and the number of the best candidate."""

    mean: Array
    std: Array
    best: int

    @classmethod
    def read(cls, results: Any, metric: str) -> "_Scores":
        if f"mean_test_{metric}" not in results:
            known = [key.removeprefix("mean_test_") for key in results if "mean_test_" in key]
            raise ValueError(
                f"The 'metric' parameter of SearchCurveDisplay must be one of {known}. "
                f"Got {metric!r} instead."
            )
        mean, std = (np.asarray(results[f"{s}_test_{metric}"], float) for s in ("mean", "std"))
        return cls(mean, std, int(np.argmin(np.asarray(results[f"rank_test_{metric}"]))))


def _results(search: Any) -> Any:
    """Return the results of a search: the argument itself, or the attribute of an estimator."""
    found = [one.cv_results_ for one in _access.chain(search) if hasattr(one, "cv_results_")]
    if not found and not hasattr(search, "keys"):
        raise ValueError(
            "results of SearchCurveDisplay must be a fitted search, its cv_results_, or a "
            f"DataFrame of these. Got {type(search).__name__} without cv_results_: call fit of a "
            "search first."
        )
    return found[0] if found else search


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_missing(value: Any) -> bool:
    """Return True if a candidate lacks a parameter: masked, or nan in a DataFrame."""
    return value is np.ma.masked or (_is_number(value) and value != value)


def _choose(param: str | None, columns: dict[str, list[Any]]) -> str:
    """Return the parameter for the horizontal axis."""
    numeric = {
        name: len({value for value in values if not _is_missing(value)})
        for name, values in columns.items()
        if all(_is_number(value) or _is_missing(value) for value in values)
    }
    if (param or next(iter(numeric), None)) not in numeric:
        raise ValueError(
            f"The 'param' parameter of SearchCurveDisplay must be a numeric parameter of the "
            f"search, one of {list(numeric)}. Got {param!r} instead."
        )
    return param or max(numeric, key=lambda name: numeric[name])


def _curves(x: Array, columns: dict[str, list[Any]], scores: _Scores) -> list[ScoreCurve]:
    """Return one curve for each combination of the other parameters that vary."""
    varying = {name: v for name, v in columns.items() if len(set(map(repr, v))) > 1}
    groups: dict[str, list[int]] = {}
    for k in np.flatnonzero(np.isfinite(x)).tolist():
        groups.setdefault(_label(varying, k), []).append(k)
    is_scatter = len(groups) > 1 and all(len(rows) == 1 for rows in groups.values())
    if is_scatter:
        return [_curve(None, [k for (k,) in groups.values()], x, scores)]
    return [_curve(label, rows, x, scores) for label, rows in groups.items()]


def _curve(label: str | None, rows: list[int], x: Array, scores: _Scores) -> ScoreCurve:
    rows = sorted(rows, key=lambda k: x[k])
    return ScoreCurve(label, x[rows], scores.mean[rows], scores.std[rows])


def _label(columns: dict[str, list[Any]], k: int) -> str:
    """Return the parameter values of candidate ``k``, without missing ones."""
    parts = {_last(name): values[k] for name, values in columns.items()}
    return ", ".join(
        f"{name}={value:.4g}" if _is_number(value) else f"{name}={value}"
        for name, value in parts.items()
        if not _is_missing(value)
    )


def _last(name: str) -> str:
    """Return the last part of a nested parameter name."""
    return name.rpartition("__")[2]
