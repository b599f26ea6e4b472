"""ONNX graphs of tables answer as the preprocessor and the tabular estimators do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import make_column_transformer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sknn_scratch import MLPClassifier, MLPRegressor, TabularMLPClassifier, TabularMLPRegressor
from sknn_scratch.components import BinaryLogLoss, Quantile
from sknn_scratch.preprocessing import TabularPreprocessor

runtime = pytest.importorskip("onnxruntime")
pytest.importorskip("skl2onnx")
pandas = pytest.importorskip("pandas")

from sknn_scratch.onnx import feed, to_onnx  # noqa: E402

DTYPES = {"tensor(double)": "f8", "tensor(float)": "f4", "tensor(int64)": "i8", "tensor(bool)": "?"}
N = 150
HOURS = np.datetime64("2019-12-30T00", "ms") + np.arange(N).astype("m8[h]") * 7
WORDS = np.array(["red", "green", "blue", "a rare one", ""], dtype=object)


def fed(column, kind, missing):
    """Return a column as a graph takes it, times in milliseconds."""
    if kind == "tensor(string)":
        values = [v if isinstance(v, str) else missing for v in np.asarray(column, dtype=object)]
        return np.array(values, dtype=object)[:, None]
    values = np.asarray(column)
    if values.dtype.kind == "O" and kind in ("tensor(double)", "tensor(float)"):
        values = np.array([np.nan if pandas.isna(v) else v for v in values])
    if values.dtype.kind == "M":
        values = values.astype("M8[ms]").astype(np.int64)
    elif values.dtype.kind == "m":
        values = values / np.timedelta64(1, "s")
    with np.errstate(over="ignore"):
        return values.astype(DTYPES[kind])[:, None]


def session_of(model, example, **options):
    settings = runtime.SessionOptions()
    settings.intra_op_num_threads = 1
    graph = to_onnx(model, example, **options).SerializeToString()
    return runtime.InferenceSession(graph, settings)


def run(model, example, X, missing="?", **options):
    """Return what the graph made for an example answers to X.

    ``missing`` stands for a missing string: any that is no level will do.
    """
    session = session_of(model, example, **options)
    if not hasattr(X, "columns"):
        return session.run(None, {"X": X})
    inputs = session.get_inputs()
    return session.run(None, {one.name: fed(X[one.name], one.type, missing) for one in inputs})


def check(model, example, X, atol=1e-5, **options):
    """The graph's outputs are those of the model."""
    outputs = run(model, example, X, **options)
    if hasattr(model, "predict_proba"):
        labels, p = outputs
        np.testing.assert_array_equal(labels, model.predict(X))
        np.testing.assert_allclose(p, model.predict_proba(X), rtol=0, atol=atol)
    else:
        expected = model.predict(X) if hasattr(model, "predict") else model.transform(X)
        (y_pred,) = outputs
        scale = max(1.0, np.abs(expected).max())
        shape = (len(X), -1)
        np.testing.assert_allclose(y_pred, expected.reshape(shape), rtol=0, atol=atol * scale)


def table(seed=0, missing=0.1):
    """Return a frame with a column of every kind."""
    rng = np.random.default_rng(seed)
    frame = pandas.DataFrame(
        {
            "far from 0": rng.normal(5e6, 30.0, N),
            "skewed": np.exp(rng.normal(0, 3, N)),
            "single": rng.normal(size=N).astype(np.float32),
            "count": rng.integers(0, 40, N),
            "constant": np.ones(N),
            "flag": rng.random(N) < 0.4,
            "number as category": rng.choice([0.5, 1.0, 7.0], N),
            "code": pandas.Categorical(rng.integers(3, 7, N)),
            "colour": rng.choice(WORDS, N, p=[0.4, 0.3, 0.2, 0.05, 0.05]),
            "when": rng.permutation(HOURS),
            "how long": rng.integers(0, 10**6, N).astype("m8[s]"),
        }
    )
    for name in ("far from 0", "skewed", "single", "colour", "when", "number as category"):
        frame.loc[rng.random(N) < missing, name] = None
    return frame


FRAME = table()
CATEGORIES = ["number as category"]
BIG = np.abs(np.nan_to_num(FRAME["far from 0"] - 5e6)) + FRAME["count"] * FRAME["flag"]
CLASSES = {
    "two": np.where(BIG > 20, "many", "few"),
    "three": np.digitize(BIG, [15, 35]) * 10,
    "booleans": np.asarray(BIG > 20),
}


def strange(frame):
    """Return rows as they were not in fit."""
    frame = frame.copy()
    frame["skewed"] = np.tile([1e300, -1e300, 0.0, 1e-300, np.nan], N // 5)
    frame["colour"] = np.tile(np.array(["unheard of", "red"], dtype=object), N // 2)
    frame["number as category"] = np.tile([1.0, 2.0, np.nan], N // 3)
    frame["when"] = HOURS - np.timedelta64(80 * 365, "D")
    return frame


# ------------------------------------------------------------------------------- the preprocessor
@pytest.mark.parametrize("n_bins", [0, 5, 16])
@pytest.mark.parametrize("max_categories", [2, 100])
def test_the_preprocessor(n_bins, max_categories):
    params = {"n_bins": n_bins, "max_categories": max_categories}
    model = TabularPreprocessor(categorical_features=CATEGORIES, **params).fit(FRAME)
    for X in FRAME, table(1, missing=0.5), strange(FRAME):
        check(model, FRAME, X, atol=2e-6)


numbers = st.floats(-1e12, 1e12) | st.sampled_from([0.0, 1.0, np.nan])


@st.composite
def columns(draw):
    """Return rows of numbers and words, some of them missing."""
    n = draw(st.integers(1, 40))
    words = st.sampled_from(["a", "b", "c", "dd", None])
    frame = {
        f"{kind}{k}": draw(st.lists(some, min_size=n, max_size=n))
        for kind, some in (("number", numbers), ("word", words))
        for k in range(draw(st.integers(0, 3)))
    }
    return pandas.DataFrame(frame or {"nothing": [0.0] * n})


@settings(deadline=None, max_examples=60)
@given(columns(), st.integers(0, 9), st.integers(1, 4))
def test_drawn_tables(frame, n_bins, max_categories):
    words = [name for name in frame if name.startswith("word")]
    model = TabularPreprocessor(
        n_bins=n_bins, max_categories=max_categories, categorical_features=words
    ).fit(frame)
    if any(not frame[name].notna().any() for name in words):
        return
    check(model, frame, frame, atol=2e-6, missing="")


@pytest.mark.parametrize("kind", ["f4", "f8", "i8", "?", "M8[s]", "m8[s]"])
def test_arrays_of_one_type(kind):
    X = np.random.default_rng(0).integers(0, 5, size=(60, 3)).astype(kind)
    inputs = X.astype("M8[ms]").astype("i8") if kind[0] == "M" else X
    inputs = X / np.timedelta64(1, "s") if kind[0] == "m" else inputs
    model = TabularPreprocessor().fit(X)
    (out,) = run(model, X, inputs)
    np.testing.assert_allclose(out, model.transform(X), rtol=0, atol=2e-6)


def test_a_list_of_rows():
    X = [[1.0, 2.0], [3.0, 4.5], [np.nan, 7.0]]
    model = TabularPreprocessor().fit(X)
    (out,) = run(model, X, np.array(X))
    np.testing.assert_allclose(out, model.transform(X), rtol=0, atol=2e-6)


def test_an_array_of_strings():
    X = WORDS[np.random.default_rng(0).integers(0, 4, size=(60, 2))]
    model = TabularPreprocessor().fit(X.astype(str))
    (out,) = run(model, X.astype(str), X)
    np.testing.assert_array_equal(out, model.transform(X.astype(str)))


def test_an_array_of_objects_has_an_input_for_each_column():
    X = FRAME[["count", "colour", "far from 0"]].to_numpy(dtype=object)
    model = TabularPreprocessor().fit(X)
    frame = pandas.DataFrame(X, columns=["x0", "x1", "x2"])
    (out,) = run(model, X, frame)
    np.testing.assert_allclose(out, model.transform(X), rtol=0, atol=2e-6)


def test_columns_in_another_order():
    model = TabularPreprocessor().fit(FRAME)
    check(model, FRAME[FRAME.columns[::-1]], FRAME, atol=2e-6)


def test_frames_of_polars():
    polars = pytest.importorskip("polars")
    frame = FRAME[["count", "single", "flag", "when", "colour"]]
    plain = {name: frame[name].astype(object).where(frame[name].notna(), None) for name in frame}
    X = polars.DataFrame({name: list(column) for name, column in plain.items()})
    model = TabularPreprocessor().fit(X)
    (out,) = run(model, X, frame)
    np.testing.assert_allclose(out, model.transform(X), rtol=0, atol=2e-6)


def test_integers_of_64_bits_as_categories():
    X = 2**53 + np.random.default_rng(0).integers(0, 4, size=(60, 1))
    model = TabularPreprocessor(categorical_features=[0]).fit(X)
    (out,) = run(model, X, X)
    np.testing.assert_array_equal(out, model.transform(X))
    assert out.any(axis=0).sum() == 4


# -------------------------------------------------------------------------------- the estimators
@pytest.mark.parametrize("target", CLASSES)
@pytest.mark.parametrize("loss", ["log_loss", BinaryLogLoss(), "focal"], ids=str)
def test_classifiers(target, loss):
    if target == "three" and isinstance(loss, BinaryLogLoss):
        loss = "log_loss"
    model = TabularMLPClassifier(
        "fast", loss=loss, max_iter=4, min_steps=0, categorical_features=CATEGORIES, random_state=0
    ).fit(FRAME, CLASSES[target])
    for X in FRAME, table(1, missing=0.5), strange(FRAME):
        check(model, FRAME, X)


@pytest.mark.parametrize("loss", ["squared_error", "poisson", "quantile", Quantile((0.1, 0.5))])
@pytest.mark.parametrize("params", [{}, {"clip": False, "link": "identity", "activation": "gelu"}])
def test_regressors(loss, params):
    model = TabularMLPRegressor(
        "fast", loss=loss, max_iter=4, min_steps=0, random_state=0, **params
    ).fit(FRAME, BIG)
    for X in FRAME, table(1, missing=0.5):
        check(model, FRAME, X)


def test_several_targets():
    Y = np.stack([BIG, -BIG], axis=1)
    model = TabularMLPRegressor("fast", max_iter=4, random_state=0).fit(FRAME, Y)
    check(model, FRAME, FRAME)
    assert run(model, FRAME, FRAME)[0].shape == (N, 2)


def test_a_single_class():
    y = np.full(N, "one")
    model = TabularMLPClassifier("fast", max_iter=2, random_state=0).fit(FRAME, y)
    check(model, FRAME, FRAME)


def test_precision():
    model = TabularMLPClassifier("fast", max_iter=4, random_state=0)
    few = FRAME[["single", "colour", "flag"]]
    model.fit(few, CLASSES["two"])
    assert run(model, few, few)[1].dtype == np.float32
    assert run(model, FRAME[few.columns], few, dtype="float64")[1].dtype == np.float64
    check(model, few, few, dtype="float64")


# ----------------------------------------------------------------------------------- pipelines
def test_a_pipeline_of_the_preprocessor_and_a_network():
    network = MLPClassifier((8,), solver="lbfgs", alpha=1, max_iter=3000, random_state=0)
    model = make_pipeline(TabularPreprocessor(), network).fit(FRAME, CLASSES["three"])
    check(model, FRAME, FRAME)
    y = np.asarray(BIG)
    network = MLPRegressor(
        hidden_layer_sizes=(8,), solver="lbfgs", alpha=10, max_iter=3000, random_state=0
    )
    model = make_pipeline(TabularPreprocessor(), network)
    check(model.fit(FRAME, y), FRAME, FRAME)


def test_a_search_over_a_tabular_estimator():
    model = TabularMLPClassifier("fast", max_iter=2, random_state=0)
    search = GridSearchCV(model, {"n_bins": [0, 8]}, cv=2).fit(FRAME, CLASSES["two"])
    check(search, FRAME, FRAME)


def test_behind_another_step():
    columns = make_column_transformer(
        (StandardScaler(), ["count", "single"]),
        (OneHotEncoder(sparse_output=False), ["colour"]),
    )
    frame = table(missing=0.0)[["count", "single", "colour"]].astype({"count": np.float32})
    model = make_pipeline(columns, TabularMLPClassifier("fast", max_iter=2, random_state=0))
    check(model.fit(frame, CLASSES["two"]), frame, frame)


# ------------------------------------------------------------------------------ types of inputs
def inputs_of(model, X, **options):
    """Return the type of each input."""
    session = runtime.InferenceSession(to_onnx(model, X, **options).SerializeToString())
    return {one.name: one.type[7:-1] for one in session.get_inputs()}


def test_fit_decides_what_an_integer_goes_in_as():
    X = pandas.DataFrame({"whole": range(40), "fraction": 0.5, "lacking": range(40)})
    X["lacking"] = X["lacking"].astype("Int64").mask(X["whole"] < 9)
    X["fraction"] += X["whole"]
    expected = {"whole": "int64", "fraction": "double", "lacking": "double"}
    model = TabularPreprocessor().fit(X)
    for rows in X, X.tail(5), X.tail(5).astype({"lacking": int}), X.tail(5).astype(object):
        assert inputs_of(model, rows) == expected
    assert inputs_of(model, X.assign(whole=X["lacking"]))["whole"] == "double"
    check(model, X.tail(5), X.astype({"lacking": float}), atol=2e-6)
    silent = TabularPreprocessor(add_indicator=False).fit(X)
    assert inputs_of(silent, X.tail(5))["lacking"] == "double"


def test_times_do_not_move_the_places_of_indicators():
    X = pandas.DataFrame({"when": HOURS, "whole": range(N), "lacking": np.arange(N) * 1.0})
    X.loc[:9, "lacking"] = np.nan
    X.loc[:19, "when"] = None
    model = TabularPreprocessor().fit(X)
    expected = {"when": "int64", "whole": "int64", "lacking": "double"}
    assert inputs_of(model, X.tail(9).astype({"lacking": int})) == expected


def test_columns_that_are_all_missing():
    kinds = inputs_of(model := TabularPreprocessor().fit(FRAME), FRAME)
    nothing = pandas.DataFrame({name: [None] * 9 for name in FRAME}, dtype=object)
    for lost in nothing, nothing.astype(float), nothing.astype("Int64"):
        now = inputs_of(model, lost)
        for name in "when", "colour", "far from 0":
            assert now[name] == kinds[name]
        assert now["flag"] == now["code"] == "double"
        check(model, lost, nothing.assign(when=np.full(9, "NaT", "M8[ms]")), atol=2e-6)


@pytest.mark.parametrize(
    ("levels", "rows", "kind"),
    [
        ([True, False], [True, True], "bool"),
        ([True, False], [True, None], "double"),
        ([3, 4, 5], [3, 4], "int64"),
        ([3, 4, 5], [3, None], "double"),
        ([3, 4.5, 5], [3, 4], "double"),
        (["a", "b"], ["a", None], "string"),
        (["a", "b"], [None, None], "string"),
        ([True, False], [None, None], "double"),
        ([np.True_, np.False_], [np.True_], "bool"),
    ],
)
def test_levels_decide_what_a_category_goes_in_as(levels, rows, kind):
    X = pandas.DataFrame({"c": np.array(levels * 9, dtype=object)})
    model = TabularPreprocessor(categorical_features=["c"]).fit(X)
    given = pandas.DataFrame({"c": np.array(rows, dtype=object)})
    assert inputs_of(model, given) == {"c": kind}
    X.loc[3] = None if kind in ("string", "double") else X.loc[0]
    check(model, given, X, atol=2e-6, missing="")


@pytest.mark.parametrize("name", ["far from 0", "count", "when", "code"])
def test_strings_where_fit_had_none(name):
    model = TabularPreprocessor().fit(FRAME)
    with pytest.raises(TypeError, match=rf"Column '{name}' of X .* must hold (numb|tim).*Got str"):
        to_onnx(model, FRAME.assign(**{name: "1"}))
    with pytest.raises(TypeError, match=r"Column 'when' of X in to_onnx must hold times.*Got num"):
        to_onnx(model, FRAME.assign(when=1.0))
    with pytest.raises(TypeError, match=r"Column 'colour' .* must hold strings.*Got times"):
        to_onnx(model, FRAME.assign(colour=HOURS))


@pytest.mark.parametrize("dtype", ["float32", "float64", None])
def test_categories_of_fractions_keep_their_digits(dtype):
    frame = pandas.DataFrame({"c": np.tile([0.1, 0.2, 0.7], 20), "x": np.arange(60) / 60})
    model = TabularPreprocessor(categorical_features=["c"]).fit(frame)
    check(model, frame, frame, dtype=dtype)
    assert inputs_of(model, frame, dtype=dtype)["c"] == "double"
    X = frame.to_numpy()
    model = TabularPreprocessor(categorical_features=[0]).fit(X)
    np.testing.assert_allclose(run(model, X, X, dtype=dtype)[0], model.transform(X), atol=2e-6)
    X = X.astype(np.float32)
    model = TabularPreprocessor(categorical_features=[0]).fit(X)
    X = X.astype(dtype or "float32")
    expected = model.transform(X)
    np.testing.assert_allclose(
        run(model, X.astype("f4"), X, dtype=dtype)[0], expected, rtol=0, atol=2e-6
    )


def test_levels_that_no_integer_is():
    from skl2onnx import to_onnx as theirs
    from skl2onnx.common.data_types import Int64TensorType

    for odd in np.inf, 0.5, 1e30:
        X = pandas.DataFrame({"c": [1.0, 2.0, odd] * 9})
        model = TabularPreprocessor(categorical_features=["c"]).fit(X)
        graph = theirs(model, initial_types=[("c", Int64TensorType([None, 1]))])
        session = runtime.InferenceSession(graph.SerializeToString())
        (out,) = session.run(None, {"c": np.array([[1], [2], [3]])})
        rows = pandas.DataFrame({"c": [1.0, 2.0, 3.0]})
        np.testing.assert_array_equal(out, model.transform(rows))


def test_names_that_are_numbers_or_none():
    frame = FRAME[["count", "single"]].set_axis([3, 7], axis=1)
    model = TabularPreprocessor().fit(frame)
    assert inputs_of(model, frame) == {"3": "int64", "7": "float"}
    assert inputs_of(model, frame.to_numpy(dtype=object)) == {"x0": "int64", "x1": "double"}
    model = TabularPreprocessor().fit(FRAME[["single", "count"]].to_numpy())
    graph = inputs_of(model, FRAME[["single", "far from 0"]])
    assert graph == {"single": "float", "far from 0": "double"}


@pytest.mark.parametrize("dtype", ["float32", "float64", None])
def test_precision_of_results_without_reals(dtype):
    few = FRAME[["count", "colour", "when"]]
    model = TabularMLPClassifier("fast", max_iter=2, random_state=0).fit(few, CLASSES["two"])
    assert run(model, few, few, dtype=dtype)[1].dtype == (dtype or "float64")
    model = TabularMLPRegressor("fast", max_iter=2, random_state=0).fit(few, BIG)
    assert run(model, few, few, dtype=dtype)[0].dtype == (dtype or "float64")


@pytest.mark.parametrize("target_opset", [11, 12, 13])
def test_older_sets_of_operators(target_opset):
    model = TabularMLPClassifier("fast", max_iter=2, random_state=0).fit(FRAME, CLASSES["three"])
    check(model, FRAME, FRAME, target_opset=target_opset)


# ----------------------------------------------------------------------------------- bad input
def test_behind_columns_of_several_types():
    columns = make_column_transformer(
        (TabularPreprocessor(), ["far from 0", "colour"]), (StandardScaler(), ["count"])
    )
    network = MLPClassifier((3,), solver="lbfgs", alpha=1, max_iter=3000, random_state=0)
    model = make_pipeline(columns, network).fit(FRAME, CLASSES["two"])
    with pytest.raises(TypeError, match=r"'far from 0' must .* numbers\. Got strings.*the first"):
        to_onnx(model, FRAME)
    columns = make_column_transformer(("passthrough", ["when", "colour"]))
    columns.set_output(transform="pandas")
    estimator = TabularMLPClassifier("fast", max_iter=2, random_state=0)
    model = make_pipeline(columns, estimator).fit(FRAME, CLASSES["two"])
    with pytest.raises(TypeError, match=r"when' must .* int64 milliseconds\. Got strings"):
        to_onnx(model, FRAME)


@pytest.mark.parametrize("name", ["label", "probabilities"])
def test_columns_that_are_called_as_results(name):
    frame = FRAME[["count", "colour"]].set_axis([name, "variable"], axis=1)
    model = TabularMLPClassifier("fast", max_iter=2, random_state=0).fit(frame, CLASSES["two"])
    with pytest.raises(ValueError, match=rf"must not have the names of results .*'{name}'.*rename"):
        to_onnx(model, frame)
    with pytest.raises(ValueError, match=r"must not have the names of results .*'variable'"):
        to_onnx(TabularPreprocessor().fit(frame), frame)


def test_columns_that_were_not_there():
    model = TabularPreprocessor().fit(FRAME)
    with pytest.raises(ValueError, match=r"rows of 11 column\(s\), as in fit\. Got the shape"):
        to_onnx(model, FRAME.assign(new=1))


def test_categories_of_several_types():
    X = np.array([[1], ["one"], [2.5], ["two"]] * 5, dtype=object)
    model = TabularPreprocessor().fit(X)
    with pytest.raises(TypeError, match=r"categories of column 0 must be all strings or all num"):
        to_onnx(model, X)


def test_categories_of_another_type_than_in_fit():
    model = TabularPreprocessor(categorical_features=CATEGORIES).fit(FRAME)
    with pytest.raises(TypeError, match=r"'number as category'.*numbers, as in fit\. Got str"):
        to_onnx(model, FRAME.assign(**{"number as category": "1.0"}))


def test_columns_that_are_not_there():
    model = TabularPreprocessor().fit(FRAME)
    with pytest.raises(ValueError, match=r"X of to_onnx .* all columns of fit\..*'skewed'"):
        to_onnx(model, FRAME.drop(columns="skewed"))
    model = TabularPreprocessor().fit(FRAME.to_numpy(dtype=object))
    with pytest.raises(ValueError, match=r"rows of 11 column.*shape \(150, 10\)"):
        to_onnx(model, FRAME.to_numpy(dtype=object)[:, :10])


# ------------------------------------------------------------------------------------------ feeding
def assert_same_inputs(found, expected):
    assert found.keys() == expected.keys()
    for name, values in found.items():
        assert values.dtype == expected[name].dtype, name
        np.testing.assert_array_equal(values, expected[name], err_msg=name)


@pytest.mark.parametrize("dtype", [None, "float32"])
def test_feed(dtype):
    model = TabularPreprocessor(categorical_features=CATEGORIES).fit(FRAME)
    # In float32 the column far from 0 loses digits, and the graph differs from the model.
    how = {"dtype": dtype, "check": dtype != "float32"}
    session = session_of(model, FRAME, **how)
    for X in FRAME, table(1, missing=0.5), strange(FRAME):
        expected = {i.name: fed(X[i.name], i.type, "?") for i in session.get_inputs()}
        assert_same_inputs(feed(session, X[X.columns[::-1]], missing="?"), expected)
    np.testing.assert_allclose(
        session.run(None, feed(session, FRAME, missing="?"))[0],
        run(model, FRAME, FRAME, **how)[0],
    )


def test_feed_of_polars():
    polars = pytest.importorskip("polars")
    frame = FRAME[["count", "single", "flag", "when", "colour"]]
    plain = {name: frame[name].astype(object).where(frame[name].notna(), None) for name in frame}
    X = polars.DataFrame({name: list(column) for name, column in plain.items()})
    session = session_of(TabularPreprocessor().fit(X), X)
    expected = {i.name: fed(frame[i.name], i.type, "?") for i in session.get_inputs()}
    assert_same_inputs(feed(session, X, missing="?"), expected)


def test_feed_of_arrays():
    X = np.random.default_rng(0).integers(0, 5, size=(60, 3)).astype(float)
    session = session_of(TabularPreprocessor().fit(X), X)
    assert_same_inputs(feed(session, X), {"X": X})
    mixed = FRAME[["count", "colour", "flag"]].to_numpy(dtype=object)
    session = session_of(TabularPreprocessor().fit(mixed), mixed)
    inputs = feed(session, mixed, missing="?")
    assert {name: values.shape for name, values in inputs.items()} == {
        "x0": (N, 1),
        "x1": (N, 1),
        "x2": (N, 1),
    }
    assert inputs["x1"][:, 0].tolist() == [v if isinstance(v, str) else "?" for v in mixed[:, 1]]
    network = MLPRegressor(hidden_layer_sizes=(3,), solver="lbfgs", max_iter=500, random_state=0)
    session = session_of(network.fit(X, X[:, 0]), X.astype(np.float32))
    assert_same_inputs(feed(session, X), {"X": X.astype(np.float32)})


def test_what_cannot_be_fed():
    few = FRAME[["count", "flag"]]
    session = session_of(TabularPreprocessor().fit(few), few)
    with pytest.raises(ValueError, match=r"X of feed must have a column .*Got none for \['flag'\]"):
        feed(session, few[["count"]])
    gone = few.astype({"count": "Int64"})
    gone.loc[3, "count"] = None
    with pytest.raises(ValueError, match=r"'count' of X must have no missing values.* as int64"):
        feed(session, gone)


# --------------------------------------------------------------- fine times, and names of any type
STEPS = np.random.default_rng(0).permutation(900)[:60] + 1
UNITS = {"s": None, "ms": None, "us": "us", "ns": "ns"}


def stamped(unit):
    """Return times that lie a few units apart, one of them missing, beside a whole number."""
    times = np.datetime64("2024-02-28T23:59", unit) + STEPS.astype(f"m8[{unit}]")
    times[3] = "NaT"
    return pandas.DataFrame({"when": times, "count": STEPS % 7})


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("as_array", [False, True])
def test_graphs_take_times_in_the_unit_of_fit(unit, as_array):
    X = stamped(unit)
    X = X[["when"]].to_numpy() if as_array else X
    model = TabularPreprocessor(n_bins=4).fit(X)
    assert (
        np.unique(model.transform(X)[:, 0 if as_array else 1]).size == len(STEPS) - 1
    )  # the missing one is at the median
    session = session_of(model, X)
    assert session.get_modelmeta().custom_metadata_map.get("sknn_scratch.time_unit") == UNITS[unit]
    (out,) = session.run(None, feed(session, X))
    np.testing.assert_allclose(out, model.transform(X), rtol=0, atol=2e-6)


def test_fine_times_in_a_pipeline_and_in_an_estimator():
    X = stamped("ns")
    y = np.nan_to_num(STEPS * 1.0)
    network = MLPRegressor(
        hidden_layer_sizes=(4,), solver="lbfgs", alpha=10, max_iter=3000, random_state=0
    )
    for model in (
        make_pipeline(TabularPreprocessor(), network),
        TabularMLPRegressor("fast", max_iter=4, random_state=0),
        GridSearchCV(TabularMLPRegressor("fast", max_iter=2, random_state=0), {"n_bins": [4]}),
    ):
        session = session_of(model.fit(X, y), X)
        (out,) = session.run(None, feed(session, X))
        np.testing.assert_allclose(out[:, 0], model.predict(X), rtol=1e-5)


@pytest.mark.parametrize(
    "names", [[7, 3], ["7", 7], [("a", 1), ("a", 2)], [None, 0.5], [True, "True"]], ids=repr
)
def test_graphs_of_names_that_are_no_strings(names):
    X = FRAME[["count", "single"]].set_axis(
        pandas.Index(names, dtype=object, tupleize_cols=False), axis=1
    )
    model = TabularPreprocessor().fit(X)
    session = session_of(model, X[X.columns[::-1]])
    assert [one.type for one in session.get_inputs()] == ["tensor(int64)", "tensor(float)"]
    assert len({one.name for one in session.get_inputs()}) == 2
    (out,) = session.run(None, feed(session, X))
    np.testing.assert_allclose(out, model.transform(X), rtol=0, atol=2e-6)
    with pytest.raises(ValueError, match=r"X of to_onnx must have all columns of fit\. Got none"):
        to_onnx(model, X.set_axis(["other", "names"], axis=1))


@pytest.mark.parametrize("later", [["a", "b"], [1.5, 2.5], [None, None], [3, 4]])
def test_graphs_ignore_columns_that_were_missing_throughout(later):
    X = pandas.DataFrame({"x": np.arange(9.0), "s": pandas.Series([None] * 9, dtype=object)})
    model = TabularPreprocessor().fit(X)
    rows = pandas.DataFrame({"x": [1.0, 2.0], "s": later})
    session = session_of(model, rows)
    (out,) = session.run(None, feed(session, rows))
    np.testing.assert_allclose(out, model.transform(rows), rtol=0, atol=2e-6)


def test_times_of_day_and_durations_as_objects():
    times = (
        [np.timedelta64(int(k), "us") for k in STEPS],
        [HOURS[k].item().time() for k in STEPS % N],
    )
    X = pandas.DataFrame({"span": times[0], "clock": times[1]}, dtype=object)
    model = TabularPreprocessor().fit(X)
    session = session_of(model, X)
    assert inputs_of(model, X) == {"span": "double", "clock": "double"}
    (out,) = session.run(None, feed(session, X))
    np.testing.assert_allclose(out, model.transform(X), rtol=0, atol=2e-6)
