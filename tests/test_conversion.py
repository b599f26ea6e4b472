"""from_sklearn and to_sklearn: equal predictions both ways."""

import pickle
from numbers import Real

import numpy as np
import pytest
from scipy.sparse import csr_array, issparse
from sklearn import neural_network
from sklearn.base import clone
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_iris,
    make_multilabel_classification,
)
from sklearn.preprocessing import scale

from sknn_scratch import MLPClassifier, MLPRegressor
from sknn_scratch.components import (
    SGD,
    Adam,
    Adaptive,
    Blocks,
    Constant,
    Cosine,
    InvScaling,
    Lion,
    PrintProgress,
    Tanh,
    WeightEMA,
)
from sknn_scratch.contracts import Activation

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
THEIRS = {
    MLPClassifier: neural_network.MLPClassifier,
    MLPRegressor: neural_network.MLPRegressor,
}


def scaled(loaded):
    return scale(loaded[0]), loaded[1]


def named_classes(X, y):
    return X, np.array(["no", "yes"])[y]


DATA = {
    "multiclass": (MLPClassifier, scaled(load_iris(return_X_y=True))),
    "binary": (MLPClassifier, named_classes(*scaled(load_breast_cancer(return_X_y=True)))),
    "multilabel": (MLPClassifier, make_multilabel_classification(60, random_state=0)),
    "one output": (MLPRegressor, scaled(load_diabetes(return_X_y=True))),
    "two outputs": (MLPRegressor, (scale(load_iris().data[:, :2]), load_iris().data[:, 2:])),
}
SETTINGS = [
    {},
    {"hidden_layer_sizes": (5, 4), "activation": "tanh", "solver": "sgd"},
    {"hidden_layer_sizes": 3, "activation": "logistic", "solver": "lbfgs"},
    {"hidden_layer_sizes": ()},
    {"early_stopping": True, "learning_rate": "adaptive"},
]


def assert_same_predictions(a, b, X):
    np.testing.assert_array_equal(a.classes_, b.classes_) if hasattr(a, "classes_") else None
    for method in ("predict", "predict_proba"):
        if hasattr(a, method):
            mine, other = getattr(a, method)(X), getattr(b, method)(X)
            assert mine.shape == other.shape
            if mine.dtype.kind == "f":
                np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-12)
            else:
                np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("kind", DATA)
def test_there_and_back(kind, settings):
    cls, (X, y) = DATA[kind]
    theirs = THEIRS[cls](max_iter=15, random_state=0, **settings).fit(X, y)
    ours = cls.from_sklearn(theirs)
    assert_same_predictions(ours, theirs, X)
    assert_same_predictions(ours.to_sklearn(), theirs, X)
    assert ours.loss_curve_ == getattr(theirs, "loss_curve_", [theirs.loss_])
    assert ours.to_sklearn().get_params() == theirs.get_params()


@pytest.mark.parametrize("kind", DATA)
def test_ours_to_sklearn(kind):
    """Two softmax outputs become one logistic output."""
    cls, (X, y) = DATA[kind]
    ours = cls(max_iter=5, random_state=0).fit(X, y)
    assert_same_predictions(ours, ours.to_sklearn(), X)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "one output"])
def test_both_go_on_training(kind):
    cls, (X, y) = DATA[kind]
    theirs = THEIRS[cls](max_iter=5, random_state=0).fit(X, y)
    ours = cls.from_sklearn(theirs).partial_fit(X, y)
    assert ours.n_iter_ == theirs.n_iter_ + 1
    assert ours.to_sklearn().partial_fit(X, y).n_iter_ == 1


def test_instances_become_names():
    X, y = DATA["multiclass"][1]
    ours = MLPClassifier(
        activation=Tanh(), solver=SGD(momentum=0.5), learning_rate=InvScaling(0.3), max_iter=3
    )
    params = ours.fit(X, y).to_sklearn().get_params()
    assert params["activation"] == "tanh"
    assert (params["solver"], params["momentum"]) == ("sgd", 0.5)
    assert (params["learning_rate"], params["power_t"]) == ("invscaling", 0.3)


class Cube(Activation):
    needs_input = True

    def forward(self, z, out):
        return np.power(z, 3, out=out)

    def backward(self, grad, a, z, out):
        return np.multiply(grad, 3 * z * z, out=out)


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"activation": Cube()}, "Cube"),
        ({"hidden_layer_sizes": (3, 3), "activation": ("relu", "tanh")}, "different activations"),
    ],
)
def test_what_scikit_learn_cannot_express(settings, what):
    X, y = DATA["multiclass"][1]
    ours = MLPClassifier(max_iter=2, learning_rate_init=1e-4, **settings).fit(X, y)
    with pytest.raises(ValueError, match=what):
        ours.to_sklearn()


def test_one_class_cannot_be_expressed():
    X = DATA["multiclass"][1][0]
    with pytest.raises(ValueError, match="single class"):
        MLPClassifier(max_iter=2).fit(X, np.zeros(len(X))).to_sklearn()


def test_wrong_model():
    with pytest.raises(TypeError, match="must be a fitted sklearn"):
        MLPClassifier.from_sklearn(MLPRegressor(solver=Adam()))


# ------------------------------------------------------------- what scikit-learn goes on with
SMALL = {"hidden_layer_sizes": (5,), "max_iter": 6, "random_state": 0, "batch_size": 16}
#: name: (class, X, y, parameters by which both libraries fit the same model)
TASKS = {
    "multiclass": (MLPClassifier, *DATA["multiclass"][1], {}),
    "binary": (MLPClassifier, *(a[:90] for a in DATA["binary"][1]), {"loss": "binary_log_loss"}),
    "multilabel": (MLPClassifier, *DATA["multilabel"][1], {}),
    "one output": (MLPRegressor, *(a[:90] for a in DATA["one output"][1]), {}),
    # For several outputs their gradient is not that of their loss.
    "counts": (MLPRegressor, DATA["two outputs"][1][0], load_iris().target, {"loss": "poisson"}),
}
#: Made by scikit-learn whenever it is missed, or left behind by one solver.
NOT_NEEDED = {"_optimizer", "_random_state", "_coef_indptr", "_intercept_indptr"}


def pair(task, dtype=np.float64, **settings):
    """The same model, converted from ours and fitted by scikit-learn."""
    cls, X, y, same = TASKS[task]
    X = X.astype(dtype)
    ours = cls(**SMALL | same | settings).fit(X, y)
    theirs = clone(ours.to_sklearn()).fit(X, y)
    return ours.to_sklearn(), theirs, X, y


def cls_of(task):
    return TASKS[task][0]


def assert_same_weights(one, other, tolerance=1e-6):
    for mine, theirs in zip(
        [*one.coefs_, *one.intercepts_], [*other.coefs_, *other.intercepts_], strict=True
    ):
        assert mine.dtype == theirs.dtype
        np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=tolerance)


each_task = pytest.mark.parametrize("task", TASKS)
each_fit = pytest.mark.parametrize(
    ("solver", "early_stopping"),
    [("adam", False), ("adam", True), ("sgd", False), ("sgd", True), ("lbfgs", False)],
)
each_dtype = pytest.mark.parametrize("dtype", [np.float64, np.float32])


@each_dtype
@each_fit
@each_task
def test_has_all_that_a_fit_of_theirs_leaves(task, solver, early_stopping, dtype):
    """By name, by type and by value, private attributes too."""
    got, native, X, _ = pair(task, dtype, solver=solver, early_stopping=early_stopping)
    assert not vars(native).keys() - NOT_NEEDED - vars(got).keys()
    if dtype == np.float64:
        assert_same_weights(got, native)
        assert_same_predictions(got, native, X)
    for name in vars(native).keys() - NOT_NEEDED - {"_label_binarizer", "_no_improvement_count"}:
        mine, other = getattr(got, name), getattr(native, name)
        if isinstance(other, Real):
            np.testing.assert_allclose(mine, other, rtol=1e-3, err_msg=name)
        else:
            assert type(mine) is type(other), name
    if cls_of(task) is MLPClassifier:
        for name, value in vars(native._label_binarizer).items():
            np.testing.assert_array_equal(getattr(got._label_binarizer, name), value, name)


def go_on(model, how, X, y):
    if how == "warm start":
        return model.set_params(warm_start=True).fit(X, y)
    model.set_params(early_stopping=False)
    for rows in slice(0, 40), slice(20, 60):
        model.partial_fit(X[rows], y[rows])
    return model


def without_memory(native):
    """As a model that another library hands over: no moments, and patience not yet used up.

    After early stopping, scikit-learn's best weights are the arrays that it goes on to change.
    """
    vars(native).pop("_optimizer", None)
    native._no_improvement_count = 0
    native._best_coefs = [W.copy() for W in native.coefs_]
    native._best_intercepts = [b.copy() for b in native.intercepts_]
    return native


@each_dtype
@each_fit
@each_task
def test_warm_start_goes_on_as_theirs_would(task, solver, early_stopping, dtype):
    got, native, X, y = pair(task, dtype, solver=solver, early_stopping=early_stopping)
    before = pickle.dumps(got)
    assert b"sknn_scratch" not in before
    again = pickle.loads(before)
    for model in got, again:
        go_on(model, "warm start", X, y)
    assert_same_weights(again, got, 0)
    go_on(without_memory(native), "warm start", X, y)
    if dtype == np.float64:
        assert_same_weights(got, native, 1e-5)
        assert got.n_iter_ == native.n_iter_
    if solver != "lbfgs":  # whose minimiser, there, works in float64
        assert {W.dtype for W in got.coefs_} == {np.dtype(dtype)}


@each_dtype
@pytest.mark.parametrize("solver", ["adam", "sgd"])
@each_task
def test_partial_fit_goes_on_as_theirs_would(task, solver, dtype):
    got, native, X, y = pair(task, dtype, solver=solver)
    go_on(got, "partial_fit", X, y)
    go_on(without_memory(native), "partial_fit", X, y)
    if dtype == np.float64:
        assert_same_weights(got, native, 1e-5)
    np.testing.assert_allclose(got.loss_curve_, native.loss_curve_, rtol=1e-3)
    assert got.predict(X).shape == native.predict(X).shape


def test_patience_ends_a_warm_start_where_theirs_would():
    """Early stopping that never finds better than before: the weights of before are kept."""
    settings = {"early_stopping": True, "tol": 0.5, "n_iter_no_change": 2, "max_iter": 20}
    got, native, X, y = pair("multiclass", **settings)
    for model in got, without_memory(native):
        go_on(model, "warm start", X, y)
    assert got.n_iter_ == native.n_iter_ < 20
    assert_same_weights(got, native, 1e-5)
    np.testing.assert_allclose(got.validation_scores_, native.validation_scores_)


@pytest.mark.parametrize("how", ["warm start", "partial_fit"])
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("kind", DATA)
def test_what_goes_on_is_a_copy(kind, early_stopping, how):
    """With our defaults, two classes included; what it came from does not change."""
    cls, (X, y) = DATA[kind]
    ours = cls(**SMALL, early_stopping=early_stopping).fit(X, y)
    # Their partial_fit wants a lowest loss, which a fit with early stopping does not leave.
    ours.set_params(early_stopping=early_stopping and how == "warm start")
    before, got = pickle.dumps(ours), ours.to_sklearn()
    assert_same_predictions(got, ours, X)
    go_on(got, how, X, y)
    assert got.predict(X).shape == ours.predict(X).shape
    assert pickle.dumps(ours) == before


def test_sparse_labels():
    X, Y = DATA["multilabel"][1]
    ours = MLPClassifier(**SMALL).fit(X, csr_array(Y))
    got = go_on(ours.to_sklearn(), "warm start", X, csr_array(Y))
    assert issparse(ours.predict(X))
    assert issparse(ours.to_sklearn().predict(X))
    assert got.n_iter_ == 6


# ---------------------------------------------------------------- each parameter, in their words
OURS_ALONE = {
    "callbacks": [PrintProgress()],
    "class_weight": "balanced",
    "dropout": 0.2,
    "dtype": "float32",
    "ema_decay": 0.9,
    "initializer": "he_normal",
    "l1_ratio": 0.5,
    "loss": "binary_log_loss",
    "scoring": "loss",
}
#: Values that are written in another way there: (parameters, what they become)
TRANSLATED = [
    ({"shuffle": "blocks"}, {"shuffle": True}),
    ({"shuffle": Blocks(size=8)}, {"shuffle": True}),
    ({"shuffle": np.bool_(False)}, {"shuffle": False}),
    ({"activation": Tanh()}, {"activation": "tanh"}),
    ({"activation": ("tanh",)}, {"activation": "tanh"}),
    ({"hidden_layer_sizes": (), "activation": ()}, {"activation": "identity"}),
    ({"solver": Adam(epsilon=1e-4)}, {"solver": "adam", "epsilon": 1e-4}),
    ({"solver": SGD(nesterov=False)}, {"solver": "sgd", "nesterovs_momentum": False}),
    ({"solver": "sgd", "learning_rate": Adaptive()}, {"learning_rate": "adaptive"}),
    ({"solver": SGD(), "learning_rate": InvScaling(0.2)}, {"power_t": 0.2}),
    ({"learning_rate": Constant()}, {"learning_rate": "constant"}),
    ({"learning_rate": "adaptive"}, {"learning_rate": "adaptive"}),
    ({"hidden_layer_sizes": np.array([4, 3])}, {}),
    ({"hidden_layer_sizes": [4, np.int32(3)]}, {}),
    ({"batch_size": np.int64(20), "tol": np.float32(0.01)}, {}),
    ({"n_iter_no_change": np.inf, "verbose": 0}, {}),
    ({"random_state": np.random.RandomState(0)}, {}),
    *[({name: value}, {}) for name, value in OURS_ALONE.items()],
]


def test_parameters_of_ours_alone():
    both = THEIRS[MLPClassifier]().get_params().keys() & MLPClassifier().get_params().keys()
    assert MLPClassifier().get_params().keys() - both == OURS_ALONE.keys()
    assert THEIRS[MLPClassifier]().get_params().keys() == both
    for name in OURS_ALONE.keys() - {"loss"}:
        assert f"``{name}``" in MLPClassifier.to_sklearn.__doc__


@pytest.mark.filterwarnings("ignore:Got `batch_size`")
@pytest.mark.parametrize(("settings", "become"), TRANSLATED, ids=lambda value: str(value)[:60])
def test_each_parameter_can_be_fitted_with(settings, become, capsys):
    X, y = TASKS["binary"][1:3]
    ours = MLPClassifier(**SMALL | settings).fit(X, y)
    got = ours.to_sklearn()
    assert {name: getattr(got, name) for name in become} == become
    got = pickle.loads(pickle.dumps(got))
    clone(got).fit(X, y)
    go_on(got, "warm start", X, y)
    go_on(got, "partial_fit", X, y)
    assert got.predict_proba(X).shape == (len(X), 2)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"solver": "lion"}, "solver='lion'"),
        ({"solver": Lion()}, "Lion"),
        ({"solver": WeightEMA(Adam())}, "WeightEMA"),
        ({"learning_rate": "cosine"}, "learning_rate='cosine'"),
        ({"learning_rate": Cosine()}, "Cosine"),
        (
            {"learning_rate": InvScaling()},
            r"learning_rate=InvScaling\(power_t=0.5\) and solver='adam'",
        ),
        ({"learning_rate": Adaptive()}, r"Adaptive\(\) and solver='adam'"),
        ({"solver": Adam(), "learning_rate": "adaptive"}, "'adaptive' and solver='adam'"),
        ({"activation": "gelu"}, "Gelu"),
        ({"loss": "focal"}, "Focal"),
    ],
    ids=str,
)
def test_each_parameter_that_cannot_be_said(settings, words):
    X, y = TASKS["binary"][1:3]
    ours = MLPClassifier(**SMALL | settings).fit(X, y)
    with pytest.raises(ValueError, match=rf"cannot be turned into each other with .*{words}"):
        ours.to_sklearn()


def test_what_their_own_check_refuses():
    """A parameter that was set after the fit, and that no fit has looked at."""
    X, y = TASKS["binary"][1:3]
    ours = MLPClassifier(**SMALL).fit(X, y).set_params(tol=-1)
    with pytest.raises(ValueError, match="with its parameters: The 'tol' parameter of MLPClass"):
        ours.to_sklearn()


@pytest.mark.parametrize("scoring", ["roc_auc", "loss", lambda model, X, y: 5.0])
def test_scores_of_another_kind_are_not_compared(scoring):
    """Accuracy never gets to 5: their early stopping would throw away all further training."""
    X, y = TASKS["binary"][1:3]
    ours = MLPClassifier(**SMALL, early_stopping=True, scoring=scoring).fit(X, y)
    got = ours.to_sklearn()
    kept = [W.copy() for W in got.coefs_]
    assert got.validation_scores_ == ours.validation_scores_
    go_on(got, "warm start", X, y)
    assert got.best_validation_score_ == max(got.validation_scores_[-got.n_iter_ :])
    assert not all(np.array_equal(W, V) for W, V in zip(kept, got.coefs_, strict=True))


def test_early_stopping_that_was_set_after_the_fit():
    X, y = TASKS["multiclass"][1:3]
    for first, later in (False, True), (True, False):
        ours = MLPClassifier(**SMALL, early_stopping=first).fit(X, y)
        got = ours.set_params(early_stopping=later).to_sklearn()
        assert go_on(got, "warm start", X, y).n_iter_ == 6
