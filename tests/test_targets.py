"""Targets in every form that they come in: read for what they are, or refused in a sentence."""

import datetime
import os
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import coo_array, csc_array, csr_array, csr_matrix

from sknn_scratch import MLPClassifier, MLPRegressor, TabularMLPClassifier
from sknn_scratch.fitting._targets import as_labels

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N = 12
X = np.random.default_rng(0).normal(size=(N, 3))
ONES = np.arange(N) % 2
WORDS = np.where(ONES, "yes", "no")
MATRIX = np.c_[ONES, 1 - ONES, np.ones(N, int)]


def classifier(**params):
    return MLPClassifier((3,), max_iter=2, random_state=0, **params)


def objects(values):
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


# ----------------------------------------------------------------------- indicators of labels
NOT_INDICATORS = {
    "-1 and 1": 2 * MATRIX - 1,
    "0 and 2": 2 * MATRIX,
    "0 and -1": -MATRIX,
    "0 and 255": (255 * MATRIX).astype(np.uint8),
    "0 and 3 as floats": 3.0 * MATRIX,
    "1 and 2": MATRIX + 1,
    "fives": np.full((N, 2), 5),
    "0 and 2 as objects": (2 * MATRIX).astype(object),
    "0 and 2 in a frame": pd.DataFrame(2 * MATRIX).astype("Int64"),
    "sparse 2": csr_array(2 * MATRIX),
    "sparse -1": csc_array(-MATRIX),
    "sparse floats": coo_array(2.0 * MATRIX),
}
INDICATORS = {
    "integers": MATRIX,
    "lists": MATRIX.tolist(),
    "small integers": MATRIX.astype(np.int8),
    "unsigned": MATRIX.astype(np.uint8),
    "booleans": MATRIX == 1,
    "floats": MATRIX * 1.0,
    "objects": MATRIX.astype(object),
    "boolean objects": (MATRIX == 1).astype(object),
    "frame": pd.DataFrame(MATRIX),
    "nullable frame": pd.DataFrame(MATRIX).astype("Int64"),
    "nullable booleans": pd.DataFrame(MATRIX == 1).astype("boolean"),
    "sparse": csr_array(MATRIX),
    "sparse booleans": csr_matrix(MATRIX == 1),
    "sparse with zeros stored": csr_array((MATRIX.ravel(), np.nonzero(MATRIX + 1))),
}
each_bad_matrix = pytest.mark.parametrize("y", NOT_INDICATORS.values(), ids=NOT_INDICATORS.keys())


@each_bad_matrix
@pytest.mark.parametrize("method", ["fit", "partial_fit", "warm fit", "y_val", "score"])
def test_other_values_than_0_and_1_are_refused(method, y):
    est = classifier(warm_start=True)
    if method in ("warm fit", "score"):
        est.fit(X, MATRIX[:, : y.shape[1]])
    call = {
        "fit": lambda: est.fit(X, y),
        "warm fit": lambda: est.fit(X, y),
        "partial_fit": lambda: est.partial_fit(X, y, classes=np.arange(y.shape[1])),
        "y_val": lambda: est.fit(X, MATRIX[:, : y.shape[1]], X_val=X, y_val=y),
        "score": lambda: est.score(X, y),
    }[method]
    with pytest.raises(ValueError, match=r"y must hold 0/1 indicators .* Got the values \[.*pass"):
        call()


def test_the_advice_for_other_values_works():
    with pytest.raises(ValueError, match=r"pass \(y == 2\)\.astype\(int\)"):
        classifier().fit(X, 2 * MATRIX)
    y = 2 * MATRIX
    advised = classifier().fit(X, (y == 2).astype(int))
    assert_array_equal(advised.theta_, classifier().fit(X, MATRIX).theta_)


@each_bad_matrix
def test_the_tabular_classifier_takes_no_matrix(y):
    with pytest.raises((ValueError, TypeError), match=r"\by\b"):
        TabularMLPClassifier("fast").fit(X, y)


@pytest.mark.parametrize("y", INDICATORS.values(), ids=INDICATORS.keys())
def test_indicators_of_every_type(y):
    plain = classifier().fit(X, MATRIX)
    est = classifier().fit(X, y)
    assert_array_equal(est.theta_, plain.theta_)
    assert est.score(X, y) == plain.score(X, MATRIX)
    on = classifier().partial_fit(X, y, classes=range(3)).partial_fit(X, y)
    assert on.classes_.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "classes", [["warm", "wet", "dry"], [0, 1], [1, 2, 3], [0.0, 1.0, 2.0, 3.0], [True, False]]
)
def test_classes_of_a_multilabel_stream(classes):
    est = classifier()
    with pytest.raises(ValueError, match=r"numbers of the labels, 0 to 2, .*np\.arange\(3\)"):
        est.partial_fit(X, MATRIX, classes=classes)
    assert not hasattr(est, "classes_")


def test_classes_of_a_multilabel_stream_are_asked_for_with_what_they_are():
    with pytest.raises(ValueError, match=r"first call to partial_fit\. .* np\.arange\(3\)"):
        classifier().partial_fit(X, MATRIX)


# ------------------------------------------------------------------------------ labels as objects
LABELS = {
    "integers": (objects(ONES.tolist()), ONES),
    "numpy's integers": (objects(list(ONES.astype(np.int16))), ONES),
    "booleans": (objects([bool(k) for k in ONES]), ONES == 1),
    "numpy's booleans": (objects(list(ONES == 1)), ONES == 1),
    "whole floats": (objects((ONES * 2.0).tolist()), ONES * 2.0),
    "integers and floats": (objects([0, 1.0] * 6), ONES * 1.0),
    "strings": (objects(WORDS.tolist()), WORDS),
    "numpy's strings": (objects(list(WORDS)), WORDS),
    "a series of objects": (pd.Series(ONES.tolist(), dtype=object), ONES),
    "categories": (pd.Series(ONES).astype("category"), ONES),
    "categories of strings": (pd.Series(WORDS).astype("category"), WORDS),
    "nullable integers": (pd.Series(ONES, dtype="Int64"), ONES),
    "small nullable integers": (pd.Series(ONES, dtype="UInt8"), ONES.astype("u1")),
    "nullable booleans": (pd.Series(ONES == 1, dtype="boolean"), ONES == 1),
    "pandas' strings": (pd.Series(WORDS, dtype="string"), WORDS),
    "one column of a frame": (pd.DataFrame({"y": pd.Series(ONES, dtype="Int64")})["y"], ONES),
    "an index": (pd.Index(ONES), ONES),
    "a range": (range(N), np.arange(N)),
}


@pytest.mark.parametrize(("y", "plain"), LABELS.values(), ids=LABELS.keys())
def test_labels_keep_their_type(y, plain):
    est = classifier().fit(X, y)
    assert_array_equal(est.theta_, classifier().fit(X, plain).theta_)
    assert_array_equal(est.classes_, np.unique(plain))
    kinds = "OU" if plain.dtype.kind == "U" else plain.dtype.kind
    assert est.classes_.dtype.kind in kinds
    assert est.score(X, y) == np.mean(est.predict(X) == plain)
    on = classifier().partial_fit(X, y, classes=y).partial_fit(X, y)
    assert_array_equal(on.classes_, np.unique(plain))


@pytest.mark.parametrize("kind", ["int64", "bool", "string"])
def test_labels_of_arrow(kind):
    pytest.importorskip("pyarrow")
    plain = {"int64": ONES, "bool": ONES == 1, "string": WORDS}[kind]
    y = pd.Series(plain).astype(f"{kind}[pyarrow]")
    est = classifier().fit(X, y)
    assert_array_equal(est.classes_, np.unique(plain))
    assert est.score(X, y) == np.mean(est.predict(X) == plain)


NO_LABELS = {
    "strings and integers": (["a", 1] * 6, "int and str"),
    "a tuple of both": (("a", 1) * 6, "int and str"),
    "an array of both": (objects(["a", 1] * 6), "int and str"),
    "booleans and integers": (objects([True, 3] * 6), "bool and int"),
    "strings and floats": (objects(["a", 2.0] * 6), "float and str"),
    "dates": (objects([datetime.date(2020, 1, 1 + k) for k in ONES]), "date"),
    "bytes": (objects([b"a", b"b"] * 6), "bytes"),
    "decimals": (objects([Decimal(1), Decimal(2)] * 6), "Decimal"),
    "fractions": (objects([Fraction(1), Fraction(2)] * 6), "Fraction"),
    "integers beyond 64 bits": (objects([10**400, 1] * 6), "int"),
    "tuples": (objects([("a",), ("b",)] * 6), "tuple"),
}


@pytest.mark.parametrize("estimator", [classifier(), TabularMLPClassifier("fast")], ids=repr)
@pytest.mark.parametrize(("y", "found"), NO_LABELS.values(), ids=NO_LABELS.keys())
def test_objects_that_are_no_labels(estimator, y, found):
    message = rf"y must hold class labels of one type: .* Got objects of type {found}: pass \["
    with pytest.raises(ValueError, match=message):
        estimator.fit(X, y)
    with pytest.raises(ValueError, match=message):
        classifier().fit(X, ONES, X_val=X, y_val=y)
    with pytest.raises(ValueError, match=message.replace("y must", "classes must")):
        classifier().partial_fit(X, ONES, classes=y)


@pytest.mark.parametrize("y", [y for y, _ in NO_LABELS.values()], ids=NO_LABELS.keys())
def test_the_advice_for_objects_works(y):
    strings = [str(label) for label in y]
    assert set(classifier().fit(X, strings).classes_) == set(strings)


def test_none_is_no_label():
    with pytest.raises(ValueError, match=r"classes must hold a class label .* Got None"):
        as_labels(objects(["a", None]), "classes")


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (X[:, 0], "for real numbers, use MLPRegressor"),
        (X[:, :2], "for real numbers, use MLPRegressor"),
        (np.c_[ONES, ONES + 2], "MultiOutputClassifier"),
        (np.array([["a", "b"]] * N), "MultiOutputClassifier"),
        (np.zeros((N, 2, 2), int), r"dim 3, while dim <= 2 is required. \(in y of"),
    ],
)
def test_the_advice_for_other_targets(y, message):
    with pytest.raises(ValueError, match=message):
        classifier().fit(X, y)


# ---------------------------------------------------------------------------------------- numbers
@pytest.mark.parametrize("name", ["X", "y", "sample_weight"])
@pytest.mark.parametrize("method", ["fit", "partial_fit", "score"])
def test_integers_beyond_floats(method, name):
    est = MLPRegressor(hidden_layer_sizes=(3,), max_iter=2, random_state=0).fit(X, X[:, 0])
    given = {"X": X, "y": X[:, 0], "sample_weight": np.ones(N)}
    given[name] = np.full(given[name].shape, 10**400, dtype=object)
    with pytest.raises(ValueError, match=rf"^{name} of MLPRegressor must be within .* scale it"):
        getattr(est, method)(**given)


@pytest.mark.parametrize("y", [[1e39] * N, np.full((N, 2), -1e300)])
def test_targets_beyond_float32(y):
    est = MLPRegressor(hidden_layer_sizes=(3,), max_iter=2, dtype="float32")
    with pytest.raises(ValueError, match="y of MLPRegressor must be within the range of float32"):
        est.fit(X, y)


@pytest.mark.parametrize("library", ["torch", "array_api_strict"])
def test_arrays_of_other_libraries(library):
    """Also where scikit-learn is told to work with them as they are."""
    pytest.importorskip(library)
    code = (
        f"import {library} as xp\n"
        + """
import numpy as np, sklearn, warnings
from sknn_scratch import MLPClassifier, MLPRegressor
warnings.simplefilter("ignore")
X = np.random.default_rng(0).normal(size=(30, 3)); y = np.arange(30) % 2; w = np.ones(30)
sklearn.set_config(array_api_dispatch=True)
for cls, t in ((MLPClassifier, y), (MLPClassifier, np.c_[y, 1 - y]), (MLPRegressor, X[:, 0])):
    data = [xp.asarray(a) for a in (X, t, w)]
    est = cls(hidden_layer_sizes=(3,), max_iter=2, random_state=0, early_stopping=True)
    plain = cls(**est.get_params()).fit(X, t, w)
    est.fit(*data)
    assert (est.theta_ == plain.theta_).all()
    assert (est.predict(data[0]) == plain.predict(X)).all()
    assert est.score(*data) == plain.score(X, t, w)
"""
    )
    environment = os.environ | {"SCIPY_ARRAY_API": "1"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


# --------------------------------------------------------------------- missing labels of pandas
LAST = np.arange(N) == N - 1
MISSING = {
    "objects": objects([*WORDS[:-1], pd.NA]),
    "objects in a Series": pd.Series([*WORDS[:-1], pd.NA], dtype=object),
    "strings": pd.Series(WORDS, dtype="string").mask(LAST),
    "numbers among NA": objects([pd.NA, *ONES[1:]]),
    "integers": pd.Series(ONES, dtype="Int64").mask(LAST),
    "booleans": pd.Series(ONES == 1, dtype="boolean").mask(LAST),
    "matrix": pd.DataFrame(MATRIX).astype("Int64").replace(0, pd.NA),
    "matrix of objects": pd.DataFrame(MATRIX).astype(object).mask(MATRIX == 0, pd.NA),
}


@pytest.mark.parametrize("cls", [MLPClassifier, TabularMLPClassifier])
@pytest.mark.parametrize("argument", ["y", "y_val"])
@pytest.mark.parametrize("y", MISSING.values(), ids=list(MISSING))
def test_missing_labels_of_pandas(cls, argument, y):
    """pd.NA is missing like nan; that its truth is ambiguous tells nobody what to do."""
    given = {"X_val": X, "y_val": y} if argument == "y_val" else {}
    own = cls.__name__
    named = rf"{argument} contains NaN\. \(in {own}\)|contains NaN.*\(in {argument} of {own}\)"
    with pytest.raises(ValueError, match=named):
        cls().fit(X, ONES if given else y, **given)
