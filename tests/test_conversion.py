"""from_sklearn and to_sklearn: equal predictions both ways."""

import numpy as np
import pytest
from sklearn import neural_network
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_iris,
    make_multilabel_classification,
)
from sklearn.preprocessing import scale

from sknn_scratch import MLPClassifier, MLPRegressor
from sknn_scratch.components import SGD, Adam, InvScaling, Tanh
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
