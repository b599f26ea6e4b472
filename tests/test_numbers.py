"""Numbers of every type: components and estimators take them as floats, or refuse them by name."""

import dataclasses
import math
import pickle
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from sknn_scratch import (
    MLPClassifier,
    MLPRegressor,
    TabularMLPClassifier,
    TabularMLPRegressor,
    components,
)
from sknn_scratch.components import Adam, Blocks, Checkpoint, Gelu, GroupRates, Quantile, Step
from sknn_scratch.contracts import Component, Progress, Schedule, as_float

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:.*`batch_size`:UserWarning"),
]
X = np.random.default_rng(0).normal(size=(30, 3))
Y = np.arange(30) % 2

#: Good as a number in (0, 1), which all fields of floats take: the same number as a float.
HALVES = {
    "float": 0.5,
    "float16": np.float16(0.5),
    "float32": np.float32(0.5),
    "longdouble": np.longdouble(0.5),
    "fraction": Fraction(1, 2),
    "decimal": Decimal("0.5"),
}
#: Good as an integer of at least 1.
TWOS = {"int8": np.int8(2), "uint8": np.uint8(2), "uint64": np.uint64(2), "int": 2}
BAD = {
    "huge": 10**400,
    "huge and negative": -(10**400),
    "huge fraction": Fraction(10**400),
    "huge decimal": Decimal("1e400"),
    "huge longdouble": np.longdouble("1e4000"),
    "nan": math.nan,
    "infinite": math.inf,
    "decimal nan": Decimal("nan"),
    "signalling nan": Decimal("sNaN"),
    "array of one": np.array(0.5),
    "array": np.array([0.5, 0.5]),
    "list": [0.5],
    "complex": 0.5 + 0j,
    "string": "0.5",
    "None": None,
}
#: Fields that reach from 1 on.
FROM_ONE = ("ratio", "power")


def fields():
    """Yield (class, name of a field, its default) of all fields that are numbers."""
    for name in components.__all__:
        cls = getattr(components, name)
        if isinstance(cls, type) and issubclass(cls, Component):
            for field in dataclasses.fields(cls):
                if isinstance(field.default, float | int):
                    yield pytest.param(cls, field.name, field.default, id=f"{name}.{field.name}")


def made(cls, **given):
    return cls("a.npz", **given) if cls is Checkpoint else cls(**given)


def test_there_are_fields():
    assert len(list(fields())) > 35


@pytest.mark.parametrize(("cls", "field", "default"), list(fields()))
def test_fields_become_numbers_of_python(cls, field, default):
    for value in (TWOS if isinstance(default, int) else HALVES).values():
        if isinstance(default, bool):
            value = np.bool_(value)
        elif field in FROM_ONE:
            value = value + 1
        component = made(cls, **{field: value})
        assert type(getattr(component, field)) is type(default)
        assert getattr(component, field) == value
        assert repr(component) == repr(made(cls, **{field: type(default)(value)}))


@pytest.mark.parametrize("value", BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize(("cls", "field", "default"), list(fields()))
def test_fields_refuse_what_is_no_number(cls, field, default, value):
    with pytest.raises(ValueError, match=f"'{field}' parameter of {cls.__name__} must be"):
        made(cls, **{field: value})


@pytest.mark.parametrize(
    "spoil",
    [
        lambda bad: Quantile(bad),
        lambda bad: Quantile((0.1, bad)),
        lambda bad: GroupRates((("b", bad),)),
        lambda bad: Gelu(approximate=bad),
    ],
    ids=["level", "levels", "factors", "choice"],
)
@pytest.mark.parametrize("value", BAD.values(), ids=BAD.keys())
def test_other_fields_refuse_what_is_no_number(spoil, value):
    with pytest.raises(ValueError, match=r"parameter of \w+ must be"):
        spoil(value)


def test_other_fields_become_numbers_of_python():
    assert repr(Quantile((Fraction(1, 4), np.float32(0.5)))) == "Quantile(level=(0.25, 0.5))"
    assert repr(Quantile(Decimal("0.5"))) == "Quantile(level=0.5)"
    assert GroupRates([("b", np.uint8(2))]).factors == (("b", 2.0),)
    assert type(GroupRates([("b", np.uint8(2))]).factors[0][1]) is float


@pytest.mark.parametrize(
    "value", [10**400, 2**63, np.uint64(2**64 - 1)], ids=["huge", "2^63", "u8"]
)
@pytest.mark.parametrize("cls", [Step, Blocks, Checkpoint])
def test_counts_beyond_numpys_integers(cls, value):
    field = "size" if cls is Blocks else "every"
    with pytest.raises(ValueError, match=rf"an integer from 1 to {2**63 - 1}\. Got"):
        made(cls, **{field: value})
    made(cls, **{field: 2**63 - 1})


@pytest.mark.parametrize("size", [np.uint8(16), np.int8(7), np.uint16(4), np.int32(64), 2**63 - 1])
def test_blocks_of_small_integers(size):
    rows = np.arange(1000)
    given, plain = (Blocks(n, 3).draw(rows, np.random.RandomState(0)) for n in (size, int(size)))
    assert_array_equal(given, plain)
    assert_array_equal(np.sort(given), rows)


def test_as_float():
    assert as_float(True) == 1.0
    assert as_float(-(10**400)) == -math.inf
    assert math.isnan(as_float(1j))


# ------------------------------------------------------------------------------------- estimators
FLOATS = ["alpha", "learning_rate_init", "power_t", "tol", "momentum", "validation_fraction"]
FLOATS += ["beta_1", "beta_2", "epsilon", "l1_ratio", "ema_decay", "dropout"]
COUNTS = ["batch_size", "max_iter", "n_iter_no_change", "max_fun"]
SETTINGS = {
    "power_t": {"solver": "sgd", "learning_rate": "invscaling"},
    "momentum": {"solver": "sgd"},
    "l1_ratio": {"alpha": 0.1},
    "max_fun": {"solver": "lbfgs"},
    # So that training stalls at once, and ends.
    "max_iter": {"tol": 1e9, "n_iter_no_change": 1},
}


def estimator(cls, name, value):
    usual = {"hidden_layer_sizes": (3,), "max_iter": 3, "random_state": 0}
    stops = {"early_stopping": True} if name == "validation_fraction" else {}
    return cls(**usual | stops | SETTINGS.get(name, {}) | {name: value})


@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("value", HALVES.values(), ids=HALVES.keys())
def test_parameters_are_floats_of_any_type(cls, name, value):
    fitted = estimator(cls, name, value).fit(X, Y)
    assert_array_equal(fitted.theta_, estimator(cls, name, 0.5).fit(X, Y).theta_)


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("value", BAD.values(), ids=BAD.keys())
def test_parameters_refuse_what_is_no_number(name, value):
    kinds = {"ema_decay": type(None), "dropout": (list, np.ndarray)}
    if isinstance(value, kinds.get(name, ())) and np.size(value) == 1:
        pytest.skip("good there")
    for cls in MLPClassifier, MLPRegressor:
        with pytest.raises(ValueError, match=f"'{name}' parameter of {cls.__name__} must be"):
            estimator(cls, name, value).fit(X, Y)


@pytest.mark.parametrize("name", ["epsilon", "momentum", "power_t", "alpha"])
def test_true_is_1_as_in_scikit_learn(name):
    fitted = estimator(MLPClassifier, name, True).fit(X, Y)
    assert_array_equal(fitted.theta_, estimator(MLPClassifier, name, 1.0).fit(X, Y).theta_)


@pytest.mark.parametrize(("name", "value"), [("beta_1", True), ("beta_2", 1), ("epsilon", False)])
def test_errors_of_flat_parameters_name_the_estimator(name, value):
    with pytest.raises(ValueError, match=f"'{name}' parameter of MLPClassifier must be"):
        estimator(MLPClassifier, name, value).fit(X, Y)


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize(
    "value", [10**400, 2**63, np.uint64(2**64 - 1), np.uint8(255)], ids=["huge", "2^63", "u8", "u1"]
)
def test_counts_of_any_size(name, value):
    fitted = estimator(MLPClassifier, name, value).fit(X, Y)
    like = estimator(MLPClassifier, name, min(int(value), 10**6)).fit(X, Y)
    assert_array_equal(fitted.theta_, like.theta_)


@pytest.mark.parametrize("value", [Fraction(1, 4), np.float16(0.25), Decimal("0.25")])
def test_parameters_of_the_tabular_estimators(value):
    params = {"n_ensemble": 1, "random_state": 0}
    a, b = (
        TabularMLPClassifier("fast", **params, ema_decay=x, learning_rate_init=x).fit(X, Y)
        for x in (value, 0.25)
    )
    assert_array_equal(a.predict_proba(X), b.predict_proba(X))


@pytest.mark.parametrize("kind", [Fraction, Decimal])
@pytest.mark.parametrize(
    ("cls", "params"),
    [
        (MLPRegressor, {"tol": "0.001", "validation_fraction": "0.3", "early_stopping": True}),
        (MLPRegressor, {"solver": "lbfgs", "alpha": "0.1", "tol": "0.01"}),
        (MLPRegressor, {"solver": "sgd", "learning_rate": "invscaling", "power_t": "0.3"}),
        (MLPClassifier, {"dropout": "0.4", "l1_ratio": "0.3", "ema_decay": "0.9"}),
        (MLPClassifier, {"solver": Adam(), "beta_1": "0.9", "learning_rate_init": "0.1"}),
        (MLPClassifier, {"class_weight": {0: Fraction(1, 3)}, "epsilon": "1e-5"}),
        (TabularMLPRegressor, {"patience": "1.5", "n_ensemble": 1, "max_iter": 1}),
    ],
)
def test_exact_numbers_in_the_life_of_an_estimator(kind, cls, params):
    """get_params returns what was passed; all else computes with floats."""
    names = {*FLOATS, "patience"} & params.keys()
    exact = params | {name: kind(params[name]) for name in names}
    usual = {"random_state": 0, "max_iter": 3}
    model = cls(**usual | exact)
    kept = clone(model).get_params()
    assert all(kept[name] == exact[name] and type(kept[name]) is kind for name in names)
    fitted = model.fit(X, Y)
    floats = cls(**usual | params | {name: float(params[name]) for name in names}).fit(X, Y)
    assert_array_equal(fitted.predict(X), floats.predict(X))
    assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict(X), floats.predict(X))


@pytest.mark.parametrize("kind", [Fraction, Decimal])
def test_exact_numbers_elsewhere(kind, tmp_path):
    path = str(tmp_path / "run.npz")
    usual = {"hidden_layer_sizes": (3,), "max_iter": 3, "random_state": 0}
    model = MLPRegressor(alpha=kind("0.1"), callbacks=[Checkpoint(path)], **usual).fit(X, Y)
    assert_array_equal(model.to_sklearn().predict(X), model.predict(X))
    assert type(model.to_sklearn().fit(X, Y).alpha) is float
    for alpha in 0.1, Fraction("0.1"), Decimal("0.1"):
        resumed = MLPRegressor(alpha=alpha, **usual).resume(path, X, Y)
        assert_array_equal(resumed.theta_, model.theta_)
    search = GridSearchCV(model.set_params(callbacks=None), {"alpha": [kind("0.1"), kind(2)]}, cv=2)
    assert search.fit(X, Y).best_params_["alpha"] in (kind("0.1"), kind(2))


@pytest.mark.parametrize("weight", [math.nan, "1", None, -1, 10**400])
def test_class_weights(weight):
    with pytest.raises(ValueError, match=r"class_weight must hold finite numbers >= 0"):
        MLPClassifier(class_weight={0: weight}).fit(X, Y)


def test_powers_of_integers_are_those_of_floats():
    ints, floats = Adam(beta_1=0, beta_2=0, epsilon=1), Adam(0.0, 0.0, 1.0)
    assert ints == floats
    assert repr(ints) == repr(floats)


def test_own_components_gain():
    class Rising(Schedule):
        power: float = 2.0

        def __post_init__(self):
            self.require_number("power", 0, math.inf)

        def __call__(self, progress):
            return self.power

    assert type(Rising(3)(Progress(0, 0, 0, 0.0, 0))) is float
    with pytest.raises(ValueError, match="'power' parameter of Rising"):
        Rising(10**400)
