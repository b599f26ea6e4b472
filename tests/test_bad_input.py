"""Bad input: ValueError or TypeError that names the parameter, and an estimator left as it was.

Each kind of bad input is one row: a constructor parameter in BAD_PARAMS, or a function that
spoils a good call. Hypothesis draws the details.
"""

import copy
import math
import pickle
import re
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array, csc_array, csr_array
from sklearn.exceptions import ConvergenceWarning

from sknn_scratch import MLPClassifier, MLPRegressor
from sknn_scratch.components import (
    SGD,
    Adam,
    GlorotUniform,
    InvScaling,
    LinearWarmup,
    LogLoss,
    Poisson,
    PrintProgress,
    Relu,
)
from sknn_scratch.contracts import Callback, Schedule
from sknn_scratch.fitting import _holdout

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:.*early-stopping split:UserWarning"),
]
drawn = settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])

# ------------------------------------------------------------------------------------ good calls
N, F = 24, 3
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, F))
FRAME = pd.DataFrame(X, columns=["height", "width", "depth"])
LABELS = np.arange(N)
LINEAR = X @ RNG.normal(size=(F, 2))
# task: (estimator, y)
TASKS: dict[str, tuple[type, Any]] = {
    "binary": (MLPClassifier, LABELS % 2),
    "multiclass": (MLPClassifier, np.array(["red", "green", "blue"])[LABELS % 3]),
    "multilabel": (MLPClassifier, (LINEAR > 0).astype(int)),
    "one output": (MLPRegressor, LINEAR[:, 0]),
    "two outputs": (MLPRegressor, LINEAR),
}
CLASSIFICATION = ("binary", "multiclass", "multilabel")
SINGLE = ("binary", "multiclass")
REGRESSION = ("one output", "two outputs")
PARAMS = {"hidden_layer_sizes": (5,), "max_iter": 4, "random_state": 0}
# (what the estimator has seen, method)
FRESH = [("new", "fit"), ("fitted", "fit"), ("new", "partial_fit")]
GOING_ON = [("warm", "fit"), ("fitted", "partial_fit")]
FITTING = FRESH + GOING_ON
PREDICTING = [
    ("fitted", method)
    for method in ["predict", "predict_proba", "predict_log_proba", "decision_function", "score"]
]
NOT_FINITE = (np.nan, np.inf, -np.inf)


@cache
def fitted(task, solver="adam", as_frame=False):
    """One fitted estimator of each kind; copy it before use."""
    estimator, y = TASKS[task]
    return estimator(**PARAMS, solver=solver).fit(FRAME if as_frame else X, y)


class Kind(NamedTuple):
    """A kind of bad input: what it does to a call, and the name that the message must hold."""

    spoil: Callable
    name: str
    on: list
    tasks: tuple
    either: bool  # accepting it, with a finite result, is as good


class Call:
    """A call of a method that would go well, until a kind of bad input spoils it."""

    def __init__(self, draw, on, tasks=tuple(TASKS)):
        self.draw = draw
        self.task = self.pick(*tasks)
        cls, self.y = TASKS[self.task]
        self.state, self.method = self.pick(*[s for s in on if hasattr(cls, s[1])])
        solvers = ("adam", "sgd", "lbfgs") if self.method == "fit" else ("adam", "sgd")
        solver = self.pick(*solvers)
        self.estimator = cls(**PARAMS, solver=solver)
        if self.state != "new":
            self.estimator = copy.deepcopy(fitted(self.task, solver))
            self.set(warm_start=self.state == "warm")
        self.X, self.more = X, {}
        if self.method == "partial_fit" and cls is MLPClassifier:
            self.more["classes"] = np.arange(2) if self.y.ndim == 2 else np.unique(self.y)

    def pick(self, *options):
        return self.draw(st.sampled_from(options))

    def put(self, array, bad, dtype=float):
        """A copy of ``array`` with one entry, anywhere, replaced by one of ``bad``."""
        array = np.array(array, dtype=dtype)
        place = tuple(self.draw(st.integers(0, n - 1)) for n in array.shape)
        array[place] = self.pick(*bad)
        return array

    @property
    def y_in_numbers(self):
        return LABELS % 3 if self.task == "multiclass" else self.y

    def set(self, **params):
        self.estimator.set_params(**params)

    def make(self):
        has_y = self.method in ("fit", "partial_fit", "score")
        args = (self.X, self.y) if has_y else (self.X,)
        return getattr(self.estimator, self.method)(*args, **self.more)


def snapshot(estimator):
    """All that a failed call must not change."""
    names = list(vars(estimator))
    return names, pickle.dumps(estimator), predictions(estimator)


def predictions(estimator):
    if not hasattr(estimator, "theta_"):
        return None
    X_like = FRAME if hasattr(estimator, "feature_names_in_") else X
    return estimator.predict(X_like).tolist()


def attempt(action):
    """The result of an action and its error; one of them is None, no other error is caught."""
    try:
        return action(), None
    except (ValueError, TypeError) as error:
        return None, error


def assert_refused(estimator, action, message):
    """The action raises one of the two errors, with this in its message, and changes nothing."""
    before = snapshot(estimator)
    _, error = attempt(action)
    assert error is not None, "accepted"
    assert re.search(message, str(error), re.DOTALL), error
    assert snapshot(estimator) == before


def assert_finite(estimator, result):
    """The weights are finite, and so are predictions, unless predict refuses X."""
    if result is estimator:
        assert np.isfinite(estimator.theta_).all()
        assert np.isfinite(estimator.loss_curve_).all()
        result, error = attempt(lambda: estimator.predict(X))
        if error is not None:
            assert str(error).startswith("X of")
            return
    assert np.asarray(result).dtype.kind in "iU" or np.isfinite(result).all()


def sentence(name, cls):
    """The one form of error sentence for constructor parameters."""
    return rf"The '{name}' parameter of {cls.__name__} must .+\. Got .+ instead"


# -------------------------------------------------------------------------- kinds of bad input
KINDS: dict[str, Kind] = {}


def kind(name, on=None, tasks=tuple(TASKS), either=False):
    """Add a kind: ``name`` is the parameter to be named, a regular expression."""

    def add(spoil):
        whole_word = rf"(?<!\w)({name})(?!\w)"
        KINDS[spoil.__name__] = Kind(spoil, whole_word, on or FITTING, tasks, either)
        return spoil

    return add


@kind("X", on=FITTING + PREDICTING)
def not_finite_in_X(call):
    dense = call.put(X, NOT_FINITE, dtype=call.pick("f4", "f8"))
    call.X = call.pick(np.asfortranarray, np.ndarray.tolist, csr_array, csc_array)(dense)


@kind("X", on=FITTING + PREDICTING)
def missing_in_frame(call):
    frame = FRAME.astype(call.pick("Float64", "object"))
    frame.iloc[call.pick(0, 5), call.pick(0, 1, 2)] = call.pick(None, pd.NA)
    call.X = frame.set_axis([0, 1, 2], axis=1)


@kind("X", on=FITTING + PREDICTING)
def axes_of_X(call):
    call.X = call.pick(X[:, 0], X[:, :, None], X[0, 0], pd.Series(X[:, 0]), FRAME.iloc[:, 0])


@kind("X", on=FITTING + PREDICTING)
def empty_X(call):
    call.X = call.pick(X[:0], X[:, :0], [])


@kind("X", on=FITTING + PREDICTING)
def ragged_X(call):
    call.X = X.tolist()
    del call.X[call.pick(0, 7, N - 1)][0]


@kind("X", on=FITTING + PREDICTING)
def complex_X(call):
    call.X = call.pick(np.asarray, csr_array, csc_array)(call.put(X, [1j, 0j], dtype=complex))


@kind("X", on=FITTING + PREDICTING)
def text_in_X(call):
    text = call.put(X, ["text", ""], dtype=object)
    call.X = call.pick(np.asarray, np.ndarray.tolist, pd.DataFrame)(text)


@kind("X", on=FITTING + PREDICTING)
def objects_in_X(call):
    call.X = call.put(X, [None, {}, object(), np.nan], dtype=object)


@kind("X", on=FITTING + PREDICTING)
def no_array_at_all_for_X(call):
    call.X = call.pick(None, "text", {"height": 1.0}, {1.0}, iter(X), object())


@kind("X", on=[s for s in PREDICTING if s[1] != "score"], either=True)
def huge_X(call):
    call.X = call.put(X, [1e300, -1e308, np.finfo(float).max, -np.finfo(float).max])


@kind("X", on=[("fitted", "predict")], tasks=REGRESSION, either=True)
def huge_X_for_poisson(call):
    call.estimator = MLPRegressor(**PARAMS, loss="poisson").fit(X, np.abs(call.y))
    call.X = X * call.pick(1e4, -1e4, 1e300)


@kind("X", on=FITTING + PREDICTING)
def too_large_for_a_double(call):
    assume(np.finfo(np.longdouble).max > np.finfo(float).max)
    call.X = call.put(X, [np.longdouble("1e4000")], dtype=np.longdouble)


@kind("X", on=[*PREDICTING, ("fitted", "partial_fit")], either=True)
def too_large_for_a_float32_model(call):
    call.estimator = TASKS[call.task][0](**PARAMS).fit(X.astype("f4"), call.y)
    call.X = call.put(X, [1e39, -1e300])


@kind("learning_rate_init", either=True)
def training_that_diverges(call):
    call.set(learning_rate_init=call.pick(0.001, 1e10, 1e200))
    call.X = call.pick(X, X * 1e50, X * 1e150, call.put(X, [1e300, -1e308, np.finfo(float).max]))


@kind("X", on=GOING_ON + PREDICTING)
def other_number_of_features(call):
    call.X = call.pick(X[:, :2], np.hstack([X, X]))
    call.X = call.pick(np.asarray, csr_array)(call.X)


@kind("X|feature names", on=GOING_ON + PREDICTING)
def other_feature_names(call):
    warm_start = call.estimator.warm_start
    call.estimator = copy.deepcopy(fitted(call.task, as_frame=True))
    call.set(warm_start=warm_start)
    call.X = call.pick(
        FRAME[["depth", "width", "height"]],
        FRAME.rename(columns={"width": "breadth"}),
        FRAME.drop(columns="height"),
        FRAME.assign(age=1.0),
    )


@kind("not fitted", on=[("new", method) for _, method in PREDICTING])
def not_fitted(call):
    pass


# --- y
@kind("y")
def not_finite_in_y(call):
    call.y = call.put(call.y_in_numbers, NOT_FINITE, dtype=call.pick("f4", "f8"))


@kind("y")
def no_array_at_all_for_y(call):
    call.y = call.pick(None, "text", 1.0, {"red": 1}, object())


@kind("y")
def other_length_of_y(call):
    call.y = call.pick(call.y[: call.pick(0, 1, N - 1)], np.concatenate([call.y, call.y]))


@kind("y")
def axes_of_y(call):
    call.y = np.zeros(call.pick((N, 1, 1), (N, 2, 2), (N, 0)), dtype=int)


@kind("y")
def complex_y(call):
    call.y = call.put(call.y_in_numbers, [1j, 0j], dtype=complex)


@kind("y", tasks=REGRESSION)
def text_for_a_regressor(call):
    y = call.put(call.y, ["red", "1 m", None], dtype=object)
    call.y = call.pick(np.asarray, np.ndarray.tolist)(y)


@kind("y", tasks=REGRESSION)
def sparse_targets_for_a_regressor(call):
    call.y = call.pick(csr_array, coo_array)(np.c_[LINEAR])


@kind("y", tasks=CLASSIFICATION)
def numbers_for_a_classifier(call):
    call.y = call.pick(LINEAR[:, 0], LINEAR, LINEAR.astype("f4"))


@kind("y", tasks=CLASSIFICATION)
def several_classes_in_a_row(call):
    call.y = np.c_[LABELS % 3, LABELS % 4]


@kind("y", tasks=SINGLE)
def labels_of_several_types(call):
    call.y = call.put(call.y, [None, 7.5, ("a",), {}], dtype=object)


@kind("y|classes", on=GOING_ON, tasks=SINGLE)
def unseen_class(call):
    call.y = call.put(call.y, [7] if call.task == "binary" else ["pink"], dtype=call.y.dtype)


@kind("y|classes", on=GOING_ON, tasks=SINGLE)
def labels_of_another_type(call):
    call.y = call.y.astype(str) if call.task == "binary" else LABELS % 3


@kind("y", on=[("warm", "fit")], tasks=SINGLE)
def fewer_classes_in_a_warm_start(call):
    call.y = np.where(call.y == call.y[0], call.y[1], call.y)


@kind("y", on=GOING_ON)
def other_number_of_columns(call):
    columns = call.pick(1, 2, 3, 4)
    assume(columns != (call.y.shape[1] if call.y.ndim == 2 else 1))
    y = LINEAR[:, 0] if columns == 1 else np.resize(LINEAR, (N, columns))
    call.y = (y > 0).astype(int) if call.task in CLASSIFICATION else y


@kind("y", on=GOING_ON, tasks=("multilabel",))
def indicators_other_than_0_and_1(call):
    call.y = call.put(call.y, [0.5, 2, -1])


@kind("y", tasks=REGRESSION)
def negative_for_poisson(call):
    estimator = TASKS[call.task][0](**PARAMS, loss="poisson")
    call.estimator = estimator if call.state == "new" else estimator.fit(X, np.abs(call.y))
    call.set(loss=call.pick("poisson", Poisson()), warm_start=call.state == "warm")
    call.y = call.put(np.abs(call.y), [-1, -1e-3, -1e30])


@kind("y|learning_rate_init", tasks=REGRESSION, either=True)
def huge_y(call):
    call.X = X.astype("f4")
    call.y = call.put(call.y, [1e39, -1e300])


@kind("y", on=[("fitted", "score")])
def bad_y_in_score(call):
    call.y = call.pick(None, call.y[:3], np.full(N, np.nan), call.y[:, ..., None, None])


# --- sample_weight and classes
@kind("sample_weight")
def negative_weight(call):
    call.more["sample_weight"] = call.put(np.ones(N), [-1, -1e-300])


@kind("sample_weight")
def weight_not_finite(call):
    call.more["sample_weight"] = call.put(np.ones(N), NOT_FINITE, dtype=call.pick("f4", "f8"))


@kind("sample_weight")
def no_weight_but_zeros(call):
    call.more["sample_weight"] = call.pick(np.zeros(N), np.zeros(N, "f4"), [0] * N, 0, 0.0)


@kind("sample_weight")
def shape_of_weights(call):
    call.more["sample_weight"] = np.ones(call.pick(0, 1, N - 1, N + 1, (N, 1), (1, N), (N, F)))


@kind("sample_weight")
def weights_that_are_no_numbers(call):
    words = ("balanced", ["heavy"] * N, {0: 1.0}, [1j] * N, object())
    call.more["sample_weight"] = call.pick(*words)


@kind("sample_weight", on=[*FITTING, ("fitted", "score")])
def weights_that_are_text(call):
    words = call.pick(["1"] * N, np.array(["1"] * N), np.array([b"1"] * N), [1.0] * (N - 1) + ["2"])
    call.more["sample_weight"] = call.pick(np.asarray, lambda w: np.array(w, object))(words)


@kind("sample_weight", on=[*FITTING, ("fitted", "score")])
def weights_of_other_kinds(call):
    call.more["sample_weight"] = call.pick(
        np.ones(N, "m8[s]"),
        np.array(["2020-01-01"] * N, "M8[D]"),
        np.ones(N) * 1j,
        {0: 1.0},
        {1.0},
        pd.DataFrame({"w": np.ones(N)}),
        pd.Series([1.0] * (N - 1) + [None], dtype="Float64"),
        np.full(N, 10**400, dtype=object),
    )


@kind("sample_weight", on=[*FITTING, ("fitted", "score")])
def weights_whose_sum_overflows(call):
    huge = np.finfo(float).max
    call.more["sample_weight"] = call.pick(np.full(N, 1e308), huge, [huge, huge] + [0] * (N - 2))


@kind("sample_weight", on=[("fitted", "score")])
def no_weight_in_score(call):
    call.more["sample_weight"] = call.pick(
        np.zeros(N), [0] * N, 0.0, np.full(N, 5e-324), -np.ones(N)
    )


@kind("sample_weight and class_weight", on=[("new", "fit")], tasks=("binary",))
def no_weight_of_classes(call):
    call.set(class_weight={0: 0.0, 1: 0.0})


@kind("sample_weight|learning_rate_init", either=True)
def weights_beyond_float32(call):
    call.X = X.astype("f4")
    call.more["sample_weight"] = np.full(N, call.pick(1e-46, 5e-324, 1e39, 1e307))


@kind("sample_weight|learning_rate_init", either=True)
def weights_at_the_limits(call):
    call.more["sample_weight"] = np.full(N, call.pick(5e-324, 1e-300, 1e300, np.finfo(float).max))


@kind("sample_weight", on=[("new", "fit"), ("fitted", "fit"), ("warm", "fit")])
def no_weight_in_a_part_of_the_split(call):
    call.set(solver=call.pick("adam", "sgd"), early_stopping=True, validation_fraction=0.25)
    call.more["sample_weight"] = call.put(np.zeros(N), [1.0])


@kind("classes", on=[("new", "partial_fit")], tasks=CLASSIFICATION)
def classes_missing_in_the_first_call(call):
    call.more = call.pick({}, {"classes": None})


@kind("classes", on=[("fitted", "partial_fit")], tasks=CLASSIFICATION)
def classes_changed_later(call):
    known = call.more["classes"]
    call.more["classes"] = call.pick(known[:1], np.resize(["a", "b", "c", "d"], 4), [*known, 9][1:])


@kind("classes", on=[("new", "partial_fit")], tasks=SINGLE)
def classes_that_lack_one_of_y(call):
    call.more["classes"] = call.pick(call.more["classes"][1:], ["a", "b"], [5, 6])


@kind("classes", on=[("new", "partial_fit"), ("fitted", "partial_fit")], tasks=CLASSIFICATION)
def classes_that_are_none(call):
    options = ([], 3, "ab", [0, np.nan], [0.5, 0.7], [0, "a"], [None, 1], [1j, 2], [[0, 1]], {})
    call.more["classes"] = call.pick(*options)


# --- parameters that are wrong together
@kind("'loss' parameter", on=FRESH, tasks=CLASSIFICATION)
def loss_of_a_regressor(call):
    call.set(loss=call.pick("squared_error", "poisson", Poisson()))


@kind("'loss' parameter", on=FRESH, tasks=REGRESSION)
def loss_of_a_classifier(call):
    call.set(loss=call.pick("log_loss", "binary_log_loss", LogLoss()))


@kind("loss='binary_log_loss'", on=FRESH, tasks=("multiclass",))
def binary_loss_for_three_classes(call):
    call.set(loss="binary_log_loss")


@kind("loss", on=GOING_ON, tasks=(*REGRESSION, "binary"))
def loss_of_another_link(call):
    call.set(loss="binary_log_loss" if call.task == "binary" else "poisson")
    call.y = np.abs(call.y)


@kind("hidden_layer_sizes", on=GOING_ON)
def other_layers(call):
    call.set(hidden_layer_sizes=call.pick((), 4, (5, 5), [6]))


@kind("validation_fraction", on=[s for s in FITTING if s[1] == "fit"])
def validation_part_too_small(call):
    call.set(solver="sgd", early_stopping=True, validation_fraction=call.pick(0, 1 / N, 0.01))


@kind("validation_fraction", on=[s for s in FITTING if s[1] == "fit"])
def nothing_left_to_train_on(call):
    call.set(solver="adam", early_stopping=True, validation_fraction=call.pick(0.99, 1 - 1e-9))
    n = 3 if call.task == "multiclass" else call.pick(2, 4)
    call.X, call.y = X[:n], call.y[:n]


@kind("early_stopping", on=[("new", "partial_fit"), ("fitted", "partial_fit")])
def early_stopping_in_partial_fit(call):
    call.set(early_stopping=True)


@given(st.data())
@pytest.mark.parametrize("name", KINDS)
@drawn
def test_bad_input(name, data):
    bad = KINDS[name]
    call = Call(data.draw, bad.on, bad.tasks)
    bad.spoil(call)
    before = snapshot(call.estimator)
    result, error = attempt(call.make)
    if error is None:
        assert bad.either, "accepted"
        assert_finite(call.estimator, result)
    else:
        assert re.search(bad.name, str(error)), error
        assert snapshot(call.estimator) == before


# ---------------------------------------------------------------------- constructor parameters
WORDS = st.sampled_from(["much", [0.5], {}, 1j, np.array([0.1, 0.2]), float, pd.NA])


def outside(low, high=math.inf, low_ok=True, high_ok=False):
    """Numbers outside an interval, and what is no number."""
    below = st.floats(max_value=low, exclude_max=low_ok, allow_nan=False)
    above = st.just(math.inf)
    if high < math.inf:
        above = st.floats(min_value=high, exclude_min=high_ok, allow_nan=False)
    return below | above | st.just(math.nan) | st.none() | WORDS


def no_count():
    """What is no integer of at least 1."""
    fractions = st.sampled_from([0.5, 3.0, math.nan, -math.inf, None])
    return st.integers(max_value=0) | fractions | WORDS


def no_flag():
    return st.sampled_from([None, 0, 1, 2, -1, 0.5, math.nan, "yes", [], np.array([True, False])])


def no_component(class_itself, of_another_kind):
    """A class instead of an instance, another kind of component, an unknown name, anything."""
    others = [class_itself, of_another_kind, "nonsense", "", None, 3, math.nan, {}, object()]
    return st.sampled_from([*others, np.array(["adam", "relu"])])


BAD_PARAMS: dict[str, st.SearchStrategy] = {
    "hidden_layer_sizes": st.integers(max_value=0)
    | st.sampled_from([2.5, math.nan, True, None, "10", "", int, 1j, object(), {5}, {5: 5}])
    | st.sampled_from([(5, 0), (5, -1), (5, 2.5), (3.0,), [True], (5, "5"), (5, None), ((5, 5),)])
    | st.sampled_from([np.array(5.0), np.array(5), np.array([[5]]), np.array([5, math.nan])]),
    "activation": no_component(Relu, Adam())
    | st.sampled_from(
        [[], ["relu"] * 3, ["relu", None], ["relu", Relu], ("relu", Adam()), {"relu"}]
    ),
    "solver": no_component(Adam, Relu()),
    "alpha": outside(0),
    "batch_size": no_count() | st.just("automatic"),
    "learning_rate": no_component(InvScaling, Adam()),
    "learning_rate_init": outside(0, low_ok=False),
    "power_t": outside(0),
    "max_iter": no_count() | st.just(math.inf),
    "shuffle": no_flag(),
    "random_state": st.integers(max_value=-1)
    | st.integers(min_value=2**32)
    | st.sampled_from([0.5, math.nan, "seed", [], np.random.default_rng(0), np.random.RandomState]),
    "tol": outside(0),
    "verbose": st.integers(max_value=-1) | st.sampled_from(["no", None, [], math.nan, 0.5]),
    "warm_start": no_flag(),
    "momentum": outside(0, 1, high_ok=True),
    "nesterovs_momentum": no_flag(),
    "early_stopping": no_flag(),
    "validation_fraction": outside(0, 1),
    "beta_1": outside(0, 1),
    "beta_2": outside(0, 1),
    "epsilon": outside(0, low_ok=False),
    "n_iter_no_change": no_count(),
    "max_fun": no_count() | st.just(math.inf),
    "loss": no_component(LogLoss, Relu()),
    "initializer": no_component(GlorotUniform, Relu()),
    "scoring": st.sampled_from([0, 3.5, [], math.nan, "nonsense", "Loss"]),
    # A list of one rate fits one hidden layer.
    "dropout": outside(0, 1).filter(lambda value: not isinstance(value, list))
    | st.sampled_from([[0.5, 0.5], (0.1, 2.0), (0.1, None), "half"]),
    "l1_ratio": outside(0, 1, high_ok=True),
    "ema_decay": outside(0, 1).filter(lambda value: value is not None),
    "callbacks": st.sampled_from([3, "history", [1], [Relu()], [PrintProgress], PrintProgress()]),
    "dtype": st.sampled_from(["float16", np.float32, 32, math.nan, "single"]),
}


def test_every_parameter_has_a_row():
    assert len(KINDS) + len(BAD_PARAMS) > 40
    for cls in MLPClassifier, MLPRegressor:
        # class_weight needs classes: test_regularisation.py
        assert set(BAD_PARAMS) == set(cls().get_params()) - {"class_weight"}


@given(st.data())
@pytest.mark.parametrize("name", BAD_PARAMS)
@drawn
def test_bad_parameter(name, data):
    call = Call(data.draw, FITTING)
    call.set(**{name: data.draw(BAD_PARAMS[name])})
    assert_refused(call.estimator, call.make, sentence(name, type(call.estimator)))


@pytest.mark.parametrize(
    ("name", "given_name", "meant"),
    [
        ("activation", "rellu", "relu"),
        ("activation", "ReLU", "relu"),
        ("activation", ("relu", "tahn"), "tanh"),
        ("activation", "logistik", "logistic"),
        ("solver", "adma", "adam"),
        ("solver", "SGD", "sgd"),
        ("solver", "lbfg", "lbfgs"),
        ("learning_rate", "adaptiv", "adaptive"),
        ("learning_rate", "inv_scaling", "invscaling"),
        ("loss", "log_los", "log_loss"),
        ("loss", "squared_eror", "squared_error"),
        ("initializer", "glorot_unifrom", "glorot_uniform"),
    ],
)
@given(st.data())
@drawn
def test_unknown_name_suggests_the_nearest(name, given_name, meant, data):
    call = Call(data.draw, FRESH)
    n_layers = len(given_name) if isinstance(given_name, tuple) else 1
    call.set(hidden_layer_sizes=(5,) * n_layers, **{name: given_name})
    message = sentence(name, type(call.estimator)) + f".* Did you mean '{meant}'"
    assert_refused(call.estimator, call.make, message)


@pytest.mark.parametrize(
    ("instance", "flat", "instead"),
    [
        ({"solver": Adam()}, {"beta_1": 0.8}, "solver=Adam(beta_1=0.8)"),
        ({"solver": Adam()}, {"beta_2": 0.9}, "solver=Adam(beta_2=0.9)"),
        ({"solver": Adam()}, {"epsilon": 1e-3}, "solver=Adam(epsilon=0.001)"),
        ({"solver": Adam()}, {"momentum": 0.5}, "leave momentum out"),
        ({"solver": SGD()}, {"momentum": 0.5}, "solver=SGD(momentum=0.5)"),
        ({"solver": SGD()}, {"nesterovs_momentum": False}, "solver=SGD(nesterov=False)"),
        (
            {"learning_rate": InvScaling()},
            {"power_t": 0.3},
            "learning_rate=InvScaling(power_t=0.3)",
        ),
    ],
)
@given(st.data())
@drawn
def test_flat_parameter_beside_an_instance(instance, flat, instead, data):
    call = Call(data.draw, FITTING)
    call.set(**instance, **flat)
    (name,) = flat
    message = sentence(name, type(call.estimator)).replace(" instead", f".*{re.escape(instead)}")
    assert_refused(call.estimator, call.make, message)


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"solver__beta_1": 0.5}, "solver__beta_1"),
        ({"activation__alpha": 0.5}, "activation__alpha"),
        ({"alpha__beta": 1}, "alpha__beta"),
        ({"optimizer": "adam"}, "optimizer"),
        ({"optimizer__beta_1": 0.5}, "optimizer__beta_1"),
        ({"learning_rate": InvScaling(), "learning_rate__power": 1}, "power"),
        ({"learning_rate": InvScaling(), "learning_rate__power_t": -1}, "power_t"),
        ({"learning_rate": InvScaling(), "learning_rate__power_t__x": 1}, "power_t__x"),
    ],
)
@pytest.mark.parametrize("task", ["multiclass", "one output"])
def test_bad_set_params(params, name, task):
    estimator = copy.deepcopy(fitted(task))
    message = rf"(?<!\w){name}(?!\w)"
    assert_refused(estimator, lambda: estimator.set_params(max_iter=9, **params), message)


@pytest.mark.parametrize(
    ("component", "fields"),
    [
        (
            Adam,
            {"beta_1": outside(0, 1), "beta_2": outside(0, 1), "epsilon": outside(0, low_ok=False)},
        ),
        (SGD, {"momentum": outside(0, 1, high_ok=True), "nesterov": no_flag()}),
        (InvScaling, {"power_t": outside(0)}),
    ],
)
@given(st.data())
@drawn
def test_components_check_their_fields(component, fields, data):
    name = data.draw(st.sampled_from(list(fields)))
    with pytest.raises((ValueError, TypeError)) as error:
        component(**{name: data.draw(fields[name])})
    assert re.search(sentence(name, component), str(error.value), re.DOTALL)


# ------------------------------------------------------------------------------ fitted attributes
@pytest.mark.parametrize("task", ["multiclass", "two outputs"])
@pytest.mark.parametrize("name", ["coefs_", "intercepts_"])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda arrays: arrays[:1],
        lambda arrays: [*arrays, arrays[-1]],
        lambda arrays: [a.T[..., None] for a in arrays],
        lambda arrays: [a[:-1] for a in arrays],
        lambda arrays: [a * np.nan for a in arrays],
        lambda arrays: [a + 1j for a in arrays],
        lambda arrays: [np.full(a.shape, "x") for a in arrays],
        lambda arrays: [[[1.0, 2.0], [3.0]]] * len(arrays),
        lambda arrays: None,
        lambda arrays: 1.0,
    ],
    ids=["fewer", "more", "axes", "rows", "nan", "complex", "text", "ragged", "None", "number"],
)
def test_bad_weights(task, name, spoil):
    estimator = copy.deepcopy(fitted(task))
    values = spoil(getattr(estimator, name))
    assert_refused(estimator, lambda: setattr(estimator, name, values), name)


# -------------------------------------------------------------------------- odd, but clear enough
@pytest.mark.parametrize(
    ("task", "odd"),
    [
        ("binary", {"classes": [1, 0]}),
        ("binary", {"classes": [0, 1, 1, 0]}),
        ("multiclass", {"classes": np.array(["red", "green", "blue"], dtype=object)}),
        ("multiclass", {"y": TASKS["multiclass"][1].astype(object)}),
        ("multiclass", {"y": TASKS["multiclass"][1].tolist()}),
        ("binary", {"y": (LABELS % 2).astype(float)}),
        ("multilabel", {"y": csr_array(TASKS["multilabel"][1])}),
        ("multilabel", {"y": TASKS["multilabel"][1].astype(bool)}),
        ("multilabel", {"classes": [1, 0]}),
        ("one output", {"y": TASKS["one output"][1].astype(object)}),
        ("two outputs", {"y": pd.DataFrame(TASKS["two outputs"][1])}),
        *[
            (task, odd)
            for task in ("binary", "two outputs")
            for odd in (
                {"X": X.tolist()},
                {"X": X.astype(object)},
                {"X": np.asfortranarray(X)},
                {"X": np.repeat(X, 2, axis=0)[::2]},
                {"X": pd.DataFrame(X)},
                {"sample_weight": None},
                {"sample_weight": np.ones(N, dtype=int)},
                {"sample_weight": 1.0},
                {"hidden_layer_sizes": 5},
                {"hidden_layer_sizes": [np.int64(5)]},
                {"hidden_layer_sizes": np.array([5])},
                {"activation": ["relu"]},
                {"activation": Relu()},
                {"alpha": np.float64(0.0001)},
                {"batch_size": np.int32(N)},
                {"shuffle": np.True_},
                {"random_state": np.uint8(0)},
            )
        ],
    ],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_odd_but_clear_input(task, odd, method):
    cls, y = TASKS[task]
    plain = {"X": X, "y": y}
    method = "partial_fit" if "classes" in odd else method  # fit takes none
    if method == "partial_fit" and cls is MLPClassifier:
        plain["classes"] = [0, 1] if y.ndim == 2 else np.unique(y)
    models = []
    for given_ in {}, odd:
        params = {k: v for k, v in given_.items() if k in PARAMS or k in cls().get_params()}
        data = {k: v for k, v in given_.items() if k not in params}
        model = cls(**PARAMS | {"batch_size": N} | params)
        models.append(getattr(model, method)(**plain | data))
    np.testing.assert_allclose(models[1].theta_, models[0].theta_, rtol=1e-12)


@pytest.mark.parametrize(
    "weight",
    [
        pd.Series(np.arange(N)),
        pd.Series(np.arange(N), dtype="Int64"),
        pd.DataFrame({"w": np.arange(N)})["w"],
        np.arange(N).astype(object),
        np.arange(N).astype(np.uint8),
        np.arange(N).astype(np.float16),
        list(range(N)),
    ],
    ids=["series", "nullable", "column", "objects", "bytes", "halves", "list"],
)
@pytest.mark.parametrize("task", TASKS)
def test_weights_of_many_types(task, weight):
    cls, y = TASKS[task]
    plain = np.arange(N) * 1.0
    est = cls(**PARAMS).fit(X, y, weight)
    np.testing.assert_array_equal(est.theta_, cls(**PARAMS).fit(X, y, plain).theta_)
    assert est.score(X, y, weight) == est.score(X, y, plain)


@pytest.mark.parametrize("far", [1e200, -1e300, np.finfo(float).max])
@pytest.mark.parametrize("task", REGRESSION)
def test_rows_of_weight_0_do_not_count_in_scores(task, far):
    cls, y = TASKS[task]
    y, weight = y.copy(), np.ones(N)
    y[3], weight[3] = far, 0.0
    est = fitted(task)
    rest = np.delete(np.arange(N), 3)
    assert est.score(X, y, weight) == est.score(X[rest], y[rest], weight[rest])
    watched = cls(**PARAMS).fit(X[rest], y[rest], X_val=X, y_val=y, sample_weight_val=weight)
    assert np.isfinite(watched.validation_scores_).all()


# -------------------------------------------------------------------------- advice that follows
@pytest.mark.parametrize(
    ("task", "scoring", "advice"),
    [
        ("one output", "neg_mean_squared_log_error", "Choose a scorer that suits y"),
        ("one output", "neg_mean_gamma_deviance", "Choose a scorer that suits y"),
        ("multiclass", "f1", "Choose a scorer that suits y"),
        ("multiclass", "roc_auc", "Choose a scorer that suits y"),
        ("multiclass", "precision", "Choose a scorer that suits y"),
    ],
)
def test_scorers_that_do_not_suit(task, scoring, advice):
    cls, y = TASKS[task]
    with pytest.raises(ValueError, match=advice) as error:
        cls(**PARAMS, scoring=scoring).fit(X, y, X_val=X, y_val=y)
    assert "lacks a class" not in str(error.value)


@pytest.mark.parametrize(
    ("task", "rows", "lacking"),
    [
        ("multiclass", LABELS % 3 != 1, r"\['green'\]"),
        ("multiclass", LABELS % 3 == 2, r"\['green', 'red'\]"),
        ("multilabel", TASKS["multilabel"][1][:, 1] == 1, r"\[1\]"),
    ],
)
def test_scorers_that_miss_a_class(task, rows, lacking):
    cls, y = TASKS[task]

    def fails(estimator, X, y):
        raise ValueError("I want all classes.")

    with pytest.raises(ValueError, match=rf"lacks a class, .* no example of {lacking}: pass X_val"):
        cls(**PARAMS, scoring=fails).fit(X, y, X_val=X[rows], y_val=y[rows])


@pytest.mark.parametrize(
    ("solver", "advice"),
    [
        ("lbfgs", "or take solver='adam'"),
        ("sgd", "or lower learning_rate_init"),
        (SGD(0.5), "lower"),
    ],
)
def test_advice_where_training_diverges(solver, advice):
    est = MLPRegressor(**PARAMS, solver=solver)
    with pytest.raises(ValueError, match=f"Training diverged in epoch .*{advice}"):
        est.fit(X * 1e150, LINEAR * 1e150)


@pytest.mark.filterwarnings("default::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("patience", "advice"), [(np.inf, r"lower n_iter_no_change \(it is inf\)"), (2, "raise tol")]
)
def test_advice_of_patience_without_end(patience, advice):
    with pytest.warns(ConvergenceWarning, match=advice):
        MLPRegressor(**PARAMS, n_iter_no_change=patience).fit(X, LINEAR)


@pytest.mark.parametrize(("fraction", "change"), [(0.1, "increase"), (0.9, "lower")])
def test_advice_of_a_split_that_cannot_be_stratified(fraction, change):
    y = np.array([0, 1] * 5 + [1])
    with pytest.warns(UserWarning, match=f"{change} validation_fraction to stratify"):
        _holdout._stratified(np.arange(10), y, fraction, np.random.RandomState(0))


# --------------------------------------------------------------- nothing is lost by a failed call
class Fails(Schedule):
    """A schedule that fails when it is asked about the end of training, after all epochs."""

    error: type = RuntimeError

    def __call__(self, progress):
        if progress.fraction == 1.0:
            raise self.error("no such progress")
        return 1.0


class FailsAtEnd(Callback):
    def on_fit_end(self, memory, run):
        raise RuntimeError("no such end")


def failing_scorer(estimator, X, y):
    raise RuntimeError("no such score")


FAILING = {
    "schedule": {"learning_rate": Fails()},
    "schedule of a sum": {"learning_rate": Fails(ZeroDivisionError)},
    "schedule inside": {"learning_rate": LinearWarmup(Fails(), warmup=0.0)},
    "callback": {"callbacks": [FailsAtEnd()]},
    "scorer": {"scoring": failing_scorer, "early_stopping": True, "validation_fraction": 0.5},
}


@pytest.mark.parametrize("params", FAILING.values(), ids=FAILING.keys())
@pytest.mark.parametrize("task", ["binary", "two outputs"])
@pytest.mark.parametrize("state", ["new", "fitted", "warm"])
def test_user_code_that_fails_leaves_the_estimator_as_it_was(state, task, params):
    cls, y = TASKS[task]
    est = cls(**PARAMS) if state == "new" else copy.deepcopy(fitted(task))
    est.set_params(warm_start=state == "warm", **params)
    before = dict(vars(est))
    with pytest.raises((RuntimeError, ZeroDivisionError)):
        est.fit(X, y)
    assert vars(est).keys() == before.keys()
    assert all(value is before[name] for name, value in vars(est).items())


def test_a_list_of_factors_need_not_go_past_the_end():
    class Listed(Schedule):
        per_step = False
        factors: tuple = (1.0, 0.5, 0.25, 0.125)

        def __call__(self, progress):
            return self.factors[progress.epoch]

    est = MLPRegressor(**PARAMS, learning_rate=Listed(), tol=0).fit(X, LINEAR)
    assert est.history_[-1]["learning_rate"] == est.learning_rate_init / 8


def test_warnings_as_errors_lose_nothing():
    est = MLPRegressor(**PARAMS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ConvergenceWarning):
            est.fit(X, LINEAR)
    assert est.predict(X).shape == LINEAR.shape


@pytest.mark.parametrize("no_table", [None, 3, "text", {"a": [1.0]}, {1.0}, iter([1]), object()])
def test_what_is_no_table_is_refused_in_one_sentence(no_table):
    """The tabular estimators have the same sentence: tests/test_bad_tables.py."""
    got = "None" if no_table is None else type(no_table).__name__
    match = rf"^X of MLPRegressor must be a DataFrame or a two-dimensional .* Got {got}: make it a"
    fitted = MLPRegressor(**PARAMS).fit(X, LINEAR)
    for call in (lambda: fitted.predict(no_table), lambda: MLPRegressor().fit(no_table, LINEAR)):
        with pytest.raises(ValueError, match=match):
            call()
