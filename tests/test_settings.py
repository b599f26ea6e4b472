"""Parameters are resolved once: two ways to write one fit are one fit, for resume above all."""

import pickle
from dataclasses import FrozenInstanceError
from fractions import Fraction

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import scale

from sknn_scratch import MLPClassifier, MLPRegressor
from sknn_scratch.components import (
    SGD,
    Adam,
    AdamW,
    BinaryLogLoss,
    Blocks,
    Chain,
    Checkpoint,
    ClipByNorm,
    Constant,
    Cosine,
    Gelu,
    GlorotUniform,
    HeNormal,
    Huber,
    InvScaling,
    LogLoss,
    Relu,
    SquaredError,
    Tanh,
    WeightEMA,
)
from sknn_scratch.contracts import Activation
from sknn_scratch.fitting._settings import identity, settings_of
from sknn_scratch.training import checkpoint

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:Got `batch_size` less than 1 or larger:UserWarning"),
]

X, Y = load_diabetes(return_X_y=True)
X, Y = scale(X)[:60], scale(Y)[:60]
CLASSES = np.digitize(Y, [-0.6, 0.4])
SMALL = {"hidden_layer_sizes": (5,), "max_iter": 6, "random_state": 0}


class Squash(Activation):
    steepness: float = 1.0

    def forward(self, z, out):
        return np.divide(z, 1 + abs(z), out=out)

    def backward(self, grad, a, z, out):
        return np.multiply(grad, (1 - abs(a)) ** 2, out=out)


def decayed(optimizer):
    return WeightEMA(optimizer, 0.5)


def chain(norm):
    return Chain([("clip", ClipByNorm(norm)), ("adam", Adam())])


#: Values of a parameter that are one setting.
VALUES = {
    "solver": ["adam", Adam(), Adam(beta_1=np.float64(0.9), epsilon=Fraction(1, 10**8))],
    "learning_rate": ["constant", Constant(), "adaptive"],  # Adam ignores two names
    "activation": ["relu", Relu(), ["relu"], (Relu(),)],
    "initializer": ["glorot_uniform", GlorotUniform()],
    "loss": ["squared_error", SquaredError()],
    "hidden_layer_sizes": [5, (5,), [5], np.array([5]), np.int8(5), (np.uint64(5),)],
    "dropout": [0.25, Fraction(1, 4), np.float32(0.25), [0.25], np.array([0.25])],
    "shuffle": [True, np.bool_(True)],
    "early_stopping": [True, np.bool_(True)],
    "validation_fraction": [0.25, np.float32(0.25), Fraction(1, 4)],
    "alpha": [1, 1.0, np.float32(1), np.int8(1), Fraction(2, 2)],
    "l1_ratio": [0, 0.0, np.float64(0)],
    "tol": [0, 0.0, np.uint8(0)],
    "learning_rate_init": [1, 1.0, np.float32(1)],
    "batch_size": ["auto", 200, np.int64(200)],
    "n_iter_no_change": [5, np.int64(5)],
    "dtype": [None, "float64"],
}
#: Parameters that are one fit.
WAYS = {
    "another solver": [{"solver": "adamw"}, {"solver": AdamW()}],
    "flat parameters": [
        {"solver": "adam", "beta_1": 0.5, "epsilon": 1e-3},
        {"solver": Adam(beta_1=0.5, epsilon=1e-3)},
    ],
    "momentum": [
        {"solver": "sgd", "momentum": 1, "nesterovs_momentum": np.bool_(False)},
        {"solver": SGD(momentum=1.0, nesterov=False)},
    ],
    "of other solvers": [{}, {"momentum": 0.5}, {"power_t": 1.0}, {"max_fun": 7}],
    "chain": [{"solver": chain(1)}, {"solver": chain(np.float32(1.0))}],
    "average": [{"ema_decay": 0.5}, {"ema_decay": np.float64(0.5)}, {"solver": decayed(Adam())}],
    "invscaling": [
        {"solver": "sgd", "learning_rate": "invscaling", "power_t": 1},
        {"solver": SGD(), "learning_rate": InvScaling(power_t=1.0)},
    ],
    "cosine": [{"learning_rate": "cosine"}, {"learning_rate": Cosine()}],
    "gelu": [{"activation": Gelu()}, {"activation": "gelu"}, {"activation": [Gelu()]}],
    "plug-in": [{"activation": Squash(1)}, {"activation": Squash(np.float32(1))}],
    "no hidden layers": [{"hidden_layer_sizes": ()}, {"hidden_layer_sizes": []}],
    "blocks": [{"shuffle": "blocks"}, {"shuffle": Blocks()}, {"shuffle": Blocks(np.int16(4096))}],
    "no patience": [{"n_iter_no_change": np.inf}, {"n_iter_no_change": np.float32("inf")}],
}
WEIGHTS = [{0: 1, 1: 2, 2: 3}, {2: 3.0, 1: 2.0, 0: 1.0}, {1: np.int8(2), np.int64(2): 3}]
WAYS_OF_CLASSES = {
    "loss": [{"loss": "log_loss"}, {"loss": LogLoss()}],
    "class_weight": [{"class_weight": weights} for weights in WEIGHTS],
    "scoring": [{"scoring": "loss"}, {"scoring": np.str_("loss")}],
}


def pairs(table):
    """Return the first way to write a fit, with each of the others."""
    return [
        pytest.param(first, other, id=f"{name} {k}")
        for name, (first, *others) in table.items()
        for k, other in enumerate(others)
    ]


BY_VALUE = {name: [{name: value} for value in values] for name, values in VALUES.items()}


def resumed_as(cls, y, first, other, path):
    """Return the weights of one fit, and of one that goes on as the other from its epoch 4."""
    whole = cls(**SMALL | first, callbacks=[Checkpoint(str(path), every=4)]).fit(X, y)
    assert checkpoint.load(str(path))["state"]["epoch"] < whole.n_iter_
    return cls(**SMALL | other).resume(str(path), X, y).theta_, whole.theta_


@pytest.mark.parametrize(("first", "other"), pairs(BY_VALUE | WAYS))
def test_the_same_fit_written_in_another_way(first, other, tmp_path):
    got, expected = resumed_as(MLPRegressor, Y, first, other, tmp_path / "run.npz")
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(("first", "other"), pairs(WAYS_OF_CLASSES))
def test_the_same_fit_of_classes(first, other, tmp_path):
    got, expected = resumed_as(MLPClassifier, CLASSES, first, other, tmp_path / "run.npz")
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({True: 2, False: 3}, {1: 2.0, 0: 3.0}),
        ([{0: 2}, None], [{np.int64(0): 2.0, 1: 1}, None]),
    ],
)
def test_class_weights_are_compared_as_numbers(one, other):
    texts = {
        identity(settings_of(MLPClassifier(class_weight=w)))["class_weight"] for w in (one, other)
    }
    assert len(texts) == 1


#: (parameters of the checkpoint, those of resume, what the message says)
OTHER = {
    "hidden_layer_sizes": (
        {},
        {"hidden_layer_sizes": 6},
        r"hidden_layer_sizes is \(5,\), .* \(6,\)\.",
    ),
    "one layer more": ({}, {"hidden_layer_sizes": (5, 5)}, r"hidden_layer_sizes is \(5,\)"),
    "activation": ({}, {"activation": Tanh()}, r"activation is \(Relu\(\),\), .* \(Tanh\(\),\)\."),
    "field of a plug-in": ({"activation": Squash(1.0)}, {"activation": Squash(2)}, "activation is"),
    "solver": ({}, {"solver": SGD()}, "solver is 'adam', here it is 'sgd'"),
    "lbfgs": ({}, {"solver": "lbfgs"}, "solver is 'adam', here it is 'lbfgs'"),
    "flat": ({}, {"beta_1": 0.5}, "beta_1 is 0.9, here it is 0.5"),
    "field": ({"beta_2": 0.5}, {"solver": Adam()}, "beta_2 is 0.5, here it is 0.999"),
    "chain": ({"solver": chain(1)}, {"solver": chain(2)}, r"solver is .*ClipByNorm\(.*1\)"),
    "power_t": (
        {"solver": "sgd", "learning_rate": "invscaling"},
        {"solver": "sgd", "learning_rate": InvScaling(power_t=1)},
        "power_t is 0.5, here it is 1",
    ),
    "learning_rate": (
        {},
        {"learning_rate": Cosine()},
        r"learning_rate is Constant\(\), .* Cosine\(",
    ),
    "ema_decay": ({}, {"ema_decay": 0.5}, "ema_decay is None, here it is 0.5"),
    "initializer": ({}, {"initializer": HeNormal()}, "initializer is GlorotUniform"),
    "loss": ({}, {"loss": Huber()}, "loss is SquaredError"),
    "dropout": ({}, {"dropout": 0.5}, r"dropout is \(0,\), here it is \(0.5,\)"),
    "shuffle": ({}, {"shuffle": Blocks()}, "shuffle is True, here it is Blocks"),
    "alpha": ({}, {"alpha": 1}, "alpha is 0.0001, here it is 1"),
    "tol": ({}, {"tol": 1e-5}, "tol is 0.0001"),
    "batch_size": ({}, {"batch_size": 20}, "batch_size is 200, here it is 20"),
    "n_iter_no_change": (
        {},
        {"n_iter_no_change": np.inf},
        "n_iter_no_change is 10, .* inf",
    ),
    "early_stopping": ({}, {"early_stopping": True}, "early_stopping is False"),
    "scoring": ({}, {"scoring": "r2"}, "scoring is None, here it is 'r2'"),
    "dtype": ({}, {"dtype": "float32"}, "dtype is float64, here it is float32"),
}


@pytest.mark.parametrize(("first", "other", "words"), OTHER.values(), ids=list(OTHER))
def test_another_fit_is_refused_by_name(first, other, words, tmp_path):
    path = str(tmp_path / "run.npz")
    MLPRegressor(**SMALL, callbacks=[Checkpoint(path)]).set_params(**first).fit(X, Y)
    with pytest.raises(ValueError, match=f"of another fit: its {words}"):
        MLPRegressor(**SMALL | other).resume(path, X, Y)


def test_other_class_weights_are_refused(tmp_path):
    path = str(tmp_path / "run.npz")
    weights = {0: 1, 1: 2, 2: 3}
    MLPClassifier(**SMALL, callbacks=[Checkpoint(path)], class_weight=weights).fit(X, CLASSES)
    with pytest.raises(
        ValueError, match=r"class_weight is \{1: 2, 2: 3\}, here it is \{1: 2, 2: 4\}"
    ):
        MLPClassifier(**SMALL, class_weight=weights | {2: 4}).resume(path, X, CLASSES)


# ------------------------------------------------------------------------------------- the value
def test_settings_are_a_frozen_value():
    settings = settings_of(MLPRegressor(verbose=True, ema_decay=0.5, dropout=0.1))
    with pytest.raises(FrozenInstanceError):
        settings.alpha = 1.0
    assert settings.solver == WeightEMA(Adam(), 0.5)
    assert settings.dropout == (0.1,)
    assert [type(c).__name__ for c in settings.callbacks] == ["PrintProgress"]
    assert settings_of(MLPRegressor(solver="lbfgs")).solver is None


def test_settings_for_workers_can_be_pickled():
    model = MLPClassifier(
        loss=BinaryLogLoss(), scoring="accuracy", random_state=np.random.RandomState(0)
    )
    sent = settings_of(model).portable()
    assert pickle.loads(pickle.dumps(sent)) == sent
    assert sent.stand_in is sent.random_state is None


def test_the_estimator_keeps_what_was_written():
    given = {"hidden_layer_sizes": [5], "alpha": np.float32(0.5), "solver": "adam", "dropout": [0]}
    model = MLPRegressor(**given, max_iter=1).fit(X, Y)
    assert {name: getattr(model, name) for name in given} == given
