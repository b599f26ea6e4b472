"""The preprocessor: each kind of column by hand, weights as repetitions, frames of two kinds."""

import datetime
import decimal
import re
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_param_validation, parametrize_with_checks

from sknn_scratch import MLPClassifier, TabularMLPClassifier, _warning
from sknn_scratch.preprocessing import TabularPreprocessor
from sknn_scratch.preprocessing._categories import HOT
from sknn_scratch.preprocessing._columns import read

RNG = np.random.default_rng(0)
N = 60


def frame(n=N, seed=0):
    """Return a frame with a column of every kind, and with values missing in most."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "number": rng.normal(size=n),
            "whole": rng.integers(0, 5, n),
            "gaps": np.where(rng.random(n) < 0.3, np.nan, rng.normal(size=n)),
            "flag": rng.random(n) < 0.5,
            "word": rng.choice(["a", "b", "c"], n),
            "kind": pd.Categorical(rng.choice(["x", "y"], n)),
            "date": pd.date_range("2020-01-01", periods=n, freq="13h"),
            "span": pd.to_timedelta(rng.integers(0, 100, n), unit="h"),
            "nullable": pd.array([None, *range(n - 1)], dtype="Int64"),
            "maybe": pd.array([None, *(rng.random(n - 1) < 0.5)], dtype="boolean"),
            "nothing": np.full(n, np.nan),
            "constant": np.full(n, 3.0),
        }
    )
    table.loc[3, "word"], table.loc[7, "date"] = None, pd.NaT
    return table


# scikit-learn's checks feed columns of few rows; its own transformers warn there, too.
@pytest.mark.filterwarnings("ignore::UserWarning")
@parametrize_with_checks([TabularPreprocessor(), TabularPreprocessor(n_bins=0)])
def test_check_estimator(estimator, check):
    check(estimator)


def test_parameters_are_checked():
    check_param_validation("TabularPreprocessor", TabularPreprocessor())


# --- Numbers.


def test_numbers_are_scaled_robustly_and_clipped():
    x = np.array([1.0, 2.0, 3.0, 4.0, 1000.0])
    out = TabularPreprocessor(n_bins=0).fit_transform(x[:, None])
    u = (x - 3.0) / (4.0 - 2.0)
    assert_allclose(out[:, 0], u / np.sqrt(1 + (u / 3) ** 2), rtol=1e-6)
    assert out.dtype == np.float32


def test_half_the_range_stands_in_for_an_interquartile_range_of_zero():
    x = np.array([0.0] * 9 + [4.0])
    out = TabularPreprocessor(n_bins=0).fit_transform(x[:, None])
    assert_allclose(out[:, 0], [0.0] * 9 + [2 / np.sqrt(1 + 4 / 9)], rtol=1e-6)


def test_bins_far_narrower_than_the_range():
    """Lines rise so steeply that what is far outside of a bin overflows: it is at its end."""
    x = np.zeros((40, 1))
    x[:2, 0] = [4.0, np.finfo(np.float64).tiny]
    t = TabularPreprocessor(n_bins=2).fit(x)
    assert_allclose(t.transform(x)[:2, 1:], [[0.95, 0.975], [0.95, -0.025]], rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e30, 1e300])
def test_numbers_of_any_size(scale):
    x = RNG.normal(size=(50, 3)) * scale
    out = TabularPreprocessor().fit_transform(x)
    assert np.isfinite(out).all()
    assert_allclose(out[:, :3], TabularPreprocessor().fit_transform(x / scale)[:, :3], atol=1e-4)


def test_piecewise_linear_encoding():
    x = np.repeat([0.0, 1.0, 2.0, 4.0], 5)
    t = TabularPreprocessor(n_bins=4).fit(x[:, None])
    lines = t.transform(np.array([[-1.0], [0.5], [3.0], [9.0]]))[:, 1:]
    mean = np.array([0.75, 0.5, 0.25])  # what is taken off
    expected = np.array([[0, 0, 0], [0.5, 0, 0], [1, 1, 0.5], [1, 1, 1]]) - mean
    assert_allclose(lines, expected, atol=1e-6)


def test_edges_are_quantiles_where_there_are_many_values():
    x = RNG.exponential(size=1001)
    t = TabularPreprocessor(n_bins=4).fit(x[:, None])
    ((_, bins),) = t._bins
    assert_allclose(bins.left, np.quantile(x, [0.0, 0.25, 0.5, 0.75]), rtol=1e-2)


def test_few_rows_have_few_bins():
    X = RNG.normal(size=(100, 10))
    bins = [TabularPreprocessor(n_bins=16).fit(X[:, :k]).n_bins_ for k in (1, 4, 10)]
    assert bins == [16, 12, 0]
    assert TabularPreprocessor(n_bins=5).fit(X).n_bins_ == 5
    assert TabularPreprocessor(n_bins=6).fit(X).n_bins_ == 0


def test_a_frequent_value_is_one_edge():
    x = np.r_[np.zeros(900), RNG.uniform(1.0, 2.0, 100)]
    ((_, bins),) = TabularPreprocessor(n_bins=5).fit(x[:, None])._bins
    assert_allclose(bins.left, [0.0, 1.0, 1.25, 1.5, 1.75], atol=0.1)


def test_missing_numbers_are_zero_and_indicated_once():
    X = RNG.normal(size=(40, 3))
    X[:10, :2] = np.nan
    t = TabularPreprocessor(n_bins=3).fit(X)
    names = list(t.get_feature_names_out())
    assert [name for name in names if "missing" in name] == ["x0_missing"]
    row = t.transform(np.full((1, 3), np.nan))[0]
    assert row[names.index("x0_missing")] == 1
    assert np.count_nonzero(row) == 1
    assert (
        "x0_missing" not in TabularPreprocessor(add_indicator=False).fit(X).get_feature_names_out()
    )


def test_what_says_nothing_is_left_out():
    X = np.column_stack([np.full(20, 2.0), np.full(20, np.nan), np.arange(20.0)])
    t = TabularPreprocessor(n_bins=0).fit(X)
    assert_array_equal(t.get_feature_names_out(), ["x2"])
    assert_array_equal(t.transform([[9.0, 5.0, 9.5]]), [[0.0]])
    assert_array_equal(TabularPreprocessor().fit_transform(X[:, :2]), np.zeros((20, 1)))


# --- Weights.


@pytest.mark.parametrize("seed", range(5))
def test_weights_are_repetitions(seed):
    rng = np.random.default_rng(seed)
    table, weight = frame(seed=seed), rng.integers(0, 4, N)
    weighted = TabularPreprocessor(n_bins=6).fit(table, sample_weight=weight)
    repeated = TabularPreprocessor(n_bins=6).fit(table.loc[np.repeat(np.arange(N), weight)])
    assert_array_equal(weighted.get_feature_names_out(), repeated.get_feature_names_out())
    assert_allclose(weighted.transform(table), repeated.transform(table), atol=1e-6)


def test_a_factor_on_weights_changes_nothing():
    X, weight = RNG.normal(size=(50, 4)), RNG.random(50)
    one, other = (
        TabularPreprocessor().fit_transform(X, sample_weight=weight * f) for f in (1.0, 1e-3)
    )
    assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("factor", [1 / 200, 0.5, 1e-9, 0.999, 1e6 + 0.5])
def test_a_factor_on_weights_keeps_frequent_categories(factor):
    X = np.array([[f"c{k // 2}"] for k in range(200)], dtype=object)
    plain = TabularPreprocessor(max_categories=50).fit(X)
    weighted = TabularPreprocessor(max_categories=50).fit(X, sample_weight=np.full(200, factor))
    assert plain.n_features_out_ == weighted.n_features_out_ == 51
    assert_array_equal(weighted.transform(X), plain.transform(X))


def test_categories_that_occur_once_share_a_feature_whatever_their_weight():
    X = np.array([["a"], ["a"], ["b"], ["b"], *([f"c{k}"] for k in range(9))], dtype=object)
    weight = np.r_[np.full(4, 0.3), np.full(9, 2.5)]
    names = TabularPreprocessor(max_categories=10).fit(X, sample_weight=weight)
    assert_array_equal(names.get_feature_names_out(), ["x0_a", "x0_b", "x0_infrequent"])


def test_weights_are_checked():
    with pytest.raises(ValueError, match="at least one non-zero number"):
        TabularPreprocessor().fit(np.eye(3), sample_weight=np.zeros(3))


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (["1", "2", "3"], "must be a number for each sample. Got str_: pass floats"),
        (np.array(["1", 2, 3], dtype=object), "must be a number for each sample. Got str: pass"),
        (np.array(["2020", "2021", "2022"], "M8[D]"), "must be a number .* Got datetime64: pass"),
        (np.arange(1, 4).astype("m8[s]"), "must be a number for each sample. Got timedelta64"),
        (np.ones(3) * 1j, "must be a number for each sample. Got complex128: pass floats"),
        (
            np.full(3, 1e308),
            "of TabularPreprocessor must have a sum above 0 .* Got a .* inf",
        ),
        (
            np.full(3, 1e-320),
            "of TabularPreprocessor must have a sum above 0 .* Got a .*e-320",
        ),
    ],
)
def test_weights_are_numbers_with_a_finite_sum(weight, message):
    with pytest.raises(ValueError, match=f"^sample_weight {message}"):
        TabularPreprocessor().fit(np.eye(3), sample_weight=weight)


# --- Categories.


def test_two_levels_are_plus_and_minus_one():
    X = np.array([["a"], ["b"], ["b"], [None]], dtype=object)
    t = TabularPreprocessor().fit(X)
    assert_array_equal(t.transform(X)[:, 0], [-1, 1, 1, 0])
    assert_array_equal(t.transform(np.array([["new"]], dtype=object)), [[0]])
    assert_array_equal(t.get_feature_names_out(), ["x0_b"])


def test_more_levels_have_a_column_each():
    X = np.array([["a"], ["b"], ["c"], [np.nan]], dtype=object)
    out = TabularPreprocessor().fit_transform(X)
    assert_allclose(out, HOT * np.eye(4, 3))


def test_rare_levels_share_a_column():
    X = np.array([*"aaabbcd"], dtype=object)[:, None]
    t = TabularPreprocessor(max_categories=2).fit(X)
    assert_array_equal(t.get_feature_names_out(), ["x0_a", "x0_b", "x0_infrequent"])
    rows = t.transform(np.array([*"cdz"], dtype=object)[:, None])
    assert_allclose(rows, [[0, 0, HOT], [0, 0, HOT], [0, 0, 0]])


@pytest.mark.parametrize("chosen", [["whole"], [1], [name == "whole" for name in frame().columns]])
def test_categorical_features(chosen):
    t = TabularPreprocessor(categorical_features=chosen).fit(frame())
    assert t.kinds_[1] == "category"
    assert "whole_3" in t.get_feature_names_out()


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (["absent"], "names among"),
        ([99], "names among"),
        ([True], "one boolean for each of 12 columns"),
    ],
)
def test_categorical_features_must_exist(chosen, message):
    with pytest.raises(ValueError, match=message):
        TabularPreprocessor(categorical_features=chosen).fit(frame())


def test_levels_of_several_types():
    X = np.array([["a"], [1], [2.5], [1.0]], dtype=object)
    t = TabularPreprocessor().fit(X)
    assert_array_equal(t.get_feature_names_out(), ["x0_1", "x0_2.5", "x0_a"])
    assert_array_equal(t.transform(X)[1], t.transform(X)[3])


# --- Times.


def test_times():
    days = pd.DataFrame({"t": pd.date_range("2024-01-01", periods=730, freq="12h")})
    t = TabularPreprocessor(n_bins=0).fit(days)
    names = list(t.get_feature_names_out())
    assert names == [
        "t_days", "t_year_sin", "t_year_cos", "t_week_sin", "t_week_cos", "t_day_cos"
    ]  # fmt: skip
    out = t.transform(days)
    assert np.all(np.diff(out[:, 0]) > 0)
    week = out[:, names.index("t_week_sin")]
    assert_allclose(week[0], week[14], atol=1e-6)
    missing = t.transform(pd.DataFrame({"t": pd.to_datetime([None])}))
    assert_array_equal(missing, np.zeros((1, 6)))


def test_times_in_arrays_and_zones():
    stamps = np.arange("2024-01", "2024-03", dtype="M8[D]")[:, None]
    table = pd.DataFrame({"t": pd.to_datetime(stamps[:, 0]).tz_localize("UTC")})
    assert_allclose(
        TabularPreprocessor().fit_transform(stamps), TabularPreprocessor().fit_transform(table)
    )


# --- Frames.


def test_frames_of_pandas_and_polars_are_the_same():
    pl = pytest.importorskip("polars")
    pytest.importorskip("pyarrow")
    table = frame()
    other = pl.from_pandas(table)
    ours, theirs = TabularPreprocessor().fit(table), TabularPreprocessor().fit(other)
    assert ours.kinds_ == theirs.kinds_
    assert_array_equal(ours.transform(table), theirs.transform(other))
    assert_array_equal(ours.transform(other), theirs.transform(table))


def test_names_decide():
    table = frame()
    t = TabularPreprocessor().fit(table)
    assert_array_equal(t.transform(table[table.columns[::-1]]), t.transform(table))
    with pytest.raises(ValueError, match="now missing:\n- word"):
        t.transform(table.drop(columns="word"))
    with pytest.raises(ValueError, match="unseen at fit time:\n- more"):
        t.transform(table.assign(more=1))


def test_one_row_and_no_row():
    table = frame()
    t = TabularPreprocessor().fit(table)
    assert_array_equal(t.transform(table[5:6]), t.transform(table)[5:6])
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        t.transform(table[:0])


def test_names_of_columns_and_set_output():
    table = frame()
    t = TabularPreprocessor().set_output(transform="pandas").fit(table)
    out = t.transform(table)
    assert_array_equal(out.columns, t.get_feature_names_out())
    assert out.shape == (N, t.n_features_out_)
    assert len(set(out.columns)) == out.shape[1]


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (pd.DataFrame({"a": [1.0, np.inf]}), ValueError, "contains infinity"),
        (np.array([[1.0], [np.inf]]), ValueError, "contains infinity"),
        (np.array([[1.0], [np.inf]], dtype=object), ValueError, "contains infinity"),
        (np.array([[{}], [1]], dtype=object), TypeError, "string or a number"),
        (np.array([[1j], [2]]), ValueError, "Complex data not supported"),
        (np.ones(3), ValueError, "Reshape your data"),
        (
            pd.DataFrame(np.ones((2, 5)), columns=[*"abacb"]),
            ValueError,
            "different names. Got more than one of each of 'a', 'b': rename",
        ),
    ],
    ids=str,
)
def test_what_is_refused(X, error, message):
    with pytest.raises(error, match=message):
        TabularPreprocessor().fit(X)


def test_numbers_must_stay_numbers():
    t = TabularPreprocessor().fit(pd.DataFrame({"a": [1.0, 2.0, 3.0]}))
    assert_array_equal(t.transform(pd.DataFrame({"a": ["2"]}))[:, 0], [0.0])
    with pytest.raises(ValueError, match="Column 'a' of X must hold numbers, as in fit"):
        t.transform(pd.DataFrame({"a": ["two"]}))


def test_lists_of_mixed_rows():
    assert [read([[1, "a"], [2.5, "b"]]).kind(k) for k in (0, 1)] == ["number", "category"]


def test_in_a_pipeline():
    table, y = frame(), np.arange(N) % 2
    model = make_pipeline(TabularPreprocessor(), MLPClassifier(tol=1e9, n_iter_no_change=1))
    assert clone(model).fit(table, y).predict(table).shape == (N,)


def test_it_is_fast():
    X = RNG.normal(size=(6000, 50))
    start = time.perf_counter()
    TabularPreprocessor(n_bins=8).fit_transform(X)
    assert time.perf_counter() - start < 2.0  # tens of milliseconds on an idle machine


# ----------------------------------------------------------------- what databases and files deliver
@pytest.mark.parametrize("as_frame", [True, False])
def test_dates_and_decimals_as_objects(as_frame):
    days = [datetime.date(2024, 1, 1) + datetime.timedelta(k) for k in range(40)]
    rows = [[day, decimal.Decimal(k) / 4] for k, day in enumerate(days)]
    rows[3] = [None, None]
    plain = pd.DataFrame(rows, columns=["day", "price"])
    typed = plain.assign(day=pd.to_datetime(plain["day"]), price=plain["price"].astype(float))
    X = plain if as_frame else plain.to_numpy(dtype=object)
    found = TabularPreprocessor().fit_transform(X)
    assert_allclose(found, TabularPreprocessor().fit_transform(typed), atol=1e-6)


def test_complex_numbers_are_refused():
    with pytest.raises(TypeError, match="complex"):
        TabularPreprocessor().fit(pd.DataFrame({"z": [1 + 2j, 3j] * 5}))


def test_categories_of_another_type():
    X = pd.DataFrame({"zip": ["10", "20"] * 10})
    fitted = TabularPreprocessor().fit(X)
    with pytest.warns(UserWarning, match="^Column 'zip' .* type str in fit, and of the type int"):
        assert not fitted.transform(X.astype(int)).any()
    fitted.transform(pd.DataFrame({"zip": ["30"]}))  # unseen, of the same type: nothing to say


def test_the_example_of_another_type_is_not_a_missing_one():
    fitted = TabularPreprocessor().fit(pd.DataFrame({"zip": ["10", "20"] * 10}))
    with pytest.warns(UserWarning, match=r"type int here \(7, \.\.\.\)"):
        fitted.transform(pd.DataFrame({"zip": [None, 7]}, dtype=object))


def test_nullable_columns_as_objects():
    typed = pd.DataFrame(
        {
            "whole": pd.array([1, None, 3, 8] * 9, dtype="Int64"),
            "real": pd.array([1.5, 2.5, None, 4.0] * 9, dtype="Float64"),
            "flag": pd.array([True, None, False, True] * 9, dtype="boolean"),
            "word": pd.array(["a", "b", "c", None] * 9, dtype="string"),
        }
    )
    objects = typed.to_numpy(dtype=object)
    assert any(value is pd.NA for value in objects.ravel())
    found = TabularPreprocessor().fit(objects)
    assert found.kinds_ == ("number", "number", "category", "category")
    assert_array_equal(found.transform(objects), TabularPreprocessor().fit_transform(typed))


class Unknown:
    """As pandas' NA: of no truth, neither equal nor unequal to itself."""

    def __eq__(self, other):
        return self

    def __bool__(self):
        raise TypeError

    __hash__ = object.__hash__


def test_what_is_neither_equal_nor_unequal_is_missing():
    X = np.array([[1.0, True, "a"], [Unknown()] * 3, [2.5, False, "b"]] * 3, dtype=object)
    columns = read(X)
    assert [columns.kind(k) for k in range(3)] == ["number", "category", "category"]
    assert columns.levels(1) == [True, None, False] * 3


@pytest.mark.parametrize("as_frame", [True, False])
def test_times_of_time_zones_as_objects(as_frame):
    far = datetime.timezone(datetime.timedelta(hours=5))
    noon = datetime.datetime(2024, 3, 1, 12, tzinfo=datetime.UTC)
    days = [noon + datetime.timedelta(k) for k in range(20)]
    mixed = [[day.astimezone(far) if k % 2 else day] for k, day in enumerate(days)]
    X = np.array([*mixed, [None]], dtype=object)
    plain = np.array([*(day.replace(tzinfo=None) for day in days), "NaT"], dtype="M8[ms]")
    found = TabularPreprocessor().fit_transform(pd.DataFrame(X, columns=["a"]) if as_frame else X)
    assert_array_equal(found, TabularPreprocessor().fit_transform(plain[:, None]))


# ----------------------------------------------------------------------- cells that hold several
def table_with(cells, as_frame):
    """Return a table whose second column holds objects, one in each cell."""
    X = np.empty((len(cells), 2), dtype=object)
    X[:, 0] = range(len(cells))
    for i, cell in enumerate(cells):
        X[i, 1] = cell
    return pd.DataFrame(X, columns=["x", "odd"]) if as_frame else X


NESTED = [[1, 2], {"a": 1}, np.arange(2), {1}, ([1],)]
BEFORE = {
    "number": [1.0, 2.0, 3.0],
    "category": ["a", "b", "c"],
    "time": [datetime.date(2024, 1, 1 + k) for k in range(3)],
}


def refused(value, as_frame):
    """Return what must be raised where a cell holds a value."""
    name = "'odd'" if as_frame else "1"
    message = rf"^Column {name} of X must hold numbers, .*Got .* \({type(value).__name__}\): drop"
    return pytest.raises(TypeError, match=message)


@pytest.mark.parametrize("as_frame", [True, False])
@pytest.mark.parametrize("value", NESTED, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("chosen", ["from_dtype", [1]])
def test_nested_values_in_fit(value, as_frame, chosen):
    for cells in ([value] * 3, [None, value, "a"]):
        with refused(value, as_frame):
            TabularPreprocessor(categorical_features=chosen).fit(table_with(cells, as_frame))


@pytest.mark.parametrize("as_frame", [True, False])
@pytest.mark.parametrize("value", NESTED, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("kind", BEFORE)
def test_nested_values_in_transform(value, as_frame, kind):
    fitted = TabularPreprocessor().fit(table_with(BEFORE[kind], as_frame))
    assert fitted.kinds_ == ("number", kind)
    for cells in ([value] * 3, [None, BEFORE[kind][0], value]):
        with refused(value, as_frame):
            fitted.transform(table_with(cells, as_frame))


def test_nested_values_in_lists_and_with_long_names():
    with pytest.raises(TypeError, match=r"Column 1 of X .* Got \[2, 3\] \(list\)"):
        TabularPreprocessor().fit([[1, [2, 3]], [4, [5, 6]]])
    with pytest.raises(TypeError, match=r"Got \[0, 1, 2, .*\.\.\. \(list\)"):
        TabularPreprocessor().fit(table_with([[*range(1000)]], as_frame=True))


def test_times_must_stay_times():
    fitted = TabularPreprocessor().fit(table_with(BEFORE["time"], as_frame=False))
    with pytest.raises(
        TypeError, match=r"Column 1 of X must hold times, as in fit. Got 'a' \(str\)"
    ):
        fitted.transform(table_with([None, "a", "b"], as_frame=False))


def test_estimators_say_it_too():
    X, y = table_with(BEFORE["category"] * 20, as_frame=True), np.arange(60) % 2
    model = TabularMLPClassifier(effort="fast", n_ensemble=1, random_state=0).fit(X, y)
    with refused([], as_frame=True):
        model.predict(table_with([["a"]], as_frame=True))


# ----------------------------------------------------------------------------- numbers as strings
def warned(X, **params):
    """Return what ``fit`` warns of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted = TabularPreprocessor(**params).fit(X)
        fitted.transform(X)
    assert all(entry.category is UserWarning for entry in caught)
    assert not caught or caught[0].filename == __file__
    return [str(entry.message) for entry in caught]


MEASURED = [f"{k / 4}" for k in range(21)]
AS_STRINGS = {
    "fractions": (MEASURED, True),
    "fractions, often": (MEASURED * 50, True),
    "missing": ([None, float("nan"), *MEASURED], True),
    "exponents": ([f"{k}e-3" for k in range(1, 30)], True),
    "negative, with blanks": ([f" -{k}.5" for k in range(30)], True),
    "whole, seldom": ([str(k) for k in range(30)], True),
    "with numbers": ([0.5, *MEASURED], True),
    "whole, often": ([str(k) for k in range(1000, 1200)] * 2, False),
    "few": (MEASURED[:20] * 50, False),
    "labels": (["0", "1"] * 30, False),
    "leading zeros": ([f"{k:05d}" for k in range(30)], False),
    "words": ([*MEASURED, "unknown"], False),
    "not finite": ([*MEASURED, "inf"], False),
    "names": ([f"n{k}" for k in range(30)], False),
}


@pytest.mark.parametrize(("values", "warns"), AS_STRINGS.values(), ids=AS_STRINGS)
@pytest.mark.parametrize("as_frame", [True, False])
def test_numbers_as_strings(values, warns, as_frame):
    X = table_with(values, as_frame)
    found = warned(X)
    assert len(found) == warns
    if warns:
        name = r"\['odd'\]" if as_frame else r"\[1\]"
        message = f"Columns {name} of X hold numbers as strings, .*astype.*categorical_features"
        assert re.match(message, found[0])
    assert not warned(X, categorical_features=["odd"] if as_frame else [1])


def test_numbers_as_strings_in_several_columns_and_types():
    strings = pd.DataFrame({"a": MEASURED, "b": range(21), "c": MEASURED})
    (message,) = warned(strings)
    assert "Columns ['a', 'c'] of X" in message
    assert "'0.0'" in message
    assert not warned(strings.astype("category"))
    assert not warned(strings.astype(float))
    assert "Columns [0, 1]" in warned(np.array([MEASURED, MEASURED]).T)[0]


def places(call):
    """Return the files that the warnings of a call point to."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [entry.filename for entry in caught]


def test_warnings_point_to_the_line_of_the_user():
    X = pd.DataFrame({"a": MEASURED})
    other, y = pd.DataFrame({"a": range(21)}), np.arange(21) % 2
    for output in ("default", "pandas"):
        fitted = TabularPreprocessor().set_output(transform=output)
        assert places(lambda it=fitted: it.fit(X)) == [__file__]
        assert places(lambda it=fitted: it.fit_transform(X)) == [__file__]
        assert places(lambda it=fitted: it.transform(other)) == [__file__]
    model = TabularMLPClassifier(effort="fast", n_ensemble=1, max_iter=2, random_state=0)
    assert set(places(lambda: model.fit(X, y))) == {__file__}
    assert places(lambda: model.predict(other)) == [__file__]
    assert places(lambda: model.predict_proba(other)) == [__file__]


def test_a_folder_beside_the_package_is_outside():
    beside = str(Path(_warning.__file__).parent) + "_example"
    source = "from sknn_scratch._warning import warn\nwarn('look here')"
    code = compile(source, f"{beside}/script.py", "exec")
    assert places(lambda: exec(code, {})) == [f"{beside}/script.py"]


def test_where_warnings_are_errors_the_preprocessor_is_fitted():
    X, fitted = table_with(MEASURED, as_frame=True), TabularPreprocessor()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="as strings"):
            fitted.fit(X)
    assert fitted.transform(X).shape == (21, fitted.n_features_out_)


def test_estimators_warn_of_numbers_as_strings_once():
    X = pd.DataFrame({"price": MEASURED * 3})
    model = TabularMLPClassifier(effort="fast", n_ensemble=1, random_state=0)
    with pytest.warns(UserWarning, match=r"Columns \['price'\] of X hold numbers") as caught:
        model.fit(X, np.arange(63) % 2)
    assert len(caught) == 1
    model.predict(X)
