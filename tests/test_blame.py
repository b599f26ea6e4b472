"""Errors of components reach the user as they are, and with a note that names the component."""

import functools

import numpy as np
import pytest

from sknn_scratch import (
    MLPClassifier,
    MLPRegressor,
    TabularMLPClassifier,
    TabularMLPRegressor,
)
from sknn_scratch.components import (
    SGD,
    Adam,
    Blocks,
    Chain,
    ClipByNorm,
    Cosine,
    GlorotUniform,
    LogLoss,
    SquaredError,
    StopOnRise,
    Tanh,
    WeightEMA,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 3))
Y = X[:, 0] * X[:, 1]
CLASSES = (Y > 0).astype(int)
SMALL = {"hidden_layer_sizes": (4,), "max_iter": 2, "random_state": 0}
TABULAR = {"hidden_layer_sizes": (4,), "max_iter": 3, "effort": "fast", "n_ensemble": 2}
TABULAR |= {"min_steps": 0, "random_state": 0}


class Own(Exception):
    """An error of somebody's, with arguments of its own."""

    def __init__(self, what, code):
        super().__init__(what)
        self.code = code


class Interrupt(KeyboardInterrupt):
    pass


#: What loops, generators, scipy and pools take for something else than an error.
ERRORS = [
    StopIteration("enough"),
    StopAsyncIteration("enough"),
    GeneratorExit(),
    SystemExit(3),
    Interrupt(),
    KeyError("k"),
    ValueError("too bad"),
    RuntimeError("generator raised StopIteration"),
    Own("mine", 7),
]


def notes(error):
    return " ".join(getattr(error, "__notes__", []))


def behaving(base, verb, behave, at=0):
    """Return a subclass whose verb misbehaves at call ``at``, or always; it counts its calls."""
    real, calls = getattr(base, verb), [0]

    @functools.wraps(real)
    def method(self, *args, **kwargs):
        calls[0] += 1
        if at in (0, calls[0]):
            return behave(lambda: real(self, *args, **kwargs))
        return real(self, *args, **kwargs)

    return type(f"My{base.__name__}", (base,), {verb: method, "__module__": __name__}), calls


def raising(error):
    def behave(result):
        raise error

    return behave


def returning(value):
    def behave(result):
        result()
        return value

    return behave


#: Each verb and hook, with the parameter that takes the component, and how to make it.
VERBS = {
    "activation": (Tanh, ["forward", "backward"], lambda cls: cls()),
    "loss": (SquaredError, ["value_and_grad", "for_task", "n_raw"], lambda cls: cls()),
    "solver": (Adam, ["init", "update"], lambda cls: cls()),
    "solver of an average": (SGD, ["init", "update"], lambda cls: WeightEMA(cls(), 0.9)),
    "average": (WeightEMA, ["readout"], lambda cls: cls(Adam(), 0.9)),
    "solver in a chain": (
        ClipByNorm,
        ["init", "update"],
        lambda cls: Chain((("clip", cls(1.0)), ("adam", Adam()))),
    ),
    "learning_rate": (Cosine, ["__call__"], lambda cls: cls()),
    "initializer": (GlorotUniform, ["fill"], lambda cls: cls()),
    "callbacks": (
        StopOnRise,
        ["init", "on_fit_begin", "on_epoch_end", "on_fit_end"],
        lambda cls: [cls()],
    ),
    "shuffle": (Blocks, ["draw"], lambda cls: cls()),
}
OF_LBFGS = ["activation", "loss", "initializer", "callbacks"]
ROWS = [(kind, verb, "adam") for kind, (_, verbs, _) in VERBS.items() for verb in verbs]
ROWS += [(kind, verb, "lbfgs") for kind in OF_LBFGS for verb in VERBS[kind][1]]


def parameter(kind):
    return "solver" if kind == "average" else kind.split(" ")[0]


def with_component(kind, verb, solver, behave, at=0):
    base, _, make = VERBS[kind]
    cls, calls = behaving(base, verb, behave, at)
    more = {"batch_size": 10} if solver == "adam" else {}
    params = SMALL | {"solver": solver, **more, parameter(kind): make(cls)}
    return MLPRegressor(**params), cls, calls


@functools.cache
def last_call(kind, verb, solver):
    """Return the number of the last call of a verb in a fit that ends well."""
    counted, _, calls = with_component(kind, verb, solver, lambda result: result())
    counted.fit(X, Y)
    assert calls[0] > 0
    # The last two ask a schedule for advice alone, where a list of factors may have ended.
    return calls[0] - 2 * (verb == "__call__")


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("row", ROWS, ids=" ".join)
def test_errors_of_verbs(row, error):
    _, verb, _ = row
    for at in {1, last_call(*row)}:
        own = type(error)("mine", 7) if isinstance(error, Own) else type(error)(*error.args)
        mlp, cls, calls_made = with_component(*row, raising(own), at)
        with pytest.raises(type(error)) as caught:
            mlp.fit(X, Y)
        assert calls_made[0] == at
        assert caught.value is own
        expected = f"{cls.__name__} in {verb}, in fit of MLPRegressor."
        assert len(own.__notes__) == 1
        assert own.__notes__[0].startswith("Raised by the ")
        assert own.__notes__[0].endswith(expected)
        assert not hasattr(mlp, "theta_") or isinstance(error, KeyboardInterrupt)


def test_a_real_ctrl_c_is_nobodys_fault():
    mlp, *_ = with_component("activation", "forward", "adam", raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt) as caught:
        mlp.fit(X, Y)
    assert notes(caught.value) == ""


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_scorers_of_users_end_no_fit_of_lbfgs(error):
    def scorer(estimator, X, y):
        raise error

    mlp = MLPRegressor(solver="lbfgs", scoring=scorer, **SMALL)
    with pytest.raises(type(error)):
        mlp.fit(X, Y, X_val=X, y_val=Y)


def test_helpers_are_named_by_the_method_that_calls_them():
    class Helped(Tanh):
        def backward(self, grad, a, z, out):
            return self._slope(grad, out)

        def _slope(self, grad, out):
            raise LookupError("no")

    def unnamed(self, direction, state, theta, lr, scratch):
        raise LookupError("no")

    own = type("Own", (SGD,), {"update": unnamed})
    for name, one in {"activation": Helped(), "solver": own()}.items():
        with pytest.raises(LookupError) as caught:
            MLPRegressor(**SMALL | {name: one}).fit(X, Y)
        verb = {"activation": "backward", "solver": "update"}[name]
        assert caught.value.__notes__[0].endswith(f" in {verb}, in fit of MLPRegressor.")


@pytest.mark.parametrize("field", ["beta_1", "beta_2", "epsilon", "momentum", "power_t"])
def test_checks_of_fields_need_no_note(field):
    solver = "sgd" if field in ("momentum", "power_t") else "adam"
    mlp = MLPRegressor(**SMALL | {field: "x", "solver": solver, "learning_rate": "invscaling"})
    with pytest.raises(ValueError, match=field) as caught:
        mlp.fit(X, Y)
    assert notes(caught.value) == ""


# ------------------------------------------------------------------------- the user's own call
def calls(cls):
    """Return calls that use the link of a fitted estimator."""
    names = ["predict_proba", "predict_log_proba"] if cls is MLPClassifier else ["predict", "score"]
    return {name: (X, Y) if name == "score" else (X,) for name in names}


@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
def test_the_call_is_named(cls):
    base = LogLoss if cls is MLPClassifier else SquaredError
    verb = "predict"
    at, counted = 10**9, [0]

    class Loss(base):
        def predict(self, raw, out):
            counted[0] += 1
            if counted[0] > at:
                raise LookupError("no")
            return super().predict(raw, out)

        def log_predict(self, raw, out):
            return np.log(self.predict(raw, out), out=out)

    mlp = cls(loss=Loss(), **SMALL).fit(X, CLASSES if cls is MLPClassifier else Y)
    at = 0
    for name, args in calls(cls).items():
        with pytest.raises(LookupError) as caught:
            getattr(mlp, name)(*args)
        assert f"loss Loss in {verb}, in {name} of {cls.__name__}." in notes(caught.value)


@pytest.mark.parametrize("cls", [TabularMLPClassifier, TabularMLPRegressor])
def test_tabular_estimators(cls):
    kind, verb = "learning_rate", "__call__"
    schedule, _ = behaving(Cosine, verb, raising(LookupError("no")), at=3)
    with pytest.raises(LookupError) as caught:
        cls(**TABULAR | {kind: schedule()}).fit(X, CLASSES)
    expected = f"Raised by the schedule MyCosine in __call__, in fit of {cls.__name__}."
    assert caught.value.__notes__ == [expected]


class FailsLate(Cosine):
    """Fails in other processes: what the probe asks for is there."""

    def __call__(self, progress):
        if progress.step:
            raise LookupError("no")
        return super().__call__(progress)


@pytest.mark.slow
def test_processes():
    mlp = TabularMLPRegressor(**TABULAR | {"learning_rate": FailsLate(), "n_jobs": 2})
    with pytest.raises(LookupError) as caught:
        mlp.fit(X, Y)
    expected = "Raised by the schedule FailsLate in __call__, in fit of TabularMLPRegressor."
    assert caught.value.__notes__ == [expected]


@pytest.mark.parametrize("how", [{}, {"average_every": 1}, {"solver": "lbfgs"}], ids=str)
def test_distributed(how):
    da = pytest.importorskip("dask.array")
    from sknn_scratch import distributed

    class Late(Tanh):
        def backward(self, grad, a, z, out):
            if len(grad) > 2:
                raise LookupError("no")
            return super().backward(grad, a, z, out)

    solver, options = how.get("solver", "adam"), {k: how[k] for k in how if k != "solver"}
    mlp = MLPRegressor(activation=Late(), solver=solver, **SMALL)
    with pytest.raises(LookupError) as caught:
        distributed.fit(mlp, da.from_array(X, (10, -1)), da.from_array(Y, 10), **options)
    expected = "Raised by the activation Late in backward, in fit of MLPRegressor."
    assert caught.value.__notes__ == [expected]


def test_a_failed_fit_gives_the_stream_back():
    class Fails(StopOnRise):
        def on_epoch_end(self, memory, run):
            raise LookupError("no")

    stream = np.random.RandomState(3)
    before = MLPRegressor(**SMALL | {"random_state": np.random.RandomState(3)}).fit(X, Y)
    mlp = MLPRegressor(**SMALL | {"random_state": stream, "callbacks": [Fails()]})
    with pytest.raises(LookupError):
        mlp.fit(X, Y)
    again = mlp.set_params(callbacks=None).fit(X, Y)
    assert np.array_equal(again.theta_, before.theta_)


# --------------------------------------------------------------------------- what verbs return
WRONG = ["abc", None, np.zeros((1, 1, 7)), {}, 1 + 2j, object()]
RETURNED = [
    ("loss", "value_and_grad", [*WRONG, np.ones(2), [1.0]]),
    ("loss", "for_task", [*WRONG, 3.0, SquaredError]),
    ("loss", "n_raw", [*WRONG, 0, -1, 1.5, np.inf]),
    ("solver", "init", ["abc", None, 3.0, {1: 2}, [("a", 1)]]),
    ("solver in a chain", "init", ["abc", None, 3.0, {1: 2}]),
    ("average", "readout", [*WRONG, 3.0, np.zeros(3)]),
    ("learning_rate", "__call__", [*WRONG, -1.0, np.nan, np.inf, np.ones(2)]),
    ("callbacks", "init", ["abc", None, 3, {1: 2}]),
]


@pytest.mark.parametrize(
    ("kind", "verb", "value"),
    [(kind, verb, value) for kind, verb, values in RETURNED for value in values],
    ids=lambda value: str(value)[:20],
)
def test_wrong_results_are_refused_by_name(kind, verb, value):
    mlp, cls, _ = with_component(kind, verb, "adam", returning(value))
    with pytest.raises(
        TypeError, match=f"{cls.__name__} must return .* from {verb}. Got"
    ) as caught:
        mlp.fit(X, Y)
    assert notes(caught.value) == "" or cls.__name__ in notes(caught.value)
    assert not hasattr(mlp, "theta_")


@pytest.mark.parametrize("value", [*WRONG, np.zeros((20, 2)), 3.0], ids=lambda v: str(v)[:20])
def test_wrong_predictions_are_refused_by_name(value):
    counted, _, calls = with_component("loss", "predict", "adam", lambda result: result())
    counted.fit(X, Y)
    mlp, *_ = with_component("loss", "predict", "adam", returning(value), at=calls[0] + 1)
    mlp.fit(X, Y)
    with pytest.raises(TypeError, match=r"MySquaredError must return .* from predict\. Got"):
        mlp.predict(X)


def test_infinite_initial_weights():
    class Infinite(GlorotUniform):
        def fill(self, W, b, rng, site):
            super().fill(W, b, rng, site)
            W[0, 0] = np.inf

    with pytest.raises(ValueError, match="initializer Infinite must write finite numbers"):
        MLPRegressor(initializer=Infinite(), **SMALL).fit(X, Y)


LATER = [
    ("loss", "value_and_grad", 6, "abc"),
    ("loss", "value_and_grad", 7, np.zeros((1, 1, 7))),
    ("learning_rate", "__call__", 5, None),
    ("learning_rate", "__call__", 6, "abc"),
    ("learning_rate", "__call__", 6, np.nan),
    ("shuffle", "draw", 2, None),
]


@pytest.mark.parametrize(("kind", "verb", "at", "value"), LATER, ids=lambda value: str(value)[:20])
def test_what_only_later_calls_return_is_traced_to_plugins(kind, verb, at, value):
    mlp, cls, _ = with_component(kind, verb, "adam", returning(value), at)
    with pytest.raises((TypeError, ValueError)) as caught:
        mlp.fit(X, Y)
    assert cls.__name__ in notes(caught.value) + str(caught.value)


@pytest.mark.parametrize("how", ["adam", "sgd", "distributed", "tabular", "partial_fit"])
@pytest.mark.parametrize("factor", [-1.0, -1e-300, np.nan])
def test_rates_that_turn_negative_are_refused_by_name(how, factor):
    class Turns(Cosine):
        def __call__(self, progress):
            return factor if progress.step else 1.0

    mlp = MLPRegressor(**SMALL | {"learning_rate": Turns(), "batch_size": 5})
    tabular = TabularMLPRegressor(**TABULAR | {"learning_rate": Turns()})

    def distribute():
        da = pytest.importorskip("dask.array")
        from sknn_scratch import distributed

        distributed.fit(mlp, da.from_array(X, (10, -1)), da.from_array(Y, 10))

    calls = {
        "adam": lambda: mlp.fit(X, Y),
        "sgd": lambda: mlp.set_params(solver="sgd").fit(X, Y),
        "distributed": distribute,
        "tabular": lambda: tabular.fit(X, Y),
        "partial_fit": lambda: mlp.partial_fit(X, Y),
    }
    with pytest.raises((TypeError, ValueError)) as caught:
        calls[how]()
    assert "schedule Turns" in str(caught.value) + notes(caught.value)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("place", [0, 2])
def test_losses_cannot_change_the_users_targets_and_weights(solver, place):
    class Writes(SquaredError):
        def value_and_grad(self, y, raw, weight, out):
            value = super().value_and_grad(y, raw, weight, out)
            if weight is not None:
                (y, raw, weight)[place][...] = 7.0
            return value

    y, weight = Y.copy(), np.ones(len(Y))
    mlp = MLPRegressor(loss=Writes(), solver=solver, **SMALL)
    if solver == "lbfgs":  # the others copy the rows of a batch
        with pytest.raises(ValueError, match="read-only") as caught:
            mlp.fit(X, y, sample_weight=weight)
        assert "loss Writes in value_and_grad" in notes(caught.value)
    else:
        mlp.fit(X, y, sample_weight=weight)
    assert np.array_equal(y, Y)
    assert np.array_equal(weight, np.ones(len(Y)))


def test_messages_about_data_blame_nobody():
    class Mine(Tanh):
        pass

    for bad, y in [(X[:0], Y[:0]), (X * np.nan, Y), (X, Y[:-1])]:
        with pytest.raises(ValueError, match="MLPRegressor") as caught:
            MLPRegressor(activation=Mine(), **SMALL).fit(bad, y)
        assert notes(caught.value) == ""
