"""The contract checks: built-ins pass them all, and every kind of mistake is found by its check."""

import os
import subprocess
import sys
import textwrap
from dataclasses import FrozenInstanceError
from time import perf_counter
from typing import ClassVar

import numpy as np
import pytest

from sknn_scratch import MLPRegressor
from sknn_scratch.components import (
    SGD,
    Adagrad,
    Adam,
    AdamW,
    AddDecayedWeights,
    BinaryLogLoss,
    Chain,
    Checkpoint,
    ClipByNorm,
    ClipByValue,
    Constant,
    Cosine,
    CSVLog,
    Elu,
    Exponential,
    Focal,
    Gelu,
    GroupRates,
    HeNormal,
    Huber,
    Identity,
    LeakyRelu,
    LecunNormal,
    LinearWarmup,
    Lion,
    Logistic,
    LogLoss,
    NAdam,
    Normal,
    OneCycle,
    Orthogonal,
    Poisson,
    PrintProgress,
    Quantile,
    RangeTest,
    Relu,
    RMSProp,
    Silu,
    SquaredError,
    Step,
    StopOnRise,
    Tanh,
    Tweedie,
    WeightEMA,
    Zeros,
)
from sknn_scratch.contracts import (
    Activation,
    Callback,
    Initializer,
    Link,
    Loss,
    Optimizer,
    Schedule,
    TargetRange,
    Transform,
)
from sknn_scratch.registry import KINDS, lookup, names
from sknn_scratch.testing import check_component, checks, parametrize_with_component_checks

# ------------------------------------------------------------------------------------- built-ins
BUILT_IN = [
    lookup(kind, name)()
    for kind in KINDS
    for name in names(kind)
    if lookup(kind, name).__module__.startswith("sknn_scratch.")
]
FURTHER = [
    WeightEMA(Adam(), decay=0.9),
    RangeTest(1e-4),
    StopOnRise(1.5),
    Checkpoint("run.npz", every=2),
    CSVLog(os.devnull),
    LeakyRelu(0.3),
    Elu(0.5),
    Gelu("tanh"),
    Huber(0.1),
    Quantile(0.9),
    Quantile((0.1, 0.5, 0.9)),
    Tweedie(0),
    Tweedie(1),
    Tweedie(1.9),
    Tweedie(2),
    Tweedie(2.5),
    Tweedie(3),
    BinaryLogLoss(label_smoothing=0.2),
    LogLoss(label_smoothing=0.1),
    Focal(0.0),
    Focal(0.5),
    SGD(0.0),
    SGD(nesterov=False),
    Adam(beta_1=0.0),
    AdamW(weight_decay=0.5),
    NAdam(momentum_decay=0.0),
    RMSProp(momentum=0.9),
    Adagrad(epsilon=1e-3),
    Lion(weight_decay=1.0),
    ClipByNorm(0.5),
    ClipByValue(0.1),
    AddDecayedWeights(0.0),
    GroupRates([("b", 0.5), ("W0", 2), ("W1", 1.0)]),
    Chain([("value", ClipByValue(5.0)), ("sgd", SGD())]),
    Chain([("norm", ClipByNorm()), ("adam", Adam()), ("after", ClipByNorm(5.0))]),
    Chain([("l2", AddDecayedWeights()), ("sgd", SGD(0.5)), ("decay", AddDecayedWeights(0.1))]),
    Chain([("adam", Adam()), ("rates", GroupRates([("b", 0.5), ("W0", 2), ("W1", 1.0)]))]),
    Chain([("inner", Chain([("clip", ClipByNorm()), ("lion", Lion())]))]),
    WeightEMA(Adam(), decay=0.5),
    Step(3, 0.5),
    Exponential(1.0),
    Cosine(restarts=3, minimum=0.1),
    OneCycle(0.5, 0.0, 0.0),
    LinearWarmup(Cosine()),
    LinearWarmup(LinearWarmup(Step(), warmup=0.0), warmup=0.3),
    Normal(0.1),
    Orthogonal(1.4),
    Checkpoint("{fingerprint}.npz", every=2),
    CSVLog(os.devnull),
]


@parametrize_with_component_checks([*BUILT_IN, *FURTHER])
def test_built_in(check):
    check()


# ------------------------------------------------------------------------- what breaks a contract
class WrongDerivative(Tanh):
    def backward(self, grad, a, z, out):
        return np.multiply(grad, 1 - a, out=out)


class WrongSign(Relu):
    def backward(self, grad, a, z, out):
        return np.multiply(-grad, a > 0, out=out)


class NeedsInput(Silu):
    needs_input = False


class NewArray(Tanh):
    def forward(self, z, out):
        return np.tanh(z)


class NewGradient(Tanh):
    def backward(self, grad, a, z, out):
        return grad * (1 - a * a)


class ReturnsNothing(Tanh):
    def forward(self, z, out):
        np.tanh(z, out=out)


class ChangesInput(Tanh):
    def forward(self, z, out):
        z *= 1.0 + 1e-12
        return np.tanh(z, out=out)


class ChangesOutput(Tanh):
    def backward(self, grad, a, z, out):
        a *= a
        return np.multiply(grad, 1 - a, out=out)


class ReadsInputLate(Activation):
    """z exp(-|z|), with z read again when ``out`` holds something else."""

    needs_input = True

    def forward(self, z, out):
        np.exp(-np.abs(z), out=out)
        return np.multiply(z, out, out=out)

    def backward(self, grad, a, z, out):
        return np.multiply(grad, np.exp(-np.abs(z)) * (1 - np.abs(z)), out=out)


class ReadsInputInTime(ReadsInputLate):
    def forward(self, z, out):
        return np.multiply(z, np.exp(-np.abs(z)), out=out)


class ReadsGradientLate(Tanh):
    def backward(self, grad, a, z, out):
        np.subtract(1.0, a * a, out=out)
        return np.multiply(grad, out, out=out)


class SoftmaxOverUnits(Activation):
    """Softmax as in an output layer, with the diagonal of its derivative."""

    def forward(self, z, out):
        np.exp(z - z.max(axis=1, keepdims=True), out=out)
        return np.divide(out, out.sum(axis=1, keepdims=True), out=out)

    def backward(self, grad, a, z, out):
        return np.multiply(grad, a * (1 - a), out=out)


class CentredOverRows(Activation):
    def forward(self, z, out):
        return np.subtract(z, z.mean(axis=0), out=out)

    def backward(self, grad, a, z, out):
        return np.multiply(grad, 1.0, out=out)


class Ravelled(Tanh):
    def forward(self, z, out):
        out.ravel()[:] = np.tanh(z.ravel())
        return out


class OverflowingLogistic(Logistic):
    def forward(self, z, out):
        return np.divide(1.0, 1.0 + np.exp(-z), out=out)


class Inaccurate(Identity):
    """Ten thousand leaves float32 three digits after the point."""

    def forward(self, z, out):
        np.add(z, 1e4, out=out)
        return np.subtract(out, 1e4, out=out)


class UndeclaredKink(LeakyRelu):
    kinks = ()


class HardTanh(Activation):
    """max(-1, min(1, z)) with one of its two kinks."""

    kinks = (-1.0,)

    def forward(self, z, out):
        return np.clip(z, -1.0, 1.0, out=out)

    def backward(self, grad, a, z, out):
        return np.multiply(grad, np.abs(a) < 1.0, out=out)


class DeclaredHardTanh(HardTanh):
    kinks = (-1.0, 1.0)


class Staircase(Activation):
    def forward(self, z, out):
        return np.floor(z, out=out)

    def backward(self, grad, a, z, out):
        return np.multiply(grad, 0.0, out=out)


class _Residual(Loss):
    """Half the squared error, written out: what the broken losses are variations of."""

    tasks = ("regression",)

    def value_and_grad(self, y, raw, weight, out):
        np.subtract(raw, y, out=out)
        w = 1.0 if weight is None else weight[:, None]
        value = 0.5 * float((w * out**2).sum())
        out *= w
        return value

    def predict(self, raw, out):
        np.copyto(out, raw)
        return out


class WholeSquare(_Residual):
    def value_and_grad(self, y, raw, weight, out):
        return 2 * super().value_and_grad(y, raw, weight, out)


class MeanOverRows(_Residual):
    def value_and_grad(self, y, raw, weight, out):
        value = super().value_and_grad(y, raw, weight, out)
        out /= len(y)
        return value / len(y)


class WeightlessValue(_Residual):
    def value_and_grad(self, y, raw, weight, out):
        super().value_and_grad(y, raw, weight, out)
        return super().value_and_grad(y, raw, None, np.empty_like(out))


class WeightlessGradient(_Residual):
    def value_and_grad(self, y, raw, weight, out):
        value = super().value_and_grad(y, raw, weight, np.empty_like(out))
        super().value_and_grad(y, raw, None, out)
        return value


class Weightless(_Residual):
    def value_and_grad(self, y, raw, weight, out):
        return super().value_and_grad(y, raw, None, out)


class NormalisedWeights(_Residual):
    def value_and_grad(self, y, raw, weight, out):
        weight = None if weight is None else weight / weight.mean()
        return super().value_and_grad(y, raw, weight, out)


class Distance(_Residual):
    """The length of the vector raw - y, which couples the targets of a row."""

    def value_and_grad(self, y, raw, weight, out):
        np.subtract(raw, y, out=out)
        length = np.sqrt((out**2).sum(axis=1))
        w = np.ones_like(length) if weight is None else weight
        out *= (w / length)[:, None]
        return float((w * length).sum())


class CoupledDistance(Distance):
    separable = False


class ValuePerRow(_Residual):
    def value_and_grad(self, y, raw, weight, out):
        super().value_and_grad(y, raw, weight, out)
        return 0.5 * ((raw - y) ** 2).sum(axis=1)


class ChangesTargets(_Residual):
    def value_and_grad(self, y, raw, weight, out):
        y += 1e-9
        return super().value_and_grad(y, raw, weight, out)


class ChangesWeights(_Residual):
    def value_and_grad(self, y, raw, weight, out):
        value = super().value_and_grad(y, raw, weight, out)
        if weight is not None:
            weight /= weight.sum()
        return value


class LeavesGradient(_Residual):
    def value_and_grad(self, y, raw, weight, out):
        return super().value_and_grad(y, raw, weight, np.empty_like(out))


class OtherValue(_Residual):
    def value(self, y, raw, weight):
        return super().value(y, raw, None)


class RavelledLoss(_Residual):
    def value_and_grad(self, y, raw, weight, out):
        np.subtract(raw, y, out=out)
        w = np.ones(len(y)) if weight is None else weight
        value = 0.5 * float((out * w[:, None]).ravel(order="K") @ out.ravel())
        out *= w[:, None]
        return value


class WrongLogarithm(Poisson):
    def log_predict(self, raw, out):
        return np.log1p(self.predict(raw, out), out=out)


class PredictsElsewhere(_Residual):
    def predict(self, raw, out):
        return raw.copy()


class ReadsRawLate(_Residual):
    """The link raw + raw², with raw read again when ``out`` holds raw²."""

    def predict(self, raw, out):
        np.multiply(raw, raw, out=out)
        return np.add(out, raw, out=out)


class NoTasks(_Residual):
    tasks = ()


class TaskWithoutComma(_Residual):
    tasks = "regression"


class RangeAsPair(_Residual):
    target_range = (0.0, np.inf)


class NotAtZero(Poisson):
    """The Poisson deviance without the limit of y log(y), which is 0."""

    def value_and_grad(self, y, raw, weight, out):
        value = super().value_and_grad(y, raw, weight, out)
        with np.errstate(divide="ignore", invalid="ignore"):
            return value + 0.0 * float(np.sum(y * np.log(y)))


class AboveZero(NotAtZero):
    target_range = TargetRange(low=0.0, low_is_open=True)


class NaiveLogistic(BinaryLogLoss):
    def value_and_grad(self, y, raw, weight, out):
        p = self.predict(raw, np.empty_like(raw))
        super().value_and_grad(y, raw, weight, out)
        losses = -(y * np.log(p) + (1 - y) * np.log(1 - p))
        losses += 0.0 * np.exp(raw)
        return float((losses.T if weight is None else losses.T * weight).sum())


class NaiveSoftmax(LogLoss):
    def predict(self, raw, out):
        np.exp(raw, out=out)
        return np.divide(out, out.sum(axis=1, keepdims=True), out=out)


class NoLink(_Residual):
    link = "identity"


class OneColumnOfIdentity(_Residual):
    """Two classes in one column, which the identity does not make probabilities."""

    tasks = ("binary",)


class OneColumnOfLogistic(BinaryLogLoss):
    tasks = ("binary",)


class Cauchit(Link):
    """Distribution function of the Cauchy distribution: what broken links are variations of."""

    symmetric = True

    def predict(self, raw, out):
        np.arctan(raw, out=out)
        out *= 1.0 / np.pi
        out += 0.5
        return out


class Cloglog(Link):
    """1 - exp(-exp(raw)), which treats two classes unlike."""

    def predict(self, raw, out):
        np.exp(raw, out=out)
        np.expm1(-out, out=out)
        return np.negative(out, out=out)


class SymmetricCloglog(Cloglog):
    symmetric = True


class NamelessLink(Cauchit):
    name = ""


class LinkElsewhere(Cauchit):
    def predict(self, raw, out):
        return np.arctan(raw) / np.pi + 0.5


class HalfALink(Cauchit):
    symmetric = False

    def predict(self, raw, out):
        super().predict(raw[:5], out[:5])
        return out


class RavelledLink(Cauchit):
    def predict(self, raw, out):
        out.ravel()[:] = np.arctan(raw.ravel()) / np.pi + 0.5
        return out


class LinkReadsLate(Cauchit):
    symmetric = False

    def predict(self, raw, out):
        np.multiply(raw, raw, out=out)
        return np.add(out, raw, out=out)


class LogOddsForLogarithm(Cauchit):
    def log_predict(self, raw, out):
        p = self.predict(raw, out)
        return np.log(p / (1 - p), out=out)


class SoftmaxOverRows(Link):
    def predict(self, raw, out):
        np.exp(raw - raw.max(axis=0), out=out)
        return np.divide(out, out.sum(axis=0), out=out)


class SoftmaxOverColumns(Link):
    def predict(self, raw, out):
        np.exp(raw - raw.max(axis=1, keepdims=True), out=out)
        return np.divide(out, out.sum(axis=1, keepdims=True), out=out)


class FarAway(Cauchit):
    """Two million leaves float32 no digits after the point."""

    symmetric = False

    def predict(self, raw, out):
        np.add(raw, 2e6, out=out)
        return np.subtract(out, 2e6, out=out)


class NaiveLink(Link):
    def predict(self, raw, out):
        np.exp(raw, out=out)
        return np.divide(out, 1.0 + out, out=out)


class ThreeColumnsOnly(Link):
    """A mixture, say: other numbers of columns are refused."""

    def predict(self, raw, out):
        if raw.shape[1] != 3:
            raise ValueError("three columns, please")
        np.copyto(out, raw)
        return out


class SevenColumnsOnly(ThreeColumnsOnly):
    def predict(self, raw, out):
        if raw.shape[1] != 7:
            raise ValueError("seven columns, please")
        return super().predict(raw, out)


class Descent(Optimizer):
    """Steps along the gradient: what the broken optimizers are variations of."""

    def init(self, theta, groups):
        return {}

    def update(self, direction, state, theta, lr, scratch):
        direction *= -lr


class Uphill(Descent):
    def update(self, direction, state, theta, lr, scratch):
        direction *= lr


class RemembersOnSelf(Descent):
    def update(self, direction, state, theta, lr, scratch):
        velocity = 0.9 * vars(self).get("velocity", 0.0) - lr * direction
        object.__setattr__(self, "velocity", velocity)
        direction[...] = velocity


class CountsOnSelf(Descent):
    def __post_init__(self):
        object.__setattr__(self, "seen", [])

    def update(self, direction, state, theta, lr, scratch):
        self.seen.append(lr)
        direction *= -lr


class RemembersOnClass(Descent):
    velocity: ClassVar[dict] = {}

    def update(self, direction, state, theta, lr, scratch):
        velocity = 0.9 * self.velocity.get(theta.size, 0.0) - lr * direction
        self.velocity[theta.size] = velocity
        direction[...] = velocity


VELOCITY = {}


class RemembersInModule(Descent):
    def update(self, direction, state, theta, lr, scratch):
        VELOCITY[theta.size] = 0.9 * VELOCITY.get(theta.size, 0.0) - lr * direction
        direction[...] = VELOCITY[theta.size]


class RemembersById(Descent):
    def update(self, direction, state, theta, lr, scratch):
        VELOCITY[id(state)] = 0.9 * VELOCITY.get(id(state), 0.0) - lr * direction
        direction[...] = VELOCITY[id(state)]


class RemembersInState(Descent):
    def init(self, theta, groups):
        return {"velocity": np.zeros_like(theta)}

    def update(self, direction, state, theta, lr, scratch):
        state["velocity"] *= 0.9
        direction *= -lr
        state["velocity"] += direction
        np.copyto(direction, state["velocity"])


class KeepsDirection(RemembersInState):
    def update(self, direction, state, theta, lr, scratch):
        direction *= -lr
        direction += 0.5 * state["velocity"]
        state["velocity"] = direction


class KeepsTheta(RemembersInState):
    def init(self, theta, groups):
        return {"anchor": theta[groups["decayed"]]} | super().init(theta, groups)


class MovesWithoutRate(Descent):
    def update(self, direction, state, theta, lr, scratch):
        direction *= -lr
        scratch[...] = theta
        scratch *= 0.01
        direction -= scratch


class WideState(RemembersInState):
    def init(self, theta, groups):
        return {"velocity": np.zeros(theta.size)}


class Allocates(Descent):
    def update(self, direction, state, theta, lr, scratch):
        direction[...] = -lr * (direction + 0.0 * theta)


class WritesTheta(Descent):
    def update(self, direction, state, theta, lr, scratch):
        theta -= lr * direction
        direction[...] = 0.0


class ReturnsStep(Descent):
    def update(self, direction, state, theta, lr, scratch):
        return -lr * direction


class ReadsScratch(Descent):
    def update(self, direction, state, theta, lr, scratch):
        scratch += direction
        np.multiply(scratch, -lr, out=direction)


class ObjectInState(Descent):
    def init(self, theta, groups):
        return {"t": iter(range(10**9))}


class ListInState(Descent):
    def update(self, direction, state, theta, lr, scratch):
        state["rates"] = [lr]
        direction *= -lr


class ReadoutChangesTheta(Descent):
    def readout(self, theta, state):
        theta *= 0.5
        return theta


class Stuck(Descent):
    def update(self, direction, state, theta, lr, scratch):
        np.sign(direction, out=direction)
        direction *= -lr * 1e-3


class Centralize(Transform):
    """u minus its mean: what broken transforms are variations of."""

    def update(self, direction, state, theta, lr, scratch):
        direction -= direction.mean()


class ReturnsCentred(Transform):
    def update(self, direction, state, theta, lr, scratch):
        return direction - direction.mean()


class ClipsWithoutRate(Transform):
    def update(self, direction, state, theta, lr, scratch):
        np.clip(direction, -0.01, 0.01, direction)


class ClipsSignedRate(Transform):
    """Right behind an optimizer only: in front, lr is -1 and both limits change places."""

    def update(self, direction, state, theta, lr, scratch):
        np.minimum(direction, 2.0 * lr, out=direction)


class ClipsEitherSide(Transform):
    def update(self, direction, state, theta, lr, scratch):
        limit = 2.0 * abs(lr)
        np.clip(direction, -limit, limit, direction)


class DecaysWithoutRate(Transform):
    def update(self, direction, state, theta, lr, scratch):
        np.multiply(theta, -0.01, out=scratch)
        direction += scratch


class MovesTheta(Transform):
    def update(self, direction, state, theta, lr, scratch):
        theta *= 0.99


class AverageOnClass(Transform):
    mean: ClassVar[dict] = {}

    def update(self, direction, state, theta, lr, scratch):
        self.mean[theta.size] = direction.mean()
        direction -= self.mean[theta.size]


class CountsById(Transform):
    def update(self, direction, state, theta, lr, scratch):
        VELOCITY[id(state)] = VELOCITY.get(id(state), 0) + 1
        direction *= 0.9 ** VELOCITY[id(state)]


class CountsInState(Transform):
    def init(self, theta, groups):
        return {"t": 0}

    def update(self, direction, state, theta, lr, scratch):
        state["t"] += 1
        direction *= 0.9 ** state["t"]


class WideTransform(Transform):
    def init(self, theta, groups):
        return {"mask": np.ones(theta.size)}

    def update(self, direction, state, theta, lr, scratch):
        direction *= state["mask"].astype(direction.dtype)


class AllocatesTransform(Transform):
    def update(self, direction, state, theta, lr, scratch):
        direction[...] = direction - direction.mean()


class Random(Schedule):
    def __call__(self, progress):
        return float(np.random.default_rng().uniform())


class Counter(Schedule):
    def __call__(self, progress):
        object.__setattr__(self, "calls", vars(self).get("calls", 0) + 1)
        return 1.0 / self.calls


class CounterOnClass(Schedule):
    calls = 0

    def __call__(self, progress):
        type(self).calls += 1
        return 1.0


class Negative(Schedule):
    def __call__(self, progress):
        return 0.5 - progress.fraction


class NotANumber(Schedule):
    def __call__(self, progress):
        with np.errstate(invalid="ignore"):
            return float(np.float64(progress.stalls) / np.float64(progress.stalls))


class NoReturn(Schedule):
    def __call__(self, progress):
        progress.fraction**2


class FailsAtStart(Schedule):
    def __call__(self, progress):
        return 1.0 / progress.epoch


class OncePerEpoch(Cosine):
    per_step = False


class GlobalDraws(HeNormal):
    def fill(self, W, b, rng, site):
        W[...] = 0.1 * np.random.standard_normal(W.shape)  # noqa: NPY002
        b[...] = 0.0


class GlobalSeed(HeNormal):
    def fill(self, W, b, rng, site):
        np.random.seed(0)  # noqa: NPY002
        W[...] = 0.1 * np.random.standard_normal(W.shape)  # noqa: NPY002
        b[...] = 0.0


class OwnGenerator(HeNormal):
    def fill(self, W, b, rng, site):
        W[...] = 0.1 * np.random.default_rng().standard_normal(W.shape)
        b[...] = 0.0


class NoBias(Initializer):
    def fill(self, W, b, rng, site):
        W[...] = 0.1 * rng.standard_normal(W.shape)


class NotInPlace(Initializer):
    def fill(self, W, b, rng, site):
        W = 0.1 * rng.standard_normal(W.shape)
        b[...] = 0.0


class NoOutputLayer(LecunNormal):
    def fill(self, W, b, rng, site):
        if site.index < site.n_layers - 1:
            super().fill(W, b, rng, site)


class UnitVariance(Initializer):
    def fill(self, W, b, rng, site):
        W[...] = rng.standard_normal(W.shape)
        b[...] = 0.0


class UnitDiagonal(Initializer):
    """Nothing random about it, and nothing wrong."""

    def fill(self, W, b, rng, site):
        W[...] = np.eye(*W.shape)
        b[...] = 0.0


class RecordsOnClass(Callback):
    losses: ClassVar[list] = []

    def on_epoch_end(self, memory, run):
        self.losses.append(run.loss)


class Best(Callback):
    """The lowest loss so far, which nan stands for at the start."""

    def init(self):
        return {"best": np.nan}

    def on_epoch_end(self, memory, run):
        memory["best"] = np.fmin(memory["best"], run.loss)


LOWEST = {"loss": np.inf}


class BestInModule(Best):
    def on_epoch_end(self, memory, run):
        LOWEST["loss"] = memory["best"] = min(LOWEST["loss"], run.loss)


class StopsByModule(Callback):
    def on_epoch_end(self, memory, run):
        LOWEST["most"] = max(LOWEST.get("most", 0.0), run.loss)
        if run.loss < LOWEST["most"] / 10:
            run.stop("a tenth of the highest loss")


class BestById(Best):
    def on_epoch_end(self, memory, run):
        memory["best"] = LOWEST[id(memory)] = min(LOWEST.get(id(memory), np.inf), run.loss)


class KeepsRun(Callback):
    def on_fit_begin(self, memory, run):
        memory["run"] = run


class ListMemory(Callback):
    def init(self):
        return []


class FormatsScore(Callback):
    def on_epoch_end(self, memory, run):
        print(f"{run.validation_score:.3f}")


class Stopwatch(Callback):
    """Seconds per fit: two equal fits differ in them, and nothing is wrong."""

    def init(self):
        return {"start": 0.0, "seconds": {"each": np.zeros(3)}, "epochs": 0}

    def on_fit_begin(self, memory, run):
        memory["start"] = perf_counter()

    def on_epoch_end(self, memory, run):
        memory["seconds"]["each"][run.epoch - 1] = perf_counter() - memory["start"]
        memory["epochs"] += 1


class ListField(Constant):
    epochs: list = None

    def __post_init__(self):
        object.__setattr__(self, "epochs", [1, 2])


class TupleField(Constant):
    epochs: tuple = (1, 2)


class FunctionField(Constant):
    function: object = np.cos


class BrokenRepr(Constant):
    factor: float = 1.0

    def __repr__(self):
        return f"<schedule {self.factor}>"


class SilentRepr(Normal):
    def __repr__(self):
        return "SilentRepr()"


class Mutable(Cosine):
    pass


Mutable.__setattr__ = object.__setattr__


class MutableWithoutFields(Constant):
    pass


MutableWithoutFields.__setattr__ = object.__setattr__


class NeverTheSame(Step):
    def __post_init__(self):
        object.__setattr__(self, "every", self.every + 1)


class Unhashable(Step):
    __hash__ = None


class OwnClone(Step):
    def __sklearn_clone__(self):
        return type(self)(every=11)


class OpenFile(Constant):
    def __post_init__(self):
        object.__setattr__(self, "lines", iter(open.__doc__.splitlines()))
        object.__setattr__(self, "function", lambda x: x)


class BaseSignature(Relu):
    def forward(self, z):
        return np.maximum(z, 0.0)


class AssertsItself(Relu):
    def forward(self, z, out):
        assert z.shape[1] == 3, "three units, please"
        return super().forward(z, out)


class MisspelledHook(Callback):
    def on_epoch_ends(self, memory, run):
        run.stop("never called")


class HookOfAnotherLibrary(Callback):
    def on_batch_end(self, memory, run):
        run.stop("never called")


class MisspelledConstant(Tanh):
    needs_inputs = True


def make_local():
    class Local(Relu):
        pass

    return Local()


# What is broken, the check that says so, what it says, and a twin that is right (None: the
# built-in that it is a variation of).
BROKEN = [
    (WrongDerivative(), "derivative", "correct one of the two", None),
    (WrongSign(), "derivative", "correct one of the two", None),
    (NeedsInput(), "backward_writes_into_out", "set needs_input = True on the class", None),
    (NewArray(), "forward_writes_into_out", "must return the array `out`", None),
    (NewGradient(), "backward_writes_into_out", "must return the array `out`", None),
    (ReturnsNothing(), "forward_writes_into_out", "must return the array `out`", None),
    (ChangesInput(), "forward_writes_into_out", "must not change z", None),
    (ChangesOutput(), "backward_writes_into_out", "must not change a", None),
    (ReadsInputLate(), "out_may_be_the_input", "do not read z after", ReadsInputInTime()),
    (ReadsGradientLate(), "out_may_be_the_input", "do not read grad after", None),
    (SoftmaxOverUnits(), "is_elementwise", "depend on the other units", None),
    (CentredOverRows(), "is_elementwise", "depend on the other rows", None),
    (Ravelled(), "memory_order", "do not use ravel", None),
    (OverflowingLogistic(), "float32", "does not overflow", None),
    (Inaccurate(), "float32", "choose a stable formula", None),
    (UndeclaredKink(), "kinks_are_declared", r"kinks = \(0\.0,\)", LeakyRelu(0.0)),
    (HardTanh(), "kinks_are_declared", r"kinks = \(-1\.0, 1\.0\)", DeclaredHardTanh()),
    (Staircase(), "kinks_are_declared", "must be continuous", Identity()),
    (WholeSquare(), "gradient", "is not the gradient of the returned value", _Residual()),
    (MeanOverRows(), "is_a_weighted_sum_over_rows", "must be a sum over rows", SquaredError()),
    (WeightlessValue(), "is_a_weighted_sum_over_rows", "a weight of k must count as k", None),
    (WeightlessGradient(), "gradient", "with weights", None),
    (Weightless(), "is_a_weighted_sum_over_rows", "a weight of k must count as k", None),
    (NormalisedWeights(), "is_a_weighted_sum_over_rows", "a weight of k must count as k", None),
    (Distance(), "is_separable", "must be a sum over targets", CoupledDistance()),
    (ValuePerRow(), "value", "must return one number", None),
    (ChangesTargets(), "writes_into_out", "must not change y", None),
    (ChangesWeights(), "writes_into_out", "must not change weight", None),
    (LeavesGradient(), "writes_into_out", "must fill all of `out`", None),
    (OtherValue(), "value", "differs from the value that value_and_grad returns", None),
    (RavelledLoss(), "memory_order", "do not use ravel", None),
    (WrongLogarithm(), "link", "log_predict is not the logarithm of predict", Poisson()),
    (PredictsElsewhere(), "link", "must return the array `out`", None),
    (ReadsRawLate(), "link", "read before you write", None),
    (NoTasks(), "says_what_it_fits", "name some of", None),
    (TaskWithoutComma(), "says_what_it_fits", r'such as \("regression",\)', None),
    (RangeAsPair(), "says_what_it_fits", r"such as TargetRange\(low=0\.0\)", None),
    (NotAtZero(), "value", "Got nan for y from 0", AboveZero()),
    (NaiveLogistic(), "extremes", "does not overflow", BinaryLogLoss()),
    (NaiveSoftmax(), "extremes", "the maximum subtracted", LogLoss()),
    (
        NoLink(),
        "says_what_it_fits",
        "an instance of Link as its link. Got .identity",
        None,
    ),
    (
        OneColumnOfIdentity(),
        "says_what_it_fits",
        r"must have a symmetric inverse link .* Got link=IdentityLink\(\): set symmetric = True",
        OneColumnOfLogistic(),
    ),
    (NamelessLink(), "name", "must be a string, not empty. Got ''", Cauchit()),
    (LinkElsewhere(), "predict", "must return the array `out`", None),
    (HalfALink(), "predict", "must fill all of `out`", None),
    (LinkReadsLate(), "predict", "read before you write", None),
    (RavelledLink(), "predict", "do not use ravel", None),
    (SevenColumnsOnly(), "predict", "must accept one, two or three columns", ThreeColumnsOnly()),
    (LogOddsForLogarithm(), "log_predict", "is not the logarithm of predict", None),
    (SoftmaxOverRows(), "is_rowwise", "depends on other rows", SoftmaxOverColumns()),
    (SymmetricCloglog(), "symmetry", r"p\(-raw\) is not 1 - p\(raw\)", Cloglog()),
    (FarAway(), "float32", "choose a stable formula", None),
    (NaiveLink(), "extremes", "does not overflow", None),
    (ReturnsCentred(), "steps_are_written_into_direction", "must return None", Centralize()),
    (MovesTheta(), "steps_are_written_into_direction", "theta is read-only", None),
    (ClipsWithoutRate(), "scales_with_the_rate", r"multiply limits by abs\(lr\)", None),
    (ClipsSignedRate(), "scales_with_the_rate", "does not at lr = -1", ClipsEitherSide()),
    (DecaysWithoutRate(), "zero_rate", "including weight decay", None),
    (AverageOnClass(), "state_is_plain_and_its_own", r"changed AverageOnClass\.mean", None),
    (CountsById(), "resumes", "store everything", CountsInState()),
    (WideTransform(), "float32_stays", r"np\.zeros_like\(theta\)", None),
    (AllocatesTransform(), "allocates_little", "work in place", None),
    (Uphill(), "goes_downhill", r"about -lr \* gradient", Descent()),
    (RemembersOnSelf(), "state_is_plain_and_its_own", "not on self", RemembersInState()),
    (CountsOnSelf(), "state_is_plain_and_its_own", r"changed self\.seen", None),
    (RemembersOnClass(), "state_is_plain_and_its_own", "the class", None),
    (RemembersInModule(), "state_is_plain_and_its_own", "or the module", None),
    (RemembersById(), "resumes", "store everything", None),
    (KeepsDirection(), "state_is_plain_and_its_own", r"store direction\.copy\(\)", None),
    (KeepsTheta(), "state_is_plain_and_its_own", r"store theta\.copy\(\)", None),
    (MovesWithoutRate(), "zero_rate", "multiply the whole step by lr", None),
    (WideState(), "float32_stays", r"np\.zeros_like\(theta\)", None),
    (Allocates(), "allocates_little", "work in place", None),
    (WritesTheta(), "steps_are_written_into_direction", "theta is read-only", None),
    (ReturnsStep(), "steps_are_written_into_direction", "must return None", None),
    (ReadsScratch(), "steps_are_written_into_direction", "write to it before you read", None),
    (ObjectInState(), "state_is_plain_and_its_own", "a checkpoint can store nothing else", None),
    (ListInState(), "state_is_plain_and_its_own", "a checkpoint can store nothing else", None),
    (ReadoutChangesTheta(), "readout", "must not change theta", None),
    (Stuck(), "goes_downhill", "does not approach the minimum", None),
    (Stuck(), "rosenbrock", "check the signs and decays", None),
    (Random(), "is_pure", "compute from the progress alone", None),
    (Counter(), "is_pure", "store nothing between calls", None),
    (CounterOnClass(), "is_pure", r"changed CounterOnClass\.calls", None),
    (Negative(), "is_a_factor", "not negative", None),
    (NotANumber(), "is_a_factor", "one finite number", None),
    (NoReturn(), "is_a_factor", "returns None", None),
    (FailsAtStart(), "is_a_factor", "ZeroDivisionError", None),
    (OncePerEpoch(), "per_step", "set per_step = True", None),
    (GlobalDraws(), "draws_from_rng_only", "global generator", Zeros()),
    (GlobalSeed(), "draws_from_rng_only", "global generator", None),
    (OwnGenerator(), "draws_from_rng_only", "draw from `rng` only", UnitDiagonal()),
    (NoBias(), "fills_everything", "leaves parts of b unfilled", None),
    (NotInPlace(), "fills_everything", r"write in place, W\[\.\.\.\]", None),
    (NoOutputLayer(), "fills_everything", "in layer 2 of 3", None),
    (UnitVariance(), "variance", r"scale by 1 / sqrt\(fan_in\)", Normal(0.1)),
    (RecordsOnClass(), "fits_do_not_interfere", r"changed RecordsOnClass\.losses", Stopwatch()),
    (BestInModule(), "fits_do_not_interfere", "or the module", Best()),
    (StopsByModule(), "fits_do_not_interfere", "or the module", PrintProgress()),
    (BestById(), "resumes", "store everything that changes during a fit in `memory`", None),
    (KeepsRun(), "memory_is_plain", "a checkpoint can store nothing else", None),
    (ListMemory(), "memory_is_plain", "nested dicts", None),
    (FormatsScore(), "works_without_validation", "run.validation_score is then None", None),
    (ListField(), "fields_are_plain", "fields must be numbers, strings", TupleField()),
    (FunctionField(), "fields_are_plain", "fields must be numbers, strings", None),
    (
        MisspelledHook(),
        "names",
        "Got 'on_epoch_ends', which nothing calls: write 'on_epoch_end'",
        None,
    ),
    (MisspelledHook(), "hooks", "is never called: write one of on_fit_begin, on_epoch_end", None),
    (HookOfAnotherLibrary(), "hooks", "on_batch_end is never called", None),
    (MisspelledConstant(), "names", "write 'needs_input', or '_needs_inputs' if", None),
    (make_local(), "pickle", "at the top level of a module", Relu()),
    (OpenFile(), "pickle", "do not store functions or open files in it", None),
    (BrokenRepr(), "repr", "do not override __repr__", None),
    (SilentRepr(0.2), "repr", "show every field", None),
    (Mutable(), "frozen", "Do not override __setattr__", None),
    (MutableWithoutFields(), "frozen", "Do not override __setattr__", None),
    (NeverTheSame(), "clone_and_evolve", "a second pass changes again", None),
    (Unhashable(), "clone_and_evolve", "different hashes, or none", None),
    (OwnClone(), "clone_and_evolve", "do not override __sklearn_clone__", None),
    (BaseSignature(), "forward_writes_into_out", r"of its base class in sknn_scratch\.con", None),
    (AssertsItself(), "forward_writes_into_out", "three units, please", None),
]


def run(component, name):
    """Run the check of that name."""
    (check,) = (check for check in checks(component) if check.name == name)
    check()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("component", "name", "message"),
    [row[:3] for row in BROKEN],
    ids=[f"{type(component).__name__}-{name}" for component, name, *_ in BROKEN],
)
def test_broken(component, name, message):
    with pytest.raises(AssertionError, match=message) as error:
        run(component, name)
    assert type(component).__name__ in str(error.value)


@parametrize_with_component_checks({twin: None for *_, twin in BROKEN if twin is not None})
def test_twin(check):
    check()


class CountsItself:
    def __post_init__(self):
        object.__setattr__(self, "seen", True)


class Counted(CountsItself, Constant):
    """Without fields of its own, but with a second base."""


class OnePerEpoch(Constant):
    """Without fields of its own."""


def test_components_without_fields_of_their_own():
    assert Counted().seen
    assert OnePerEpoch() == OnePerEpoch() != Constant()
    assert hash(OnePerEpoch()) == hash(OnePerEpoch())
    assert repr(OnePerEpoch()) == "OnePerEpoch()"
    assert OnePerEpoch().evolve() == OnePerEpoch()
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'a'"):
        OnePerEpoch().a = 1
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'a'"):
        del OnePerEpoch().a
    with pytest.raises(TypeError, match="__setattr__"):
        type("Changing", (Constant,), {"__setattr__": object.__setattr__})


def test_there_are_broken_components_of_each_kind_and_for_each_check():
    for kind in KINDS.values():
        assert sum(isinstance(component, kind) for component, *_ in BROKEN) >= 6
    every = {check.name for component in BUILT_IN for check in checks(component)}
    assert every == {name for _, name, *_ in BROKEN}


# ------------------------------------------------------------------------------------ the way in
def test_check_component_lists_all_failures():
    with pytest.raises(AssertionError) as error:
        check_component(NegativeAndImpure())
    lines = str(error.value).splitlines()
    assert len(lines) == 2
    assert "not negative" in lines[0]
    assert "gives different factors" in lines[1]
    assert all("NegativeAndImpure" in line for line in lines)


class NegativeAndImpure(Schedule):
    def __call__(self, progress):
        return -float(np.random.default_rng().uniform())


def test_check_component_accepts():
    check_component(Gelu("tanh"))


@pytest.mark.parametrize("way_in", [checks, check_component])
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (Relu, r"must be an instance: write Relu\(\.\.\.\)"),
        (3, "instance of a subclass of Activation, Loss, Link, Optimizer, .* Got 3"),
        ("relu", "Got 'relu'"),
        (None, "Got None"),
    ],
    ids=str,
)
def test_wrong_arguments(way_in, wrong, message):
    with pytest.raises(TypeError, match=message):
        way_in(wrong)


def test_checks_have_readable_names():
    names_of_checks = [check.name for check in checks(Relu())]
    assert names_of_checks[:2] == ["fields_are_plain", "pickle"]
    assert "derivative" in names_of_checks
    assert str(checks(Relu())[-1]) == "Relu: float32"


def test_parametrize_names_component_and_check():
    mark = parametrize_with_component_checks([Gelu("tanh"), BrokenRepr()]).mark
    assert mark.name == "parametrize"
    assert mark.kwargs["ids"][0] == "Gelu(approximate='tanh')-fields_are_plain"
    assert len(mark.args[1]) == len(mark.kwargs["ids"])


class FailingRepr(Relu):
    def __repr__(self):
        return self.nothing


def test_a_failing_repr_does_not_get_in_the_way():
    mark = parametrize_with_component_checks([FailingRepr()]).mark
    assert "FailingRepr-repr" in mark.kwargs["ids"]
    with pytest.raises(AssertionError, match=r"^repr of FailingRepr is FailingRepr, which cannot"):
        run(FailingRepr(), "repr")


def test_checks_leave_no_trace():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    component = Mutable()
    with pytest.raises(AssertionError):
        check_component(component)
    assert vars(component) == vars(Mutable())
    check_component(Adam())
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


NO_PYTEST = """
import sys
sys.modules["pytest"] = None  # importing it raises ImportError
import numpy as np
from sknn_scratch.components import Relu
from sknn_scratch.contracts import Activation
from sknn_scratch.testing import check_component, checks, parametrize_with_component_checks

class Cube(Activation):
    power: float = 3.0
    needs_input = True
    def forward(self, z, out):
        return np.power(z, 3, out=out)
    def backward(self, grad, a, z, out):
        return np.multiply(grad, self.power * z * z, out=out)

check_component(Cube())  # its class lives in __main__
for check in checks(Relu()):
    check()
try:
    check_component(Cube(2.0))
except AssertionError as error:
    print(error)
try:
    parametrize_with_component_checks([Relu()])
except ImportError as error:
    print(error)
"""


# Slow because all that is imported must be compiled anew with -O.
@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [[], pytest.param(["-O"], marks=pytest.mark.slow)], ids=["", "optimized"]
)
def test_without_pytest(options):
    command = [sys.executable, *options, "-W", "error", "-c", textwrap.dedent(NO_PYTEST)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    derivative, pytest_missing = result.stdout.splitlines()
    assert derivative.startswith("Cube.backward is not grad times the derivative of forward")
    message = "parametrize_with_component_checks requires pytest: run `pip install pytest`"
    assert pytest_missing.startswith(message)


# --------------------------------------------------------------- advice for errors of a method
class WithoutInput(Activation):
    """sin, without ``needs_input``: z is None in backward."""

    def forward(self, z, out):
        return np.sin(z, out=out)


class Negates(WithoutInput):
    def backward(self, grad_a, a, z, out):
        return np.multiply(grad_a, np.cos(-z), out=out)


class InUfunc(WithoutInput):
    def backward(self, grad_a, a, z, out):
        return np.multiply(grad_a, np.cos(z), out=out)


class Compares(WithoutInput):
    def backward(self, grad_a, a, z, out):
        return np.multiply(grad_a, z > 0, out=out)


class Copies(WithoutInput):
    def backward(self, grad_a, a, z, out):
        return np.multiply(grad_a, np.cos(z.copy()), out=out)


class InHelper(WithoutInput):
    def backward(self, grad_a, a, z, out):
        return np.multiply(grad_a, self.slope(z), out=out)

    def slope(self, z):
        return 1.0 - z


class Unpacks(WithoutInput):
    def backward(self, grad_a, a, z, out):
        rows, _ = z.shape
        return np.multiply(grad_a, rows, out=out)


class FewerArguments(WithoutInput):
    def backward(self, grad_a, a, out):
        return np.multiply(grad_a, a, out=out)


class BreaksForward(InUfunc):
    def forward(self, z, out):
        return np.add(z, None, out=out)


class KnowsItsInput(InUfunc):
    needs_input = True

    def backward(self, grad_a, a, z, out):
        return np.multiply(grad_a, z.cosine(), out=out)


NEEDS = "set needs_input = True on the class"
SIGNATURE = "the signatures of its base class"
CORRECT = "Correct the methods of"
ADVICE = [
    *((cls(), NEEDS) for cls in (Negates, InUfunc, Compares, Copies, InHelper, Unpacks)),
    (FewerArguments(), SIGNATURE),
    (BreaksForward(), CORRECT),
    (KnowsItsInput(), CORRECT),
]


@pytest.mark.parametrize(("component", "advice"), ADVICE, ids=lambda value: str(value)[:15])
def test_one_advice_for_an_error_of_a_method(component, advice):
    with pytest.raises(AssertionError) as error:
        check_component(component)
    lines = [line for line in str(error.value).splitlines() if "Error: " in line]
    assert lines
    for line in lines:
        assert [words in line for words in (NEEDS, SIGNATURE, CORRECT)].count(True) == 1
        assert advice in line


@pytest.mark.parametrize(("component", "advice"), ADVICE, ids=lambda value: str(value)[:15])
def test_fit_gives_the_same_advice(component, advice):
    model = MLPRegressor(hidden_layer_sizes=(3,), activation=component, max_iter=1)
    with pytest.raises((TypeError, AttributeError)) as error:
        model.fit(np.ones((10, 2)), np.arange(10.0))
    notes = " ".join(error.value.__notes__)
    assert (NEEDS in notes) == (advice == NEEDS)
    assert type(component).__name__ in notes
