"""Columns of tables: names of any type, objects of any kind, in any container, mean the same."""

import datetime as dt
import enum
import math
import pickle
import uuid
import warnings
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from sknn_scratch import MLPClassifier, MLPRegressor, TabularMLPClassifier, TabularMLPRegressor
from sknn_scratch.interop._skops import TRUSTED_TYPES
from sknn_scratch.preprocessing import TabularPreprocessor, _plain_state, _plain_values
from sknn_scratch.training import checkpoint
from sknn_scratch.training.form import MisfitError

pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")

N = 40
QUICK = {"effort": "fast", "n_ensemble": 1, "max_iter": 2, "min_steps": 0, "random_state": 0}
EITHER = [TabularMLPClassifier, TabularMLPRegressor]
each_estimator = pytest.mark.parametrize("cls", EITHER)
Y = np.arange(N) % 2


# ------------------------------------------------------------------------ names that are no strings
NAMES = {
    "strings": ["a", "b", "c"],
    "integers": [2, 0, 1],
    "years": [2021, 2022, 2023],
    "negative": [-1, -2, 5],
    "fractions": [0.5, 2.5, 1.0],
    "booleans": [True, False, "else"],
    "tuples": [("a", 1), ("a", 2), ("b", 1)],
    "dates": list(pd.date_range("2024", periods=3)),
    "bytes": [b"x", b"y", b"z"],
    "alike": [1, "1", (1,)],
    "none": [None, "None", 0],
    "not a number": [np.nan, "nan", 3.0],
}
each_names = pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)


def named(names, n=N):
    """Return a frame of three columns that look alike but are not: 0 to 2 in another order each."""
    rng = np.random.default_rng(0)
    values = {k: rng.integers(0, 3, n) * 1.0 for k in range(3)}
    frame = pd.DataFrame(values)
    frame.columns = pd.Index(names, tupleize_cols=False, dtype=object)
    return frame


def in_order(frame, order):
    """Return the columns in another order, by place."""
    return frame.iloc[:, order]


@each_names
def test_names_decide_the_order(names):
    X = named(names)
    fitted = TabularPreprocessor().fit(X)
    for order in ([2, 0, 1], [1, 0, 2], [2, 1, 0]):
        assert_array_equal(fitted.transform(in_order(X, order)), fitted.transform(X))


@each_names
def test_columns_that_are_missing_or_more_are_named(names):
    X = named(names)
    fitted = TabularPreprocessor().fit(X)
    are_strings = all(isinstance(name, str) for name in names)
    shown = [None if pd.isna(name) else name for name in names[:2]]
    shown = [getattr(name, "to_pydatetime", lambda it=name: it)() for name in shown]
    shown = shown if are_strings else list(map(repr, shown))
    with pytest.raises(ValueError, match="yet now missing:") as caught:
        fitted.transform(X.iloc[:, 2:])
    assert all(f"- {name}\n" in str(caught.value) for name in shown)
    other = in_order(X, [0, 1, 2]).set_axis([*X.columns[:2], ("not", "there")], axis=1)
    with pytest.raises(
        ValueError,
        match="unseen at fit time:\n- ('not', 'there')".replace("(", ".").replace(")", "."),
    ):
        fitted.transform(other)


@each_names
@pytest.mark.parametrize("place", [0, 1, 2])
def test_names_choose_categories(names, place):
    X = named(names)
    expected = tuple("category" if k == place else "number" for k in range(3))
    chosen = [None if names[place] is np.nan else names[place]]
    if not isinstance(chosen[0], bool):
        fitted = TabularPreprocessor(categorical_features=chosen).fit(X)
        assert fitted.kinds_ == expected
    mask = np.arange(3) == place
    assert TabularPreprocessor(categorical_features=mask).fit(X).kinds_ == expected


def test_numbers_are_names_where_any_name_is_one():
    X = named([20, 10, "0"])
    for chosen, message in (([0], "names among"), ([1, 20], r"Got \[1\]"), (["20"], "'20'")):
        with pytest.raises(ValueError, match=message):
            TabularPreprocessor(categorical_features=chosen).fit(X)
    fitted = TabularPreprocessor(categorical_features=np.array([10, 20])).fit(X)
    assert fitted.kinds_ == ("category", "category", "number")
    assert (
        TabularPreprocessor(categorical_features=[0]).fit(named([*"abc"])).kinds_[0] == "category"
    )


def test_columns_of_several_levels():
    names = pd.MultiIndex.from_tuples([("size", "w"), ("size", "h"), ("kind", "")])
    X = named([*"abc"]).set_axis(names, axis=1)
    model = TabularMLPClassifier(**QUICK, categorical_features=[("kind", "")]).fit(X, Y)
    assert model.preprocessor_.kinds_ == ("number", "number", "category")
    assert_array_equal(
        model.predict_proba(X[[names[2], names[0], names[1]]]), model.predict_proba(X)
    )
    assert "('size', 'w')" in model.preprocessor_.get_feature_names_out()


@each_estimator
@each_names
def test_estimators_go_by_names(cls, names):
    X = named(names)
    model = cls(**QUICK).fit(X, X.iloc[:, 0])
    assert_array_equal(model.predict(in_order(X, [1, 2, 0])), model.predict(X))
    are_strings = all(isinstance(name, str) for name in names)
    assert hasattr(model, "feature_names_in_") == are_strings
    model.fit(X.to_numpy(), X.iloc[:, 0])
    assert not hasattr(model, "feature_names_in_")


def test_the_numbers_that_pandas_gives_are_those_of_an_array():
    X = named([0, 1, 2])
    fitted = TabularPreprocessor().fit(X)
    assert_array_equal(fitted.transform(X.to_numpy()), fitted.transform(X))
    fitted = TabularPreprocessor().fit(X.to_numpy())
    assert_array_equal(fitted.transform(X), fitted.transform(X.to_numpy()))
    with pytest.warns(UserWarning, match="X has feature names, but TabularPreprocessor was fitted"):
        fitted.transform(in_order(X, [1, 0, 2]))
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        TabularPreprocessor().fit(named([2, 1, 0])).transform(X.to_numpy())


def through_a_state(fitted, path):
    """Store what a preprocessor has learnt as plain data, and read it again."""
    checkpoint.save(path / "columns.npz", _plain_state.tree_of(fitted))
    tree = checkpoint.load(path / "columns.npz")
    return _plain_state.read(fitted.get_params(), tree, "preprocessor")


@pytest.mark.parametrize("store", ["pickle", "skops", "state"])
@each_names
def test_stored_names(names, store, tmp_path):
    fitted = TabularPreprocessor().fit(X := named(names))
    if store == "state":
        loaded = through_a_state(fitted, tmp_path)
    elif store == "skops":
        sio = pytest.importorskip("skops.io")
        loaded = sio.loads(sio.dumps(fitted), trusted=list(TRUSTED_TYPES))
    else:
        loaded = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(loaded.transform(in_order(X, [2, 0, 1])), fitted.transform(X))


def test_a_failed_fit_changes_nothing():
    X = named(["a", 1, ("b",)])
    fitted = TabularPreprocessor().fit(X)
    before = fitted.transform(X)
    for bad in (X.astype(object).map(lambda v: [v]), X * np.inf, X.assign(d=[{}] * N)):
        with pytest.raises((TypeError, ValueError)):
            fitted.fit(bad)
        assert_array_equal(fitted.transform(X), before)


# ------------------------------------------------------------------- objects, in every container
class Case(SimpleNamespace):
    """Values as Python has them, what each means, and the containers beside those of objects."""


NOON = dt.datetime(2024, 2, 28, 12)
FAR = dt.timezone(dt.timedelta(hours=-7))
ARROW = ("pandas typed", "polars", "pyarrow")
OBJECTS = ("pandas objects", "array of objects", "rows")


def case(kind, make, mean, *typed):
    return Case(kind=kind, make=make, mean=mean, containers=(*OBJECTS, *typed))


CASES = {
    "int": case("number", int, float, *ARROW),
    "float": case("number", lambda k: k / 8, lambda k: k / 8, *ARROW),
    "Decimal": case("number", lambda k: Decimal(k) / 8, lambda k: k / 8, *ARROW),
    "Fraction": case("number", lambda k: Fraction(k, 8), lambda k: k / 8),
    "numpy int": case("number", np.int16, float),
    "numpy float": case("number", np.float32, float),
    "timedelta": case("number", lambda k: dt.timedelta(milliseconds=k), lambda k: k * 1e-3, *ARROW),
    "timedelta64": case("number", lambda k: np.timedelta64(k, "us"), lambda k: k * 1e-6),
    "timedelta64 of days": case("number", lambda k: np.timedelta64(k, "D"), lambda k: k * 86400.0),
    "Timedelta": case("number", lambda k: pd.Timedelta(k, "ns"), lambda k: k * 1e-9),
    "time": case("number", lambda k: (NOON + dt.timedelta(seconds=k, microseconds=k)).time(),
                 lambda k: 43200 + k * 1.000001, *ARROW),
    "date": case("time", lambda k: NOON.date() + dt.timedelta(k),
                 lambda k: np.datetime64("2024-02-28") + k, *ARROW),
    "datetime": case("time", lambda k: NOON + dt.timedelta(microseconds=k),
                     lambda k: np.datetime64(NOON, "us") + k, *ARROW),
    "datetime of a zone": case(
        "time", lambda k: (NOON + dt.timedelta(hours=k)).replace(tzinfo=dt.UTC).astimezone(FAR),
        lambda k: np.datetime64(NOON, "us") + np.timedelta64(k, "h")),
    "datetime64": case("time", lambda k: np.datetime64("2024-02-28") + k,
                       lambda k: np.datetime64("2024-02-28") + k),
    "Timestamp": case("time", lambda k: pd.Timestamp(NOON) + pd.Timedelta(k, "ns"),
                      lambda k: np.datetime64(NOON, "ns") + k),
    # pandas 2 has no timestamps beyond 2262.
    "Period": case("time", lambda k: pd.Period("2024-02", "M") + k % 2800,
                   lambda k: np.datetime64("2024-02", "M") + k % 2800, "pandas typed"),
    "years beyond 2262": case("time", lambda k: dt.datetime(3024 + k % 50, 1, 1),
                              lambda k: np.datetime64(str(3024 + k % 50), "D")),
    "bool": case("category", lambda k: k % 2 == 0, lambda k: "ab"[k % 2 == 0], *ARROW),
    "str": case("category", lambda k: "abcd"[k % 4], lambda k: "abcd"[k % 4], *ARROW),
    "Interval": case("category", lambda k: pd.Interval(k % 3, k % 3 + 1), lambda k: "abc"[k % 3],
                     "pandas typed"),
    "of two kinds": case("category", lambda k: (dt.timedelta(1), dt.time(1), 1)[k % 3],
                         lambda k: "cba"[k % 3]),
}  # fmt: skip
MISSING = [None, np.nan, pd.NaT, pd.NA, Decimal("nan"), np.datetime64("NaT"), np.timedelta64("NaT")]


def contained(values, container):
    """Return a table of a number and the values, in a container."""
    count = list(range(len(values)))
    if container == "rows":
        return [[k, value] for k, value in zip(count, values, strict=True)]
    objects = np.empty((len(values), 2), dtype=object)
    objects[:, 0] = count
    for row, value in zip(objects, values, strict=True):
        row[1] = value
    if container == "array of objects":
        return objects
    if container == "pandas objects":
        return pd.DataFrame({"k": count, "v": pd.Series(list(values), dtype=object)})
    if container == "pandas typed":
        frame = pd.DataFrame({"k": count, "v": pd.Series(list(values))})
        return frame if isinstance(values[-1], pd.Period | pd.Interval) else pa_to_pandas(values)
    frame = {"k": count, "v": values}
    return pl.DataFrame(frame) if container == "polars" else pa.table(frame)


def pa_to_pandas(values):
    """Return a frame of pandas whose second column has a type of Arrow's."""
    typed = pd.arrays.ArrowExtensionArray(pa.array(values))
    return pd.DataFrame({"k": range(len(values)), "v": typed})


def meant(numbers, missing, case):
    """Return the table as it is meant: of floats, of numpy's times, or of plain strings."""
    values = [case.mean(k) for k in numbers]
    none = {"number": np.nan, "time": np.datetime64("NaT"), "category": None}[case.kind]
    values = [none if gone else value for value, gone in zip(values, missing, strict=True)]
    dtype = {"number": float, "category": object}.get(case.kind)
    column = pd.Series(np.array(values, dtype=dtype))
    return pd.DataFrame({"k": range(len(numbers)), "v": column})


@pytest.mark.parametrize("name", CASES)
@settings(deadline=None, max_examples=12)
@given(data=st.data())
def test_kinds_in_containers(name, data):
    own = CASES[name]
    numbers = data.draw(st.lists(st.integers(1, 5000), min_size=4, max_size=30, unique=True))
    container = data.draw(st.sampled_from(own.containers))
    missing = [data.draw(st.integers(0, 4)) == 0 for _ in numbers] + [False] * 3
    numbers += [6000, 6001, 6002]
    marks = st.sampled_from(MISSING if container in OBJECTS else [None])
    values = [
        data.draw(marks) if gone else own.make(k) for k, gone in zip(numbers, missing, strict=True)
    ]
    model, other = TabularPreprocessor(n_bins=4), TabularPreprocessor(n_bins=4)
    found = model.fit_transform(contained(values, container))
    expected = other.fit_transform(meant(numbers, missing, own))
    assert model.kinds_ == other.kinds_ == ("number", own.kind)
    assert_allclose(found, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("chosen", ["from_dtype", [1]])
@pytest.mark.parametrize("name", CASES)
def test_stored_kinds(name, chosen, tmp_path, monkeypatch):
    """Of numbers and times, and of categories of all types."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    own = CASES[name]
    values = [None if k % 9 == 0 else own.make(40 * k + 1) for k in range(40)]
    for container in own.containers[::3]:  # of objects, and one of types
        X = contained([*values, own.make(6)], container)
        fitted = TabularPreprocessor(categorical_features=chosen, n_bins=3, max_categories=5).fit(X)
        loaded = through_a_state(fitted, tmp_path)
        assert_array_equal(loaded.transform(X), fitted.transform(X))
        assert_array_equal(loaded.get_feature_names_out(), fitted.get_feature_names_out())
        assert vars(loaded).keys() == vars(fitted).keys()


AMBIGUOUS = dt.datetime(2024, 11, 3, 1, 30, fold=1, tzinfo=ZoneInfo("America/New_York"))
LEVELS = {
    "float": 0.1,
    "infinite": -math.inf,
    "long": 10**40,
    "surrogate": "\ud800",
    "numpy string": np.str_("a\0"),
    "numpy bytes": np.bytes_(b"a\xff"),
    "float32": np.float32(0.1),
    "longdouble": np.longdouble(1) / 3,
    "numpy bool": np.True_,
    "uint8": np.uint8(3),
    "quarters": np.datetime64("2024-02-28T12:15", "15m"),
    "numpy duration": np.timedelta64(3, "W"),
    "ambiguous hour": AMBIGUOUS,
    "of a zone without a name": AMBIGUOUS.replace(tzinfo=FAR),
    "time": dt.time(12, 30, fold=1, tzinfo=ZoneInfo("Asia/Tokyo")),
    "long ago": dt.datetime(1, 1, 1, microsecond=1),
    "duration": dt.timedelta(-3, 5, 7),
    "Decimal": Decimal("1.50"),
    "UUID": uuid.UUID(int=7),
    "nested": (("a", 1), (), (None, dt.date(2024, 2, 28))),
    "Timestamp": pd.Timestamp("2024-02-28", tz="Asia/Tokyo") + pd.Timedelta(1, "ns"),
    "Timedelta": pd.Timedelta(1, "ns"),
    "Period": pd.Period("2024-02", "Q"),
    "Interval": pd.Interval(pd.Timestamp("2024-02-28"), pd.Timestamp("2024-03-28"), "both"),
}


@pytest.mark.parametrize("level", LEVELS.values(), ids=LEVELS)
def test_stored_levels(level, tmp_path):
    """The same value of the same type, by which columns are looked up and features are named."""
    checkpoint.save(tmp_path / "level.npz", {"level": _plain_values.write_value(level)})
    tree = checkpoint.load(tmp_path / "level.npz")
    found = _plain_values.read_value(tree["level"], "level")
    assert {level: "same"}[found] == "same"
    assert (type(found), str(found), hash(found)) == (type(level), str(level), hash(level))


@pytest.mark.parametrize("level", [enum.Enum("Colour", "RED").RED, frozenset("ab")], ids=type)
def test_levels_that_no_state_can_hold(level):
    X = pd.DataFrame({"a": pd.Series([level, "x"] * 20, dtype=object)})
    fitted = TabularPreprocessor().fit(X)
    with pytest.raises(TypeError, match=f"get_state. Got .* of type {type(level).__name__}: conv"):
        _plain_state.tree_of(fitted)


DEEP = ["tuple", 1]
for _ in range(100):
    DEEP = ["tuple", DEEP]


@pytest.mark.parametrize(
    "tree",
    [
        *([], {}, ["nope"], [3], [["tuple"]], ["os.system", "ls"], np.zeros(2), b"x", 1j, DEEP),
        *(["date", 3], ["date", "2024-02-30"], ["date"], ["bytes", "xyz"], ["timedelta", 10**20]),
        *(["ZoneInfo", "../../etc/passwd"], ["ZoneInfo", "Nowhere/At_All"], ["ZoneInfo", "."]),
        *(["timezone", ["timedelta", 3, 0, 0]], ["datetime", "2024-02-28", 2, None]),
        *(["datetime", "2024-02-28", 0, "UTC"], ["Decimal", "sNaN"], ["Decimal", "x"]),
        *(["Fraction", 1, 0], ["UUID", "1"], ["numpy.bytes_", 3], ["pandas.Period", 1, "nope"]),
        *(["scalar", "|O", "00" * 8], ["scalar", "f4,f4", "00" * 8], ["scalar", "<f8", "00"]),
        *(["scalar", "<f8", ""], ["scalar", "<f8", "00" * 16], ["scalar", "(9,)f8", "00" * 72]),
        *(["scalar", "<M8[nope]", "00" * 8], ["scalar", 3, "00"], ["pandas.Timestamp", "x", None]),
        *(["pandas.Interval", 2, 1, "both"], ["pandas.Interval", 1, 2, "x"], ["pandas.Interval"]),
    ],
    ids=lambda tree: str(tree)[:40],
)
def test_damaged_levels(tree):
    with pytest.raises(MisfitError, match=r"^level(\[\d+\])* is not a"):
        _plain_values.read_value(tree, "level")


def test_booleans_beside_numbers_in_rows_are_categories():
    rows = [[1.5, True], [2.5, False], [3.5, True]]
    expected = TabularPreprocessor().fit_transform(pd.DataFrame(rows))
    assert_array_equal(TabularPreprocessor().fit_transform(rows), expected)
    assert TabularPreprocessor().fit([[True, False], [False, False]]).kinds_ == ("category",) * 2
    assert TabularPreprocessor().fit([[np.timedelta64(3, "D"), 3]]).kinds_ == ("number", "number")


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_matrices_and_views_are_arrays():
    X = PLAIN.to_numpy()
    expected = TabularPreprocessor().fit_transform(X)
    for same in (np.matrix(X), X.view(np.recarray), memoryview(X), X.astype(object), X[::-1][::-1]):
        assert_array_equal(TabularPreprocessor().fit_transform(same), expected)


def test_masked_arrays_are_missing_where_they_are_masked():
    plain = np.arange(24.0).reshape(12, 2)
    mask = np.arange(24).reshape(12, 2) % 5 == 0
    for dtype in (float, "i4", "M8[s]", "m8[s]", object):
        values = plain.astype("i8").astype(dtype)
        gone = values.astype(object) if values.dtype.kind in "iO" else values.copy()
        gone[mask] = (
            None if gone.dtype.kind in "O" else "NaT" if gone.dtype.kind in "mM" else np.nan
        )
        masked = np.ma.masked_array(values, mask)
        assert_array_equal(
            TabularPreprocessor().fit_transform(masked), TabularPreprocessor().fit_transform(gone)
        )
    words = np.ma.masked_array(np.array([["a"], ["b"], ["b"]]), [[False], [True], [False]])
    assert_array_equal(TabularPreprocessor().fit_transform(words)[:, 0], [-1, 0, 1])


def test_objects_that_numbers_cannot_be():
    fitted = TabularPreprocessor().fit(contained(list(range(9)), "pandas objects"))
    for value in (NOON, NOON.date(), np.datetime64(NOON), pd.Period("2024"), "word", b"word"):
        with pytest.raises(ValueError, match="Column 'v' of X must hold numbers, as in fit"):
            fitted.transform(contained([1, value], "pandas objects"))
    with pytest.raises(ValueError, match=r"too large .* in column 'v'"):
        fitted.transform(contained([1, 10**400], "pandas objects"))
    fitted = TabularPreprocessor().fit(contained([NOON, NOON.date(), None], "pandas objects"))
    for value in (NOON.time(), np.timedelta64(3, "s"), 3, "2024-02-28", dt.timedelta(3)):
        with pytest.raises(TypeError, match="Column 'v' of X must hold times, as in fit"):
            fitted.transform(contained([NOON, value], "pandas objects"))


# ------------------------------------------------------------------------------- fine units of time
COUNTS = np.random.default_rng(0).permutation(900)[:60] + 1
SPANS = {
    "numpy": lambda unit: COUNTS.astype(f"m8[{unit}]")[:, None],
    "pandas": lambda unit: pd.DataFrame({"t": pd.to_timedelta(COUNTS, unit=unit)}),
    "objects": lambda unit: [[np.timedelta64(int(k), unit)] for k in COUNTS],
    "polars": lambda unit: pl.DataFrame({"t": COUNTS}).cast(pl.Duration(unit)),
    "pyarrow": lambda unit: pa.table({"t": pa.array(COUNTS, pa.duration(unit))}),
}
STAMPS = {
    "numpy": lambda unit: np.datetime64("2024-02-28", unit) + SPANS["numpy"](unit),
    "pandas": lambda unit: pd.Timestamp("2024-02-28") + SPANS["pandas"](unit),
    "zone": lambda unit: pd.DataFrame(
        {
            "t": (pd.Timestamp("2024-02-28") + SPANS["pandas"](unit))["t"].dt.tz_localize(
                "Asia/Tokyo"
            )
        }
    ),
    "objects": lambda unit: (
        STAMPS["numpy"](unit).astype(object)
        if unit != "ns"
        else pd.DataFrame({"t": pd.Series([*STAMPS["pandas"](unit)["t"]], dtype=object)})
    ),
    "polars": lambda unit: pl.DataFrame({"t": STAMPS["numpy"](unit)[:, 0]}),
    "pyarrow": lambda unit: pa.table({"t": pa.array(STAMPS["numpy"](unit)[:, 0])}),
}


FINE = {f"span-{k}": make for k, make in SPANS.items()}
FINE |= {f"stamp-{k}": make for k, make in STAMPS.items()}


@pytest.mark.parametrize("unit", ["ns", "us", "ms"])
@pytest.mark.parametrize("make", FINE.values(), ids=FINE)
def test_units_below_a_millisecond(make, unit):
    found = TabularPreprocessor(n_bins=0).fit_transform(make(unit))
    expected = TabularPreprocessor(n_bins=0).fit_transform(COUNTS[:, None])
    assert_allclose(found[:, :1], expected, atol=1e-4)


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York", "UTC"])
def test_times_of_zones_are_instants(zone):
    instants = pd.Series(pd.date_range("2024-03-09", periods=60, freq="37min", tz="UTC"))
    local = instants.dt.tz_convert(zone)
    plain = pd.DataFrame({"t": instants.dt.tz_localize(None)})
    expected = TabularPreprocessor().fit_transform(plain)
    frames = [
        pd.DataFrame({"t": local}),
        pd.DataFrame({"t": local.astype(object)}),
        pd.DataFrame({"t": local.astype(pd.ArrowDtype(pa.timestamp("us", tz=zone)))}),
        pl.DataFrame({"t": pl.Series(plain["t"]).dt.replace_time_zone("UTC")}).with_columns(
            pl.col("t").dt.convert_time_zone(zone)
        ),
        pa.table({"t": pa.array(local)}),
        [[stamp.to_pydatetime()] for stamp in local],
    ]
    for frame in frames:
        assert_array_equal(TabularPreprocessor().fit_transform(frame), expected)


@pytest.mark.parametrize("year", [1, 1600, 1969, 2024, 2300, 9999])
def test_times_of_any_year(year):
    days = [dt.datetime(year, 1, 1) + dt.timedelta(k / 3) for k in range(30)]
    same = [dt.datetime(2024, 1, 1) + dt.timedelta(k / 3) for k in range(30)]
    tables = [pd.DataFrame({"t": pd.Series(times, dtype=object)}) for times in (days, same)]
    found, expected = (TabularPreprocessor().fit(table) for table in tables)
    assert_allclose(
        found.transform(tables[0])[:, 0], expected.transform(tables[1])[:, 0], atol=1e-6
    )
    # Times far from those of fit, in a unit that does not reach as far, do not wrap.
    later = found.transform(pd.DataFrame({"t": pd.to_datetime(["2262-01-01"]).as_unit("ns")}))
    assert (later[0, 0] > 0) == (year < 2262)


def test_rows_of_no_weight_do_not_say_where_times_begin():
    stamps = pd.DataFrame({"t": pd.to_datetime(np.r_[10**18 + COUNTS, 0].astype("M8[ns]"))})
    weight = np.r_[np.ones(60), 0.0]
    weighted = TabularPreprocessor().fit(stamps, sample_weight=weight)
    assert_array_equal(
        weighted.transform(stamps[:60]), TabularPreprocessor().fit_transform(stamps[:60])
    )


# ----------------------------------------------------------------------------- missing throughout
NOTHING = {
    "float": pd.Series([np.nan] * N),
    "None": pd.Series([None] * N, dtype=object),
    "NaT": pd.Series([pd.NaT] * N),
    "NaT of spans": pd.Series(np.full(N, "NaT", "m8[s]")),
    "NA of integers": pd.Series([pd.NA] * N, dtype="Int64"),
    "NA of booleans": pd.Series([pd.NA] * N, dtype="boolean"),
    "NA of strings": pd.Series([pd.NA] * N, dtype="string"),
    "category": pd.Series([None] * N, dtype="category"),
    "period": pd.Series([pd.NaT] * N, dtype="period[D]"),
    "Arrow's null": pd.Series([None] * N, dtype=pd.ArrowDtype(pa.null())),
    "a mixture": pd.Series([None, np.nan, pd.NaT, pd.NA] * (N // 4), dtype=object),
}
LATER = {
    "strings": ["seen later"] * N,
    "numbers": list(range(N)),
    "times": [NOON] * N,
    "spans": [dt.timedelta(1)] * N,
    "booleans": [True, False] * (N // 2),
    "nothing": [None] * N,
    "lists": [[1, 2]] * N,
}


@pytest.mark.parametrize("now", LATER)
@pytest.mark.parametrize("then", NOTHING)
def test_columns_without_a_value_in_fit_are_ignored(then, now):
    X = pd.DataFrame({"x": np.arange(N) * 1.0, "s": NOTHING[then]})
    later = X.assign(s=pd.Series(LATER[now], dtype=object))
    fitted = TabularPreprocessor().fit(X)
    assert fitted.kinds_[1] == "missing"
    assert_array_equal(fitted.transform(later), TabularPreprocessor().fit_transform(X[["x"]]))
    assert_array_equal(fitted.transform(later), fitted.transform(X))


@each_estimator
@pytest.mark.parametrize("then", ["float", "None", "NaT"])
def test_estimators_ignore_columns_without_a_value(cls, then):
    X = pd.DataFrame({"x": np.arange(N) * 1.0, "s": NOTHING[then]})
    model = cls(**QUICK).fit(X, Y)
    for later in LATER.values():
        now = X.assign(s=pd.Series(later, dtype=object))
        assert_array_equal(model.predict(now), model.predict(X))


def test_columns_without_a_value_in_other_containers():
    fitted = TabularPreprocessor().fit(pl.DataFrame({"x": range(N), "s": [None] * N}))
    assert fitted.kinds_ == ("number", "missing")
    for later in (["a"] * N, [NOON] * N, [1.5] * N):
        assert fitted.transform(pl.DataFrame({"x": range(N), "s": later})).any()
        assert fitted.transform(pa.table({"x": range(N), "s": later})).any()
    rows = [[k, None] for k in range(N)]
    assert TabularPreprocessor().fit(rows).kinds_ == ("number", "missing")
    masked = np.ma.masked_array(np.ones((N, 2)), [[False, True]] * N)
    assert TabularPreprocessor().fit(masked).kinds_ == ("number", "missing")


def test_values_without_weight_are_none():
    X = pd.DataFrame({"x": np.arange(N) * 1.0, "s": [3.0] * 9 + [None] * (N - 9)})
    weight = (np.arange(N) >= 9) * 1.0
    fitted = TabularPreprocessor().fit(X, sample_weight=weight)
    assert fitted.kinds_ == ("number", "missing")
    assert fitted.transform(X.assign(s="a")).any()


# ---------------------------------------------------------------------------- names that come out
def names_of(table, **params):
    return list(TabularPreprocessor(n_bins=0, **params).fit(table).get_feature_names_out())


GAPS = [1.0, 2.0, 3.0, None] * 10
WORDS = [*"aabbccdd"] * 5
CLASHES = {
    "indicator": ({"x": GAPS, "x_missing": range(N)}, ["x", "x_missing", "x_missing_2"]),
    "the reverse": ({"x_missing": range(N), "x": GAPS}, ["x_missing", "x", "x_missing_2"]),
    "a third": (
        {"x": GAPS, "x_missing": range(N), "x_missing_2": range(N)},
        ["x", "x_missing", "x_missing_2", "x_missing_3"],
    ),
    "type": ({1: range(N), "1": GAPS}, ["1_2", "1", "1_missing"]),
    "levels": ({"a": ["b_c", "x", "y", "z"] * 10, "a_b": ["c", "x", "y", "z"] * 10},
               ["a_b_c", "a_x", "a_y", "a_z", "a_b_c_2", "a_b_x", "a_b_y", "a_b_z"]),
    "types of levels": ({"a": pd.Series([1, "1", "2"] * 13 + [1], dtype=object)},
                        ["a_1", "a_1_2", "a_2"]),
}  # fmt: skip


@pytest.mark.parametrize(("columns", "expected"), CLASHES.values(), ids=CLASHES)
def test_names_that_would_be_equal(columns, expected):
    assert names_of(pd.DataFrame(columns)) == expected


def test_times_and_rare_levels_beside_columns_of_their_names():
    table = pd.DataFrame({"t": pd.date_range("2020", periods=N), "t_days": range(N)})
    assert names_of(table)[:2] == ["t_days", "t_days_2"]
    rare = pd.DataFrame({"a": ["infrequent"] * 20 + ["b"] * 15 + [*"cdefg"]})
    expected = ["a_b", "a_infrequent", "a_infrequent_2"]
    assert names_of(rare, max_categories=2) == expected


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.sampled_from(["x", "x_missing", "x_bin0", "x_a", "x_2", "x_missing_2", 1, "1", ("x",)]),
        min_size=1, max_size=6, unique=True,
    ),
    st.randoms(use_true_random=False),
    st.sampled_from(["pandas", "polars"]),
)  # fmt: skip
def test_drawn_names_are_unique_and_go_round(names, random, output):
    columns = [GAPS, list(range(N)), WORDS, [0.0, None] * 20]
    table = pd.DataFrame({k: random.choice(columns) for k in range(len(names))})
    table.columns = pd.Index(names, tupleize_cols=False, dtype=object)
    model = TabularPreprocessor(n_bins=3).set_output(transform=output).fit(table)
    out = model.transform(table)
    assert list(out.columns) == list(model.get_feature_names_out())
    assert len(set(out.columns)) == out.shape[1] == model.n_features_out_
    again = TabularPreprocessor(n_bins=0).fit(out)
    assert_array_equal(again.feature_names_in_, model.get_feature_names_out())


# ----------------------------------------------------------------------- lazy frames and tensors
PLAIN = pd.DataFrame({"b": np.linspace(-1, 1, N), "a": np.linspace(1, 2, N) ** 2})
TABLE = PLAIN.assign(shop=pd.Categorical(np.where(Y, "north", "south")))


def as_dask(frame):
    dask = pytest.importorskip("dask.dataframe")
    return dask.from_pandas(frame, npartitions=3)


def as_lazy(frame):
    return pl.from_pandas(frame).lazy()


class Tensor:
    """An array of another library, whose dtype is not numpy's."""

    dtype = "float.of.others"

    def __init__(self, values):
        self._values = np.asarray(values)
        self.shape = self._values.shape

    def __len__(self):
        return len(self._values)

    def __array__(self, dtype=None, copy=None):
        return self._values


class Exchanged:
    """An array of another library that hands its memory on, and nothing else."""

    def __init__(self, values):
        self._values = np.array(values)

    def __dlpack__(self, **how):
        return self._values.__dlpack__(**how)

    def __dlpack_device__(self):
        return self._values.__dlpack_device__()


class OnDevice(Tensor):
    """An array that is not in the memory of the CPU."""

    def __array__(self, dtype=None, copy=None):
        raise TypeError("cannot convert cuda:0 to numpy. Use Tensor.cpu()")


class Query:
    """A lazy frame whose rows have no order, by the protocol that narwhals reads."""

    def __narwhals_lazyframe__(self):
        return self

    def __narwhals_namespace__(self):
        return self

    def _with_version(self, version):
        return self

    @property
    def _implementation(self):
        import narwhals as nw

        return nw.Implementation.DUCKDB


PLAIN_ONES = [MLPClassifier, MLPRegressor]


@pytest.mark.parametrize("lazy", [as_dask, as_lazy])
@each_estimator
def test_lazy_frames_are_computed_with_their_types(lazy, cls):
    model, expected = cls(**QUICK).fit(lazy(TABLE), Y), cls(**QUICK).fit(TABLE, Y)
    assert model.preprocessor_.kinds_ == expected.preprocessor_.kinds_
    assert_array_equal(model.feature_names_in_, TABLE.columns)
    assert_array_equal(model.predict(lazy(TABLE[["shop", "a", "b"]])), expected.predict(TABLE))


@pytest.mark.parametrize("make", [as_dask, as_lazy, Tensor, Exchanged])
@pytest.mark.parametrize("cls", PLAIN_ONES)
def test_plain_estimators_compute_them_too(make, cls):
    how = {"solver": "lbfgs", "alpha": 10.0, "random_state": 0, "max_iter": 500}
    model, expected = cls(**how).fit(make(PLAIN), Y), cls(**how).fit(PLAIN.to_numpy(), Y)
    assert_array_equal(model.predict(make(PLAIN)), expected.predict(PLAIN.to_numpy()))
    assert hasattr(model, "feature_names_in_") == (make in (as_dask, as_lazy))


@pytest.mark.parametrize("make", [Tensor, Exchanged])
def test_tensors_are_arrays(make):
    fitted = TabularPreprocessor().fit(make(PLAIN))
    assert_array_equal(fitted.transform(make(PLAIN)), fitted.transform(PLAIN.to_numpy()))


@pytest.mark.parametrize("cls", [*EITHER, *PLAIN_ONES])
@pytest.mark.parametrize(
    ("X", "words"),
    [
        (Query(), "in memory.*Got test_columns.Query.*no order.*collect"),
        (OnDevice(PLAIN), "an array that numpy can read.*OnDevice.*cuda:0.*CPU"),
    ],
    ids=["query", "device"],
)
def test_what_is_elsewhere_is_refused(cls, X, words):
    with pytest.raises(TypeError, match=f"^X of {cls.__name__} must be {words}"):
        cls().fit(X, Y)


# ------------------------------------------------------- messages name the class that was called
@each_estimator
def test_messages_name_the_estimator_that_was_called(cls):
    name, X = cls.__name__, TABLE
    model = cls(**QUICK).fit(X, Y)
    bare = cls(**QUICK).fit(X.to_numpy(dtype=object), Y)
    with pytest.warns(UserWarning, match=f"names, but {name} was fitted with feature names"):
        model.predict(X.to_numpy(dtype=object))
    with pytest.warns(UserWarning, match=f"names, but {name} was fitted without feature names"):
        bare.predict(X)
    for call, words in {
        lambda: bare.predict(X.to_numpy()[:, :2]): f"but {name} is expecting 3 features",
        lambda: cls().predict(X): f"This {name} instance is not fitted",
        lambda: cls(categorical_features=["no"]).fit(X, Y): f"'categorical_.*' parameter of {name}",
        lambda: model.predict(X["a"]): f"X of {name} must be",
        lambda: model.fit(X[:0], Y[:0]): f"X of {name} must have at least one row",
        lambda: model.fit(X, Y, X_val={}, y_val=Y): rf"X of {name} must be.*in X_val of {name}",
    }.items():
        with pytest.raises(ValueError, match=words) as caught:
            call()
        assert "TabularPreprocessor" not in str(caught.value)


def test_warnings_are_those_of_a_frame_fitted_by_name():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = TabularMLPClassifier(**QUICK).fit(PLAIN.to_numpy(), Y)
        model.predict(pd.DataFrame(PLAIN.to_numpy()))
        model.predict(pl.DataFrame(PLAIN.to_numpy()).to_numpy())
