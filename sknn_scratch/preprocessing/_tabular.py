"""TabularPreprocessor: encoding of all kinds of columns as scaled float32 features."""

from collections.abc import Sequence
from copy import copy
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from sknn_scratch._floats import quiet_floats
from sknn_scratch._sample_weights import as_weight, check_sum
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
#: Minimum number of rows per bin of all columns, which limits the number of bins.
ROWS_PER_BIN = 2
#: Fewer bins than this, unless requested, disable the encoding: so few did worse than none.
FEWEST_BINS = 8


class TabularPreprocessor(TransformerMixin, BaseEstimator):
    """Encode numeric, categorical and datetime columns as float32 features.

    - **Numeric** columns x are scaled robustly, u = (x - median) / interquartile range, and
      clipped smoothly, u / √(1 + (u/3)²), to limit outliers. If the interquartile range is 0,
      half the range replaces it.
    - Numeric columns also have a **piecewise-linear encoding**. Quantiles divide the column
      into ``n_bins`` bins. Each bin has a feature that increases from 0 to 1 inside it, minus
      its mean. With it a network can represent steps and thresholds, like trees.
    - **Categorical** columns with two categories are -1 or 1. With more, each category has its
      own feature, and all categories beyond the ``max_categories`` most frequent share one.
    - **Datetime** columns are encoded as the date, a number, and as sines and cosines of the
      phase of the year, the week and the day. Durations and times of day are numeric, in
      seconds.
    - **Missing** values and **unknown** categories are encoded as zeros. A numeric column with
      missing values in ``fit`` has one more feature that indicates them.

    Constant columns are dropped, and so are columns without any value in ``fit``, which may
    contain anything later. If no column remains, the result is one feature of zeros.

    Parameters
    ----------
    categorical_features : 'from_dtype', array-like or None, default='from_dtype'
        Categorical columns: names or numbers of columns, or one boolean for each column. If a
        name in the DataFrame is a number, all numbers are names.
        Columns of strings, booleans and categorical types are always categorical; with
        'from_dtype' and None, no others are. Columns of strings that look like measurements
        give a warning unless they are listed here. These have more than 20 different values,
        all finite numbers, of which one has a fraction, or which differ in more than half of
        the rows.

    n_bins : int >= 0, default=16
        Number of bins in the encoding of a numeric column; 0 disables the encoding. Small data
        has fewer bins, such that there are two rows for each bin of all columns together, and
        none if that would give fewer than 8.

    max_categories : int >= 1, default=100
        Maximum number of categories per column that get their own feature. If a column has
        more, categories that occur only once do not get one either.

    add_indicator : bool, default=True
        If True, add a feature that indicates missing values of each numeric column that has
        any in ``fit``.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns of X in ``fit``.

    feature_names_in_ : ndarray of str
        Names of the columns, if X is a DataFrame whose names are all strings.

    kinds_ : tuple of str
        Kind of each column: 'number', 'category', 'time', or 'missing' without any value in
        ``fit``.

    n_features_out_ : int
        Number of encoded features.

    n_bins_ : int
        Number of bins per numeric column, after the limit for small data.

    See Also
    --------
    sknn_scratch.TabularMLPClassifier : Classifier that uses this transformer.
    sknn_scratch.TabularMLPRegressor : Regressor that uses this transformer.

    Notes
    -----
    A sample weight of k is equivalent to k copies of a row for everything that ``fit`` learns,
    and a weight of 0 to removing the row.

    DataFrames may have their columns in another order than in ``fit``, because columns are
    identified by name. Names may be strings, numbers, tuples (of a MultiIndex) or other types.
    scikit-learn's own transformers ignore names that are not strings and use positions: they
    would silently read a pivoted table, whose columns are years, in the wrong order.

    Columns of Python or numpy objects are read like typed columns. Numbers, ``Decimal`` and
    ``Fraction`` are numeric, ``timedelta`` and ``time`` are seconds. ``date``, ``datetime``,
    ``datetime64`` and pandas' ``Period`` (by its start) are datetimes. Columns of several such
    kinds, and of intervals, are categorical. Datetimes have a resolution of nanoseconds if those
    of ``fit`` are within about two months, and of microseconds within two centuries. Durations
    have 15 digits; times of day have microseconds.

    Names of features are unique: a later duplicate gets the suffix "_2" and so on, and names of
    numeric columns take precedence over generated names.

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

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Determine scales, bins and categories from X.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Table to learn from. Tensors of other libraries are converted to numpy arrays. Dask
            DataFrames and lazy frames of polars are computed; other lazy frames are rejected,
            because their rows have no order.
        y : ignored
            Not used; present for API consistency.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights, not negative. If None, all weights are 1.

        Returns
        -------
        self : TabularPreprocessor
            The fitted transformer.

        Raises
        ------
        ValueError
            If X does not have two dimensions, has no row or no column, two columns of the same
            name, or an infinite number; or if ``categorical_features`` contains unknown columns.
        TypeError
            If X is sparse, lazy or on another device, or a column contains neither numbers,
            booleans, categories, strings nor times.
        """
        owner = type(self).__name__
        with quiet_floats():
            self._learn(read(X, owner), sample_weight, owner)
        return self

    def fit_transform(self, X: Any, y: Any = None, sample_weight: Any = None) -> Array:
        """Fit and transform, reading X once.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Table to learn from.
        y : ignored
            Not used; present for API consistency.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights, not negative. If None, all weights are 1.

        Returns
        -------
        X_out : ndarray of shape (n_samples, n_features_out_), float32
            Encoded features.
        """
        owner = type(self).__name__
        with quiet_floats():
            return self._fit_transform(read(X, owner), sample_weight, owner)

    def transform(self, X: Any) -> Array:
        """Encode X as float32 features.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Table.

        Returns
        -------
        X_out : ndarray of shape (n_samples, n_features_out_), float32
            Encoded features.

        Raises
        ------
        ValueError
            If X has other columns than in ``fit``, or an infinite number.
        TypeError
            If a column contains values of another kind than in ``fit``.
        """
        check_is_fitted(self)
        return self._transform(X, type(self).__name__)

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Return the names of the encoded features.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns of an array. For a DataFrame, they must be its own names.

        Returns
        -------
        names : ndarray of str
            Names of the encoded features, all different.
        """
        check_is_fitted(self)
        inputs = self._names
        if input_features is not None or inputs is None:
            inputs = OneToOneFeatureMixin.get_feature_names_out(self, input_features)
        names = labels(inputs)
        number_names = self._number_names(names)
        out = [number_names[j] for j in self._shown]
        out += [f"{number_names[j]}_missing" for j in self._indicated]
        for j, bins in self._bins:
            out += [f"{number_names[j]}_bin{t}" for t in range(len(bins.left))]
        for k, levels in self._levels:
            out += levels.names(names[k])
        return np.array(unique(out) or ["nothing"], dtype=object)

    # --- Methods for estimators that use this one; ``owner`` is the class that the user called.

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
        """Fit to the columns; return the (numbers, rows) of numeric and datetime columns."""
        self._validate_params()
        learnt = copy(self)  # so that an error changes nothing
        numbers, measured = learnt._learn_all(columns, sample_weight, owner)
        self.__dict__ = learnt.__dict__
        # Last, so that no result is lost if warnings are turned into errors.
        if measured:
            warn(
                f"Columns {list(measured)} of X hold numbers as strings, such as "
                f"{next(iter(measured.values()))!r}, and are encoded as categories: convert them "
                "to numbers, for example with astype(float), or list them in "
                "categorical_features, if they are categorical."
            )
        return numbers

    def _learn_all(
        self, columns: Table, sample_weight: Any, owner: str
    ) -> tuple[Array, dict[Any, str]]:
        weight = _weight(sample_weight, columns.n_rows, owner)
        chosen = _names.chosen(self.categorical_features, columns, owner)
        self._set_names(columns.names, columns.n_columns)
        self.kinds_ = self._kinds(columns, chosen, weight)
        self._learn_times(columns, weight)
        numbers = self._numbers(columns, list(range(columns.n_columns)))
        self._learn_numbers(numbers, weight)
        measured = self._learn_levels(columns, chosen, weight)
        self._count_features()
        return numbers, measured

    def _count_features(self) -> None:
        """Store the number of encoded features."""
        widths = [len(bins.left) for _, bins in self._bins]
        widths += [levels.width for _, levels in self._levels]
        self.n_features_out_ = max(1, len(self._shown) + len(self._indicated) + sum(widths))

    def _set_names(self, names: Sequence[Any] | None, n_columns: int) -> None:
        """Store names of any type, and in feature_names_in_ names that are all strings."""
        self._names = None if names is None else tuple(map(plain, names))
        self.n_features_in_ = n_columns
        self.__dict__.pop("feature_names_in_", None)
        if names is not None and all(isinstance(name, str) for name in names):
            self.feature_names_in_ = np.array(names, dtype=object)

    def _kinds(
        self, columns: Table, chosen: Sequence[int], weight: Array | None
    ) -> tuple[Kind, ...]:
        """Return the kind of each column; a column of missing values may be of any kind later."""
        some = slice(None) if weight is None else weight > 0
        return tuple(
            "category" if k in chosen
            else "missing" if columns.missing(k)[some].all()
            else columns.kind(k)
            for k in range(columns.n_columns)
        )  # fmt: skip

    def _learn_times(self, columns: Table, weight: Array | None) -> None:
        """Determine the origins of days, and the unit of times in graphs."""
        some = slice(None) if weight is None else weight > 0
        times = [columns.times(k)[some] for k in self._of_kind("time")]
        self._origins = [_calendar.first_day(each) for each in times]
        self._time_unit = _calendar.unit_of(times)

    def _learn_numbers(self, numbers: Array, weight: Array | None) -> None:
        """Determine scales, indicators and bins of (columns, rows) numbers."""
        columns = _numeric.sort_columns(numbers, weight)
        self._set_scale(_numeric.RobustScale.learn(columns))
        self._indicated = self._learn_indicators(numbers, weight)
        copies = _numeric.as_copies(weight)
        rows = numbers.shape[1] if copies is None else float(copies.sum())
        self.n_bins_ = self._guarded_bins(rows, len(self._shown))
        shown = self._shown if self.n_bins_ else self._shown[:0]
        edges = [(int(j), _numeric.edges_of(columns[j], self.n_bins_)) for j in shown]
        self._bins = [
            (j, _numeric.Bins.learn(of_column, numbers[j], weight))
            for j, of_column in edges
            if len(of_column) > 2
        ]

    def _set_scale(self, scale: _numeric.RobustScale) -> None:
        """Store the scale, and which columns are not constant."""
        self._scale, self._shown = scale, np.flatnonzero(scale.factor > 0)

    def _learn_levels(
        self, columns: Table, chosen: Sequence[int], weight: Array | None
    ) -> dict[Any, str]:
        """Determine categories; return columns that look measured, with an example."""
        found, measured = [], {}
        for k in self._of_kind("category"):
            values = categories(columns, k)
            found.append((k, Levels.learn(values, weight, self.max_categories)))
            if k not in chosen and columns.is_text(k) and look_measured(values):
                measured[columns.name(k)] = next(v for v in values if isinstance(v, str))
        self._levels = [(k, levels) for k, levels in found if levels.width]
        return measured

    def _guarded_bins(self, n_rows: float, n_numbers: int) -> int:
        """Return the number of bins per numeric column, limited on small data."""
        affordable = int(n_rows // (ROWS_PER_BIN * max(1, n_numbers)))
        n_bins = min(int(self.n_bins), affordable)
        return n_bins if n_bins >= min(FEWEST_BINS, int(self.n_bins)) else 0

    def _learn_indicators(self, numbers: Array, weight: Array | None) -> Array:
        """Return the columns with some missing values, one for each pattern."""
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
        """Return (numbers, rows): numeric columns, then encoded datetime columns."""
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

    @property
    def _n_features_out(self) -> int:
        """Number of features, for ``set_output``."""
        return self.n_features_out_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _weight(sample_weight: Any, n_rows: int, owner: str) -> Array | None:
    """Return the checked weights of rows."""
    if sample_weight is None:
        return None
    weight = as_weight(sample_weight, np.empty((n_rows, 1)))
    check_sum(weight, "all samples", owner, "sample_weight")
    return weight
