"""What tables have of the one trainer: callbacks, checkpoints, penalties, dropout, Ctrl-C."""

import io
import re
from contextlib import redirect_stdout

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import ConvergenceWarning

from sknn_scratch import (
    MLPClassifier,
    MLPRegressor,
    TabularMLPClassifier,
    TabularMLPRegressor,
)
from sknn_scratch.components import SGD, Adam, Checkpoint, Cosine, CSVLog, Identity, Tanh
from sknn_scratch.contracts import Callback
from sknn_scratch.fitting import _advice

N = 90
SMALL = {"n_ensemble": 3, "hidden_layer_sizes": (6,), "max_iter": 3, "min_steps": 0}
SMALL |= {"n_bins": 2, "random_state": 0}
EACH = pytest.mark.parametrize("cls", [TabularMLPClassifier, TabularMLPRegressor])


def table(cls):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=N), "b": pd.Categorical(rng.choice(list("xyz"), N))})
    y = 2.0 + X["a"] ** 2 + (X["b"] == "x") + 0.1 * rng.normal(size=N)
    return X, (y > y.median()) if cls is TabularMLPClassifier else y


def outputs(model, X):
    return model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)


class Look(Callback):
    """Note which member is at work, in a list of the caller's."""

    seen: list

    def on_epoch_end(self, memory, run):
        self.seen.append((run.member, run.n_members, run.epoch, run.history[-1]["loss"]))


class Break(Callback):
    """Raise an error, such as Ctrl-C, at one epoch of one member."""

    error: BaseException
    member: int = 0
    epoch: int = 1

    def on_epoch_end(self, memory, run):
        if (run.member, run.epoch) == (self.member, self.epoch):
            raise self.error


class StopMember(Callback):
    """Stop one member early."""

    member: int

    def on_epoch_end(self, memory, run):
        if run.member == self.member:
            run.stop("enough")


class Crash(Exception):
    pass


@EACH
def test_callbacks_see_the_member(cls):
    X, y = table(cls)
    seen = []
    model = cls(**SMALL, callbacks=[Look(seen)], n_jobs=2).fit(X, y)
    members = [member for member, *_ in seen]
    assert members == sorted(members)
    assert {(member, n) for member, n, *_ in seen} == {(0, 3), (1, 3), (2, 3)}
    plain = cls(**SMALL).fit(X, y)
    assert_array_equal(outputs(model, X), outputs(plain, X))
    for k, member in enumerate(model.estimators_):
        assert member.loss_curve_ == [loss for at, *_, loss in seen if at == k]


@EACH
@pytest.mark.parametrize("watched", [False, True])
def test_no_processes_at_all_are_refused(cls, watched):
    X, y = table(cls)
    seen = []
    model = cls(**SMALL, n_jobs=0, callbacks=[Look(seen)] if watched else None)
    with pytest.raises(ValueError, match=rf"'n_jobs' parameter of {cls.__name__} must be"):
        model.fit(X, y)
    assert not seen


@EACH
def test_members_that_diverge_after_a_good_score(cls):
    """They keep their best weights and say so, as a plain estimator does."""
    X, y = table(cls)
    too_fast = {"solver": "sgd", "activation": "identity", "learning_rate_init": 100.0}
    too_fast |= {"ema_decay": 0.0, "max_iter": 30}
    with pytest.warns(ConvergenceWarning) as told:
        model = cls(**SMALL | too_fast).fit(X, y)
    (message,) = [str(one.message) for one in told]
    assert message == (
        "3 of 3 members diverged and keep the weights of their best validation score: "
        "lower learning_rate_init (it is 100)."
    )
    assert len(model.estimators_) == 3
    assert np.isfinite(outputs(model, X)).all()


def test_advice_about_members_that_diverge():
    ends = ["stalled", "lost", "diverged", "max_iter", "lost"]
    assert _advice.of_members(["stalled", "asked"], 1.0) is None
    assert _advice.of_members(ends, 0.5) == (
        "2 of 5 members diverged and are left out; 1 of 5 members diverged and keep the weights "
        "of their best validation score: lower learning_rate_init (it is 0.5)."
    )


@EACH
def test_a_callback_stops_a_member(cls):
    X, y = table(cls)
    model = cls(**SMALL, callbacks=[StopMember(1)]).fit(X, y)
    assert [member.n_iter_ for member in model.estimators_] == [3, 1, 3]


@EACH
def test_verbose(cls):
    X, y = table(cls)
    with redirect_stdout(io.StringIO()) as out:
        cls(**SMALL, verbose=True).fit(X, y)
    lines = out.getvalue().splitlines()
    assert len(lines) == 9
    number = r"-?\d+\.\d+"
    start = rf"Member 1 of 3  Iteration 1/3  loss {number}"
    scores = rf"  validation score {number}  validation loss {number}"
    assert re.match(start + scores, lines[3])


@EACH
def test_each_member_has_a_log(cls, tmp_path):
    X, y = table(cls)
    model = cls(**SMALL, callbacks=[CSVLog(tmp_path / "log-{member}.csv")]).fit(X, y)
    for k, member in enumerate(model.estimators_):
        lines = (tmp_path / f"log-{k}.csv").read_text().splitlines()
        assert [float(line.split(",")[1]) for line in lines[1:]] == member.loss_curve_
    path = tmp_path / "log.csv"
    with pytest.raises(ValueError, match=r"'path' parameter of CSVLog must be .*'\{member\}'"):
        cls(**SMALL, callbacks=[CSVLog(path)]).fit(X, y)
    assert not path.exists()
    cls(**SMALL | {"n_ensemble": 1}, callbacks=[CSVLog(path)]).fit(X, y)
    assert path.exists()


@EACH
def test_a_checkpoint_holds_all_members_in_one_file(cls, tmp_path):
    X, y = table(cls)
    model = cls(**SMALL, callbacks=[Checkpoint(tmp_path / "m{member}.npz")])
    with pytest.raises(ValueError, match=r"'path' parameter of Checkpoint .* without '\{member\}'"):
        model.fit(X, y)
    assert not list(tmp_path.iterdir())
    assert not hasattr(model, "estimators_")


@EACH
@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("at", [(0, 1), (1, 2), (2, 2)])
@pytest.mark.parametrize("params", [{}, {"dropout": 0.3, "ema_decay": 0.5}])
def test_resume_gives_the_uninterrupted_model(cls, given, at, params, tmp_path):
    X, y = table(cls)
    more = {"X_val": X[:30], "y_val": y[:30]} if given else {}
    path = tmp_path / "fit.npz"
    params = SMALL | params
    member, epoch = at

    def fitted(callbacks):
        # An estimator that resumes needs no seed.
        seeded = params | {"random_state": np.random.RandomState(7)}
        return cls(**seeded, callbacks=callbacks).fit(X, y, **more)

    whole = fitted(None)
    with pytest.raises(Crash):
        fitted([Checkpoint(path), Break(Crash("power"), member, epoch)])
    # The checkpoint of an epoch is written after all callbacks, so that of the crash is lost.
    if at != (0, 1):
        resumed = cls(**params | {"random_state": None}).resume(path, X, y, **more)
        assert_array_equal(outputs(resumed, X), outputs(whole, X))
        assert [m.history_[-1]["loss"] for m in resumed.estimators_] == [
            m.history_[-1]["loss"] for m in whole.estimators_
        ]
    else:
        assert not path.exists()


@pytest.mark.slow
@EACH
def test_resume_compares_values(cls, tmp_path):
    X, y = table(cls)
    path = tmp_path / "fit.npz"
    cls(**SMALL, callbacks=[Checkpoint(path)]).fit(X, y)
    same = {"solver": Adam(beta_2=0.95), "learning_rate": Cosine(), "hidden_layer_sizes": [6]}
    same |= {"patience": np.float64(3.2), "alpha": 0, "n_jobs": 2, "verbose": False}
    cls(**SMALL | same).resume(path, X, y)
    others = {
        "solver": SGD(),
        "alpha": 0.1,
        "dropout": 0.5,
        "max_iter": 4,
        "activation": Tanh(),
        "patience": 2.0,
        "n_bins": 3,
        "n_ensemble": 2,
        "scoring": "loss",
    }
    for name, value in others.items():
        model = cls(**SMALL | {name: value})
        with pytest.raises(ValueError, match=f"of another fit: its {name} is"):
            model.resume(path, X, y)
        assert not hasattr(model, "estimators_")
    with pytest.raises(ValueError, match="of another fit: its y is"):
        cls(**SMALL).resume(path, X, y[::-1].to_numpy())
    other = TabularMLPRegressor if cls is TabularMLPClassifier else TabularMLPClassifier
    with pytest.raises(ValueError, match="of another fit: its estimator is"):
        other(**SMALL).resume(path, X, y)


@EACH
def test_ctrl_c_keeps_the_members_that_have_begun(cls):
    X, y = table(cls)
    whole = cls(**SMALL).fit(X, y)
    model = cls(**SMALL, callbacks=[Break(KeyboardInterrupt(), member=1, epoch=2)])
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert len(model.estimators_) == len(model.held_out_) == 2
    first = whole.estimators_[0].theta_ / model.estimators_[0].theta_
    # The temperature of fewer members differs, which is a factor on the last layer.
    assert np.allclose(first[: 6 * whole.estimators_[0].n_features_in_], 1)
    assert np.isfinite(outputs(model, X)).all()


@EACH
def test_ctrl_c_before_the_first_step_changes_nothing(cls):
    class AtOnce(Callback):
        def on_fit_begin(self, memory, run):
            raise KeyboardInterrupt

    X, y = table(cls)
    model = cls(**SMALL, callbacks=[AtOnce()])
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert not hasattr(model, "estimators_")


@EACH
def test_alpha_shrinks_weights(cls):
    X, y = table(cls)
    weak, strong = (cls(**SMALL, alpha=alpha).fit(X, y) for alpha in (0.0, 50.0))
    sizes = [np.linalg.norm(m.estimators_[0].coefs_[0]) for m in (weak, strong)]
    assert sizes[1] < sizes[0]


@EACH
def test_dropout_is_for_training_alone(cls):
    X, y = table(cls)
    model, same, without = (cls(**SMALL, dropout=rate).fit(X, y) for rate in (0.5, (0.5,), 0.0))
    assert_array_equal(outputs(model, X), outputs(same, X))
    assert_array_equal(outputs(model, X), outputs(model, X))
    assert not np.array_equal(outputs(model, X), outputs(without, X))


@pytest.mark.parametrize(
    ("name", "value", "must"),
    [
        ("alpha", -1.0, "a float in the range"),
        ("dropout", 1.0, "a float in the range"),
        ("dropout", (0.1, 0.2), "a single rate or a sequence of 1"),
        ("callbacks", [Identity()], "instances of Callback"),
        ("scoring", 3.5, "a str among|a callable"),
        ("scoring", "Loss", "the name of a scorer"),
        ("verbose", "loud", "an int in the range"),
    ],
)
@EACH
def test_parameters_that_are_refused(cls, name, value, must):
    X, y = table(cls)
    with pytest.raises(ValueError, match=f"'{name}' parameter of {cls.__name__} must be .*{must}"):
        cls(**SMALL | {name: value}).fit(X, y)


# --- Members in other processes, and ends of all kinds.


@pytest.mark.slow
@EACH
def test_workers_write_into_large_arrays(cls):
    """joblib maps arrays above 1 MB, read-only: weights, and outputs for validation rows."""
    X, y = table(cls)
    large = SMALL | {"hidden_layer_sizes": (600, 500), "n_ensemble": 2, "max_iter": 1}
    more = {"X_val": pd.concat([X] * 1600), "y_val": np.tile(y, 1600)}
    one, two = (cls(**large, n_jobs=jobs).fit(X, y, **more) for jobs in (1, 2))
    np.testing.assert_allclose(outputs(one, X), outputs(two, X), rtol=1e-4, atol=1e-5)
    assert two.estimators_[0].theta_.flags.writeable


@EACH
def test_a_member_that_was_stopped_stays_so(cls, tmp_path):
    X, y = table(cls)
    path = tmp_path / "fit.npz"
    stops = [StopMember(0), Checkpoint(path)]
    whole = cls(**SMALL, callbacks=stops).fit(X, y)
    for at in ((1, 2), (1, 1)):
        with pytest.raises(Crash):
            cls(**SMALL, callbacks=[*stops, Break(Crash("power"), *at)]).fit(X, y)
        resumed = cls(**SMALL).resume(path, X, y)
        assert [member.n_iter_ for member in resumed.estimators_] == [1, 3, 3]
        assert_array_equal(outputs(resumed, X), outputs(whole, X))


ARMED = []


class Arm(Callback):
    """Let the next forward pass of a member be interrupted."""

    def on_fit_begin(self, memory, run):
        if run.member == 1:
            ARMED.append(True)


class Interruptible(Identity):
    def forward(self, z, out):
        if ARMED:
            ARMED.clear()
            raise KeyboardInterrupt
        np.copyto(out, z)


@EACH
@pytest.mark.parametrize("n", [N, 9])  # below 10 rows, nothing is held out
def test_ctrl_c_before_the_first_check_of_a_member(cls, n):
    X, y = table(cls)
    params = SMALL | {"activation": Interruptible()}
    first = cls(**params | {"n_ensemble": 1}).fit(X[:n], y[:n])
    model = cls(**params, callbacks=[Arm()])
    with pytest.raises(KeyboardInterrupt):
        model.fit(X[:n], y[:n])
    assert len(model.estimators_) == 1
    assert_array_equal(outputs(model, X), outputs(first, X))


@EACH
def test_refusals_come_before_any_use_of_the_file(cls, tmp_path):
    X, y = table(cls)
    path, other = tmp_path / "fit.npz", tmp_path / "plain.npz"
    cls(**SMALL, callbacks=[Checkpoint(path)]).fit(X, y)
    with pytest.raises(ValueError, match="of another fit: its shape of X is"):
        cls(**SMALL).resume(path, X[:50], y[:50])
    plain = MLPClassifier if cls is TabularMLPClassifier else MLPRegressor
    numbers = X[["a"]].to_numpy()
    stops = {"max_iter": 3, "tol": 9.0, "n_iter_no_change": 1}
    plain(hidden_layer_sizes=3, **stops, callbacks=[Checkpoint(other)]).fit(numbers, y)
    with pytest.raises(ValueError, match="of another fit: its estimator is"):
        cls(**SMALL).resume(other, X, y)
    with pytest.raises(ValueError, match="of another fit: its estimator is"):
        plain(hidden_layer_sizes=3).resume(path, numbers, y)


@EACH
def test_the_best_of_a_member_is_what_it_keeps(cls):
    X, y = table(cls)
    model = cls(**SMALL | {"max_iter": 12}).fit(X, y)
    for member in model.estimators_:
        assert member.best_validation_score_ >= np.nanmax(member.validation_scores_)
        again = type(member)(**member.get_params(deep=False)).set_state(member.get_state())
        assert again.best_n_iter_ == member.best_n_iter_
        assert again.best_validation_score_ == member.best_validation_score_


@EACH
def test_the_best_of_several_checks_stands_in_the_row_of_its_epoch(cls):
    X, y = table(cls)
    for member in cls(**SMALL | {"batch_size": 2}).fit(X, y).estimators_:
        row = next(row for row in member.history_ if row["epoch"] == member.best_n_iter_)
        assert row["validation_score"] == member.best_validation_score_
        assert row["validation_score"] == max(member.validation_scores_)
