"""More data later for tables: partial_fit and warm_start of both tabular estimators."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import DataConversionWarning
from test_growth import work

from sknn_scratch import TabularMLPClassifier, TabularMLPRegressor
from sknn_scratch.components import Checkpoint
from sknn_scratch.contracts import Callback
from sknn_scratch.core.folding import folded, unfolded
from sknn_scratch.core.network import Network
from sknn_scratch.fitting import _kept_members, _members
from sknn_scratch.interop import load_skops

N = 240
BOTH = [TabularMLPClassifier, TabularMLPRegressor]
EACH = pytest.mark.parametrize("cls", BOTH)
QUICK = {"n_ensemble": 2, "max_iter": 6, "min_steps": 0, "hidden_layer_sizes": 8, "n_bins": 8}


def table(cls, n=N, seed=0):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"size": rng.uniform(0, 4, n), "kind": rng.choice(["a", "b", "c"], n)})
    X.loc[::9, "size"] = np.nan
    y = X["size"].fillna(2.0).to_numpy() * np.where(X["kind"] == "a", 3.0, 1.0)
    if cls is TabularMLPClassifier:
        return X, np.digitize(y, [2.0, 4.0])
    return X, y


def make(cls, **params):
    return cls("fast", random_state=0, **QUICK | params)


def first(cls):
    """Return what only the first call of partial_fit needs."""
    return {"classes": [0, 1, 2]} if cls is TabularMLPClassifier else {}


def outputs(model, X):
    return getattr(model, "predict_proba", model.predict)(X)


def parts(X, y, k):
    return [(X.iloc[rows], y[rows]) for rows in np.array_split(np.arange(len(y)), k)]


def stream(model, chunks, **given):
    for part in chunks:
        model.partial_fit(*part, **first(type(model)), **given)
    return model


def last_rate(model):
    return model.estimators_[0].history_[-1]["learning_rate"] / 0.01


# ------------------------------------------------------------------------------------- streams
@EACH
def test_a_stream_comes_near_a_fit(cls):
    X, y = table(cls, 1000)
    new = table(cls, seed=1)
    params = {"n_ensemble": 2, "hidden_layer_sizes": 16}
    whole = cls("fast", random_state=0, **params).fit(X, y).score(*new)
    streamed = cls("fast", random_state=0, **params)
    score = stream(streamed, parts(X, y, 20)).score(*new)
    assert score > whole - 0.1
    assert score > 0.85


@EACH
@pytest.mark.parametrize("params", [{}, {"dropout": 0.2, "ema_decay": 0.5, "input_scaling": False}])
def test_the_same_stream_gives_the_same_bits_stored_between_calls_or_not(cls, params):
    X, y = table(cls)
    one, two = make(cls, **params), make(cls, **params)
    for part in parts(X, y, 3):
        one.partial_fit(*part, **first(cls))
        two = pickle.loads(pickle.dumps(two.partial_fit(*part, **first(cls))))
    assert_array_equal(outputs(one, X), outputs(two, X))
    assert one.n_iter_ == 3 == len(one.estimators_[0].history_)
    assert [len(rows) for rows in one.held_out_] == [0, 0]


@EACH
def test_moments_go_on_between_calls(cls):
    X, y = table(cls)
    model = make(cls).partial_fit(X, y, **first(cls))
    fresh = copy.deepcopy(model)
    for one in fresh._streams:
        one.state.optimizer.clear()
    assert not np.array_equal(
        outputs(model.partial_fit(X, y), X), outputs(fresh.partial_fit(X, y), X)
    )
    assert_array_equal(model.estimators_[0].t_, 2 * N)


@EACH
def test_weights_go_on_unfolded(cls):
    X, y = table(cls)
    model = stream(make(cls), parts(X, y, 2))
    for one, kept in zip(model.estimators_, model._streams, strict=True):
        assert_allclose(one.theta_, folded(kept.network, kept.theta, 1.0), rtol=1e-6)
        scales = kept.network.layout.params(kept.theta).layers[0][2]
        assert np.ptp(scales) > 0


@pytest.mark.parametrize("hidden", [(), (4,), (4, 3)])
@pytest.mark.parametrize("scaled", [False, True])
def test_unfolded_is_the_inverse_of_folded(hidden, scaled):
    network = Network.dense(5, hidden, 2, [None] * len(hidden), scaled=scaled)
    theta = np.random.default_rng(0).normal(size=network.layout.size)
    once = folded(network, theta, 0.7)
    again = unfolded(network, once, 0.7)
    assert_allclose(folded(network, again, 0.7), once)
    if scaled:
        assert_array_equal(network.layout.params(again).layers[0][2], 1.0)


@pytest.mark.parametrize("cls", BOTH[:1])
def test_a_call_does_not_grow_with_the_calls_before(cls):
    X, y = table(cls, 40)
    start = make(cls).partial_fit(X, y, **first(cls))
    few, many = copy.deepcopy(start), copy.deepcopy(start)
    for kept in many._streams:  # with plain networks that share their histories
        for _ in range(3000):
            kept.state.history.append(dict(kept.state.history[-1]))
    for one, kept in zip(many.estimators_, many._streams, strict=True):
        one._state.history = kept.state.history
    for model in few, many:
        for _ in range(3):
            model.partial_fit(X, y)
    calls, peak = work(lambda: few.partial_fit(X, y))
    more_calls, higher = work(lambda: many.partial_fit(X, y))
    assert abs(more_calls - calls) < 200
    assert higher < peak + 16_000  # a list of 3000 rows has 24 kB, for each of two members


# ------------------------------------------------------------------------------ after a fit
@EACH
def test_after_a_fit_the_same_rows_change_little(cls):
    X, y = table(cls)
    model = make(cls, max_iter=30).fit(X, y)
    before, score, held_out = outputs(model, X), model.score(X, y), model.held_out_
    model.partial_fit(X, y)
    assert model.score(X, y) > score - 0.05
    change = np.abs(outputs(model, X) - before).mean()
    assert 0 < change < 0.1 * np.std(y)
    assert all(map(np.array_equal, model.held_out_, held_out))


@EACH
def test_a_fit_keeps_no_training_states(cls):
    X, y = table(cls)
    model = make(cls).fit(X, y)
    size = len(pickle.dumps(model))
    assert model.partial_fit(X, y)._streams is not None
    assert len(pickle.dumps(model)) > size
    assert model.fit(X, y)._streams is None


@EACH
def test_learning_rates(cls):
    X, y = table(cls)
    params = {"learning_rate_init": 0.01, "max_iter": 4}
    model = stream(make(cls, **params), parts(X, y, 1))
    assert last_rate(model) == 1.0  # the schedule begins
    for _ in range(6):
        model.partial_fit(X, y)
    tenth = 0.5 + 0.5 * np.cos(np.pi * _kept_members.LATEST)
    assert last_rate(model) == pytest.approx(tenth)  # and never ends
    fitted = make(cls, **params).fit(X, y).partial_fit(X, y)
    assert last_rate(fitted) == pytest.approx(tenth)
    fitted.set_params(learning_rate="constant").partial_fit(X, y)
    assert last_rate(fitted) == 1.0


# ------------------------------------------------------------------------------ encoding
@EACH
def test_the_encoding_of_the_first_call_stands(cls):
    X, y = table(cls)
    model = make(cls).partial_fit(X, y, **first(cls))
    kept = model.preprocessor_
    shuffled = X.assign(kind="new", size=100.0)[["kind", "size"]]
    model.partial_fit(shuffled, y)
    assert model.preprocessor_ is kept
    assert model.feature_names_in_.tolist() == ["size", "kind"]
    assert np.isfinite(outputs(model, shuffled)).all()
    with pytest.raises(ValueError, match="unseen at fit time:\n- other"):
        model.partial_fit(X.rename(columns={"kind": "other"}), y)


def test_the_scale_of_y_stands_and_the_range_widens():
    X, y = table(TabularMLPRegressor)
    y = 1e6 + y
    model = make(TabularMLPRegressor).fit(X, y)
    scales = [one._targets.scale for one in model.estimators_]
    model.partial_fit(X, y + 5)
    assert [one._targets.scale for one in model.estimators_] == scales
    assert_allclose(model.target_range_, (y.min(), y.max() + 5))
    model.set_params(warm_start=True).fit(X, y - 5)
    assert_allclose(model.target_range_, (y.min() - 5, y.max() + 5))


@pytest.mark.parametrize("after", ["fit", "partial_fit"])
def test_links_stand(after):
    X, y = table(TabularMLPRegressor)
    model = make(TabularMLPRegressor, n_ensemble=3)
    getattr(model, after)(X, y)
    links = [type(one._loss).__name__ for one in model.estimators_]
    assert links == ["SquaredError", "Poisson", "SquaredError"]
    assert [type(one._loss).__name__ for one in model.partial_fit(X, y).estimators_] == links
    with pytest.raises(ValueError, match=r"must be >= 0, because .* call fit with link='identity'"):
        model.partial_fit(X, y - 100)
    for link, own in ("log", "identity"), ("identity", "log"):
        with pytest.raises(ValueError, match=f"'link' parameter .* must be 'auto' or '{own}'"):
            copy.deepcopy(model).set_params(link=link).partial_fit(X, y)
    with pytest.raises(ValueError, match="y must have 1 column"):
        model.partial_fit(X, np.column_stack([y, y]))


@pytest.mark.parametrize("call", ["fit", "partial_fit"])
def test_rows_of_zero_weight_may_have_any_target(call):
    X, y = table(TabularMLPRegressor)
    weight = np.r_[0.0, np.ones(N - 1)]
    models = [make(TabularMLPRegressor, warm_start=True).fit(X, y, weight) for _ in range(2)]
    for model, target in zip(models, (2.0, -5.0), strict=True):
        getattr(model, call)(X, np.r_[target, y[1:]], weight)
        assert type(model.estimators_[1]._loss).__name__ == "Poisson"
    assert_array_equal(models[0].predict(X), models[1].predict(X))


def test_classes():
    X, y = table(TabularMLPClassifier)
    model = make(TabularMLPClassifier)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        model.partial_fit(X, y)
    few = y < 2
    model.partial_fit(X[few], y[few], classes=[2, 0, 1])
    assert model.classes_.tolist() == [0, 1, 2]
    assert model.partial_fit(X, y).predict_proba(X).shape == (N, 3)
    with pytest.raises(ValueError, match=r"`y` has classes not in `self\.classes_`"):
        model.partial_fit(X, y + 1)
    with pytest.raises(ValueError, match="must be the same in every call"):
        model.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match="class_weight='balanced' is not supported"):
        model.set_params(class_weight="balanced").partial_fit(X, y)
    with pytest.raises(ValueError, match="warm_start can only be used where"):
        model.set_params(class_weight=None, warm_start=True).fit(X[few], y[few])


def test_the_temperature_is_that_of_fit_or_fitted_to_validation_data():
    X, y = table(TabularMLPClassifier)
    noisy = np.random.default_rng(0).permutation(y)
    model = make(TabularMLPClassifier).partial_fit(X, y, classes=[0, 1, 2])
    assert model.temperature_ == 1.0
    model.partial_fit(X, y, X_val=X, y_val=noisy)
    own = model.temperature_
    assert own > 1.0
    assert "validation_score" in model.estimators_[0].history_[-1]
    assert [len(rows) for rows in model.held_out_] == [0, 0]
    assert model.partial_fit(X, y).temperature_ == pytest.approx(own)
    assert model.set_params(calibrate=False).partial_fit(X, y).temperature_ == 1.0


def test_members_of_equal_units_share_an_objective_and_a_warning(monkeypatch):
    X, y = table(TabularMLPRegressor)
    given = {"X_val": X, "y_val": y[:, None]}
    seen = []

    def solve(estimator, ensemble):
        seen.append(ensemble.objectives)
        return _solve_members(estimator, ensemble)

    _solve_members = _members.solve_members
    monkeypatch.setattr(_members, "solve_members", solve)
    model = make(TabularMLPRegressor, n_ensemble=5, warm_start=True, max_iter=1)
    for call in model.fit, model.fit, model.partial_fit:
        with pytest.warns(DataConversionWarning) as caught:
            call(X, y, **given)
        assert len(caught) == 1
    assert list(map(len, seen)) == [2, 5, 5]
    for objectives in seen:
        assert len(set(map(id, objectives))) == 2
        losses = {type(one.coding.loss).__name__ for one in objectives[::2]}
        assert losses == {"SquaredError"}


# ------------------------------------------------------------------------------- warm_start
@EACH
def test_a_warm_start_continues(cls):
    X, y = table(cls)
    model = make(cls, max_iter=30, warm_start=True).fit(X, y)
    ends = [one.loss_ for one in model.estimators_]
    kept = model.preprocessor_
    cold = [one.loss_curve_[0] for one in model.estimators_]
    model.set_params(learning_rate_init=1e-9).fit(X, y)
    for one, end, high in zip(model.estimators_, ends, cold, strict=True):
        assert one.loss_curve_[0] < 0.5 * (end + high)
    assert model.preprocessor_ is kept
    assert all(len(rows) == N // 8 for rows in model.held_out_)


@EACH
def test_a_warm_start_without_steps_keeps_the_function(cls):
    X, y = table(cls)
    model = make(cls, max_iter=10).fit(X, y)
    before = model.predict(X)
    model.set_params(warm_start=True, learning_rate_init=1e-30)
    assert_allclose(model.fit(X, y).predict(X), before, rtol=1e-4)


@EACH
def test_a_warm_start_adds_members(cls):
    X, y = table(cls)
    model = make(cls, warm_start=True).fit(X, y).set_params(n_ensemble=4).fit(X, y)
    assert len(model.estimators_) == len(model.held_out_) == 4
    assert len(model.partial_fit(X, y).estimators_) == 4
    if cls is TabularMLPRegressor:
        links = [type(one._loss).__name__ for one in model.estimators_]
        assert links == ["SquaredError", "Poisson"] * 2


@EACH
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_ensemble": 1}, "'n_ensemble' parameter of .* must be at least 2, the number of"),
        ({"n_bins": 4}, "'n_bins' parameter of .* must be 8, as in the earlier fit"),
        ({"max_categories": 2}, "'max_categories' parameter of .* must be 100, as in"),
        ({"categorical_features": ["size"]}, "'categorical_features' parameter .* 'from_dtype'"),
        ({"hidden_layer_sizes": 9}, "was fitted with layers of .* keep hidden_layer_sizes"),
        ({"callbacks": [Checkpoint("x.npz")]}, r"Checkpoint in .* set_params\(callbacks=None\)"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_parameters_that_no_longer_fit(cls, change, message):
    X, y = table(cls)
    model = make(cls, warm_start=True).fit(X, y)
    before = dict(vars(model.set_params(**change)))
    for call in model.fit, model.partial_fit:
        with pytest.raises(ValueError, match=message):
            call(X, y)
        assert vars(model) == before


class Save(Callback):
    """Own callback that writes a checkpoint."""

    path: str = ""

    def on_epoch_end(self, memory, run):
        run.save(self.path)


@EACH
def test_a_checkpoint_of_a_continued_fit_is_of_another_fit(cls, tmp_path):
    X, y = table(cls)
    path = str(tmp_path / "fit.npz")
    model = make(cls, warm_start=True).fit(X, y).set_params(callbacks=[Save(path)])
    for call, start in (model.fit, "members of an earlier fit"), (model.partial_fit, "partial_fit"):
        call(X, y)
        with pytest.raises(ValueError, match=f"is of another fit: its start is '?{start}"):
            make(cls).resume(path, X, y)


class Interrupt(Callback):
    """Ctrl-C in the first epoch of the second member."""

    def on_epoch_end(self, memory, run):
        if run.member == 1:
            raise KeyboardInterrupt


@EACH
@pytest.mark.parametrize("call", ["fit", "partial_fit"])
def test_ctrl_c_loses_no_members(cls, call):
    X, y = table(cls)
    model = make(cls, n_ensemble=3, warm_start=True).fit(X, y)
    thetas = [one.theta_ for one in model.estimators_]
    model.set_params(callbacks=[Interrupt()])
    with pytest.raises(KeyboardInterrupt):
        getattr(model, call)(X, y)
    assert len(model.estimators_) == 3
    changed = [
        not np.allclose(one.theta_, old, rtol=0.3, atol=0.1)
        for one, old in zip(model.estimators_, thetas, strict=True)
    ]
    assert not changed[2]
    model.set_params(callbacks=None).fit(X, y)
    assert len(model.estimators_) == 3


@pytest.mark.slow
@EACH
def test_workers_give_the_same_stream(cls):
    X, y = table(cls)
    one = stream(make(cls), parts(X, y, 2))
    two = stream(make(cls, n_jobs=2), parts(X, y, 2))
    assert_allclose(outputs(one, X), outputs(two, X), rtol=1e-5)


def test_members_that_diverge_in_a_stream_are_left_out():
    X, y = table(TabularMLPRegressor)
    model = make(TabularMLPRegressor).fit(X, y)
    model.estimators_[0].theta_[:] = 1e30
    with pytest.warns(UserWarning, match="1 of 2 members diverged and are left out"):
        model.partial_fit(X, y)
    assert len(model.estimators_) == len(model.held_out_) == len(model._streams) == 1
    assert len(model.set_params(warm_start=True).fit(X, y).estimators_) == 2


@pytest.mark.parametrize("cls", BOTH[:1])
def test_skops_stores_a_stream(cls, tmp_path):
    io = pytest.importorskip("skops.io")
    X, y = table(cls)
    model = make(cls).partial_fit(X, y, **first(cls))
    path = tmp_path / "model.skops"
    io.dump(model, path)
    loaded = load_skops(path)
    assert_array_equal(outputs(loaded.partial_fit(X, y), X), outputs(model.partial_fit(X, y), X))
    loaded._streams[0] = loaded._streams[0]._replace(theta=np.zeros(3, np.float32))
    io.dump(loaded, path)
    with pytest.raises(ValueError, match="undamaged"):
        load_skops(path)


class Tasks:
    """Callback of scikit-learn that records the names of tasks."""

    def __init__(self):
        self.begun = []

    def setup(self, estimator, context):
        """Do nothing."""

    def teardown(self, estimator, context):
        """Do nothing."""

    def on_fit_task_begin(self, estimator, context, *, fitted_estimator=None):
        self.begun.append(context.task_name)
        if context.task_name == "epoch" and fitted_estimator is not None:
            fitted_estimator.predict(self.X)

    def on_fit_task_end(self, estimator, context):
        """Do nothing."""


@EACH
def test_callbacks_of_scikit_learn(cls):
    X, y = table(cls)
    tasks = Tasks()
    tasks.X = X
    model = make(cls).set_callbacks(tasks)
    plain = make(cls).partial_fit(X, y, **first(cls)).partial_fit(X, y)
    model.partial_fit(X, y, **first(cls)).partial_fit(X, y)
    assert tasks.begun == ["partial_fit", "member", "epoch", "member", "epoch"] * 2
    assert_array_equal(outputs(model, X), outputs(plain, X))


@EACH
def test_weights_of_rows(cls):
    X, y = table(cls)
    weight = np.ones(N)
    weight[::3] = 0.0
    model = make(cls).partial_fit(X, y, weight, **first(cls))
    if cls is TabularMLPRegressor:
        model.partial_fit(X, np.where(weight > 0, y, 1e3), weight)
        assert model.target_range_[1] <= y.max()
    with pytest.raises(ValueError, match="sample_weight"):
        model.partial_fit(X, y, np.zeros(N))
    with pytest.raises(ValueError, match="y_val is missing"):
        model.partial_fit(X, y, X_val=X)
