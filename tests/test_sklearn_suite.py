"""scikit-learn's own tests of its MLP, with our estimators in place of its own."""

import importlib.util
from unittest import mock

import pytest

import sknn_scratch

# That suite was not written for warnings as errors.
pytestmark = pytest.mark.filterwarnings("default")

# At most ten of scikit-learn's tests are left out, each with its reason.
EXCEPTIONS = {
    # private attributes
    "test_fit": "sets up private attributes and assigns single items of coefs_",
    "test_gradient": "calls the private _loss_grad_lbfgs; see test_gradients.py",
    "test_learning_rate_warmstart": "reads the private _optimizer.learning_rate",
    "test_adaptive_learning_rate": "reads the private _optimizer.learning_rate",
    "test_n_iter_no_change": "reads the private _no_improvement_count",
    "test_n_iter_no_change_inf": "reads the private _no_improvement_count",
    # a deliberate difference
    "test_early_stopping_stratified": "a class with one member is trained on, with a warning",
}


def load_suite():
    """scikit-learn's test functions by name, from a copy of their module that imports ours."""
    spec = importlib.util.find_spec("sklearn.neural_network.tests.test_mlp")
    module = importlib.util.module_from_spec(spec)
    ours = {name: getattr(sknn_scratch, name) for name in ("MLPClassifier", "MLPRegressor")}
    with mock.patch.multiple("sklearn.neural_network", **ours):
        spec.loader.exec_module(module)
    return {name: f for name, f in vars(module).items() if name.startswith("test_")}


SUITE = load_suite()
COLLECTED = {name: function for name, function in SUITE.items() if name not in EXCEPTIONS}
globals().update(COLLECTED)


@pytest.fixture
def global_random_seed():
    """The seed that scikit-learn's own conftest.py hands to its tests by default."""
    return 42


def test_exceptions_are_few_and_exist():
    assert len(EXCEPTIONS) <= 10
    assert set(EXCEPTIONS) <= set(SUITE)


def test_all_others_run_our_estimators():
    assert len(SUITE) >= 40
    for name in set(SUITE) - set(EXCEPTIONS):
        assert globals()[name].__globals__["MLPClassifier"] is sknn_scratch.MLPClassifier
        assert globals()[name].__globals__["MLPRegressor"] is sknn_scratch.MLPRegressor
