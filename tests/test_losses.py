"""Losses against their definitions, and against scikit-learn's and PyTorch's."""

import pickle

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.special import log_softmax, xlogy
from sklearn._loss import loss as theirs  # as of scikit-learn 1.9
from sklearn.metrics import mean_gamma_deviance, mean_tweedie_deviance

from sknn_scratch.components import (
    AbsoluteError,
    BinaryLogLoss,
    Focal,
    Gamma,
    Huber,
    LogLoss,
    Poisson,
    Quantile,
    SquaredError,
    Tweedie,
)

ROWS = 60
LEVELS = (0.1, 0.5, 0.9)

BOUNDED = [  # finite for every raw output that is
    SquaredError(),
    AbsoluteError(),
    Huber(),
    Huber(delta=0.3),
    Huber(delta=np.float64(2)),
    Quantile(),
    Quantile(0.9),
    Quantile((0.2,)),
    Quantile(LEVELS),
    BinaryLogLoss(),
    BinaryLogLoss(label_smoothing=0.1),
    BinaryLogLoss(label_smoothing=1),
    LogLoss(),
    LogLoss(label_smoothing=0.1),
    LogLoss(label_smoothing=np.float64(1)),
    Focal(),
    Focal(gamma=0),
    Focal(gamma=0.3),
    Focal(gamma=np.float64(5)),
]
POWERS = [0, 1, 1.01, 1.5, np.float64(1.9), 2, 2.5, 3]
LOG_LINK = [Poisson(), Gamma(), *map(Tweedie, POWERS)]
every_loss = pytest.mark.parametrize("loss", BOUNDED + LOG_LINK, ids=repr)


def make(loss, n_targets=3, rows=ROWS, seed=0):
    """Return targets and raw outputs; soft targets whose rows do not sum to one for classes."""
    rng = np.random.default_rng(seed)
    n_targets = 1 if loss.levels else n_targets
    raw = rng.normal(scale=1.5, size=(rows, loss.n_raw(n_targets)))
    low, high, low_is_open = loss.target_range
    y = rng.normal(scale=2.0, size=(rows, n_targets))
    if high < np.inf:
        y = rng.uniform(size=y.shape)
    elif low == 0:
        y = np.abs(y) if low_is_open else np.maximum(y, 0)
    assert loss.target_range.contains(y)
    return y, raw


def evaluate(loss, y, raw, weight=None):
    """Return value and gradient, the latter written over nans."""
    out = np.full_like(raw, np.nan)
    return loss.value_and_grad(y, raw, weight, out), out


def same(actual, desired, tolerance=1e-6):
    np.testing.assert_allclose(actual, desired, rtol=tolerance, atol=tolerance)


# ------------------------------------------------------------------------- what all must keep
@every_loss
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
def test_gradient(loss, order, weighted):
    y, raw = (np.asarray(a, order=order) for a in make(loss, rows=6))
    weight = np.arange(6.0) if weighted else None
    _, gradient = evaluate(loss, y, raw, weight)
    slopes = approx_fprime(
        raw.ravel(), lambda flat: loss.value(y, flat.reshape(raw.shape), weight), 1e-7
    )
    np.testing.assert_allclose(gradient.ravel(), slopes, rtol=1e-5, atol=1e-5)


@every_loss
def test_weights_are_repetitions(loss):
    y, raw = make(loss)
    times = np.arange(ROWS) % 4
    value, gradient = evaluate(loss, y, raw, times.astype(float))
    repeated = evaluate(loss, np.repeat(y, times, axis=0), np.repeat(raw, times, axis=0))
    same(value, repeated[0], 1e-12)
    same(gradient[times > 0] / times[times > 0, None], evaluate(loss, y, raw)[1][times > 0], 1e-12)
    assert not gradient[times == 0].any()


@every_loss
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
def test_float32(loss, order, weighted):
    y, raw = make(loss)
    weight = np.linspace(0, 2, ROWS) if weighted else None
    value, gradient = evaluate(loss, y, raw, weight)
    single = [np.asarray(a, np.float32, order=order) for a in (y, raw)]
    before = [a.copy() for a in single]
    value_32, gradient_32 = evaluate(
        loss, *single, None if weight is None else weight.astype(np.float32)
    )
    assert type(value_32) is float
    assert gradient_32.dtype == np.float32
    same(value_32, value, 1e-4)
    same(gradient_32, gradient, 1e-4)
    for a, old in zip(single, before, strict=True):
        np.testing.assert_array_equal(a, old)


@every_loss
def test_no_value_is_negative(loss):
    y, raw = make(loss)
    for row in range(ROWS):
        value = loss.value(y[row : row + 1], raw[row : row + 1], None)
        assert isinstance(value, float)
        assert value > -1e-12


@pytest.mark.parametrize(
    "loss", [x for x in BOUNDED + LOG_LINK if "regression" in x.tasks], ids=repr
)
def test_optimum_is_zero(loss):
    """Half a deviance, not half a deviance and a constant."""
    y, raw = make(loss)
    y = np.abs(y) + 0.1
    best = np.log(y) if loss.out_activation == "exp" else y
    same(loss.value(y, best + np.zeros_like(raw), None), 0, 1e-9)


@every_loss
def test_predict_may_overwrite(loss):
    _, raw = make(loss)
    for verb in (loss.predict, *([loss.log_predict] if loss.out_activation != "identity" else [])):
        expected = verb(raw, np.empty_like(raw))
        again = raw.copy()
        assert verb(again, again) is again
        np.testing.assert_array_equal(again, expected)


@every_loss
def test_is_a_value(loss):
    assert pickle.loads(pickle.dumps(loss)) == loss
    assert eval(repr(loss), globals()) == loss
    assert loss.evolve() == loss
    assert hash(loss) == hash(loss.evolve())


# ------------------------------------------------------------------------------------ extremes
FAR = np.array([-1e4, -90, -1, 0, 1, 90, 1e4], dtype=np.float32)


@pytest.mark.parametrize("loss", BOUNDED, ids=repr)
@pytest.mark.parametrize("target", [0, 1])
def test_far_outputs(loss, target):
    """Warnings are errors in this suite."""
    n = 3 if loss.one_hot else len(loss.levels) or 1
    raw = np.stack([np.roll(FAR, k) for k in range(n)], axis=1)
    y = np.full((len(FAR), 1), target, np.float32)
    if loss.one_hot:
        y = np.repeat(np.eye(3, dtype=np.float32)[[target]], len(FAR), axis=0)
    value, gradient = evaluate(loss, y, raw)
    exact, slopes = evaluate(loss, y.astype(float), raw.astype(float))
    assert value == pytest.approx(exact, rel=1e-5)
    assert gradient == pytest.approx(slopes, rel=1e-4, abs=1e-6)
    assert np.isfinite(loss.predict(raw, np.empty_like(raw))).all()


@pytest.mark.parametrize(
    ("loss", "target"),
    [
        (loss, target)
        for loss in [Poisson(), Gamma(), *map(Tweedie, [1, 1.01, 1.5, 2])]
        for target in [0, 1e-30, 1, 1e30]
        if target > 0 or not loss.target_range.low_is_open
    ],
    ids=repr,
)
def test_far_outputs_of_log_link(loss, target):
    """Finite and silent where the true value is; infinite, never nan, where it is not."""
    limit = float(np.finfo(np.float32).max) / 10
    for x in FAR:
        raw, y = np.full((1, 1), x), np.full((1, 1), target, np.float32)
        with np.errstate(over="ignore"):
            exact, slope = evaluate(loss, y.astype(float), raw.astype(float))
        if abs(exact) < limit and abs(slope) < limit:
            value, gradient = evaluate(loss, y, raw)
            assert value == pytest.approx(exact, rel=1e-3, abs=1e-5)
            assert gradient == pytest.approx(slope, rel=1e-3, abs=1e-5)
        else:
            with np.errstate(over="ignore"):
                value, gradient = evaluate(loss, y, raw)
            assert value > 0
            assert np.sign(gradient) == np.sign(slope)


@pytest.mark.parametrize("power", [0, 2.5, 3])
def test_overflow_is_never_finite(power):
    """An overflow must not pass for a loss: training would go on."""
    loss = Tweedie(power)
    raw = np.full((1, 1), 1e4 if power == 0 else -1e4, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        assert not np.isfinite(loss.value(np.ones_like(raw), raw, None))


# -------------------------------------------------------------------------------- scikit-learn
PAIRS = {
    "squared_error": (SquaredError(), theirs.HalfSquaredError),
    "absolute_error": (AbsoluteError(), theirs.AbsoluteError),
    "huber": (Huber(0.7), lambda: theirs.HuberLoss(delta=0.7)),
    "quantile 0.5": (Quantile(), theirs.PinballLoss),
    "quantile 0.9": (Quantile(0.9), lambda: theirs.PinballLoss(quantile=0.9)),
    "poisson": (Poisson(), theirs.HalfPoissonLoss),
    "gamma": (Gamma(), theirs.HalfGammaLoss),
    "binary": (BinaryLogLoss(), theirs.HalfBinomialLoss),
} | {f"tweedie {p}": (Tweedie(p), lambda p=p: theirs.HalfTweedieLoss(power=p)) for p in POWERS}


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
def test_sklearn(name, weighted):
    """Theirs leave out terms without raw, which constant_to_optimal_zero returns."""
    loss, make_theirs = PAIRS[name]
    other = make_theirs()
    y, raw = (a[:, 0].copy() for a in make(loss))
    weight = np.linspace(0, 2, ROWS) if weighted else None
    value, gradient = evaluate(loss, y[:, None], raw[:, None], weight)
    losses, slopes = other.loss_gradient(y, raw, sample_weight=weight)
    constant = other.constant_to_optimal_zero(y, weight)
    if name != "binary":
        losses = losses + constant
    same(value, losses.sum())
    same(gradient[:, 0], slopes)
    if name != "binary":  # half of log 0 at targets of 0 and 1
        same(loss.predict(raw[:, None], np.empty((ROWS, 1)))[:, 0], other.link.inverse(raw))


@pytest.mark.parametrize("loss", [LogLoss(), Focal(gamma=0)], ids=repr)
@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
def test_sklearn_softmax(loss, weighted):
    _, raw = make(loss, 4)
    codes = np.arange(ROWS) % 4
    weight = np.linspace(0, 2, ROWS) if weighted else None
    value, gradient = evaluate(loss, np.eye(4)[codes], raw, weight)
    other = theirs.HalfMultinomialLoss(n_classes=4)
    losses, slopes = other.loss_gradient(codes.astype(float), raw, sample_weight=weight)
    same(value, losses.sum())
    same(gradient, slopes)


@pytest.mark.parametrize("power", POWERS)
def test_tweedie_is_half_the_deviance(power):
    y, raw = make(Tweedie(power), 1)
    deviance = mean_tweedie_deviance(y[:, 0], np.exp(raw[:, 0]), power=power)
    same(Tweedie(power).value(y, raw, None), ROWS * deviance / 2)


def test_gamma_is_half_the_deviance():
    y, raw = make(Gamma(), 1)
    same(Gamma().value(y, raw, None), ROWS * mean_gamma_deviance(y[:, 0], np.exp(raw[:, 0])) / 2)


# ------------------------------------------------------------------------------------- PyTorch
@pytest.mark.parametrize(
    ("loss", "name", "settings"),
    [
        (AbsoluteError(), "l1_loss", {}),
        (Huber(), "huber_loss", {}),
        (Huber(0.4), "huber_loss", {"delta": 0.4}),
        (BinaryLogLoss(), "binary_cross_entropy_with_logits", {}),
        (LogLoss(), "cross_entropy", {}),
        (LogLoss(label_smoothing=0.2), "cross_entropy", {"label_smoothing": 0.2}),
        (Focal(gamma=0), "cross_entropy", {}),
    ],
    ids=repr,
)
def test_torch(loss, name, settings):
    torch = pytest.importorskip("torch")
    y, raw = make(loss)
    if loss.one_hot:  # theirs takes rows that sum to one
        y = np.eye(3)[np.arange(ROWS) % 3] if settings else y / y.sum(axis=1, keepdims=True)
    inputs = torch.tensor(raw, requires_grad=True)
    other = getattr(torch.nn.functional, name)
    result = other(inputs, torch.tensor(y), reduction="sum", **settings)
    result.backward()
    value, gradient = evaluate(loss, y, raw)
    same(value, result.item())
    same(gradient, inputs.grad.numpy())


def test_torch_class_numbers():
    """Label smoothing has PyTorch's meaning for class numbers too."""
    torch = pytest.importorskip("torch")
    codes = np.arange(ROWS) % 3
    loss = LogLoss(label_smoothing=0.3)
    _, raw = make(loss)
    result = torch.nn.functional.cross_entropy(
        torch.tensor(raw), torch.tensor(codes), reduction="sum", label_smoothing=0.3
    )
    same(loss.value(np.eye(3)[codes], raw, None), result.item())


@pytest.mark.parametrize("gamma", [0.5, 1, 2, 3.5])
def test_torch_focal(gamma):
    torch = pytest.importorskip("torch")
    y, raw = make(Focal())
    inputs = torch.tensor(raw, requires_grad=True)
    log_p = torch.log_softmax(inputs, dim=1)
    result = -(torch.tensor(y) * (1 - log_p.exp()) ** gamma * log_p).sum()
    result.backward()
    value, gradient = evaluate(Focal(gamma), y, raw)
    same(value, result.item())
    same(gradient, inputs.grad.numpy())


# ------------------------------------------------------------------------------- label smoothing
@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
def test_label_smoothing(weighted):
    """A loss of smoothed targets; what a row of targets sums to stays."""
    weight = np.linspace(0, 2, ROWS) if weighted else None
    y, raw = make(LogLoss(), 4)
    smooth = 0.8 * y + 0.2 / 4 * y.sum(axis=1, keepdims=True)
    expected = evaluate(LogLoss(), smooth, raw, weight)
    for actual, desired in zip(
        evaluate(LogLoss(label_smoothing=0.2), y, raw, weight), expected, strict=True
    ):
        same(actual, desired, 1e-12)


def test_label_smoothing_of_two_classes():
    """The same for one logistic output as for two softmax outputs."""
    y, raw = make(BinaryLogLoss(), 1)
    y = np.round(y)
    both = np.hstack([1 - y, y]), np.hstack([0 * raw, raw])
    value, gradient = evaluate(LogLoss(label_smoothing=0.2), *both)
    one = evaluate(BinaryLogLoss(label_smoothing=0.2), y, raw)
    same(one[0], value, 1e-12)
    same(one[1], gradient[:, 1:], 1e-12)


def test_label_smoothing_is_passed_on():
    assert LogLoss(label_smoothing=0.2).for_task("multilabel") == BinaryLogLoss(0.2)
    assert LogLoss().for_task("multilabel") == BinaryLogLoss()
    loss = LogLoss(label_smoothing=0.2)
    assert loss.for_task("multiclass") is loss


def test_no_smoothing_makes_no_targets(monkeypatch):
    """What is not asked for costs nothing: the default does not touch y."""
    monkeypatch.setattr("sknn_scratch.components.losses._smoothed", None)
    y, raw = make(LogLoss())
    evaluate(LogLoss(), y, raw)


# ---------------------------------------------------------------------------------------- focal
@pytest.mark.parametrize("gamma", [0, 0.5, 2, 7])
def test_focal_definition(gamma):
    y, raw = make(Focal())
    log_p = log_softmax(raw, axis=1)
    value = -(y * (1 - np.exp(log_p)) ** gamma * log_p).sum()
    same(Focal(gamma).value(y, raw, None), value, 1e-12)


def test_focal_without_gamma_is_log_loss():
    y, raw = make(Focal())
    for actual, desired in zip(
        evaluate(Focal(0), y, raw), evaluate(LogLoss(), y, raw), strict=True
    ):
        same(actual, desired, 1e-12)
    for verb in ("predict", "log_predict"):
        np.testing.assert_array_equal(
            getattr(Focal(), verb)(raw, raw.copy()), getattr(LogLoss(), verb)(raw, raw.copy())
        )


# ------------------------------------------------------------------------------------- quantiles
@pytest.mark.parametrize("level", [0.1, 0.5, 0.8])
def test_best_constant_is_the_quantile(level):
    y = np.random.default_rng(0).exponential(size=(1001, 1))
    at = np.linspace(0, 3, 3001)
    values = [Quantile(level).value(y, np.full_like(y, c), None) for c in at]
    assert at[np.argmin(values)] == pytest.approx(np.quantile(y, level), abs=2e-3)


def test_half_of_absolute_error():
    y, raw = make(Quantile())
    for ours, other in zip(
        evaluate(Quantile(0.5), y, raw), evaluate(AbsoluteError(), y, raw), strict=True
    ):
        same(2 * ours, other, 1e-12)


@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
def test_several_levels_are_a_sum(weighted):
    weight = np.linspace(0, 2, ROWS) if weighted else None
    y, raw = make(Quantile(LEVELS))
    value, gradient = evaluate(Quantile(LEVELS), y, raw, weight)
    each = [evaluate(Quantile(q), y, raw[:, k : k + 1], weight) for k, q in enumerate(LEVELS)]
    same(value, sum(v for v, _ in each), 1e-12)
    same(gradient, np.hstack([g for _, g in each]), 1e-12)


@pytest.mark.parametrize("order", ["C", "F"])
def test_levels_never_cross(order):
    raw = np.asarray(make(Quantile(LEVELS))[1], order=order)
    y_pred = Quantile(LEVELS).predict(raw, np.empty_like(raw))
    np.testing.assert_array_equal(y_pred, np.sort(raw, axis=1))
    assert (np.diff(raw, axis=1) < 0).any()  # else this would show nothing
    np.testing.assert_array_equal(Quantile(0.3).predict(raw, np.empty_like(raw)), raw)


def test_levels_and_outputs():
    assert Quantile(LEVELS).levels == LEVELS
    assert Quantile(0.3).levels == Quantile((0.3,)).levels == ()
    assert Quantile(LEVELS).n_raw(1) == 3
    assert Quantile(0.3).n_raw(4) == Quantile((0.3,)).n_raw(4) == 4
    with pytest.raises(ValueError, match="Got 2 targets: fit one estimator for each"):
        Quantile(LEVELS).n_raw(2)


# ------------------------------------------------------------------------- fields, tasks, ranges
@pytest.mark.parametrize(
    ("cls", "field", "values"),
    [
        (Huber, "delta", [0, -1, np.inf, np.nan, "1", None]),
        (Quantile, "level", [0, 1, -0.1, np.nan, "0.5", None, [0.1, 0.9], np.array([0.1])]),
        (Quantile, "level", [(), (0.5, 0.5), (0.9, 0.1), (0.1, 1.0), (0.1, np.nan), ("0.1",)]),
        (Tweedie, "power", [-1, 0.5, 3.1, np.nan, "1.5", None]),
        (BinaryLogLoss, "label_smoothing", [-0.1, 1.1, np.nan, "0", None]),
        (LogLoss, "label_smoothing", [-0.1, 1.1, np.nan, "0", None]),
        (Focal, "gamma", [-0.1, np.inf, np.nan, "2", None]),
    ],
)
def test_fields_are_checked(cls, field, values):
    for value in values:
        with pytest.raises(ValueError, match=f"'{field}' parameter of {cls.__name__} must be"):
            cls(**{field: value})


@pytest.mark.parametrize(
    ("loss", "y", "accepted"),
    [
        (Gamma(), 0.0, False),
        (Gamma(), 1e-30, True),
        (Poisson(), 0.0, True),
        (Poisson(), -1.0, False),
        (Tweedie(0), -1.0, True),
        (Tweedie(1), 0.0, True),
        (Tweedie(1.9), 0.0, True),
        (Tweedie(1.9), -1.0, False),
        (Tweedie(2), 0.0, False),
        (Tweedie(3), 0.0, False),
        (Tweedie(3), 1.0, True),
        (Huber(), -1.0, True),
    ],
    ids=repr,
)
def test_target_range(loss, y, accepted):
    assert loss.target_range.contains(np.array([[y]])) == accepted


def test_zeros_of_compound_poisson():
    """At y = 0 the deviance is exp(a raw) / a, and nothing divides by zero."""
    raw = np.array([[-3.0, 0.0, 3.0]])
    value, gradient = evaluate(Tweedie(1.5), np.zeros_like(raw), raw)
    same(value, 2 * np.exp(raw / 2).sum(), 1e-12)
    same(gradient, np.exp(raw / 2), 1e-12)


def test_poisson_at_zero():
    raw = np.array([[-3.0, 0.0, 3.0]])
    same(Poisson().value(np.zeros_like(raw), raw, None), (np.exp(raw) - xlogy(0, 0)).sum(), 1e-12)


@pytest.mark.parametrize("loss", [AbsoluteError(), Huber(), Quantile(), *LOG_LINK], ids=repr)
def test_regression_only(loss):
    assert loss.tasks == ("regression",)
    assert loss.for_task("regression") is loss
