"""The transformer: every kind of column becomes float32 columns of size one."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from sknn_scratch._floats import quiet_floats
from sknn_scratch._warning import warn
from sknn_scratch.preprocessing import _calendar, _numeric
from sknn_scratch.preprocessing._categories import Levels, look_measured
from sknn_scratch.preprocessing._columns import (
    Array,
    ArrayColumns,
    FrameColumns,
    Kind,
    categories,
    read,
)

#: A column has at most as many bins as leave this many rows for each bin of all columns.
ROWS_PER_BIN = 2
#: Fewer bins than this, unless fewer are asked for, are none: they cost more than they tell.
FEWEST_BINS = 8


class TabularPreprocessor(TransformerMixin, BaseEstimator):
    """Turn the columns of a table, of whatever kind, into numbers that suit a network.

    - A **number** x is scaled robustly, u = (x - median) / interquartile range, and clipped
      smoothly, u / √(1 + (u/3)²), so that no value is far out. Where the interquartile range
      is 0, half the range stands in for it.
    - Beside it stands a **piecewise-linear encoding**: between the quantiles of the column
      lie ``n_bins`` bins, and for each one there is a column that rises from 0 to 1 inside
      it, less its mean. With it a network finds steps and thresholds as trees do.
    - A **category** of two levels is -1 or 1; one of more has a column for each level. The
      levels beyond the ``max_categories`` most frequent share one.
    - A **time** becomes its date as a number, and sines and cosines of its place in the year,
      in the week and in the day.
    - What is **missing**, or a level **unseen** in ``fit``, is 0 everywhere; a number that was
      missing in ``fit`` has one more column that says where.

    Columns without two different values say nothing and are left out; where no other is left,
    one column of zeros comes out.

    Parameters
    ----------
    categorical_features : 'from_dtype', array-like or None, default='from_dtype'
        Which columns are categories: numbers or names of columns, or one boolean for each.
        Strings, booleans and columns of a categorical type always are; with 'from_dtype', and
        None, they are the only ones. Strings that look like measurements get a warning, unless
        they are named here: more than 20 different ones, all finite numbers, of which one has a
        fraction, or which are more than half as many as the rows.

    n_bins : int >= 0, default=16
        Bins of a number's encoding; 0 for none. Where rows are few there are fewer, so that
        there are two rows for each bin of all columns together, and none where that leaves
        fewer than 8.

    max_categories : int >= 1, default=100
        Largest number of levels of a category with a column of their own. Where there are
        more, those that were met only once have none either.

    add_indicator : bool, default=True
        Whether a number that is missing in ``fit`` gets a column that says where.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns in ``fit``.

    feature_names_in_ : ndarray of str
        Their names, of a frame.

    kinds_ : tuple of str
        What each column is: 'number', 'category' or 'time'.

    n_features_out_ : int
        Number of columns that come out.

    n_bins_ : int
        Bins per number, after the guard for few rows.

    See Also
    --------
    sknn_scratch.TabularMLPClassifier : A classifier with this inside.
    sknn_scratch.TabularMLPRegressor : A regressor with this inside.

    Notes
    -----
    A weight of k is k repetitions of the row, and a weight of 0 none, for all that ``fit``
    learns. Frames may have their columns in another order than in ``fit``: names decide.

    References
    ----------
    Y. Gorishniy, I. Rubachev and A. Babenko, *On embeddings for numerical features in tabular
    deep learning*, NeurIPS 2022, for the piecewise-linear encoding; D. Holzmüller,
    L. Grinsztajn and I. Steinwart, *Better by default: strong pre-tuned MLPs and boosted
    trees on tabular data*, NeurIPS 2024, for robust scaling with smooth clipping.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.preprocessing import TabularPreprocessor
    >>> X = np.array([[1.0, "red"], [2.0, "blue"], [np.nan, "red"], [4.0, None]], dtype=object)
    >>> TabularPreprocessor(n_bins=0).fit_transform(X).round(2)
    array([[-0.33,  0.  ,  1.  ],
           [ 0.  ,  0.  , -1.  ],
           [ 0.  ,  1.  ,  1.  ],
           [ 0.65,  0.  ,  0.  ]], dtype=float32)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "n_bins": [Interval(Integral, 0, None, closed="left")],
        "max_categories": [Interval(Integral, 1, None, closed="left")],
        "add_indicator": ["boolean"],
    }

    def __init__(
        self,
        *,
        categorical_features="from_dtype",
        n_bins=16,
        max_categories=100,
        add_indicator=True,
    ):
        self.categorical_features = categorical_features
        self.n_bins = n_bins
        self.max_categories = max_categories
        self.add_indicator = add_indicator

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> TabularPreprocessor:
        """Learn scales, bins and levels.

        Parameters
        ----------
        X : data frame or array-like of shape (n_samples, n_features)
        y : ignored
        sample_weight : array-like of shape (n_samples,), default=None
            Not negative; None stands for ones.

        Returns
        -------
        self : TabularPreprocessor
        """
        with quiet_floats():
            self._learn(X, sample_weight)
        return self

    def fit_transform(self, X: Any, y: Any = None, sample_weight: Any = None) -> Array:
        """Do both, and read X once.

        Parameters
        ----------
        X : data frame or array-like of shape (n_samples, n_features)
        y : ignored
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        X_out : ndarray of shape (n_samples, n_features_out_), float32
        """
        return self._fit_encode(X, sample_weight)

    def transform(self, X: Any) -> Array:
        """Return X as float32 columns.

        Parameters
        ----------
        X : data frame or array-like of shape (n_samples, n_features)

        Returns
        -------
        X_out : ndarray of shape (n_samples, n_features_out_), float32
        """
        return self._encode_new(X)

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Return a name for each column that comes out.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns of an array; of a frame, they must be its own.

        Returns
        -------
        names : ndarray of str
        """
        check_is_fitted(self)
        names = list(OneToOneFeatureMixin.get_feature_names_out(self, input_features))
        number_names = self._number_names(names)
        out = [number_names[j] for j in self._shown]
        out += [f"{number_names[j]}_missing" for j in self._indicated]
        for j, bins in self._bins:
            out += [f"{number_names[j]}_bin{t}" for t in range(len(bins.left))]
        for k, levels in self._levels:
            out += levels.names(names[k])
        return np.array(out or ["nothing"], dtype=object)

    # --- Learning.

    def _learn(self, X: Any, sample_weight: Any) -> tuple[FrameColumns | ArrayColumns, Array]:
        self._validate_params()
        columns = read(X)
        validate_data(self, X, skip_check_array=True)
        self._check_size(columns)
        weight = self._weight(sample_weight, columns)
        self.kinds_ = self._kinds(columns)
        self._is_frame = isinstance(columns, FrameColumns)
        places = list(range(columns.n_columns))
        numbers = self._numbers(columns, places)
        self._learn_numbers(numbers, weight)
        measured = self._learn_levels(columns, weight)
        widths = [len(bins.left) for _, bins in self._bins]
        widths += [levels.width for _, levels in self._levels]
        self.n_features_out_ = max(1, len(self._shown) + len(self._indicated) + sum(widths))
        # Last, so that nothing is lost where warnings are turned into errors.
        if measured:
            warn(
                f"Columns {list(measured)} of X hold numbers as strings, such as "
                f"{next(iter(measured.values()))!r}, and become categories: turn them into "
                "numbers, for example with astype(float), or name them in categorical_features, "
                "if categories is what they are."
            )
        return columns, numbers

    def _check_size(self, columns: FrameColumns | ArrayColumns) -> None:
        for n, what in ((columns.n_rows, "sample"), (columns.n_columns, "feature")):
            if n == 0:
                shape = (columns.n_rows, columns.n_columns)
                raise ValueError(
                    f"Found array with 0 {what}(s) (shape={shape}) while a minimum of 1 is "
                    f"required by {type(self).__name__}."
                )

    def _weight(self, sample_weight: Any, columns: Any) -> Array | None:
        if sample_weight is None:
            return None
        rows = np.empty((columns.n_rows, 1))
        weight: Array = _check_sample_weight(sample_weight, rows, ensure_non_negative=True)
        total = weight.sum()
        if not np.isfinite([total, 1.0 / total]).all():
            raise ValueError(
                f"The sample_weight of {type(self).__name__} must have a sum that is finite, and "
                f"not too small to divide by. Got a sum of {total:g}: scale all weights alike."
            )
        return weight

    def _kinds(self, columns: FrameColumns | ArrayColumns) -> tuple[Kind, ...]:
        chosen = set(self._chosen(columns))
        return tuple(
            "category" if k in chosen else columns.kind(k) for k in range(columns.n_columns)
        )

    def _chosen(self, columns: FrameColumns | ArrayColumns) -> list[int]:
        """Return the numbers of the columns in ``categorical_features``."""
        given, n = self.categorical_features, columns.n_columns
        if given is None or isinstance(given, str):
            return []
        given = list(given)
        if given and all(isinstance(g, bool | np.bool_) for g in given):
            if len(given) != n:
                raise ValueError(
                    f"categorical_features must have one boolean for each of {n} columns. Got "
                    f"{len(given)}."
                )
            return [k for k, is_category in enumerate(given) if is_category]
        names = getattr(columns, "names", [])
        places = {name: k for k, name in enumerate(names)} | {k: k for k in range(n)}
        unknown = [g for g in given if g not in places]
        if unknown:
            known = f"names among {names}" if names else f"numbers from 0 to {n - 1}"
            raise ValueError(f"categorical_features must be {known}. Got {unknown}.")
        return [places[g] for g in given]

    def _learn_numbers(self, numbers: Array, weight: Array | None) -> None:
        """Learn scales, indicators and bins of (columns, rows) numbers."""
        columns = _numeric.sort_columns(numbers, weight)
        self._scale = _numeric.RobustScale.learn(columns)
        self._shown = np.flatnonzero(self._scale.factor > 0)
        self._indicated = self._learn_indicators(numbers, weight)
        rows = _n_rows(numbers.shape[1], weight)
        self.n_bins_ = self._guarded_bins(rows, len(self._shown))
        shown = self._shown if self.n_bins_ else self._shown[:0]
        edges = [(j, _numeric.edges_of(columns[j], self.n_bins_)) for j in shown]
        self._bins = [
            (j, _numeric.Bins.learn(of_column, numbers[j], weight))
            for j, of_column in edges
            if len(of_column) > 2
        ]

    def _learn_levels(
        self, columns: FrameColumns | ArrayColumns, weight: Array | None
    ) -> dict[Any, str]:
        """Learn the levels of categories; return those that look measured, with an example."""
        found, chosen, measured = [], self._chosen(columns), {}
        for k in self._of_kind("category"):
            values = categories(columns, k)
            found.append((k, Levels.learn(values, weight, self.max_categories)))
            if k not in chosen and columns.is_text(k) and look_measured(values):
                measured[columns.name(k)] = next(v for v in values if isinstance(v, str))
        self._levels = [(k, levels) for k, levels in found if levels.width]
        return measured

    def _guarded_bins(self, n_rows: float, n_numbers: int) -> int:
        """Return the bins per number: fewer where rows are few."""
        affordable = int(n_rows // (ROWS_PER_BIN * max(1, n_numbers)))
        n_bins = min(int(self.n_bins), affordable)
        return n_bins if n_bins >= min(FEWEST_BINS, int(self.n_bins)) else 0

    def _learn_indicators(self, numbers: Array, weight: Array | None) -> Array:
        """Return the columns that are missing now and then, each pattern once."""
        missing = np.isnan(numbers) if weight is None else np.isnan(numbers[:, weight > 0])
        share = missing.mean(axis=1) if len(missing) else np.empty(0)
        columns = np.flatnonzero((share > 0) & (share < 1))
        if not self.add_indicator or not len(columns):
            return columns[:0]
        first = np.unique(np.packbits(missing[columns], axis=1), axis=0, return_index=True)[1]
        return columns[np.sort(first)]

    # --- Reading.

    def _of_kind(self, kind: Kind) -> list[int]:
        return [k for k, own in enumerate(self.kinds_) if own == kind]

    def _number_names(self, names: Sequence[str]) -> list[str]:
        """Return the names of the rows of :meth:`_numbers`."""
        times = [f"{names[k]}_{part}" for k in self._of_kind("time") for part in _calendar.PARTS]
        return [names[k] for k in self._of_kind("number")] + times

    def _numbers(self, columns: FrameColumns | ArrayColumns, places: list[int]) -> Array:
        """Return (numbers, rows): columns that are numbers, and those made of times."""
        plain = columns.numbers([places[k] for k in self._of_kind("number")])
        times = [_calendar.parts(columns.days(places[k])) for k in self._of_kind("time")]
        return np.concatenate([plain, *times]) if times else plain

    def _places(self, X: Any, columns: FrameColumns | ArrayColumns) -> list[int]:
        """Return where in X the columns of ``fit`` are: of frames, names decide."""
        known = getattr(self, "feature_names_in_", None)
        if known is None or not isinstance(columns, FrameColumns):
            validate_data(self, X, reset=False, skip_check_array=True)
            return list(range(columns.n_columns))
        place = {name: k for k, name in enumerate(columns.names)}
        missing = [name for name in known if name not in place]
        if missing or len(place) != len(known):
            validate_data(self, X, reset=False, skip_check_array=True)
        return [place[name] for name in known]

    # --- Writing.  Estimators call these two: ``set_output`` of whomever does not reach them.

    def _fit_encode(self, X: Any, sample_weight: Any) -> Array:
        with quiet_floats():
            columns, numbers = self._learn(X, sample_weight)
            return self._encode(columns, list(range(columns.n_columns)), numbers)

    def _encode_new(self, X: Any) -> Array:
        check_is_fitted(self)
        with quiet_floats():
            columns = read(X)
            places = self._places(X, columns)
            return self._encode(columns, places, self._numbers(columns, places))

    def _encode(
        self, columns: FrameColumns | ArrayColumns, places: list[int], numbers: Array
    ) -> Array:
        self._check_size(columns)
        out = np.zeros((columns.n_rows, self.n_features_out_), np.float32)
        end = len(self._shown)
        out[:, :end] = self._scale.apply(numbers)[self._shown].T
        start, end = end, end + len(self._indicated)
        out[:, start:end] = np.isnan(numbers[self._indicated]).T
        for j, bins in self._bins:
            start, end = end, end + len(bins.left)
            bins.write(numbers[j], out[:, start:end])
        for k, levels in self._levels:
            start, end = end, end + levels.width
            place = places[k]
            levels.write(categories(columns, place), columns.name(place), out[:, start:end])
        return out

    @property
    def _n_features_out(self) -> int:
        """Number of columns, for ``set_output``."""
        return self.n_features_out_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _n_rows(n: int, weight: Array | None) -> float:
    """Return the number of rows; a whole weight k is k rows, any other above 0 one."""
    if weight is None:
        return n
    is_whole = bool(np.all(weight == np.rint(weight)))
    return float(weight.sum()) if is_whole else float(np.count_nonzero(weight))
