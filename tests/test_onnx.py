"""ONNX graphs answer as the estimators do: all activations x losses x tasks, and pipelines."""

import itertools
import warnings

import numpy as np
import pytest
from scipy.sparse import csr_array, csr_matrix, issparse
from sklearn.base import BaseEstimator
from sklearn.compose import make_column_transformer
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sknn_scratch import MLPClassifier, MLPRegressor
from sknn_scratch.components import BinaryLogLoss, Gelu, LogLoss, Quantile, Relu, SquaredError
from sknn_scratch.contracts import Activation
from sknn_scratch.registry import _classes

runtime = pytest.importorskip("onnxruntime")
pytest.importorskip("skl2onnx")

from sknn_scratch import onnx as ours  # noqa: E402

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 4))
RAW = X @ RNG.normal(size=(4, 3))
SIGNS = (RAW > 0).astype(int)
TARGETS = {
    "two numbers": SIGNS[:, 0],
    "two words": np.array(["no", "yes"])[SIGNS[:, 0]],
    "two objects": np.array(["no", "yes"], dtype=object)[SIGNS[:, 0]],
    "two booleans": SIGNS[:, 0].astype(bool),
    "three": RAW.argmax(axis=1) * 10 - 7,
    "three words": np.array(["a", "bb", "ccc"])[RAW.argmax(axis=1)],
    "labels": SIGNS,
    "one target": np.abs(RAW[:, 0]) + 0.1,
    "three targets": np.abs(RAW) + 0.1,
}
TASKS = {
    "log_loss": ["two numbers", "two words", "two booleans", "three", "three words", "labels"],
    "binary_log_loss": ["two numbers", "two objects", "labels"],
    "focal": ["two numbers", "three"],
    "squared_error": ["one target", "three targets"],
    "absolute_error": ["one target"],
    "huber": ["three targets"],
    "poisson": ["one target", "three targets"],
    "gamma": ["one target"],
    "tweedie": ["three targets"],
    "quantile": ["one target", "three targets"],
    Quantile((0.1, 0.5, 0.9)): ["one target"],
}
BUILT_IN = [
    n for n, c in _classes["activation"].items() if c.__module__.startswith("sknn_scratch.")
]
CASES = [(loss, targets) for loss, several in TASKS.items() for targets in several]
#: Rows that nobody has scaled: all zero, tiny, large, one feature alone.
EXTREME = np.concatenate([X * 0, X * 1e-30, X * 100, X * 1e4, np.eye(4) * 1e5, -np.eye(4) * 1e3])


def fitted(model, X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.set_params(max_iter=3, random_state=0).fit(X, y)


def run(graph, inputs):
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(graph.SerializeToString(), options)
    if not isinstance(inputs, dict):
        inputs = {"X": inputs}
    return session.run(None, inputs)


def check(model, graph, Z, inputs=None):
    """The graph's outputs are those of the model."""
    outputs = run(graph, Z if inputs is None else inputs)
    if hasattr(model, "predict_proba"):
        labels, p = outputs
        assert np.abs(p - model.predict_proba(Z)).max() <= 1e-5
        expected = model.predict(Z)
        expected = expected.toarray() if issparse(expected) else expected
        np.testing.assert_array_equal(labels, expected)
    else:
        expected = model.predict(Z)
        (y_pred,) = outputs
        assert y_pred.shape == (len(Z), model.n_outputs_ if hasattr(model, "n_outputs_") else 1)
        scale = max(1.0, np.abs(expected).max())
        assert np.abs(y_pred - expected.reshape(y_pred.shape)).max() <= 1e-5 * scale


def model_for(loss, **params):
    name = loss if isinstance(loss, str) else "quantile"
    is_classifier = "classification" in name or name in ("log_loss", "binary_log_loss", "focal")
    made = MLPClassifier if is_classifier else MLPRegressor
    return made(loss=loss, **params)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", [*BUILT_IN, Gelu("tanh")], ids=str)
def test_all_activations_losses_and_tasks(activation, dtype):
    rows = X.astype(dtype)
    for loss, targets in CASES:
        model = model_for(loss, hidden_layer_sizes=(6, 5), activation=activation)
        fitted(model, rows, TARGETS[targets])
        graph = ours.to_onnx(model, rows)
        check(model, graph, rows)
        extreme = EXTREME if isinstance(model, MLPClassifier) else EXTREME / 1e4
        check(model, graph, extreme.astype(dtype))


def test_labels_in_a_sparse_matrix():
    model = fitted(MLPClassifier(hidden_layer_sizes=(3,)), X, csr_matrix(TARGETS["labels"]))
    check(model, ours.to_onnx(model, X), X)


@pytest.mark.parametrize("hidden", [(), (3,), (4, 4, 4)])
def test_depths(hidden):
    model = fitted(MLPClassifier(hidden), X, TARGETS["three"])
    check(model, ours.to_onnx(model, X), X)


@pytest.mark.parametrize("loss", ["log_loss", "binary_log_loss"])
def test_a_single_class(loss):
    model = MLPClassifier((3,), loss=loss, max_iter=2).partial_fit(X, np.full(90, 4), classes=[4])
    check(model, ours.to_onnx(model, X), X)


def test_precisions():
    model = fitted(MLPClassifier((6,)), X, TARGETS["three"])
    single = ours.to_onnx(model, X, dtype="float32")
    _, p = run(single, X.astype(np.float32))
    assert p.dtype == np.float32
    assert np.abs(p - model.predict_proba(X)).max() <= 1e-5
    _, p = run(ours.to_onnx(model, X), X)
    assert p.dtype == np.float64
    assert np.abs(p - model.predict_proba(X)).max() <= 1e-12


def test_integers_go_in_as_they_are():
    counts = RNG.integers(0, 9, size=(90, 4))
    model = fitted(MLPRegressor(), counts, TARGETS["one target"])
    check(model, ours.to_onnx(model, counts), counts)


def test_random_graphs_of_a_trained_model():
    """Training to the end makes large weights; answers stay the same."""
    model = MLPClassifier((20,), solver="lbfgs", alpha=0, max_iter=300, random_state=0)
    rows = X.astype(np.float32)
    model = model.fit(rows, TARGETS["three"])
    graph = ours.to_onnx(model, rows)
    for scale, seed in itertools.product([0.1, 1, 10], range(3)):
        Z = np.random.default_rng(seed).normal(size=(200, 4), scale=scale).astype(np.float32)
        check(model, graph, Z)


# ------------------------------------------------------------------------------------- pipelines
@pytest.mark.parametrize("targets", ["two words", "three", "labels"])
def test_a_pipeline_with_a_scaler(targets):
    rows = (X * 50 + 7).astype(np.float32)
    model = make_pipeline(StandardScaler(), MLPClassifier((6,), max_iter=3, random_state=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(rows, TARGETS[targets])
    check(model, ours.to_onnx(model, rows), rows)


def mixed_columns():
    pandas = pytest.importorskip("pandas")
    words = np.array(["red", "green", "blue"])[RNG.integers(0, 3, size=90)]
    frame = {"a": X[:, 0].astype(np.float32), "b": X[:, 1].astype(np.float32) * 100}
    return pandas.DataFrame(frame | {"colour": words.astype(object)})


def test_a_pipeline_with_a_scaler_and_one_hot():
    frame = mixed_columns()
    columns = make_column_transformer(
        (StandardScaler(), ["a", "b"]), (OneHotEncoder(sparse_output=False), ["colour"])
    )
    model = make_pipeline(columns, MLPClassifier((6,), max_iter=3, random_state=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(frame, TARGETS["two words"])
    inputs = {name: frame[[name]].to_numpy() for name in frame}
    check(model, ours.to_onnx(model, frame), frame, inputs)


def test_a_frame_without_columns_of_its_own_is_one_input():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    model = fitted(MLPClassifier((6,)), frame, TARGETS["three"])
    outputs = run(ours.to_onnx(model, frame), X)
    np.testing.assert_allclose(outputs[1], model.predict_proba(frame), atol=1e-12)


def test_the_best_model_of_a_search():
    search = GridSearchCV(MLPClassifier((3,), max_iter=3, random_state=0), {"alpha": [0, 1]}, cv=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        search.fit(X, TARGETS["three"])
    check(search, ours.to_onnx(search, X), X)


class Search(BaseEstimator):
    """A search that is none of scikit-learn's, as dask_ml has them."""

    def fit(self, X, y):
        self.cv_results_ = {}
        self.best_estimator_ = fitted(MLPClassifier((3,)), X, y)
        return self


def test_the_best_model_of_a_search_of_another_make():
    search = Search().fit(X, TARGETS["three"])
    check(search.best_estimator_, ours.to_onnx(search, X), X)


def test_skl2onnx_knows_our_estimators():
    import skl2onnx

    rows = X.astype(np.float32)  # dicts of float64 are more than runtimes can do
    model = fitted(MLPClassifier((6,)), rows, TARGETS["three words"])
    labels, dicts = run(skl2onnx.to_onnx(model, rows), rows)
    np.testing.assert_array_equal(labels, model.predict(rows))
    assert list(dicts[0]) == ["a", "bb", "ccc"]


# ---------------------------------------------------------------------------------- one's own
class Softsign(Activation):
    def forward(self, z, out):
        return np.divide(z, 1 + np.abs(z), out=out)

    def backward(self, grad, a, z, out):
        return np.multiply(grad, (1 - np.abs(a)) ** 2, out=out)


class Bounded(SquaredError):
    """Predictions from 0 to 1, with a link of its own."""

    def predict(self, raw, out):
        return np.clip(raw, 0, 1, out=out)


class Weighted(SquaredError):
    """Another loss with the link that it inherits."""

    def value_and_grad(self, y, raw, weight, out):
        return 2 * super().value_and_grad(y, raw, weight, out)


class Steeper(Relu):
    def forward(self, z, out):
        return np.multiply(super().forward(z, out), 2, out=out)


@pytest.fixture
def forms(monkeypatch):
    from sknn_scratch.interop import _onnx_forms

    monkeypatch.setattr(_onnx_forms, "_forms", dict(_onnx_forms._forms))
    return ours.onnx_form


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"activation": Softsign()}, r"Softsign has no ONNX form.*forward.*onnx_form\(Softsign\)"),
        ({"activation": Steeper()}, "Steeper has no ONNX form"),
        ({"loss": Bounded()}, r"Bounded has no ONNX form.*predict.*raw"),
    ],
)
def test_a_component_without_a_form(params, words):
    model = fitted(MLPRegressor(**params), X, TARGETS["one target"])
    with pytest.raises(TypeError, match=words):
        ours.to_onnx(model, X)


def test_the_hook_for_an_activation(forms):
    @forms(Softsign)
    def softsign(activation, graph, z):
        return graph.op("Div", z, graph.op("Add", graph.op("Abs", z), 1.0))

    model = fitted(MLPClassifier(activation=Softsign()), X, TARGETS["three"])
    check(model, ours.to_onnx(model, X), X)


def test_the_hook_for_a_link(forms):
    @forms(Bounded)
    def bounded(loss, graph, raw):
        return graph.op("Min", graph.op("Max", raw, 0.0), 1.0)

    model = fitted(MLPRegressor(Bounded()), X, TARGETS["three targets"])
    check(model, ours.to_onnx(model, X), X)


def test_a_loss_with_an_inherited_link_needs_no_hook():
    model = fitted(MLPRegressor(Weighted()), X, TARGETS["three targets"])
    check(model, ours.to_onnx(model, X), X)


def test_only_what_predicts_has_a_form():
    with pytest.raises(
        TypeError, match=r"must be subclasses of Activation, Link or Loss\. Got .*int"
    ):
        ours.onnx_form(int)


def test_every_built_in_has_a_form():
    from sknn_scratch.core.probe import link_writer
    from sknn_scratch.interop._onnx_forms import form_of

    for kind in "activation", "link", "loss":
        for name, cls in _classes[kind].items():
            if cls.__module__.startswith("sknn_scratch."):
                part = link_writer(cls()) if kind == "loss" else cls()
                assert callable(form_of(part)), name
    assert form_of(LogLoss.link) is not form_of(BinaryLogLoss.link)


# ------------------------------------------------------------------------------------- bad input
@pytest.mark.parametrize(
    "model", [MLPClassifier(), make_pipeline(StandardScaler(), MLPRegressor())], ids=["mlp", "pipe"]
)
def test_what_an_unfitted_model_gets(model):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        ours.to_onnx(model, X)


def test_what_sparse_rows_get():
    rows = csr_array(np.maximum(X, 0))
    model = fitted(MLPClassifier((3,)), rows, TARGETS["three"])
    with pytest.raises(TypeError, match=r"X of to_onnx must be dense.*toarray"):
        ours.to_onnx(model, rows)
    dense = rows.toarray()
    check(model, ours.to_onnx(model, dense), dense)


@pytest.mark.parametrize("dtype", ["float16", "single", int, 64], ids=str)
def test_what_another_dtype_gets(dtype):
    model = fitted(MLPClassifier((3,)), X, TARGETS["three"])
    with pytest.raises(ValueError, match=r"dtype of to_onnx must be 'float32', 'float64' or None"):
        ours.to_onnx(model, X, dtype=dtype)


def test_dtypes_of_numpy():
    model = fitted(MLPClassifier((3,)), X, TARGETS["three"])
    for dtype in np.float32, np.dtype("float32"), "float32":
        _, p = run(ours.to_onnx(model, X, dtype=dtype), X.astype(np.float32))
        assert p.dtype == np.float32


def test_precision_of_integers_is_as_asked():
    counts = RNG.integers(0, 9, size=(90, 4))
    model = fitted(MLPClassifier((3,)), counts, TARGETS["three"])
    for dtype in "float32", "float64":
        assert run(ours.to_onnx(model, counts, dtype=dtype), counts)[1].dtype == dtype


@pytest.mark.parametrize(
    ("rows", "now"),
    [(None, "None"), (X[0], r"\(4,\)"), (X[:, :3], r"\(90, 3\)"), ([[1.0]], r"\(1, 1\)")],
)
@pytest.mark.parametrize("steps", [[], [StandardScaler()]], ids=["alone", "pipeline"])
def test_what_other_columns_get(rows, now, steps):
    network = MLPClassifier((3,), solver="lbfgs", alpha=1, max_iter=3000, random_state=0)
    model = make_pipeline(*steps, network).fit(X, TARGETS["three"])
    with pytest.raises(ValueError, match=rf"X of to_onnx must be rows of 4 col.* Got .*{now}: pas"):
        ours.to_onnx(model, rows)


def test_a_column_that_is_called_as_a_result():
    frame = mixed_columns().rename(columns={"a": "label"})
    columns = make_column_transformer(
        (StandardScaler(), ["label", "b"]), (OneHotEncoder(sparse_output=False), ["colour"])
    )
    network = MLPClassifier((3,), solver="lbfgs", alpha=1, max_iter=3000, random_state=0)
    model = make_pipeline(columns, network).fit(frame, TARGETS["three"])
    with pytest.raises(ValueError, match=r"must not have the names of results .*'label'"):
        ours.to_onnx(model, frame)


def test_a_search_without_a_best_model():
    network = MLPClassifier((3,), solver="lbfgs", alpha=1, max_iter=3000, random_state=0)
    search = GridSearchCV(network, {"alpha": [1, 2]}, cv=2, refit=False)
    with pytest.raises(ValueError, match=r"GridSearchCV with refit=False: fit it with refit=True"):
        ours.to_onnx(search.fit(X, TARGETS["three"]), X)


def test_options_of_skl2onnx_join_ours():
    rows = X.astype(np.float32)
    model = fitted(MLPClassifier((3,)), rows, TARGETS["three"])
    for key in id(model), MLPClassifier:
        graph = ours.to_onnx(model, rows, options={key: {"output_class_labels": True}})
        assert [out.name for out in graph.graph.output][:2] == ["label", "probabilities"]
        assert isinstance(run(graph, rows)[1], np.ndarray)
