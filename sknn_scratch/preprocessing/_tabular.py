"""The transformer: every kind of column becomes float32 columns of size one."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from sknn_scratch._floats import quiet_floats
from sknn_scratch._warning import warn
from sknn_scratch.preprocessing import _calendar, _names, _numeric
from sknn_scratch.preprocessing._categories import Levels, look_measured
from sknn_scratch.preprocessing._columns import (
    Array,
    ArrayColumns,
    FrameColumns,
    categories,
    labels,
    read,
    unique,
)
from sknn_scratch.preprocessing._objects import Kind, plain

Table = FrameColumns | ArrayColumns
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
      in the week and in the day. Durations and times of day are numbers, in seconds.
    - What is **missing**, or a level **unseen** in ``fit``, is 0 everywhere; a number that was
      missing in ``fit`` has one more column that says where.

    Columns without two different values say nothing and are left out; where no other is left,
    one column of zeros comes out. A column that is missing throughout ``fit`` is left out, too,
    and may hold anything later.

    Parameters
    ----------
    categorical_features : 'from_dtype', array-like or None, default='from_dtype'
        Which columns are categories: names or numbers of columns, or one boolean for each.
        Where a name of the frame is a number, all numbers are names.
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
        Their names, of a frame whose names are all strings.

    kinds_ : tuple of str
        What each column is: 'number', 'category', 'time', or 'missing' if ``fit`` met no value.

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
    learns.

    Frames may have their columns in another order than in ``fit``: names decide, which may be
    strings, numbers, tuples (of a MultiIndex) or others. scikit-learn's own transformers take
    names that are not strings for positions; a pivoted table, whose columns are years, would
    then be read in the wrong order without a word.

    Columns of Python's or numpy's objects are read as typed ones: numbers, ``Decimal`` and
    ``Fraction`` as numbers, ``timedelta`` and ``time`` as seconds, ``date``, ``datetime``,
    ``datetime64`` and pandas' ``Period`` (by its start) as times; those of several such kinds,
    and intervals, as categories. Times keep nanoseconds where those of ``fit`` lie within about
    two months, and microseconds within two centuries; durations keep 15 digits, times of day
    microseconds.

    Names that come out are unique: of those that would be equal, a later one gets "_2" and so
    on, and the name of a number goes before one that is made.

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
            Tensors of other libraries become arrays of numpy. Frames of Dask and lazy frames of
            polars are computed; other lazy frames have no order of rows, and are refused.
        y : ignored
        sample_weight : array-like of shape (n_samples,), default=None
            Not negative; None stands for ones.

        Returns
        -------
        self : TabularPreprocessor

        Raises
        ------
        ValueError
            If X has not two dimensions, no row or no column, two columns of one name, or an
            infinite number; if ``categorical_features`` holds none of its columns.
        TypeError
            If X is sparse, lazy or on another device, or a column holds neither numbers,
            booleans, categories, strings nor times.
        """
        owner = type(self).__name__
        with quiet_floats():
            self._learn(read(X, owner), sample_weight, owner)
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
        owner = type(self).__name__
        with quiet_floats():
            return self._fit_transform(read(X, owner), sample_weight, owner)

    def transform(self, X: Any) -> Array:
        """Return X as float32 columns.

        Parameters
        ----------
        X : data frame or array-like of shape (n_samples, n_features)

        Returns
        -------
        X_out : ndarray of shape (n_samples, n_features_out_), float32

        Raises
        ------
        ValueError
            If X has other columns than in ``fit``, or an infinite number.
        TypeError
            If a column holds values of another kind than in ``fit``.
        """
        check_is_fitted(self)
        return self._transform(X, type(self).__name__)

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Return a name for each column that comes out.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns of an array; of a frame, they must be its own.

        Returns
        -------
        names : ndarray of str
            All different.
        """
        check_is_fitted(self)
        given = self._names
        if input_features is not None or given is None:
            given = OneToOneFeatureMixin.get_feature_names_out(self, input_features)
        names = labels(given)
        number_names = self._number_names(names)
        out = [number_names[j] for j in self._shown]
        out += [f"{number_names[j]}_missing" for j in self._indicated]
        for j, bins in self._bins:
            out += [f"{number_names[j]}_bin{t}" for t in range(len(bins.left))]
        for k, levels in self._levels:
            out += levels.names(names[k])
        return np.array(unique(out) or ["nothing"], dtype=object)

    # --- For estimators around this one: ``owner`` is the class that the user called.

    def _fit_transform(self, columns: Table, sample_weight: Any, owner: str) -> Array:
        with quiet_floats():
            numbers = self._learn(columns, sample_weight, owner)
            return self._encode(columns, list(range(columns.n_columns)), numbers)

    def _transform(self, X: Any, owner: str) -> Array:
        with quiet_floats():
            columns = read(X, owner)
            places = _names.places_of(self._names, self.n_features_in_, columns, owner)
            return self._encode(columns, places, self._numbers(columns, places))

    # --- Learning.

    def _learn(self, columns: Table, sample_weight: Any, owner: str) -> Array:
        """Learn from the columns; return their (numbers, rows)."""
        self._validate_params()
        learnt = copy(self)  # so that an error changes nothing
        numbers, measured = learnt._learn_all(columns, sample_weight, owner)
        self.__dict__ = learnt.__dict__
        # Last, so that nothing is lost where warnings are turned into errors.
        if measured:
            warn(
                f"Columns {list(measured)} of X hold numbers as strings, such as "
                f"{next(iter(measured.values()))!r}, and become categories: turn them into "
                "numbers, for example with astype(float), or name them in categorical_features, "
                "if categories is what they are."
            )
        return numbers

    def _learn_all(
        self, columns: Table, sample_weight: Any, owner: str
    ) -> tuple[Array, dict[Any, str]]:
        weight = self._weight(sample_weight, columns)
        chosen = _names.chosen(self.categorical_features, columns, owner)
        self._learn_names(columns)
        self.kinds_ = self._kinds(columns, chosen, weight)
        self._learn_times(columns, weight)
        numbers = self._numbers(columns, list(range(columns.n_columns)))
        self._learn_numbers(numbers, weight)
        measured = self._learn_levels(columns, chosen, weight)
        widths = [len(bins.left) for _, bins in self._bins]
        widths += [levels.width for _, levels in self._levels]
        self.n_features_out_ = max(1, len(self._shown) + len(self._indicated) + sum(widths))
        return numbers, measured

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

    def _learn_names(self, columns: Table) -> None:
        """Keep names of any type; scikit-learn knows of those that are all strings."""
        names = columns.names
        self._names = None if names is None else tuple(map(plain, names))
        self.n_features_in_ = columns.n_columns
        self.__dict__.pop("feature_names_in_", None)
        if names is not None and all(isinstance(name, str) for name in names):
            self.feature_names_in_ = np.array(names, dtype=object)

    def _kinds(
        self, columns: Table, chosen: Sequence[int], weight: Array | None
    ) -> tuple[Kind, ...]:
        """Return what each column is: one that is all missing may be anything later."""
        some = slice(None) if weight is None else weight > 0
        return tuple(
            "category" if k in chosen
            else "missing" if columns.missing(k)[some].all()
            else columns.kind(k)
            for k in range(columns.n_columns)
        )  # fmt: skip

    def _learn_times(self, columns: Table, weight: Array | None) -> None:
        """Learn what days are counted from, and what graphs are."""
        some = slice(None) if weight is None else weight > 0
        times = [columns.times(k)[some] for k in self._of_kind("time")]
        self._origins = [_calendar.first_day(each) for each in times]
        self._time_unit = _calendar.unit_of(times)

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
        self, columns: Table, chosen: Sequence[int], weight: Array | None
    ) -> dict[Any, str]:
        """Learn the levels of categories; return those that look measured, with an example."""
        found, measured = [], {}
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
        return unique([names[k] for k in self._of_kind("number")] + times)

    def _numbers(self, columns: Table, places: list[int]) -> Array:
        """Return (numbers, rows): columns that are numbers, and those made of times."""
        plain = columns.numbers([places[k] for k in self._of_kind("number")])
        times = [
            _calendar.parts(columns.times(places[k]), origin)
            for k, origin in zip(self._of_kind("time"), self._origins, strict=True)
        ]
        return np.concatenate([plain, *times]) if times else plain

    # --- Writing.

    def _encode(self, columns: Table, places: list[int], numbers: Array) -> Array:
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

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if hasattr(self, "kinds_") and not hasattr(self, "_names"):  # stored by version 0.1.0
            self._names = tuple(getattr(self, "feature_names_in_", ())) or None
            self._origins, self._time_unit = [0] * len(self._of_kind("time")), "ms"

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
