"""scikit-learn's callbacks: each epoch is a task of theirs, with an estimator that predicts."""

import pickle
import traceback
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.callback import _callback_support as support
from sklearn.datasets import load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from sknn_scratch import MLPClassifier, MLPRegressor, TabularMLPClassifier, TabularMLPRegressor
from sknn_scratch.components import Checkpoint, PrintProgress
from sknn_scratch.contracts import Callback
from sknn_scratch.fitting import _listener, _members, _publish_members

ignore_max_iter = pytest.mark.filterwarnings("ignore:.*(Maximum iterations|limit max_iter)")
ESTIMATORS = [MLPClassifier, MLPRegressor]
EPOCHS = 4
SETTINGS = [
    {},
    {"solver": "sgd", "learning_rate_init": 0.1},
    {"solver": "lbfgs"},
    {"solver": "sgd", "shuffle": False},
    {"dropout": 0.2, "ema_decay": 0.9},
]
each_setting = pytest.mark.parametrize("setting", SETTINGS, ids=str)


def small(cls=MLPClassifier, **params):
    return cls(**{"hidden_layer_sizes": 8, "max_iter": EPOCHS, "random_state": 0} | params)


def data_for(cls):
    X, y = (load_iris if cls is MLPClassifier else load_diabetes)(return_X_y=True)
    return scale(X), y if cls is MLPClassifier else scale(y)


X, y = data_for(MLPClassifier)


class Watch:
    """Writes down every hook, and what ``look`` sees in its fitted_estimator."""

    def __init__(self, look=lambda model: None, stop_after=None):
        self.look, self.stop_after = look, stop_after
        self.hooks = []  # (hook, task name, task id, what look returned)
        self.contexts, self.X, self.y, self.metadata = [], [], [], []

    def setup(self, estimator, context):
        self._write("setup", context, None)

    def teardown(self, estimator, context):
        self._write("teardown", context, None)

    def on_fit_task_begin(self, estimator, context, *, fitted_estimator=None):
        self._write("begin", context, fitted_estimator)

    def on_fit_task_end(
        self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None
    ):
        self._write("end", context, fitted_estimator)
        self.X.append(X)
        self.y.append(y)
        self.metadata.append(metadata)
        if context.task_name == "epoch":
            return context.task_id + 1 == self.stop_after

    def _write(self, hook, context, model):
        seen = None if model is None else self.look(model)
        self.hooks.append((hook, context.task_name, context.task_id, seen))
        self.contexts.append(context)

    def seen(self, hook, task="epoch"):
        """What ``look`` returned at each epoch, or another task."""
        return [h[3] for h in self.hooks if h[:2] == (hook, task)]


class StopAfter:
    """Prunes: asks to stop at the end of an epoch. Goes to other processes."""

    def __init__(self, epochs):
        self.epochs = epochs

    def setup(self, estimator, context): ...

    def teardown(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context): ...

    def on_fit_task_end(self, estimator, context):
        return context.task_name == "epoch" and context.task_id + 1 == self.epochs


class Fails(StopAfter):
    """Raises in one of its hooks."""

    def __init__(self, hook, error, after=0):
        self.hook, self.error = hook, error
        self.after = after  # so many calls of the hook that do not raise
        self.torn_down = 0

    def _maybe_raise(self, hook):
        if hook == self.hook:
            self.after -= 1
            if self.after < 0:
                raise self.error

    def setup(self, estimator, context):
        self._maybe_raise("setup")

    def teardown(self, estimator, context):
        self.torn_down += 1
        self._maybe_raise("teardown")

    def on_fit_task_begin(self, estimator, context):
        self._maybe_raise(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context):
        self._maybe_raise(f"end {context.task_name}")


# --- The tree of tasks


@ignore_max_iter
@each_setting
def test_one_task_per_epoch(setting):
    watch = Watch()
    small(**setting).set_callbacks(watch).fit(X, y)
    epochs = [(hook, "epoch", k, None) for k in range(EPOCHS) for hook in ("begin", "end")]
    around = [(hook, "fit", 0, None) for hook in ("setup", "begin", "end", "teardown")]
    assert watch.hooks == [*around[:2], *epochs, *around[2:]]
    root, epoch = watch.contexts[0], watch.contexts[2]
    assert (root.max_subtasks, root.parent, root.estimator_name) == (EPOCHS, None, "MLPClassifier")
    assert (epoch.max_subtasks, epoch.parent) == (0, root)


def test_partial_fit_is_a_fit_of_one_epoch():
    watch = Watch()
    model = small().set_callbacks(watch)
    for _ in range(EPOCHS + 2):  # more calls than max_iter
        model.partial_fit(X, y, classes=[0, 1, 2])
    assert watch.contexts[0].max_subtasks == 1
    names = ["setup", "begin", "begin", "end", "end", "teardown"]
    assert [h[0] for h in watch.hooks] == names * (EPOCHS + 2)
    assert {h[1] for h in watch.hooks} == {"partial_fit", "epoch"}


@ignore_max_iter
def test_resume_is_a_fit_of_the_epochs_left(tmp_path):
    path, watch = str(tmp_path / "run.npz"), Watch()
    small(max_iter=1, callbacks=[Checkpoint(path, every=1)]).fit(X, y)
    small().set_callbacks(watch).resume(path, X, y)
    assert watch.contexts[0].max_subtasks == len(watch.seen("end")) == EPOCHS - 1


@ignore_max_iter
@each_setting
def test_resuming_what_has_ended_is_a_fit_without_epochs(setting, tmp_path):
    path, watch = str(tmp_path / "run.npz"), Watch()
    small(callbacks=[Checkpoint(path, every=EPOCHS)], **setting).fit(X, y)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "solver='lbfgs' resumes from")
        small(**setting).set_callbacks(watch).resume(path, X, y)
    assert [hook[:2] for hook in watch.hooks] == [
        (hook, "fit") for hook in ("setup", "begin", "end", "teardown")
    ]


def test_lbfgs_that_converges_ends_what_it_has_begun():
    watch = Watch(look=lambda model: model.n_iter_)
    model = small(solver="lbfgs", max_iter=500, tol=1e-2).set_callbacks(watch).fit(X, y)
    assert 1 < model.n_iter_ < 500
    begun, ended = watch.seen("begin"), watch.seen("end")
    assert len(begun) == len(ended)
    assert ended == [*range(1, model.n_iter_ + 1), None]  # None: the iteration that never was


# --- scikit-learn's own callbacks


@ignore_max_iter
@each_setting
@pytest.mark.parametrize("cls", ESTIMATORS)
def test_scoring_monitor_logs_a_score_per_epoch(cls, setting):
    X, y = data_for(cls)
    name = "neg_log_loss" if cls is MLPClassifier else "r2"
    monitor = ScoringMonitor(scoring=name)
    watch = Watch(look=lambda model: model.predict(X))
    model = small(cls, **setting).set_callbacks(monitor, watch).fit(X, y)
    log = monitor.get_logs().data
    assert [(row["task_name"], row["task_id"]) for row in log] == [
        ("fit", 0),
        *(("epoch", k) for k in range(EPOCHS)),
    ]
    assert log[0][name] == log[-1][name]
    assert len({row[name] for row in log[1:]}) == EPOCHS
    # The same as of fits that end there, weights included.
    for k in range(EPOCHS):
        monitor = ScoringMonitor(scoring=name)
        shorter = small(cls, **setting | {"max_iter": k + 1}).set_callbacks(monitor).fit(X, y)
        assert monitor.get_logs().data[0][name] == log[k + 1][name]
        np.testing.assert_array_equal(shorter.predict(X), watch.seen("end")[k])
    np.testing.assert_array_equal(model.theta_, small(cls, **setting).fit(X, y).theta_)


@pytest.fixture
def progress(monkeypatch):
    """How far each of ProgressBar's bars was after each task: {description: [tasks done, ...]}."""
    rich_progress = pytest.importorskip("rich.progress")
    bars, update = {}, rich_progress.Progress.update

    def noting_update(self, task_id, *, completed=None, **more):
        name = self._tasks[task_id].description.strip()
        bars.setdefault(name, []).append(completed)
        update(self, task_id, completed=completed, **more)

    monkeypatch.setattr(rich_progress.Progress, "update", noting_update)
    return bars


@ignore_max_iter
@each_setting
def test_progress_bar_shows_epochs(setting, progress, capsys):
    small(**setting).set_callbacks(ProgressBar()).fit(X, y)
    assert progress == {"MLPClassifier - fit": [*range(1, EPOCHS + 1), 1]}  # 1 of 1: all is done
    assert "MLPClassifier - fit" in capsys.readouterr().out


@ignore_max_iter
def test_progress_bar_of_a_pipeline_shows_epochs(progress, capsys):
    model = make_pipeline(StandardScaler(), small()).set_callbacks(ProgressBar())
    model.fit(X, y)
    name = "Pipeline - fit-final-estimator | MLPClassifier - fit #1"
    assert progress[name] == [*range(1, EPOCHS + 1), 1]
    assert name in capsys.readouterr().out
    assert not hasattr(model[-1], "_skl_callbacks")
    assert not hasattr(model[-1], "_parent_callback_ctx")


@ignore_max_iter
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_grid_search_over_a_pipeline(n_jobs, progress, capsys):
    monitor = ScoringMonitor(scoring="accuracy")
    model = make_pipeline(StandardScaler(), small().set_callbacks(monitor))
    grid = {"mlpclassifier__alpha": [1e-4, 1e-1]}
    search = GridSearchCV(model, grid, cv=2, n_jobs=n_jobs, error_score="raise")
    search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(X, y)
    # Four fits, at the same time with two jobs, and the one with the best parameters.
    name = "Pipeline - fit-final-estimator | MLPClassifier - fit #1"
    assert sorted(progress[name]) == sorted([*range(1, EPOCHS + 1), 1] * 5)
    assert capsys.readouterr().out.count("MLPClassifier") == 5
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(rows) == 5 * EPOCHS
    assert len({row["parent_task_id_path"] for row in rows}) == 5
    assert all(0 <= row["accuracy"] <= 1 for row in rows)


# --- Stopping


@each_setting
@pytest.mark.parametrize("cls", ESTIMATORS)
def test_true_from_the_hook_stops(cls, setting):
    X, y = data_for(cls)
    watch = Watch(stop_after=2)
    model = small(cls, **setting).set_callbacks(watch).fit(X, y)  # and it warns of nothing
    assert model.n_iter_ == len(model.loss_curve_) == len(watch.seen("begin")) == 2
    assert len(watch.seen("end")) == 2
    with pytest.warns(ConvergenceWarning):
        shorter = small(cls, **setting | {"max_iter": 2}).fit(X, y)
    np.testing.assert_array_equal(model.theta_, shorter.theta_)


def test_stopping_with_early_stopping_keeps_the_best_weights():
    watch = Watch(stop_after=3)
    model = small(early_stopping=True, max_iter=50, learning_rate_init=0.5).set_callbacks(watch)
    model.fit(X, y)
    assert model.n_iter_ == 3
    assert model.best_n_iter_ == np.argmax(model.validation_scores_) + 1


def test_pruning_in_a_search():
    monitor = ScoringMonitor(scoring="accuracy")
    network = small().set_callbacks(StopAfter(2), monitor)
    model = Pipeline([("scale", StandardScaler()), ("net", network)])
    grid = {"net__alpha": [1e-4, 1e-1]}
    search = GridSearchCV(model, grid, cv=2, n_jobs=2, error_score="raise").fit(X, y)
    assert search.best_estimator_[-1].n_iter_ == 2
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(rows) == 5 * 2


# --- What hooks get


@ignore_max_iter
@each_setting
def test_fitted_estimator_is_a_copy(setting):
    kept = []
    watch = Watch(look=lambda model: kept.append((model, model.predict_proba(X))))
    small(**setting).set_callbacks(watch).fit(X, y)
    for model, y_proba in kept:
        np.testing.assert_array_equal(model.predict_proba(X), y_proba)
    assert len({id(model) for model, _ in kept}) == 2 * EPOCHS + 1


@ignore_max_iter
def test_fitted_estimator_has_all_attributes():
    def look(model):
        return (
            model.n_iter_,
            model.loss_,
            len(model.history_),
            model.validation_scores_,
            model.best_n_iter_,
        )

    watch = Watch(look)
    model = small().set_callbacks(watch).fit(X, y, X_val=X[::2], y_val=y[::2])
    scores = model.validation_scores_
    assert watch.seen("end") == [
        (k, model.loss_curve_[k - 1], k, scores[:k], k) for k in range(1, EPOCHS + 1)
    ]
    assert [n for n, *_ in watch.seen("begin")] == list(range(EPOCHS))
    assert np.isnan(watch.seen("begin")[0][1])


@pytest.mark.parametrize("setting", [{}, {"dropout": 0.2, "ema_decay": 0.9}], ids=str)
@ignore_max_iter
def test_fitted_estimator_can_go_on(setting):
    copies = []
    small(**setting).set_callbacks(Watch(look=copies.append)).fit(X, y)
    model = small(**setting | {"max_iter": 1}).fit(X, y)
    after_one_epoch = copies[1].set_callbacks()
    for either in (model, after_one_epoch):
        either.partial_fit(X, y).partial_fit(X, y)
    np.testing.assert_array_equal(model.theta_, after_one_epoch.theta_)


@pytest.mark.filterwarnings("ignore:.*Maximum iterations")
def test_early_stopping_shows_the_rows_trained_on():
    frame = pd.DataFrame(X, columns=list("abcd"), index=np.arange(1000, 1150))
    labels = np.array(["x", "y", "z"])[y]
    weight = np.arange(1.0, 151)

    def look(model):
        return model.predict(frame), model.validation_scores_, model.best_n_iter_, model.loss_

    watch = Watch(look)
    monitor = ScoringMonitor(scoring="accuracy")
    model = small(early_stopping=True, learning_rate_init=0.1)
    model.set_callbacks(watch, monitor).fit(frame, labels, sample_weight=weight)
    part = watch.X[0]
    assert list(part.columns) == list("abcd")
    assert len(part) == 135
    assert all(other is part for other in watch.X)  # copied once
    np.testing.assert_array_equal(labels[part.index - 1000], watch.y[0])
    np.testing.assert_array_equal(weight[part.index - 1000], watch.metadata[0]["sample_weight"])
    # The weights of each epoch, and in the end the best ones.
    held_out = ~frame.index.isin(part.index)
    for k, (y_pred, scores, epoch, loss) in enumerate(watch.seen("end")):
        score = accuracy_score(labels[held_out], y_pred[held_out], sample_weight=weight[held_out])
        assert scores == model.validation_scores_[: k + 1]
        assert scores[-1] == pytest.approx(score)
        assert (epoch, loss) == (k + 1, model.loss_curve_[k])
    accuracy = model.score(part, watch.y[0], sample_weight=watch.metadata[0]["sample_weight"])
    assert monitor.get_logs().data[0]["accuracy"] == pytest.approx(accuracy)


@ignore_max_iter
@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (X, np.ndarray),
        (X.tolist(), np.ndarray),
        (csr_array(X), csr_array),
        (csr_array(X).tocsc(), csr_array),
        (pd.DataFrame(X, columns=list("abcd")), pd.DataFrame),
        (pd.DataFrame(X), np.ndarray),
    ],
    ids=["array", "list", "csr", "csc", "named", "nameless"],
)
@pytest.mark.parametrize("early_stopping", [False, True])
def test_data_of_all_kinds(given, shown, early_stopping):
    watch, monitor = Watch(), ScoringMonitor(scoring=["accuracy", "neg_log_loss"])
    small(early_stopping=early_stopping).set_callbacks(watch, monitor).fit(given, list(y))
    assert all(isinstance(X, shown) for X in watch.X)
    assert watch.metadata[0] is None
    assert len(monitor.get_logs().data) == EPOCHS + 1


@ignore_max_iter
def test_several_targets():
    Y = np.column_stack([y == 1, y > 0]).astype(int)
    monitor = ScoringMonitor(scoring=["accuracy", "f1_macro"])
    for targets in (Y, csr_array(Y)):
        small(early_stopping=True).set_callbacks(monitor).fit(X, targets)
        assert len(monitor.get_logs().data) == EPOCHS + 1


def test_nothing_is_copied_that_no_hook_asks_for(monkeypatch):
    for name in ("shown", "attributes"):
        monkeypatch.setattr(_listener.Subject, name, None)
    small().set_callbacks(StopAfter(2)).fit(X, y)


def test_without_callbacks_there_is_no_listener(monkeypatch):
    monkeypatch.setattr(_listener, "Listener", None)
    monkeypatch.setattr(support.CallbackContext, "_from_estimator", None)
    with pytest.warns(ConvergenceWarning):
        small().fit(X, y)
    small().set_callbacks(StopAfter(2)).set_callbacks().partial_fit(X, y, classes=[0, 1, 2])


# --- Errors


HOOKS = ["setup", "begin fit", "begin epoch", "end epoch", "end fit", "teardown"]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("setting", [{}, {"solver": "lbfgs"}, {"warm_start": True}], ids=str)
@pytest.mark.parametrize("is_fitted", [False, True])
def test_a_callback_that_raises(hook, setting, is_fitted):
    error = RuntimeError("by design")
    callback = Fails(hook, error)
    model = small(**setting)
    if is_fitted:
        model.fit(X, y)
    twin = pickle.loads(pickle.dumps(model))
    before = dict(vars(model.set_callbacks(callback)))
    with pytest.raises(RuntimeError, match="by design") as caught:
        model.fit(X, y)
    assert caught.value is error
    assert traceback.extract_tb(error.__traceback__)[-1].name == "_maybe_raise"
    assert callback.torn_down == 1
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[name] is before[name] for name in before)
    if is_fitted:
        np.testing.assert_array_equal(model.theta_, twin.theta_)
    for either in (model.set_callbacks(), twin):
        either.fit(X, y)
    np.testing.assert_array_equal(model.theta_, twin.theta_)


def test_a_callback_that_raises_in_partial_fit():
    model = small().partial_fit(X, y, classes=[0, 1, 2])
    twin = clone(model).partial_fit(X, y, classes=[0, 1, 2])
    model.set_callbacks(Fails("end epoch", RuntimeError("by design")))
    with pytest.raises(RuntimeError, match="by design"):
        model.partial_fit(X, y)
    model.set_callbacks()
    np.testing.assert_array_equal(model.partial_fit(X, y).theta_, twin.partial_fit(X, y).theta_)


def test_ctrl_c_in_a_hook_keeps_the_weights_so_far():
    callback = Fails("end epoch", KeyboardInterrupt())
    model = small().set_callbacks(callback)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert model.n_iter_ == callback.torn_down == 1
    assert not hasattr(model, "_callback_fit_ctx")
    with pytest.warns(ConvergenceWarning):
        shorter = small(max_iter=1).fit(X, y)
    np.testing.assert_array_equal(model.theta_, shorter.theta_)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_divergence_is_reported_as_without_callbacks(early_stopping):
    model = small(MLPRegressor, solver="sgd", learning_rate_init=1e4, max_iter=50, tol=0)
    model.set_params(early_stopping=early_stopping)
    model.set_callbacks(ScoringMonitor(scoring="r2"))
    if early_stopping:
        with pytest.warns(ConvergenceWarning, match="non-finite parameter weights"):
            model.fit(X, y)
    else:
        with pytest.raises(ValueError, match="non-finite parameter weights"):
            model.fit(X, y)


# --- Clones and pickles


@ignore_max_iter
def test_clones_and_pickles():
    monitor = ScoringMonitor(scoring="accuracy")
    model = small().set_callbacks(monitor).fit(X, y)
    assert clone(model)._skl_callbacks[0] is monitor
    clone(model).fit(X, y)
    assert len(monitor.get_logs(select="all")) == 2
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    plain = small().fit(X, y)
    assert vars(model).keys() - vars(plain).keys() == {"_skl_callbacks"}
    assert len(pickle.dumps(model.set_callbacks())) == pytest.approx(
        len(pickle.dumps(plain)), rel=0.01
    )


class Stores(StopAfter):
    """Writes the estimator of each epoch to a file."""

    def __init__(self, folder):
        self.folder = folder

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        joblib.dump(fitted_estimator, self.folder / f"{context.task_name}{context.task_id}")


@ignore_max_iter
def test_storing_the_estimator_of_each_epoch(tmp_path):
    model = make_pipeline(small().set_callbacks(Stores(tmp_path))).fit(X, y)
    for k in range(EPOCHS):
        loaded = joblib.load(tmp_path / f"epoch{k}")
        assert loaded.n_iter_ == k + 1
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


# --- Ensembles: their members are subtasks, and the members' epochs are subtasks of these

TABLES = [TabularMLPClassifier, TabularMLPRegressor]
each_table = pytest.mark.parametrize("cls", TABLES)
N_MEMBERS = 3


def ensemble(cls, **params):
    small = {"n_ensemble": N_MEMBERS, "hidden_layer_sizes": 4, "max_iter": EPOCHS, "min_steps": 0}
    return cls("fast", **small | {"patience": np.inf, "random_state": 0} | params)


def table_for(cls, n=90):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.normal(size=n), "b": rng.choice(["u", "v", "w"], n)})
    y = np.exp(table["a"]) + (table["b"] == "u")
    return table, np.where(y > 1.2, "yes", "no") if cls is TabularMLPClassifier else y.to_numpy()


def predictions(model, table):
    return getattr(model, "predict_proba", model.predict)(table)


@each_table
def test_tasks_of_an_ensemble(cls):
    watch = Watch()
    ensemble(cls, n_jobs=2).set_callbacks(watch).fit(*table_for(cls))
    epochs = [(hook, "epoch", k) for k in range(EPOCHS) for hook in ("begin", "end")]
    members = [
        hook
        for k in range(N_MEMBERS)
        for hook in [("begin", "member", k), *epochs, ("end", "member", k)]
    ]
    around = [(hook, "fit", 0) for hook in ("setup", "begin", "end", "teardown")]
    assert [hook[:3] for hook in watch.hooks] == [*around[:2], *members, *around[2:]]
    root, member, epoch = watch.contexts[0], watch.contexts[2], watch.contexts[3]
    assert (root.max_subtasks, root.parent, root.estimator_name) == (N_MEMBERS, None, cls.__name__)
    assert (member.max_subtasks, member.parent) == (EPOCHS, root)
    assert (epoch.max_subtasks, epoch.parent) == (0, member)


@each_table
def test_fitted_ensembles(cls):
    """Hooks that predict change nothing; what they see grows member by member."""
    setting = {"ema_decay": 0.9, "dropout": 0.1}
    table, y = table_for(cls)
    watch = Watch(look=lambda model: (len(model.estimators_), predictions(model, table)))
    model = ensemble(cls, **setting).set_callbacks(watch).fit(table, y)
    plain = ensemble(cls, **setting).fit(table, y)
    np.testing.assert_array_equal(predictions(model, table), predictions(plain, table))
    assert vars(model).keys() - vars(plain).keys() == {"_skl_callbacks"}
    hooks = [("begin", "epoch"), ("end", "epoch"), ("end", "member"), ("end", "fit")]
    sizes = {hook: [seen and seen[0] for seen in watch.seen(*hook)] for hook in hooks}
    ready = range(N_MEMBERS)
    assert sizes == {
        ("begin", "epoch"): [n for k in ready for n in [k or None, *[k + 1] * (EPOCHS - 1)]],
        ("end", "epoch"): [k + 1 for k in ready for _ in range(EPOCHS)],
        ("end", "member"): [k + 1 for k in ready],
        ("end", "fit"): [N_MEMBERS],
    }
    # After each member, all is as in an ensemble of the members so far.
    for k, (_, y_pred) in enumerate(watch.seen("end", "member"), start=1):
        fewer = ensemble(cls, n_ensemble=k, **setting).fit(table, y)
        np.testing.assert_array_equal(predictions(fewer, table), y_pred)
    assert len({y_pred.tobytes() for _, y_pred in watch.seen("end")}) == N_MEMBERS * EPOCHS


@each_table
def test_an_ensemble_in_an_epoch_is_what_ctrl_c_leaves(cls):
    table, y = table_for(cls, n=9)  # of so few rows, members hold none out: the last weights stay
    watch = Watch(look=lambda model: predictions(model, table))
    ensemble(cls).set_callbacks(watch).fit(table, y)
    callback = Fails("end epoch", KeyboardInterrupt(), after=EPOCHS + 1)
    model = ensemble(cls).set_callbacks(callback)
    with pytest.raises(KeyboardInterrupt):
        model.fit(table, y)
    assert len(model.estimators_) == 2
    assert callback.torn_down == 1
    assert not hasattr(model, "_callback_fit_ctx")
    np.testing.assert_array_equal(predictions(model, table), watch.seen("end")[EPOCHS + 1])


@each_table
def test_scoring_monitor_of_an_ensemble(cls):
    table, y = table_for(cls)
    weight = np.linspace(1, 2, len(y))
    name = "accuracy" if cls is TabularMLPClassifier else "r2"
    monitor, watch = ScoringMonitor(scoring=name), Watch()
    model = ensemble(cls).set_callbacks(monitor, watch).fit(table, y, sample_weight=weight)
    log = monitor.get_logs().data
    tasks = [row["task_name"] for row in log]
    assert [tasks.count(name) for name in ("fit", "member", "epoch")] == [1, 3, 3 * EPOCHS]
    assert log[0][name] == log[N_MEMBERS][name] == model.score(table, y, weight)
    assert all(X is table for X in watch.X)
    assert all(shown is watch.y[0] for shown in watch.y)
    np.testing.assert_array_equal(watch.y[0], y)
    np.testing.assert_array_equal(watch.metadata[0]["sample_weight"], weight)


def test_lazy_tables_are_collected_once():
    polars = pytest.importorskip("polars")
    table, y = table_for(TabularMLPRegressor)
    watch = Watch()
    ensemble(TabularMLPRegressor).set_callbacks(watch).fit(polars.from_pandas(table).lazy(), y)
    assert isinstance(watch.X[0], polars.DataFrame)
    assert all(X is watch.X[0] for X in watch.X)


@pytest.mark.parametrize("cls", [*ESTIMATORS, *TABLES])
@pytest.mark.parametrize("one", [ProgressBar(), ScoringMonitor(scoring="r2")])
@pytest.mark.parametrize("put", [lambda one: (PrintProgress(), one), lambda one: one])
def test_as_a_parameter_they_are_refused_with_the_remedy(cls, one, put):
    message = f"'callbacks' parameter of {cls.__name__} .* instead. Pass .* to set_callbacks"
    with pytest.raises(ValueError, match=message):
        cls(callbacks=put(one)).fit([[0.0], [1.0]], [0, 1])


@each_table
def test_true_from_the_hook_of_an_epoch_stops_a_member(cls):
    model = ensemble(cls).set_callbacks(StopAfter(2)).fit(*table_for(cls))
    assert [member.n_iter_ for member in model.estimators_] == [2] * N_MEMBERS


class StopAfterMember(StopAfter):
    def on_fit_task_end(self, estimator, context):
        return context.task_name == "member" and context.task_id + 1 == self.epochs


@each_table
def test_true_from_the_hook_of_a_member_leaves_out_the_others(cls):
    table, y = table_for(cls)
    model = ensemble(cls).set_callbacks(StopAfterMember(2)).fit(table, y)
    fewer = ensemble(cls, n_ensemble=2).fit(table, y)
    np.testing.assert_array_equal(predictions(model, table), predictions(fewer, table))


@each_table
def test_resume_of_an_ensemble(cls, tmp_path):
    """Members that were ready are tasks without epochs."""
    table, y = table_for(cls)
    checkpoint = Checkpoint(tmp_path / "run.npz")
    with pytest.raises(KeyboardInterrupt):
        ensemble(cls, callbacks=[checkpoint]).set_callbacks(
            Fails("begin epoch", KeyboardInterrupt(), after=EPOCHS + 2)
        ).fit(table, y)
    watch = Watch()
    model = ensemble(cls).set_callbacks(watch).resume(checkpoint.path, table, y)
    begun = [context for context in watch.contexts if context.task_name == "epoch"]
    epochs = [context.parent.task_id for context in begun[::2]]
    assert [epochs.count(k) for k in range(N_MEMBERS)] == [0, EPOCHS - 1, EPOCHS]  # the last save
    whole = ensemble(cls).fit(table, y)
    np.testing.assert_array_equal(predictions(model, table), predictions(whole, table))


@each_table
@pytest.mark.parametrize("hook", [*HOOKS, "begin member", "end member"])
@pytest.mark.parametrize("is_fitted", [False, True])
def test_a_callback_of_an_ensemble_that_raises(cls, hook, is_fitted):
    table, y = table_for(cls)
    callback = Fails(hook, RuntimeError("by design"))
    model = ensemble(cls)
    if is_fitted:
        model.fit(table[::2], y[::2])
    before = dict(vars(model.set_callbacks(callback)))
    with pytest.raises(RuntimeError, match="by design"):
        model.fit(table, y)
    assert callback.torn_down == 1
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[name] is before[name] for name in before)


class Breaks(Callback):
    """Makes the weights of a member infinite at the end of its first epoch."""

    member: int

    def on_epoch_end(self, memory, run):
        if run.member == self.member:
            run.state.theta[:] = np.inf


@each_table
@pytest.mark.parametrize("broken", range(2))
def test_weights_that_are_not_finite_are_not_shown(cls, broken):
    table, y = table_for(cls)
    watch = Watch(
        look=lambda model: predictions(model, table) is not None and len(model.estimators_)
    )
    with pytest.warns(ConvergenceWarning, match="1 of 3 members diverged and keep"):
        ensemble(cls, callbacks=[Breaks(broken)]).set_callbacks(watch).fit(table, y)
    expected = [k + 1 for k in range(N_MEMBERS) for _ in range(EPOCHS)]
    expected[broken * EPOCHS : (broken + 1) * EPOCHS] = [broken or None] * 2  # it ends there
    assert watch.seen("end") == expected
    assert watch.seen("end", "member") == [1, 2, 3]  # the best weights are those of before


@pytest.mark.parametrize("n_jobs", [None, pytest.param(2, marks=pytest.mark.slow)])
def test_grid_search_shows_the_epochs_of_members(n_jobs, progress, capsys):
    model = ensemble(TabularMLPRegressor)
    search = GridSearchCV(model, {"alpha": [0.0, 0.1]}, cv=2, n_jobs=n_jobs, error_score="raise")
    search.set_callbacks(ProgressBar()).fit(*table_for(TabularMLPRegressor))
    for k in range(N_MEMBERS):  # of four fits and the one with the best parameters
        bar = progress[f"TabularMLPRegressor - member #{k}"]
        assert sorted(bar) == sorted([*range(1, EPOCHS + 1), 1] * 5)
    assert capsys.readouterr().out.count("TabularMLPRegressor - member") == 5 * N_MEMBERS


def test_nothing_is_made_of_an_ensemble_that_no_hook_asks_for(monkeypatch):
    monkeypatch.setattr(_listener, "in_memory", None)
    monkeypatch.setattr(_listener, "state_so_far", None)
    monkeypatch.setattr(_members, "attributes_of_members", None)
    ensemble(TabularMLPRegressor).set_callbacks(StopAfter(2)).fit(*table_for(TabularMLPRegressor))


def test_an_ensemble_without_callbacks_has_no_listener(monkeypatch):
    monkeypatch.setattr(_listener, "EnsembleListener", None)
    ensemble(TabularMLPRegressor).fit(*table_for(TabularMLPRegressor))


def test_hooks_do_not_check_the_parameters_of_members_again(monkeypatch):
    """The time of the hooks would grow with the square of the number of members."""
    made, settings_of = [], _publish_members.settings_of

    def spy(estimator):
        made.append(estimator)
        return settings_of(estimator)

    monkeypatch.setattr(_publish_members, "settings_of", spy)
    watch = Watch(look=lambda model: len(model.estimators_))
    model = TabularMLPClassifier("fast", n_ensemble=3, max_iter=2, min_steps=0, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.set_callbacks(watch).fit(X, y)
    assert sum(bool(seen) for *_, seen in watch.hooks) > 3
    assert len(made) == 3
