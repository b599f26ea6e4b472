"""Targets of the tabular regressor: wherever they lie, however they vary, and how they travel."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import d2_pinball_score
from sklearn.model_selection import GridSearchCV, cross_val_score

from sknn_scratch import MLPClassifier, MLPRegressor, TabularMLPRegressor
from sknn_scratch.components import Poisson, Quantile, SquaredError
from sknn_scratch.inspection import trace

QUICK = {
    "effort": "fast",
    "n_ensemble": 2,
    "hidden_layer_sizes": (16,),
    "max_iter": 20,
    "min_steps": 0,
    "n_bins": 0,
    "random_state": 0,
}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(240, 2))
F = X[:, 0] + np.sin(X[:, 1])
F = (F - F.mean()) / F.std()

#: y = location + scale · f: what columns of numbers look like.
PLACES = {
    "epoch seconds": (1.7e9, 3600.0),
    "epoch milliseconds": (1.7e12, 1e4),
    "epoch nanoseconds": (1.7e18, 1e13),
    "years": (2000.0, 10.0),
    "kelvin": (293.0, 5.0),
    "prices of one house": (1e6, 1.0),
    "far below 0": (-1e9, 1.0),
    "numbers of invoices": (4.2e12, 10.0),
    "beyond float32": (1e39, 1e36),
    "squares just above 0": (0.0, 1e-190),
    "as they are": (0.0, 1.0),
}
ignoring_convergence = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
each_place = pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)


def fit(y, weight=None, given=None, **params):
    return TabularMLPRegressor(**QUICK | params).fit(X, y, weight, **(given or {}))


PLAIN = fit(F)


def placed(place):
    location, scale = place
    return location + scale * F


def members_scores(model, y):
    """The R² of each member alone."""
    Z = model.preprocessor_.transform(X)
    return [member.score(Z, y) for member in model.estimators_]


# --- Wherever y lies.


@each_place
def test_the_place_of_y_costs_no_accuracy(place):
    y = placed(place)
    model = fit(y)
    assert PLAIN.score(X, F) > 0.9
    assert_allclose(model.score(X, y), PLAIN.score(X, F), atol=0.02)
    assert_allclose(members_scores(model, y), members_scores(PLAIN, F), atol=0.02)


@settings(max_examples=25)
@given(st.floats(-1e12, 1e12), st.floats(-12, 12).map(lambda k: 10.0**k))
@example(1e12, 1.0)
@example(-1e12, 1e-1)
def test_accuracy_is_that_of_the_spread_alone(location, scale):
    """R² of location + scale f is that of f, less what y itself has lost of f.

    float64 rounds y to parts of ε max |y|: in units of the spread that is the noise d below,
    which takes about d² of R². Beyond that only the last digit of what networks see differs,
    and training makes more of it: the rest of the bound.
    """
    y = placed((location, scale))
    d = np.finfo(float).eps * np.abs(y).max() / scale
    assume(d < 0.1)
    assert abs(fit(y, link="identity").score(X, y) - PLAIN.score(X, F)) < 0.05 + d**2


@pytest.mark.parametrize("exponent", [-560, -126, -1, 10, 127, 400])
def test_powers_of_two_change_nothing(exponent):
    model = fit(np.ldexp(F, exponent))
    assert_array_equal(model.predict(X), np.ldexp(PLAIN.predict(X), exponent))
    assert model.score(X, np.ldexp(F, exponent)) == PLAIN.score(X, F)


@pytest.mark.parametrize(
    "loss",
    ["squared_error", "absolute_error", "huber", "quantile", Quantile((0.2, 0.5, 0.8))],
    ids=str,
)
def test_losses_of_targets_far_from_0(loss):
    plain, far = fit(F, loss=loss), fit(1.7e9 + F, loss=loss)
    assert_allclose(far.predict(X) - 1.7e9, plain.predict(X), atol=0.1)
    assert_allclose(far.score(X, 1.7e9 + F), plain.score(X, F), atol=0.02)


@pytest.mark.parametrize("loss", ["poisson", "gamma", "tweedie"])
def test_losses_with_exponential_outputs_of_large_targets(loss):
    y = np.exp(F)
    plain, large = fit(y, loss=loss), fit(1e60 * y, loss=loss)
    assert plain.score(X, y) > 0.8
    assert_allclose(large.predict(X) / 1e60, plain.predict(X), rtol=1e-2)


def test_several_targets_of_different_places():
    Y = np.column_stack([placed(place) for place in PLACES.values()])
    model = fit(Y, max_iter=60)
    y_pred = model.predict(X)
    for k, (location, scale) in enumerate(PLACES.values()):
        assert r2_of((y_pred[:, k] - location) / scale, F) > 0.8
    assert model.score(X, Y) > 0.85
    assert min(members_scores(model, Y)) > 0.8


def test_validation_data_far_from_0():
    y = 1.7e9 + F
    given = {"X_val": X[:60], "y_val": y[:60]}
    model = fit(y, given=given)
    plain = fit(F, given={"X_val": X[:60], "y_val": F[:60]})
    assert_allclose(model.score(X, y), plain.score(X, F), atol=0.02)
    scores = [fitted.estimators_[0].history_[-1]["validation_score"] for fitted in (model, plain)]
    assert_allclose(*scores, atol=0.01)
    assert fit(F, given={"X_val": X, "y_val": 1e12 * F}).score(X, F) > 0.5


def test_tools_that_make_the_target_large():
    y = 1.7e9 + 3600 * F
    assert min(cross_val_score(TabularMLPRegressor(**QUICK), X, y, cv=2)) > 0.8


# --- Exponential outputs.


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (np.exp(F), {SquaredError, Poisson}),
        (np.exp(0.15 * F), {SquaredError, Poisson}),
        (1e100 ** (np.exp(F) > 9) * np.exp(F), {SquaredError, Poisson}),
        (np.column_stack([np.exp(F), 1e9 * np.exp(F)]), {SquaredError, Poisson}),
        (np.floor(np.exp(F)), {SquaredError, Poisson}),
        (np.exp(0.05 * F), {SquaredError}),
        (1e4 + F, {SquaredError}),
        (1.7e9 + 3600 * F, {SquaredError}),
        (2000 + 10 * F, {SquaredError}),
        (np.full(len(F), 7.0), {SquaredError}),
        (np.column_stack([np.exp(F), 1e6 + F]), {SquaredError}),
        (np.exp(F) - 0.5, {SquaredError}),
    ],
)
def test_auto_goes_by_how_much_y_varies(y, expected):
    model = fit(y, max_iter=1)
    assert {type(member.loss) for member in model.estimators_} == expected


def test_weights_decide_how_much_y_varies():
    y = 100.0 + F
    y[0] = 1e6
    assert len({type(m.loss) for m in fit(y, max_iter=1).estimators_}) == 2
    weight = np.r_[0.0, np.ones(len(y) - 1)]
    assert len({type(m.loss) for m in fit(y, weight, max_iter=1).estimators_}) == 1


# --- How members travel.


def linked(name):
    """Return y for which members have such outputs."""
    return 1.7e9 + 3600 * F if name == "identity" else 1e12 * np.exp(F)


each_link = pytest.mark.parametrize("link", ["identity", "log"])


def member_of(link):
    model = fit(linked(link), link=link, activation="tanh")
    return model, model.estimators_[0], model.preprocessor_.transform(X)


def r2_of(y_pred, y):
    return 1.0 - np.sum((y - y_pred) ** 2) / np.sum((y - y.mean()) ** 2)


@each_link
def test_members_as_estimators_of_scikit_learn(link):
    _, member, Z = member_of(link)
    theirs = member.to_sklearn()
    assert_allclose(theirs.predict(Z), member.predict(Z), rtol=1e-6)
    assert r2_of(theirs.predict(Z), linked(link)) > 0.8
    assert_allclose(MLPRegressor.from_sklearn(theirs).predict(Z), member.predict(Z), rtol=1e-6)


@each_link
def test_copies_of_members(link):
    _, member, Z = member_of(link)
    twin = MLPRegressor(**member.get_params(deep=False)).set_state(member.get_state())
    for other in (twin, copy.deepcopy(member), pickle.loads(pickle.dumps(member))):
        assert_array_equal(other.predict(Z), member.predict(Z))


@each_link
def test_skops(link):
    io = pytest.importorskip("skops.io")
    from sknn_scratch.interop import TRUSTED_TYPES

    model, member, Z = member_of(link)
    again = io.loads(io.dumps(model), trusted=TRUSTED_TYPES)
    assert_array_equal(again.predict(X), model.predict(X))
    assert_array_equal(again.estimators_[0].predict(Z), member.predict(Z))


@each_link
def test_onnx(link):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("skl2onnx")
    from sknn_scratch.onnx import to_onnx

    model, member, Z = member_of(link)
    for one, rows in ((model, X), (member, Z), (member, Z.astype(np.float64))):
        graph = to_onnx(one, rows, dtype="float64").SerializeToString()
        session = runtime.InferenceSession(graph)
        (answer,) = session.run(None, {session.get_inputs()[0].name: rows.astype(np.float64)})
        spread = one.predict(rows).std()
        assert_allclose(answer[:, 0], one.predict(rows), rtol=0, atol=1e-4 * spread)


@each_link
@ignoring_convergence
def test_members_go_on_in_units_of_their_scale(link):
    _, member, Z = member_of(link)
    y = linked(link)
    before = member.score(Z, y)
    member.partial_fit(Z, y)
    assert member.score(Z, y) > before - 0.05
    t = trace(member, Z, y)
    assert np.abs(t.y).max() < 100
    assert_allclose(t.layers[-1].delta.shape, (len(y), 1))
    member.set_params(warm_start=True, max_iter=5, tol=1.0).fit(Z, y)
    assert member.score(Z, y) > before - 0.05
    with pytest.raises(ValueError, match="cannot continue"):
        member.fit(Z, np.column_stack([y, y]))
    member.set_params(warm_start=False, learning_rate_init=0.1, max_iter=200, tol=1.0)
    assert member.fit(Z, F if link == "identity" else np.exp(F)).predict(Z).dtype == np.float32


@each_link
@ignoring_convergence
def test_early_stopping_of_members_judges_in_units_of_y(link):
    _, member, Z = member_of(link)
    y = linked(link)
    member.set_params(warm_start=True, early_stopping=True, max_iter=3, tol=1.0).fit(Z, y)
    assert member.best_validation_score_ > 0.5


# --- What cannot be.


@pytest.mark.parametrize("factor", [1e151, 1e200, 1e300, -1e307])
def test_targets_whose_squares_are_no_floats(factor):
    with pytest.raises(ValueError, match=r"targets y of TabularMLPRegressor must be .*1e\+150"):
        fit(F * factor)
    with pytest.raises(ValueError, match=r"targets y of TabularMLPRegressor .*y_val"):
        fit(F, given={"X_val": X, "y_val": F * factor})


@pytest.mark.parametrize("factor", [1e16, 1e25, 1e39, 1e100, 1e149])
def test_validation_targets_out_of_all_proportion(factor):
    with pytest.raises(ValueError, match=r"at most 1e\+15 units of their scale in fit.*y_val"):
        fit(F, given={"X_val": X, "y_val": F * factor})


def test_rows_without_weight_may_have_any_target():
    y, weight = F.copy(), np.ones(len(F))
    y[::7], weight[::7] = 1e149, 0.0
    model = fit(y, weight, clip=False)
    assert model.score(X[weight > 0], F[weight > 0]) > 0.8
    assert_allclose(model.score(X, y, weight), model.score(X[weight > 0], F[weight > 0]))


@pytest.mark.parametrize("y", [1.7e9 + 1000 * F, 1e9 + F, -1e12 + 1e4 * F, 1e-44 * F])
@ignoring_convergence
def test_a_plain_network_warns_where_float32_blurs_y(y):
    model = MLPRegressor(
        hidden_layer_sizes=(4,), dtype="float32", max_iter=1, tol=1e9, n_iter_no_change=1
    )
    with pytest.warns(UserWarning, match="y of MLPRegressor lies between .* TabularMLPRegressor"):
        model.fit(X, y)


@pytest.mark.parametrize(
    "y", [2000 + 10 * F, F, F > 0, np.full(len(F), 1.7e9), 100 + F, np.rint(F)]
)
@ignoring_convergence
def test_a_plain_network_does_not_warn_of_other_targets(y):
    MLPRegressor(hidden_layer_sizes=(4,), dtype="float32", max_iter=1).fit(X, y)


# --- Scores.


def test_score_with_several_quantiles():
    levels = (0.1, 0.5, 0.9)
    model = fit(F, loss=Quantile(levels))
    y_pred = model.predict(X)
    expected = [d2_pinball_score(F, y_pred[:, k], alpha=q) for k, q in enumerate(levels)]
    assert_allclose(model.score(X, F), np.mean(expected))
    weight = RNG.random(len(F))
    expected = [
        d2_pinball_score(F, y_pred[:, k], alpha=q, sample_weight=weight)
        for k, q in enumerate(levels)
    ]
    assert_allclose(model.score(X, F, weight), np.mean(expected))


@pytest.mark.parametrize("levels", [(0.5,), (0.1, 0.9), (0.05, 0.25, 0.5, 0.75, 0.95)])
def test_searches_with_quantiles(levels):
    model = TabularMLPRegressor(**QUICK | {"loss": Quantile(levels), "max_iter": 3})
    search = GridSearchCV(model, {"n_bins": [0, 8]}, cv=2).fit(X, F)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize("exponent", [-1000, -300, -160, 0, 160, 300, 1000])
@pytest.mark.parametrize("levels", [(), (0.2, 0.8)])
def test_scores_do_not_depend_on_units(exponent, levels):
    regressor = MLPRegressor()
    loss = Quantile(levels) if levels else SquaredError()
    y_pred = np.column_stack([F + 0.1, F - 0.1]) if levels else F + 0.1 * X[:, 1]
    weight = np.arange(len(F)) % 3.0
    expected = regressor._score(loss, F, y_pred, weight)
    scaled = (np.ldexp(array, exponent) for array in (F, y_pred))
    assert regressor._score(loss, *scaled, np.ldexp(weight, exponent)) == expected


def test_rows_without_weight_do_not_count():
    far, weight = F.copy(), np.ones(len(F))
    far[0], weight[0] = 1e300, 0.0
    model = MLPRegressor(solver="lbfgs", max_iter=20, tol=1e-2).fit(X, F)
    assert_allclose(model.score(X, far, weight), model.score(X[1:], F[1:]))


def test_errors_beyond_floats():
    assert PLAIN.score(X, F * 1e-310) == -np.inf
    assert PLAIN.score(X, F * 1e300) < 0.1


@pytest.mark.parametrize("weight", [1e308, 1e-320, "a", -1.0, np.nan, [1.0], {0: 1}, None])
@pytest.mark.parametrize("cls", [MLPRegressor, MLPClassifier])
def test_weights_of_scores(cls, weight):
    y = F > 0 if cls is MLPClassifier else F
    model = cls(solver="lbfgs", max_iter=20, tol=1e-1).fit(X, y)
    given = [weight] * len(F) if np.isscalar(weight) else weight
    if weight is None:
        assert model.score(X, y, given) == model.score(X, y, np.ones(len(F)))
        return
    with pytest.raises((ValueError, TypeError), match=f"sample_weight.*{cls.__name__}"):
        model.score(X, y, given)
