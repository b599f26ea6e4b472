import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sknn_scratch_example import LogCosh, SignSGD, Snake

from sknn_scratch import MLPRegressor
from sknn_scratch.testing import parametrize_with_component_checks

X = np.random.default_rng(0).uniform(-3, 3, (200, 1))
y = np.sin(3 * X[:, 0])


# All that the contracts ask for: derivatives, dtypes, memory order, pickling and more.
@parametrize_with_component_checks(
    [Snake(), Snake(beta=3.0), LogCosh(), SignSGD(), SignSGD(momentum=0.8)]
)
def test_contracts(check):
    check()


@pytest.mark.parametrize(
    ("cls", "field", "value"),
    [(Snake, "beta", 0), (Snake, "beta", "1"), (SignSGD, "momentum", 1.0)],
)
def test_bad_parameters(cls, field, value):
    with pytest.raises(ValueError, match=f"'{field}' parameter of {cls.__name__} must be"):
        cls(**{field: value})


def test_log_cosh_at_a_known_point():
    one, zero = np.array([[1.0]]), np.array([[0.0]])
    assert LogCosh().value(zero, one, None) == pytest.approx(np.log(np.cosh(1.0)))


# Names come from the entry points: the distribution must be installed.
def test_grid_search_over_names():
    grid = {
        "activation": ["relu", "snake"],
        "loss": ["squared_error", "log_cosh"],
        "solver": ["adam", "sign_sgd"],
    }
    model = MLPRegressor(
        hidden_layer_sizes=20, learning_rate_init=0.01, max_iter=20, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(X, y)
    assert len(search.cv_results_["params"]) == 8
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_snake_goes_on_beyond_the_data():
    beyond = np.linspace(3, 4, 50)[:, None]
    model = MLPRegressor(
        hidden_layer_sizes=20,
        activation=Snake(beta=3.0),
        solver="lbfgs",
        max_iter=1000,
        random_state=0,
    )
    assert model.fit(X, y).score(beyond, np.sin(3 * beyond[:, 0])) > 0.9


def test_log_cosh_is_hardly_moved_by_wild_targets():
    wild = np.where(np.arange(len(X)) % 10 == 0, 30.0, 2 * X[:, 0])
    linear = MLPRegressor(hidden_layer_sizes=(), solver="lbfgs", random_state=0)
    robust = clone(linear).set_params(loss=LogCosh())
    assert linear.fit(X, wild).score(X, 2 * X[:, 0]) < 0.8
    assert robust.fit(X, wild).score(X, 2 * X[:, 0]) > 0.99
