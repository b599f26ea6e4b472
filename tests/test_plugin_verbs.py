"""A plug-in that does not write where it must, or whose name is nearly right, is found at fit."""

import numpy as np
import pytest

from sknn_scratch import MLPClassifier, MLPRegressor, TabularMLPRegressor, registry
from sknn_scratch.components import (
    SGD,
    Adam,
    Chain,
    ClipByNorm,
    Cosine,
    HeNormal,
    LinearWarmup,
    LogLoss,
    PrintProgress,
    Relu,
    Softplus,
    SquaredError,
    Tanh,
    WeightEMA,
)
from sknn_scratch.contracts import Activation, Callback, Initializer, Loss, Optimizer, Transform

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    # What is not written may be any number, and what is made of it may overflow.
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 3))
Y = X[:, 0] * X[:, 1]
CLASSES = (Y > 0).astype(int)


# ------------------------------------------------------------------------------- activations
class Returns(Tanh):
    def forward(self, z, out):
        return np.tanh(z)


class ReturnsGradient(Tanh):
    def backward(self, grad, a, z, out):
        return grad * (1 - a * a)


class Rebinds(Activation):
    """``out =`` gives another array the name."""

    def forward(self, z, out):
        out = np.tanh(z)
        return out

    def backward(self, grad, a, z, out):
        return np.multiply(grad, 1 - a * a, out=out)


class WritesInput(Tanh):
    def forward(self, z, out):
        return np.tanh(z, out=z)


class WritesSome(Tanh):
    """All that is negative stays what it was."""

    def forward(self, z, out):
        out[z > 0] = z[z > 0]
        return out


class WritesNothing(Tanh):
    def backward(self, grad, a, z, out):
        grad * (1 - a * a)


class WritesCopy(Softplus):
    def backward(self, grad, a, z, out):
        copy = out.ravel(order="F").copy().reshape(out.shape)
        return np.multiply(grad, 1 - np.exp(-a), out=copy)


class WithShortcut(Activation):
    """Only one value of its field is wrong."""

    slope: float = 1.0

    def forward(self, z, out):
        return z if self.slope == 1 else np.multiply(z, self.slope, out=out)

    def backward(self, grad, a, z, out):
        return np.multiply(grad, self.slope, out=out)


ACTIVATIONS = [
    (Returns(), "forward"),
    (ReturnsGradient(), "backward"),
    (Rebinds(), "forward"),
    (WritesInput(), "forward"),
    (WritesSome(), "forward"),
    (WritesNothing(), "backward"),
    (WritesCopy(), "backward"),
    (WithShortcut(), "forward"),
]


def named(component):
    return type(component).__name__


def refused(estimator, match, X=X, y=Y, method="fit"):
    """One sentence before any training, and an estimator as it was."""
    before = dict(vars(estimator))
    with pytest.raises(TypeError, match=match):
        getattr(estimator, method)(X, y)
    assert vars(estimator) == before


def small(cls=MLPRegressor, **params):
    return cls(**{"hidden_layer_sizes": (4, 4), "max_iter": 2, "random_state": 0} | params)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize(("f", "verb"), ACTIVATIONS, ids=lambda item: str(item)[:20])
def test_activations(f, verb, solver, dtype):
    match = rf"^The activation {named(f)} must write the result of {verb} into 'out', all of it"
    refused(small(activation=f, solver=solver, dtype=dtype), match)
    refused(small(activation=("relu", f), solver=solver), match)
    if solver == "adam":
        refused(small(activation=f), match, method="partial_fit")
        refused(small().fit(X, Y).set_params(activation=f), match, method="partial_fit")


def test_what_it_got():
    refused(
        small(activation=Returns()), r"and a new array returned: write out\[.* and return out\."
    )
    refused(small(activation=WritesSome()), "Got parts of 'out' as it was, and a new array ret")
    refused(small(activation=WritesNothing()), "Got 'out' as it was, and None returned: write")


def test_a_class_with_a_name(monkeypatch):
    monkeypatch.setitem(registry._classes["activation"], "returns", Returns)
    refused(small(activation="returns"), "^The activation Returns must write")


# ------------------------------------------------------------------------------------ losses
class ReturnsSlope(SquaredError):
    def value_and_grad(self, y, raw, weight, out):
        return float(((raw - y) ** 2).sum() / 2), raw - y


class GradientElsewhere(SquaredError):
    def value_and_grad(self, y, raw, weight, out):
        return super().value_and_grad(y, raw, weight, np.empty_like(out))


class OneColumn(SquaredError):
    def value_and_grad(self, y, raw, weight, out):
        out[:, 0] = (raw - y)[:, 0]
        return 0.5 * float(((raw - y) ** 2).sum())


class ReturnsPrediction(SquaredError):
    def predict(self, raw, out):
        return np.exp(raw)


class PredictsNothing(SquaredError):
    def predict(self, raw, out):
        np.copyto(out, raw)


class ReturnsLogarithm(LogLoss):
    def log_predict(self, raw, out):
        return raw - np.log(np.exp(raw).sum(axis=1, keepdims=True))


class ReturnsProbability(LogLoss):
    def predict(self, raw, out):
        e = np.exp(raw)
        return e / e.sum(axis=1, keepdims=True)


LOSSES = [
    (ReturnsSlope(), "must write the result of value_and_grad into 'out'"),
    (GradientElsewhere(), "must write .* of value_and_grad into 'out'.*return the sum of the loss"),
    (OneColumn(), "must write the result of value_and_grad .* Got parts of 'out'"),
    (ReturnsPrediction(), "must write the result of predict into 'out'"),
    (PredictsNothing(), "must return the 'out' of predict, which holds .* Got None returned"),
    (ReturnsLogarithm(), "must write the result of log_predict into 'out'"),
    (ReturnsProbability(), "must write the result of predict into 'out'"),
]


@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
@pytest.mark.parametrize(("loss", "words"), LOSSES, ids=lambda item: str(item)[:20])
def test_losses(loss, words, solver):
    match = rf"^The loss {named(loss)} {words}"
    if isinstance(loss, LogLoss):
        refused(small(MLPClassifier, loss=loss, solver=solver), match, y=CLASSES)
    else:
        refused(small(loss=loss, solver=solver), match, y=np.column_stack([Y, Y]))


# -------------------------------------------------------------------------------- optimizers
class ReturnsStep(Optimizer):
    def init(self, theta, groups):
        return {}

    def update(self, direction, state, theta, lr, scratch):
        return -lr * direction


class StepsNowhere(ReturnsStep):
    def update(self, direction, state, theta, lr, scratch):
        direction = -lr * direction


class StepsInScratch(ReturnsStep):
    def update(self, direction, state, theta, lr, scratch):
        return np.multiply(direction, -lr, out=scratch)


class OnMomentum(SGD):
    def update(self, direction, state, theta, lr, scratch):
        state["velocity"] = 0.9 * state["velocity"] - lr * direction


class ReturnsClipped(Transform):
    def update(self, direction, state, theta, lr, scratch):
        return np.clip(direction, -0.1, 0.1)


class ClipsScratch(Transform):
    def update(self, direction, state, theta, lr, scratch):
        return np.clip(direction, -0.1, 0.1, out=scratch)


BROKEN_OPTIMIZERS = [
    (ReturnsStep(), "optimizer ReturnsStep", "a new array returned"),
    (StepsNowhere(), "optimizer StepsNowhere", "the gradient left there"),
    (StepsInScratch(), "optimizer StepsInScratch", "a new array returned"),
    (OnMomentum(), "optimizer OnMomentum", "the gradient left there"),
    (Chain([("a", Adam()), ("clip", ReturnsClipped())]), "transform ReturnsClipped", "a new array"),
    (Chain([("clip", ClipsScratch()), ("a", Adam())]), "transform ClipsScratch", "a new array"),
    (Chain([("clip", ClipByNorm()), ("own", ReturnsStep())]), "optimizer ReturnsStep", "a new"),
    (WeightEMA(OnMomentum()), "optimizer OnMomentum", "the gradient left there"),
]


@pytest.mark.parametrize(("solver", "who", "got"), BROKEN_OPTIMIZERS, ids=lambda x: str(x)[:30])
def test_optimizers(solver, who, got):
    match = rf"^The {who} must write the result of update into 'direction'\. Got {got}"
    refused(small(solver=solver), match)
    refused(small(solver=solver), match, method="partial_fit")
    refused(small(ema_decay=0.5, solver=solver), match)
    refused(small().fit(X, Y).set_params(solver=solver), match, method="partial_fit")
    refused(TabularMLPRegressor("fast", n_ensemble=1, max_iter=1, solver=solver), match)


# ------------------------------------------------------------------------------ initializers
class ReturnsWeights(Initializer):
    def fill(self, W, b, rng, site):
        return rng.standard_normal(W.shape), np.zeros_like(b)


class NamesWeights(Initializer):
    def fill(self, W, b, rng, site):
        W = rng.standard_normal(W.shape)
        b[...] = 0.0


class NoBias(Initializer):
    def fill(self, W, b, rng, site):
        W[...] = rng.standard_normal(W.shape)


class NoOutput(HeNormal):
    def fill(self, W, b, rng, site):
        if site.index < site.n_layers - 1:
            super().fill(W, b, rng, site)


class Scales(Initializer):
    """Works on what is there, which is undefined."""

    def fill(self, W, b, rng, site):
        W *= 0.1
        b *= 0.0


@pytest.mark.parametrize(
    ("initializer", "layer"),
    [(ReturnsWeights(), 0), (NamesWeights(), 0), (NoBias(), 0), (NoOutput(), 2), (Scales(), 0)],
    ids=lambda item: str(item)[:20],
)
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_initializers(initializer, layer, solver):
    match = rf"^The initializer {named(initializer)} must write into .* in fill\. Got layer {layer}"
    refused(small(initializer=initializer, solver=solver), match)


# ------------------------------------------------------------------------------------- names
class Ends(Callback):
    def on_epoch_ends(self, memory, run):
        run.stop("never called")


class CamelCase(Callback):
    def onFitBegin(self, memory, run):
        run.stop("never called")


class WithoutOn(Callback):
    def epoch_end(self, memory, run):
        run.stop("never called")


class Begins(Callback):
    def on_epoch_begin(self, memory, run):
        run.stop("never called")


class Mixin:
    def on_fit_ends(self, memory, run):
        run.stop("never called")


class FromMixin(Mixin, PrintProgress):
    pass


class Below(Ends):
    """The slip is its base's."""

    def on_fit_begin(self, memory, run):
        pass


class NeedsInputs(Relu):
    needs_inputs = True


class Tasks(SquaredError):
    task = ("regression",)


class ReadsOut(Adam):
    def read_out(self, theta, state):
        return theta


class PerSteps(Cosine):
    per_steps = False


class Continue(ClipByNorm):
    def continue_(self, other):
        return True


NAMES = [
    ({"callbacks": [Ends()]}, "callback Ends", "on_epoch_ends", "on_epoch_end"),
    ({"callbacks": [PrintProgress(), Below()]}, "callback Below", "on_epoch_ends", "on_epoch_end"),
    ({"callbacks": [CamelCase()]}, "callback CamelCase", "onFitBegin", "on_fit_begin"),
    ({"callbacks": [WithoutOn()]}, "callback WithoutOn", "epoch_end", "on_epoch_end"),
    ({"callbacks": [Begins()]}, "callback Begins", "on_epoch_begin", "on_epoch_end"),
    ({"callbacks": [FromMixin()]}, "callback FromMixin", "on_fit_ends", "on_fit_end"),
    ({"activation": NeedsInputs()}, "activation NeedsInputs", "needs_inputs", "needs_input"),
    ({"loss": Tasks()}, "loss Tasks", "task", "tasks"),
    ({"solver": ReadsOut()}, "optimizer ReadsOut", "read_out", "readout"),
    ({"solver": WeightEMA(ReadsOut())}, "optimizer ReadsOut", "read_out", "readout"),
    ({"learning_rate": PerSteps()}, "schedule PerSteps", "per_steps", "per_step"),
    ({"learning_rate": LinearWarmup(PerSteps())}, "schedule PerSteps", "per_steps", "per_step"),
    (
        {"solver": Chain([("clip", Continue()), ("a", Adam())])},
        "transform Continue",
        "continue_",
        "continues",
    ),
]


@pytest.mark.parametrize(("params", "who", "name", "near"), NAMES, ids=[row[1] for row in NAMES])
def test_names_that_are_nearly_right(params, who, name, near):
    match = (
        rf"^The {who} must call .* Got '{name}', which nothing calls: write '{near}', or '_{name}'"
    )
    refused(small(**params), match)
    refused(small(**params), match, method="partial_fit")


class Helpers(Callback):
    """Names that are near to nothing, or to what is written as well, or no one's business."""

    on_epoch_end_count: int = 0
    patience = 3

    def on_epoch_end(self, memory, run):
        self.on_epoch_end_again(memory)

    def on_epoch_end_again(self, memory):
        memory["n"] = memory.get("n", 0) + 1

    def _on_fit_ends(self):
        raise AssertionError

    def describe(self):
        raise AssertionError

    def on_batch_end(self):
        raise AssertionError


class WithHelpers(Tanh):
    levels = 3

    def forward(self, z, out):
        return self.forwards(z, out)

    def forwards(self, z, out):
        return super().forward(z, out)


class OwnLoss(Loss):
    """A plain one, with a field that has the name of a property of the contract."""

    tasks = ("regression",)
    level: float = 0.5

    def value_and_grad(self, y, raw, weight, out):
        np.subtract(raw, y, out=out)
        return 0.5 * float((out**2).sum())

    def predict(self, raw, out):
        out[...] = raw
        return out[:]

    def log_predict(self, raw, out):
        raise NotImplementedError


class PlainDescent(Optimizer):
    def init(self, theta, groups):
        return {}

    def update(self, direction, state, theta, lr, scratch):
        direction *= -lr
        return direction


class Calm(Transform):
    """Leaves a short direction as it is, and says so."""

    def update(self, direction, state, theta, lr, scratch):
        return None


class ReturnsNothing(Tanh):
    """Against its contract, but what it writes is there."""

    def forward(self, z, out):
        np.tanh(z, out=out)

    def backward(self, grad, a, z, out):
        out[...] = grad * (1 - a * a)


def test_what_is_right_is_left_alone():
    """Own components train as the built-in ones that they are."""
    chain = Chain([("calm", Calm()), ("own", PlainDescent())])
    usual = {"solver": SGD(momentum=0.0), "activation": "tanh", "loss": "squared_error"}
    own = {"solver": chain, "activation": WithHelpers(), "loss": OwnLoss()}
    expected = small(**usual).fit(X, Y)
    found = small(**own, callbacks=[Helpers()]).fit(X, Y)
    np.testing.assert_allclose(found.theta_, expected.theta_, rtol=1e-9)
    assert found._state.memory["0 Helpers"] == {"n": 2}
    quiet = small(**usual | {"activation": ReturnsNothing()}).fit(X, Y)
    np.testing.assert_allclose(quiet.theta_, expected.theta_, rtol=1e-9)


def test_another_value_of_the_field_is_right():
    found = small(activation=WithShortcut(2.0)).fit(X, Y)
    assert np.isfinite(found.theta_).all()


class Counts(Activation):
    """Counts calls, against the contract, to see when it is looked at."""

    seen = []  # noqa: RUF012

    def forward(self, z, out):
        self.seen.append(z.shape)
        return np.tanh(z, out=out)

    def backward(self, grad, a, z, out):
        return np.multiply(grad, 1 - a * a, out=out)


def test_once_a_fit():
    counts = []
    for epochs in 1, 5:
        Counts.seen.clear()
        small(activation=Counts(), batch_size=30, max_iter=epochs, hidden_layer_sizes=4).fit(X, Y)
        counts.append(len(Counts.seen) - epochs)
    assert counts[0] == counts[1] <= 3


def test_on_tables():
    table = TabularMLPRegressor("fast", n_ensemble=1, max_iter=1)
    refused(table.set_params(activation=Returns()), "^The activation Returns must write")
    table.set_params(activation=None, loss=GradientElsewhere())
    refused(table, "^The loss GradientElsewhere must write")
    refused(table.set_params(loss="squared_error", solver=ReadsOut()), "Got 'read_out'")


def test_on_partitions():
    da = pytest.importorskip("dask.array")
    dask = pytest.importorskip("dask")
    from sknn_scratch import distributed

    rows = da.from_array(X, chunks=(15, -1)), da.from_array(Y, chunks=15)
    with dask.config.set(scheduler="synchronous"):
        for params in {"activation": Returns()}, {"solver": ReturnsStep()}, {"callbacks": [Ends()]}:
            with pytest.raises(TypeError, match=r"must (write|call)"):
                distributed.fit(small(**params), *rows)
