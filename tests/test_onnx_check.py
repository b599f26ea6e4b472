"""to_onnx compares its graph with the estimator, and says by how much they differ."""

import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknn_scratch import MLPClassifier, MLPRegressor, TabularMLPClassifier, TabularMLPRegressor
from sknn_scratch.preprocessing import TabularPreprocessor

runtime = pytest.importorskip("onnxruntime")
pytest.importorskip("skl2onnx")
pandas = pytest.importorskip("pandas")

from sknn_scratch.interop import _onnx_check as checks  # noqa: E402
from sknn_scratch.onnx import to_onnx  # noqa: E402

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 4)).astype(np.float32)
NUMBERS = np.abs(X[:, 0]) + X[:, 1] ** 2
CLASSES = np.digitize(NUMBERS, [0.6, 1.6])
FRAME = pandas.DataFrame(X, columns=list("abcd")).assign(
    colour=np.where(X[:, 0] > 0, "red", "blue"),
    when=np.datetime64("2024-01-01", "ms") + np.arange(80).astype("m8[h]"),
)
FEW = {"hidden_layer_sizes": (8,), "solver": "lbfgs", "alpha": 1, "max_iter": 2000}
CLASSIFIER = MLPClassifier(random_state=0, **FEW)
REGRESSOR = MLPRegressor(random_state=0, **FEW)
ALIKE = {"effort": "fast", "max_iter": 2, "n_ensemble": 2, "random_state": 0}
NAMES = list("abcd")
MODELS = {
    "classes": (CLASSIFIER, X, CLASSES),
    "two classes": (CLASSIFIER, X, (CLASSES > 1).astype(int)),
    "words": (CLASSIFIER, X, np.array(["a", "bb", "c"])[CLASSES]),
    "labels": (CLASSIFIER, X, np.stack([CLASSES > 0, CLASSES > 1], axis=1).astype(int)),
    "number": (REGRESSOR, X, NUMBERS),
    "numbers": (REGRESSOR, X, np.stack([NUMBERS, 1e3 * NUMBERS], axis=1)),
    "pipeline": (make_pipeline(StandardScaler(), CLASSIFIER), X, CLASSES),
    "columns": (
        make_pipeline(make_column_transformer((StandardScaler(), NAMES)), REGRESSOR),
        FRAME[NAMES],
        NUMBERS,
    ),
    "search": (GridSearchCV(REGRESSOR, {}, cv=2), X, NUMBERS),
    "meta": (OneVsRestClassifier(CLASSIFIER), X, CLASSES),
    "table, classes": (TabularMLPClassifier(**ALIKE), FRAME, CLASSES),
    "table, number": (TabularMLPRegressor(**ALIKE), FRAME, NUMBERS),
    "preprocessor": (TabularPreprocessor(), FRAME, None),
    "preprocessor and network": (make_pipeline(TabularPreprocessor(), CLASSIFIER), FRAME, CLASSES),
    "preprocessor and others": (
        make_pipeline(TabularPreprocessor(), LogisticRegression()),
        FRAME,
        CLASSES,
    ),
}


@pytest.fixture(scope="module")
def fitted():
    return {name: clone(m).fit(rows, y) for name, (m, rows, y) in MODELS.items()}


def spoiled(monkeypatch, factor):
    """Let all weights of a graph be off by a factor."""
    from sknn_scratch.interop._onnx_forms import Graph

    constant = Graph.constant

    def off(self, value):
        array = np.asarray(value)
        is_weight = array.dtype.kind == "f" and array.ndim
        return constant(self, array * factor if is_weight else value)

    monkeypatch.setattr(Graph, "constant", off)


@pytest.mark.parametrize("name", MODELS)
def test_a_graph_that_is_right_passes_and_one_that_is_off_does_not(name, fitted, monkeypatch):
    rows = MODELS[name][1]
    to_onnx(fitted[name], rows)
    spoiled(monkeypatch, 1.02)
    with pytest.raises(
        RuntimeError, match=r"must give the results .* Got .*differ.*: .*or pass check=Fals"
    ):
        to_onnx(fitted[name], rows)
    assert to_onnx(fitted[name], rows, check=False).graph.node


def test_the_sentence(fitted, monkeypatch):
    spoiled(monkeypatch, 1.5)
    words = (
        r"^The graph of to_onnx must give the results of the MLPClassifier\. Got (\d+ of 80 labels "
        r"that differ from predict and )?'probabilities' that differ from predict_proba by up to "
        r"0\.\d+ \(allowed: 0\.0001\): pass dtype='float64', which keeps the digits of X, or pass "
        r"check=False for the graph without a check\.$"
    )
    with pytest.raises(RuntimeError, match=words):
        to_onnx(fitted["classes"], X)


@pytest.mark.parametrize("size", [1e-4, 1.0, 1e9])
@pytest.mark.parametrize("centre", [0.0, 10.0])
def test_numbers_of_any_size(size, centre, monkeypatch):
    """What matters is the error in relation to the range of predictions."""
    model = clone(REGRESSOR).fit(X, NUMBERS)
    network = model.coefs_[-1], model.intercepts_[-1]
    network[0][:] *= size
    network[1][:] = network[1] * size + centre * size
    for rows in X, X[:1], np.zeros((3, 4), np.float32):
        to_onnx(model, rows)
        to_onnx(model, rows.astype(np.float64), dtype="float32")
    spoiled(monkeypatch, 1.01)
    with pytest.raises(RuntimeError, match="of the range"):
        to_onnx(model, X)


@pytest.mark.parametrize(
    ("got", "y", "verb", "is_same"),
    [
        ([0.5, 0.50009], [0.5, 0.5], "predict_proba", True),
        ([0.5, 0.50011], [0.5, 0.5], "predict_proba", False),
        ([np.inf, 1.0], [np.inf, 1.0], "predict", True),
        ([np.nan, 1.0], [np.nan, 1.0], "predict", True),
        ([np.nan, 1.0], [2.0, 1.0], "predict", False),
        ([np.inf, 1.0], [2.0, 1.0], "predict", False),
        ([1e6, 1e6 + 2], [1e6, 1e6 + 1], "predict", True),  # float32 rounds by as much
        ([1e3, 1e3 + 2], [1e3, 1e3 + 1], "predict", False),
        ([3.0], [3.1], "predict", False),
        ([0.0, 0.0], [1e-3, 0.0], "predict", False),
    ],
)
def test_what_counts_as_the_same(got, y, verb, is_same):
    got, y = (np.array(each)[:, None] for each in (got, y))
    assert (checks._excess(got, y, verb) <= checks.TOLERANCE) == is_same


@pytest.mark.parametrize(
    ("scores", "verb", "is_same"),
    [
        ([[0.5, 0.5], [0.2, 0.8]], "predict_proba", True),
        ([[0.49, 0.51], [0.2, 0.8]], "predict_proba", False),
        ([0.0, 3.0], "decision_function", True),
        ([0.01, 3.0], "decision_function", False),
        ([[-1.0, -1.0, -9.0], [0.0, 1.0, 2.0]], "decision_function", True),
    ],
)
def test_labels_may_differ_where_classes_tie(scores, verb, is_same):
    faults = checks._labels_fault(np.array([1, 1]), np.array([0, 1]), verb, np.array(scores))
    assert (not list(faults)) == is_same


@pytest.mark.parametrize(
    "options", [{"zipmap": True}, {"zipmap": "columns"}, {"output_class_labels": True},
                {"raw_scores": True}]
)  # fmt: skip
@pytest.mark.parametrize("name", ["classes", "two classes"])
def test_every_form_of_results_is_compared(options, name, fitted, monkeypatch):
    model = fitted[name]
    to_onnx(model, X, options={id(model): options})
    spoiled(monkeypatch, 1.02)
    with pytest.raises(RuntimeError, match="differ"):
        to_onnx(model, X, options={id(model): options})


@pytest.mark.parametrize("name", ["classes", "two classes", "labels"])
@pytest.mark.parametrize("loss", ["log_loss", "binary_log_loss"])
def test_raw_scores_are_those_of_decision_function(name, loss):
    if loss == "binary_log_loss" and name == "classes":
        pytest.skip("needs two classes")
    model = clone(CLASSIFIER).set_params(loss=loss).fit(X, MODELS[name][2])
    graph = to_onnx(model, X, options={id(model): {"raw_scores": True}})
    labels, scores = runtime.InferenceSession(graph.SerializeToString()).run(None, {"X": X})
    expected = model.decision_function(X)
    if name == "two classes":
        expected = np.stack([-expected, expected], axis=1)
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    np.testing.assert_array_equal(labels, model.predict(X))


def test_float32_that_loses_the_digits_of_x(fitted):
    far = (X + 1e6).astype(np.float64)
    model = make_pipeline(StandardScaler(), clone(CLASSIFIER)).fit(far, CLASSES)
    to_onnx(model, far)
    with pytest.raises(RuntimeError, match=r"pass dtype='float64', which keeps the digits of X"):
        to_onnx(model, far, dtype="float32")


def test_rows_that_only_tell_types(fitted):
    assert to_onnx(fitted["classes"], X[:0]).graph.node
    assert to_onnx(fitted["classes"], np.full((2, 4), np.nan, np.float32)).graph.node


def test_without_onnxruntime(fitted, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    words = (
        r"check of to_onnx.*check=False.* requires onnxruntime.*pip install 'sknn-scratch\[onnx\]'"
    )
    with pytest.raises(ImportError, match=words):
        to_onnx(fitted["classes"], X)
    assert to_onnx(fitted["classes"], X, check=False).graph.node


@pytest.mark.parametrize("options", [{"options": {"no_such": 1}}, {"target_opset": 999}], ids=str)
def test_errors_of_skl2onnx_say_what_to_do(options, fitted):
    with pytest.raises(
        RuntimeError, match=r"^The model and the options.* Got \w+ \(.*: change the"
    ):
        to_onnx(fitted["classes"], X, **options)
