"""What is no table, and parameters that name no column: one sentence each, naming what is wrong."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from sknn_scratch import TabularMLPClassifier, TabularMLPRegressor
from sknn_scratch.preprocessing import TabularPreprocessor

TABLE = np.arange(12.0).reshape(6, 2)
FRAME = pd.DataFrame(TABLE, columns=["a", "b"])
Y = [0, 1] * 3
A_TABLE = r"must be a DataFrame or a two-dimensional array, with a row for each sample\. Got "
AN_ENTRY = r"must have at least one row and one column\. Got 0 "
BAD_TABLES = {
    "dict": (lambda: {"a": [1, 2]}, A_TABLE + r".*\(dict\): make it a table .*pandas\.DataFrame"),
    "records": (lambda: [{"a": 1}, {"a": 2}], A_TABLE + r".*\(2,\): make .*pandas\.DataFrame"),
    "None": (lambda: None, A_TABLE + "None: make"),
    "set": (lambda: {1, 2}, A_TABLE + r"\{1, 2\} \(set\)"),
    "generator": (lambda: (row for row in TABLE), A_TABLE + r".*\(generator\)"),
    "string": (lambda: "a.csv", A_TABLE + r"'a\.csv' \(str\)"),
    "bytes": (lambda: b"a", A_TABLE + r"b'a' \(bytes\)"),
    "scalar": (lambda: 3.5, A_TABLE + r"3\.5 \(float\)"),
    "array without an axis": (lambda: np.array(3), A_TABLE + r"array\(3\)"),
    "function": (lambda: len, A_TABLE + r".*builtin_function"),
    "class": (lambda: pd.DataFrame, A_TABLE + r".*\(type\)"),
    "vector": (lambda: TABLE[:, 0], A_TABLE + r".*\(6,\): Reshape .*reshape\(-1, 1\)"),
    "list": (lambda: [1.0, 2.0], A_TABLE + r".*\(2,\): Reshape your data"),
    "list of strings": (lambda: ["a", "b"], A_TABLE + r".*\(2,\): Reshape your data"),
    "empty list": (lambda: [], A_TABLE + r".*\(0,\)"),
    "rows of several lengths": (lambda: [[1, 2], [3]], A_TABLE + ".*same number of values"),
    "Series": (lambda: FRAME["a"], A_TABLE + r".*to_frame\(\)"),
    "Series of words": (lambda: pd.Series(["a", "b"]), A_TABLE + r".*to_frame\(\)"),
    "Index": (lambda: FRAME.columns, A_TABLE),
    "cube": (lambda: TABLE[None], A_TABLE + r".*\(1, 6, 2\): Reshape .*len\(X\), -1"),
    "nested rows": (lambda: [[[1.0]]], A_TABLE + r".*\(1, 1, 1\)"),
    "structured": (lambda: FRAME.to_records(), A_TABLE + ".*recarray.*pandas.DataFrame"),
    "complex": (lambda: TABLE + 1j, A_TABLE + "complex numbers: split"),
    "no rows": (lambda: TABLE[:0], AN_ENTRY + r"sample\(s\) \(shape=\(0, 2\)\)"),
    "no columns": (lambda: TABLE[:, :0], AN_ENTRY + r"feature\(s\) \(shape=\(6, 0\)\)"),
    "a frame without rows": (lambda: FRAME[:0], AN_ENTRY + "sample"),
    "a frame without columns": (lambda: FRAME[[]], AN_ENTRY + "feature"),
    "rows without columns": (lambda: [[]], AN_ENTRY + "feature"),
}
CLASSES = [TabularPreprocessor, TabularMLPClassifier, TabularMLPRegressor]
each_class = pytest.mark.parametrize("cls", CLASSES)


def in_words(cls, words):
    return pytest.raises(ValueError, match=f"^X of {cls.__name__} {words}")


def one_sentence(error):
    """Tell whether a message is a single paragraph."""
    return "\n" not in str(error)


@each_class
@pytest.mark.parametrize(("make", "words"), BAD_TABLES.values(), ids=BAD_TABLES)
def test_what_is_no_table(cls, make, words):
    with in_words(cls, words) as caught:
        cls().fit(make(), Y)
    assert one_sentence(caught.value)


@pytest.fixture(scope="module")
def fitted():
    how = {"effort": "fast", "n_ensemble": 1, "max_iter": 1, "min_steps": 0, "random_state": 0}
    return [TabularPreprocessor().fit(TABLE), TabularMLPClassifier(**how).fit(TABLE, Y)]


@pytest.mark.parametrize(("make", "words"), BAD_TABLES.values(), ids=BAD_TABLES)
def test_what_is_no_table_later(fitted, make, words):
    preprocessor, model = fitted
    with in_words(TabularPreprocessor, words):
        preprocessor.transform(make())
    with in_words(TabularMLPClassifier, words):
        model.predict_proba(make())


@each_class
def test_sparse_tables(cls):
    with pytest.raises(TypeError, match=r"Sparse data was passed for X.*toarray\(\)"):
        cls().fit(csr_matrix(TABLE), Y)


DUPLICATES = {
    "strings": ["a", "a"],
    "integers": [1, 1],
    "tuples": [("a", 1), ("a", 1)],
    "equal numbers": [1, 1.0],
    "missing": [None, None],
}


@each_class
@pytest.mark.parametrize("names", DUPLICATES.values(), ids=DUPLICATES)
def test_columns_of_one_name(cls, names):
    X = FRAME.set_axis(pd.Index(names, dtype=object, tupleize_cols=False), axis=1)
    for chosen in ("from_dtype", names[:1]):
        with pytest.raises(ValueError, match=r"The columns of X must have different names\. Got"):
            cls(categorical_features=chosen).fit(X, Y)


BAD_CHOICES = {
    "a list in it": ([["a"]], r"names among \['a', 'b'\]\. Got \[\['a'\]\]"),
    "a dict in it": ([{}], r"Got \[\{\}\]"),
    "a dict": ({"a": True}, r"Got \[\{'a': True\}\]"),
    "a matrix": (np.array([["a", "b"]]), r"Got \[array"),
    "a frame": (FRAME, "one boolean|names among|columns"),
    "a name that is not there": (["a", "z"], r"Got \['z'\]"),
    "a number below 0": ([-1], r"Got \[-1\]"),
    "a number too large": ([2], r"Got \[2\]"),
    "a fraction": ([0.5], r"Got \[0\.5\]"),
    "None in it": ([None], r"Got \[None\]"),
    "too few booleans": ([True], r"one boolean for each of 2 columns\. Got 1:"),
    "too many booleans": (np.ones(3, bool), r"one boolean for each of 2 columns\. Got 3:"),
    "a tuple in it": ([("a", "b")], r"Got \[\('a', 'b'\)\]"),
}


@each_class
@pytest.mark.parametrize(("chosen", "words"), BAD_CHOICES.values(), ids=BAD_CHOICES)
def test_categorical_features_that_name_no_column(cls, chosen, words):
    if chosen is FRAME:
        chosen = FRAME.rename(columns={"a": "x"})
    must = rf"^The 'categorical_features' parameter of {cls.__name__} must hold .*"
    with pytest.raises(ValueError, match=must + words) as caught:
        cls(categorical_features=chosen).fit(FRAME, Y)
    assert one_sentence(caught.value)


@pytest.mark.parametrize(
    "chosen",
    [["a"], ("a",), {"a"}, ["a", "a"], ["a", 0], [0], [np.int64(0)], pd.Index(["a"]),
     np.array([True, False]), pd.Series([True, False]), [np.True_, np.False_]],
    ids=repr,
)  # fmt: skip
def test_ways_to_name_a_column(chosen):
    fitted = TabularPreprocessor(categorical_features=chosen).fit(FRAME)
    assert fitted.kinds_ == ("category", "number")


def test_no_column_named():
    for none in ([], (), np.array([]), None, "from_dtype"):
        assert TabularPreprocessor(categorical_features=none).fit(FRAME).kinds_ == ("number",) * 2


def test_many_names_are_not_all_listed():
    X = pd.DataFrame(np.zeros((3, 500)), columns=[f"column {k}" for k in range(500)])
    with pytest.raises(ValueError, match=r"'column 19', \.\.\.\]\. Got \['z'\]") as caught:
        TabularPreprocessor(categorical_features=["z"]).fit(X)
    assert len(str(caught.value)) < 500
