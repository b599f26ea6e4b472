"""Dropout, averaged weights, weights of classes, the L1 part of the penalty, and dtype."""

import re

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import scale
from sklearn.utils.class_weight import compute_sample_weight

from sknn_scratch import MLPClassifier, MLPRegressor
from sknn_scratch.components import SGD, Adam, SquaredError, Tanh, WeightEMA
from sknn_scratch.core.data import Data
from sknn_scratch.core.layers import Dropout, Slot
from sknn_scratch.core.network import Network
from sknn_scratch.core.objective import Objective
from sknn_scratch.core.workspace import Workspace

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_diabetes(return_X_y=True)
X, Y = scale(X)[:120], scale(Y)[:120]
CLASSES = np.array(["low", "middle", "high"])[np.digitize(Y, [-0.6, 1.0])]
LABELS = np.column_stack([Y > 0.5, X[:, 2] > 0]).astype(int)
WEIGHT = np.random.default_rng(0).uniform(0.1, 3, size=len(X))
TARGETS = {MLPClassifier: CLASSES, MLPRegressor: Y}
ESTIMATORS = list(TARGETS)
EPOCHS = 6
each_estimator = pytest.mark.parametrize("cls", ESTIMATORS)


def small(cls, **params):
    defaults = {"hidden_layer_sizes": (9, 7), "max_iter": EPOCHS, "batch_size": 50}
    return cls(**defaults | {"random_state": 0, "learning_rate_init": 0.03} | params)


def fit(cls, more=None, y=None, **params):
    return small(cls, **params).fit(X, TARGETS[cls] if y is None else y, **more or {})


# --------------------------------------------------------------------------------------- dropout
def dropped(rate, x, seed=0, dtype=np.float64):
    """One pass of x through a dropout layer: (output, slot)."""
    shape = x.shape
    slot = Slot.make(np.empty(shape, dtype), np.ones(len(x), dtype), *np.empty((2, *shape), dtype))
    layer = Dropout(shape[1], rate)
    return layer, layer.forward((), x.astype(dtype), slot, np.random.default_rng(seed)), slot


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rate", [0.05, 0.5, 0.9])
def test_dropout_keeps_the_expectation(rate, dtype):
    x = np.tile(np.array([3.0, -1.0, 0.5]), (40_000, 1))
    _, out, _ = dropped(rate, x, dtype=dtype)
    assert out.dtype == dtype
    kept = out != 0
    np.testing.assert_allclose(out[kept], x[kept] / (1 - rate), rtol=1e-6)
    # Six standard deviations of a mean of this many draws.
    bound = 6 * np.sqrt(rate * (1 - rate) / len(x))
    np.testing.assert_allclose(kept.mean(axis=0), 1 - rate, atol=bound)
    np.testing.assert_allclose(out.mean(axis=0), x[0], atol=bound * 3 / (1 - rate))
    # Units and rows are left out independently of one another.
    assert np.abs(np.corrcoef(kept.T) - np.eye(3)).max() < 6 / np.sqrt(len(x))


def test_dropout_backward_uses_the_mask_of_forward():
    x = np.random.default_rng(1).normal(size=(20, 5))
    layer, out, slot = dropped(0.4, x)
    slot.delta[...], dx = 2.0, np.empty_like(x)
    layer.backward((), (), x, slot, dx)
    np.testing.assert_allclose(dx, 2.0 * out / x, rtol=1e-12)


@pytest.mark.parametrize("rates", [(0.5,), (0.5, 0.0), (0.0, 0.3), (0.2, 0.7)])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.6])
def test_gradient_with_a_fixed_mask(rates, l1_ratio):
    """Against finite differences of the objective, the generator seeded anew each time."""
    rng, hidden = np.random.default_rng(0), (6, 5)[: len(rates)]
    network = Network.dense(4, hidden, 2, [Tanh()] * len(hidden), rates)
    objective = Objective(network, SquaredError(), 0.3, l1_ratio)
    data = Data(rng.normal(size=(11, 4)), rng.normal(size=(2, 11)), None, rng.uniform(1, 2, 11))
    rows = Workspace(network, 11, np.float64).rows(11)
    theta = rng.uniform(0.2, 1, network.layout.size) * rng.choice([-1, 1], network.layout.size)

    def evaluate(theta, seed=7):
        params, grads = (network.layout.params(v) for v in (theta, np.empty_like(theta)))
        noise = np.random.default_rng(seed)
        batch = data.batch(slice(None))
        with np.errstate(invalid="ignore"):  # a flag that some BLAS kernels raise for nothing
            value = objective.value_and_grad(params, batch, rows, grads, noise)
        return value, grads.vector

    gradient = evaluate(theta)[1]
    steps = 1e-5 * np.eye(theta.size)
    slopes = [(evaluate(theta + e)[0] - evaluate(theta - e)[0]) / 2e-5 for e in steps]
    np.testing.assert_allclose(gradient, slopes, rtol=1e-6, atol=1e-8)
    assert not np.allclose(gradient, evaluate(theta, seed=8)[1]), "no mask"


@each_estimator
def test_dropout_depends_on_the_seed_alone(cls):
    one, again, other = (fit(cls, dropout=0.5, random_state=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.theta_, again.theta_)
    assert not np.array_equal(one.theta_, other.theta_)
    assert not np.array_equal(one.theta_, fit(cls).theta_)


@pytest.mark.parametrize("rates", [0.4, (0.4, 0.4), [0.4, 0.4], np.array([0.4, 0.4])], ids=str)
def test_one_rate_or_one_per_layer(rates):
    expected = fit(MLPRegressor, dropout=0.4)
    np.testing.assert_array_equal(fit(MLPRegressor, dropout=rates).theta_, expected.theta_)


@pytest.mark.parametrize("rates", [0, 0.0, (0, 0.0)], ids=str)
def test_rates_of_zero_are_no_dropout(rates):
    np.testing.assert_array_equal(fit(MLPRegressor, dropout=rates).theta_, fit(MLPRegressor).theta_)


@pytest.mark.parametrize(("rates", "all_moved"), [((0.5, 0.0), [0, 1]), ((0.0, 0.5), [1, 0])])
def test_rates_belong_to_their_layers(rates, all_moved):
    """One step on one row moves the biases of all units but those that were left out."""
    params = {"max_iter": 1, "batch_size": 1, "solver": "sgd", "activation": "identity"}
    start, end = (
        small(MLPRegressor, **params, dropout=rates, learning_rate_init=rate)
        .fit(X[:1], Y[:1])
        .intercepts_
        for rate in (1e-300, 0.1)
    )
    moved = [a != b for a, b in zip(start[:2], end[:2], strict=True)]
    assert all(m.any() for m in moved)
    assert [m.all() for m in moved] == all_moved


@each_estimator
def test_dropout_is_never_active_in_predict(cls):
    model = fit(cls, dropout=0.5, activation="tanh")
    (W0, W1, W2), (b0, b1, b2) = model.coefs_, model.intercepts_
    raw = np.tanh(np.tanh(X @ W0 + b0) @ W1 + b1) @ W2 + b2
    if cls is MLPRegressor:
        np.testing.assert_allclose(model.predict(X), raw[:, 0], rtol=1e-9)
    else:
        np.testing.assert_allclose(model.decision_function(X), raw, rtol=1e-9)
    np.testing.assert_array_equal(model.predict(X), model.predict(X))


@each_estimator
def test_dropout_is_never_active_in_validation(cls):
    given = {"X_val": X, "y_val": TARGETS[cls]}
    model = fit(cls, given, dropout=0.5)
    assert model.validation_scores_[-1] == pytest.approx(
        model.score(**dict(zip("Xy", given.values(), strict=True)))
    )
    assert model.loss_curve_[-1] > model.validation_loss_curve_[-1]


def test_dropout_with_sparse_X_and_float32():
    dense = fit(MLPClassifier, dropout=0.3)
    sparse = small(MLPClassifier, dropout=0.3).fit(csr_array(X), CLASSES)
    np.testing.assert_allclose(sparse.theta_, dense.theta_, rtol=1e-9)
    single = small(MLPClassifier, dropout=0.3).fit(X.astype(np.float32), CLASSES)
    assert single.theta_.dtype == np.float32


# ------------------------------------------------------------------------------ averaged weights
def averages(thetas, decay):
    """By the definition: the mean of all weights so far, with weights decay ** age."""
    for t in range(1, len(thetas) + 1):
        yield np.average(thetas[:t], axis=0, weights=decay ** np.arange(t - 1, -1, -1.0))


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("decay", [0.0, 0.5, 0.95])
@each_estimator
def test_average_is_its_definition(cls, decay, solver):
    """With all rows in one batch there is one step per epoch: refits tell all weights."""
    params = {"batch_size": 120, "solver": solver}
    thetas = [fit(cls, **params, max_iter=n).theta_ for n in range(1, EPOCHS + 1)]
    for n, expected in enumerate(averages(thetas, decay), 1):
        averaged = fit(cls, **params, max_iter=n, ema_decay=decay)
        np.testing.assert_allclose(averaged.theta_, expected, rtol=1e-9, atol=1e-12)
    assert averaged.loss_curve_ == fit(cls, **params).loss_curve_  # of the weights in training


@each_estimator
def test_average_over_calls_of_partial_fit(cls):
    more = {"classes": np.unique(CLASSES)} if cls is MLPClassifier else {}
    averaged, plain = small(cls, ema_decay=0.8), small(cls)
    thetas = []
    for part in np.split(np.arange(120), 6):  # one step each
        for model in averaged, plain:
            model.partial_fit(X[part], TARGETS[cls][part], **more)
        thetas.append(plain.theta_)
        *_, expected = averages(thetas, 0.8)
        np.testing.assert_allclose(averaged.theta_, expected, rtol=1e-9, atol=1e-12)


@each_estimator
def test_average_is_what_is_scored_and_kept(cls):
    params = {"early_stopping": True, "scoring": "loss", "n_iter_no_change": 3, "max_iter": 60}
    given = {"X_val": X[80:], "y_val": TARGETS[cls][80:]}
    model = small(cls, **params, ema_decay=0.9, learning_rate_init=0.2)
    model.fit(X[:80], TARGETS[cls][:80], **given)
    assert model.best_n_iter_ < model.n_iter_ < 60
    best = small(cls, ema_decay=0.9, learning_rate_init=0.2, max_iter=model.best_n_iter_)
    best.fit(X[:80], TARGETS[cls][:80])
    np.testing.assert_array_equal(model.theta_, best.theta_)


def test_average_as_an_instance():
    by_name = fit(MLPRegressor, ema_decay=0.9, beta_1=0.8)
    instance = fit(MLPRegressor, solver=WeightEMA(Adam(beta_1=0.8), decay=0.9))
    np.testing.assert_array_equal(by_name.theta_, instance.theta_)
    around = fit(MLPRegressor, solver=SGD(momentum=0.5), ema_decay=0.9)
    inside = fit(MLPRegressor, solver=WeightEMA(SGD(momentum=0.5), decay=0.9))
    np.testing.assert_array_equal(around.theta_, inside.theta_)


# ------------------------------------------------------------------------------ weights of classes
def of_labels(*tables):
    """Weights of rows: over the labels they multiply."""
    return np.prod([[t[v] for v in LABELS[:, k]] for k, t in enumerate(tables)], axis=0)


CLASS_WEIGHTS = {
    "dict": ({"low": 2.0, "middle": 0.5, "high": 7.0}, CLASSES),
    "one class named": ({"high": 7}, CLASSES),
    "a class of weight zero": ({"high": 0.0}, CLASSES),
    "balanced": ("balanced", CLASSES),
    "two classes": ({0: 1.0, 1: 3.0}, LABELS[:, 0]),
    "two classes, balanced": ("balanced", LABELS[:, 0]),
}
each_class_weight = pytest.mark.parametrize(
    ("class_weight", "y"), CLASS_WEIGHTS.values(), ids=list(CLASS_WEIGHTS)
)


def assert_equal_fits(one, other):
    np.testing.assert_allclose(one.theta_, other.theta_, rtol=1e-9, atol=1e-12)
    for name in "loss_curve_", "validation_loss_curve_":
        ours, theirs = getattr(one, name), getattr(other, name)
        np.testing.assert_allclose(*[c or [] for c in (ours, theirs)], rtol=1e-9)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["equal", "weighted"])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@each_class_weight
def test_class_weight_is_a_sample_weight(class_weight, y, solver, weight):
    by_row = compute_sample_weight(class_weight, y) * (1 if weight is None else weight)
    ours = fit(
        MLPClassifier, {"sample_weight": weight}, y, class_weight=class_weight, solver=solver
    )
    assert_equal_fits(ours, fit(MLPClassifier, {"sample_weight": by_row}, y, solver=solver))


@each_class_weight
def test_class_weight_weighs_validation_rows_alike(class_weight, y):
    """The validation loss estimates what training minimises: by training's weights of classes."""
    by_row = compute_sample_weight(class_weight, y)
    some = np.flatnonzero(np.arange(120) % 3 == 0)[:25]  # other shares of the classes than in y
    given = {"X_val": X[some], "y_val": y[some]}
    ours = fit(MLPClassifier, given, y, class_weight=class_weight)
    given |= {"sample_weight": by_row, "sample_weight_val": by_row[some]}
    assert_equal_fits(ours, fit(MLPClassifier, given, y))


@each_class_weight
def test_class_weight_in_the_split(class_weight, y):
    by_row = compute_sample_weight(class_weight, y)
    params = {"early_stopping": True, "scoring": "loss"}
    ours = fit(MLPClassifier, y=y, class_weight=class_weight, **params)
    assert_equal_fits(ours, fit(MLPClassifier, {"sample_weight": by_row}, y, **params))


@pytest.mark.parametrize("form", [np.asarray, csr_array])
@pytest.mark.parametrize(
    ("class_weight", "by_row"),
    [
        ([{0: 1.0, 1: 5.0}, {0: 2.0}], of_labels((1, 5), (2, 1))),
        ([{1: 3.0}, None], of_labels((1, 3), (1, 1))),
        (["balanced", "balanced"], compute_sample_weight("balanced", LABELS)),
        ([{0: 1.0, 1: 5.0}, {1: 2.0}], compute_sample_weight([{0: 1, 1: 5}, {0: 1, 1: 2}], LABELS)),
    ],
)
def test_class_weight_of_labels(class_weight, by_row, form):
    ours = small(MLPClassifier, class_weight=class_weight).fit(X, form(LABELS))
    assert_equal_fits(ours, fit(MLPClassifier, {"sample_weight": by_row}, LABELS))


def test_class_weight_in_partial_fit():
    table = {"low": 2.0, "high": 7.0}
    ours, theirs = small(MLPClassifier, class_weight=table), small(MLPClassifier)
    for part in np.split(np.arange(120), 4):
        weight = np.array([table.get(c, 1.0) for c in CLASSES[part]])
        ours.partial_fit(X[part], CLASSES[part], classes=np.unique(CLASSES))
        theirs.partial_fit(X[part], CLASSES[part], weight, classes=np.unique(CLASSES))
        np.testing.assert_allclose(ours.theta_, theirs.theta_, rtol=1e-9)
    ours.set_params(class_weight="balanced")
    with pytest.raises(ValueError, match=r"balanced.*partial_fit"):
        ours.partial_fit(X, CLASSES)


@pytest.mark.parametrize(
    ("class_weight", "y", "message"),
    [
        ({"low": 1, "huge": 2}, CLASSES, "huge"),
        ({0: 1, 2: 2}, LABELS[:, 0], "2"),
        ([{0: 1, 5: 2}, None], LABELS, "5"),
        ({"low": -1}, CLASSES, "-1"),
        ({"low": np.nan}, CLASSES, "nan"),
        ({"low": "much"}, CLASSES, "much"),
        ([{"low": 1}], CLASSES, "list"),
        ({0: 1}, LABELS, "list"),
        ("balanced", LABELS, "list"),
        ([{0: 1}], LABELS, "2 labels"),
        ([{0: 1}, "unbalanced"], LABELS, "unbalanced"),
        ("unbalanced", CLASSES, "unbalanced"),
        (dict.fromkeys(["low", "middle", "high"], 0), CLASSES, "sum"),
    ],
)
def test_bad_class_weight(class_weight, y, message):
    model = fit(MLPClassifier, y=y).set_params(class_weight=class_weight)
    before = dict(vars(model))
    with pytest.raises(
        (ValueError, TypeError), match=f"(?s)class_weight.*{message}|weight.*{message}"
    ):
        model.fit(X, y)
    assert vars(model) == before


# --------------------------------------------------------------------- the L1 part of the penalty
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["equal", "weighted"])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.3, 1.0])
def test_penalty_is_its_definition(l1_ratio, weight):
    """The loss before the first step, with and without the penalty."""
    params = {"max_iter": 1, "batch_size": 120, "learning_rate_init": 1e-300, "l1_ratio": l1_ratio}
    given = {"sample_weight": weight}
    without, model = (fit(MLPRegressor, given, **params, alpha=alpha) for alpha in (0.0, 5.0))
    squares, absolutes = (sum(f(W).sum() for W in model.coefs_) for f in (np.square, np.abs))
    total = 120 if weight is None else weight.sum()
    penalty = 5.0 / total * ((1 - l1_ratio) / 2 * squares + l1_ratio * absolutes)
    assert model.loss_ - without.loss_ == pytest.approx(penalty, rel=1e-9)


def test_penalty_moves_weights_towards_zero():
    """One step of plain descent, in which only the penalty differs: -lr alpha / n sign(W)."""
    params = {"max_iter": 1, "batch_size": 120, "solver": "sgd", "momentum": 0.0, "l1_ratio": 1.0}
    still, moved = (fit(MLPRegressor, **params, alpha=alpha) for alpha in (0.0, 5.0))
    start = fit(MLPRegressor, **params | {"learning_rate_init": 1e-300})
    for a, b, W in zip(moved.coefs_, still.coefs_, start.coefs_, strict=True):
        np.testing.assert_allclose(a - b, -0.03 * 5.0 / 120 * np.sign(W), rtol=1e-9)
    for a, b in zip(moved.intercepts_, still.intercepts_, strict=True):
        np.testing.assert_array_equal(a, b)


def test_sparsity_grows_with_l1_ratio():
    params = {"alpha": 1.0, "learning_rate_init": 0.003, "max_iter": 150, "n_iter_no_change": 150}
    small_weights = [
        np.mean(np.abs(fit(MLPRegressor, **params, l1_ratio=ratio).coefs_[0]) < 0.01)
        for ratio in (0.0, 0.5, 1.0)
    ]
    assert small_weights[0] + 0.1 < small_weights[1] < small_weights[2] - 0.1


# --------------------------------------------------------------------------------------- dtype
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("form", [np.asarray, csr_array])
@pytest.mark.parametrize("given", ["float32", "float64"])
@pytest.mark.parametrize("asked", [None, "float32", "float64"])
@each_estimator
def test_dtype(cls, asked, given, form, solver):
    """The same to the bit as with X of that type; also what comes after fit."""
    y, params = TARGETS[cls], {"solver": solver, "max_iter": 3}
    single = X.astype(np.float32)  # the same numbers in both types
    model = small(cls, dtype=asked, **params).fit(form(single.astype(given)), y)
    expected = small(cls, **params).fit(form(single.astype(asked or given)), y)
    assert model.theta_.dtype == (asked or given)
    np.testing.assert_array_equal(model.theta_, expected.theta_)
    np.testing.assert_array_equal(model.predict(form(single)), expected.predict(form(single)))
    if solver == "adam":
        model.set_params(dtype="float64").partial_fit(form(single), y)
        assert model.theta_.dtype == (asked or given)


# ----------------------------------------------------------------------------------- bad parameters
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dropout", 0.3), ("dropout", (0.0, 0.3)), ("ema_decay", 0.9), ("l1_ratio", 0.5),
    ],
)  # fmt: skip
@each_estimator
def test_not_with_lbfgs(cls, name, value):
    with pytest.raises(ValueError, match=rf"{name}.*lbfgs.*{re.escape(repr(value))}"):
        fit(cls, solver="lbfgs", **{name: value})
    neutral = {"dropout": (0.0, 0), "ema_decay": None, "l1_ratio": 0}
    fit(cls, solver="lbfgs", **{name: neutral[name]})


@pytest.mark.parametrize(
    ("name", "values"),
    {
        "dropout": [1.0, -0.1, 1.5, np.nan, "0.5", None, (0.5,), (0.5, 1.0), (0.5, "0.5"), (), {}],
        "l1_ratio": [-0.1, 1.1, np.nan, None, "all"],
        "ema_decay": [1.0, -0.1, np.nan, "0.9"],
        "dtype": ["float16", "int32", 32, "double"],
    }.items(),
)
@each_estimator
def test_bad_values(cls, name, values):
    for value in values:
        with pytest.raises(ValueError, match=name):
            fit(cls, **{name: value})


def test_clipping_and_smoothing_are_components():
    """What has no flat parameter is written as an instance: docs and code agree."""
    from sknn_scratch.components import Chain, ClipByNorm, LogLoss

    model = fit(MLPClassifier, solver=Chain((("clip", ClipByNorm(1.0)), ("adam", Adam()))))
    smooth = fit(MLPClassifier, loss=LogLoss(label_smoothing=0.1))
    assert np.isfinite(model.theta_).all()
    assert smooth.predict_proba(X).max() < fit(MLPClassifier).predict_proba(X).max()
