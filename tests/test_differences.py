"""What differs from scikit-learn on purpose: one test for each row of docs/differences.md.

The first line of a test's docstring is the first cell of its row.
"""

import re
import warnings
from copy import deepcopy
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from scipy.special import log_expit, log_softmax
from sklearn import neural_network
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import _multilayer_perceptron
from sklearn.preprocessing import scale
from sklearn.utils import shuffle

from sknn_scratch import MLPClassifier, MLPRegressor, TabularMLPClassifier
from sknn_scratch.contracts import Activation
from sknn_scratch.fitting._holdout import split

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

DOC = Path(__file__).parent.parent / "docs" / "differences.md"
KINDS = ["MLPClassifier", "MLPRegressor"]

X, Y = load_diabetes(return_X_y=True)
X, Y = scale(X)[:60], scale(Y)[:60]
LABELS = np.where(Y > 0, "high", "low")


def both(kind, **params):
    """Our estimator and scikit-learn's, small and quick."""
    params = {"hidden_layer_sizes": 4, "random_state": 0, "max_iter": 5} | params
    ours = MLPClassifier if kind == "MLPClassifier" else MLPRegressor
    return ours(**params), getattr(neural_network, kind)(**params)


def target(kind):
    return LABELS if kind == "MLPClassifier" else Y


def test_every_row_has_a_test():
    tables = DOC.read_text(encoding="utf-8").split("\n## Kept on purpose")[0]
    rows = [row for row in re.findall(r"^\| (.+?) \|", tables, re.MULTILINE) if row != "what"]
    tests = [f for name, f in globals().items() if name.startswith("test_") and f.__doc__]
    assert sorted(f.__doc__.splitlines()[0] for f in tests) == sorted(rows)


def test_two_softmax_outputs():
    """two classes"""
    ours, theirs = (model.fit(X, LABELS) for model in both("MLPClassifier"))
    assert (ours.out_activation_, ours.n_outputs_, ours.coefs_[-1].shape) == ("softmax", 2, (4, 2))
    assert (theirs.out_activation_, theirs.n_outputs_) == ("logistic", 1)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_loss_is_summed_over_outputs(solver):
    """loss of several outputs"""
    targets = np.column_stack([Y, -Y, Y**2])
    ours, theirs = (m.fit(X, targets) for m in both("MLPRegressor", solver=solver, alpha=0))
    np.testing.assert_allclose(ours.theta_[: X.shape[1] * 4], theirs.coefs_[0].ravel(), rtol=1e-9)
    np.testing.assert_allclose(ours.loss_curve_, 3 * np.array(theirs.loss_curve_), rtol=1e-9)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_log_loss_from_raw_outputs(n_classes):
    """log-loss"""
    y = np.arange(len(X)) % n_classes
    # One step that is too small to matter: the loss curve shows the loss before it.
    only_ours = {"loss": "binary_log_loss"} if n_classes == 2 else {}
    models = both("MLPClassifier", warm_start=True, solver="sgd", alpha=0, learning_rate_init=1e-15)
    losses = []
    for model in (models[0].set_params(**only_ours), models[1]):
        model.fit(X, y)
        model.coefs_ = [1000 * W for W in model.coefs_]
        losses.append(model.set_params(max_iter=1).fit(X, y).loss_curve_[-1])
    scores = models[0].decision_function(X)
    log_proba = (
        log_expit(np.where(y == 1, scores, -scores))
        if n_classes == 2
        else log_softmax(scores, axis=1)[np.arange(len(X)), y]
    )
    np.testing.assert_allclose(losses[0], -log_proba.mean(), rtol=1e-9)
    assert losses[1] < -np.log(np.finfo(float).eps) < losses[0]


def test_probabilities_are_never_0():
    """probabilities"""
    ours, theirs = both("MLPClassifier", warm_start=True)
    ours.set_params(loss="binary_log_loss")
    for model in ours, theirs:
        model.fit(X, LABELS)
    proba, log_proba = ours.predict_proba(1e6 * X), ours.predict_log_proba(1e6 * X)
    assert 0 < proba.min() < proba.max() < 1
    np.testing.assert_allclose(np.log(proba), log_proba, atol=1e-15)
    assert log_proba.max() < 0
    assert theirs.predict_proba(1e6 * X).min() == 0


def passes(model, *orders):
    """The model after passes over the data in given orders."""
    model = deepcopy(model).set_params(shuffle=False)
    for order in orders:
        model.partial_fit(X[order], Y[order])
    return np.concatenate([W.ravel() for W in model.coefs_])


def test_curves_are_read_only():
    """`loss_curve_`, `validation_scores_`, `best_loss_`, `best_validation_score_`"""
    ours, theirs = (model.partial_fit(X, Y) for model in both("MLPRegressor"))
    curves = [model.loss_curve_ for model in (ours, theirs)]
    for model in ours, theirs:
        model.partial_fit(X, Y)
    assert [len(curve) for curve in curves] == [1, 2]
    for name in ("loss_curve_", "validation_scores_", "best_loss_", "best_validation_score_"):
        setattr(theirs, name, None)
        with pytest.raises(AttributeError):
            setattr(ours, name, None)
    assert len(ours.loss_curve_) == 2


def test_partial_fit_goes_on_with_its_random_stream():
    """`partial_fit` with an integer seed"""
    ours, theirs = both("MLPRegressor", solver="sgd", batch_size=1, random_state=7)
    rng = np.random.RandomState(7)
    for fan_in, fan_out in [(X.shape[1], 4), (4, 1)]:  # the draws of the initial weights
        rng.uniform(size=(fan_in + 1) * fan_out)
    orders = [shuffle(np.arange(len(X)), random_state=rng) for _ in range(3)]
    expected = passes(ours, *orders)
    for _ in range(3):
        ours.partial_fit(X, Y)
    np.testing.assert_allclose(passes(ours), expected, rtol=1e-12)

    again = shuffle(np.arange(len(X)), random_state=7)
    theirs.partial_fit(X, Y)
    expected = passes(theirs, again, again)
    theirs.partial_fit(X, Y).partial_fit(X, Y)
    np.testing.assert_allclose(passes(theirs), expected, rtol=1e-12)


def test_n_iter_counts_all_epochs():
    """`n_iter_` after `partial_fit`"""
    ours, theirs = (m.partial_fit(X, Y).partial_fit(X, Y) for m in both("MLPRegressor"))
    assert (ours.n_iter_, theirs.n_iter_) == (2, 1)
    assert ours.fit(X, Y).partial_fit(X, Y).n_iter_ == 6


def test_what_is_set_between_calls_acts():
    """changes between calls of `partial_fit`"""
    for model, tiny in zip(both("MLPRegressor"), (True, False), strict=True):
        before = model.partial_fit(X, Y).coefs_[0].copy()
        model.set_params(learning_rate_init=1e-12).partial_fit(X, Y)
        assert (np.abs(model.coefs_[0] - before).max() < 1e-10) == tiny
    # The memory of adam is of no use to sgd, which begins as in a new fit.
    one, _ = both("MLPRegressor", shuffle=False, max_iter=1)
    one.partial_fit(X, Y).set_params(solver="sgd")
    two = deepcopy(one).set_params(warm_start=True)
    np.testing.assert_array_equal(one.partial_fit(X, Y).theta_, two.fit(X, Y).theta_)


def test_warm_start_keeps_the_weights_alone():
    """`warm_start`"""
    ours, theirs = both("MLPRegressor", warm_start=True, early_stopping=True)
    for model, fits in (ours, 1), (theirs, 2):
        first = deepcopy(model.fit(X, Y))
        model.fit(X, Y)
        assert len(model.loss_curve_) == len(model.validation_scores_) == 5 * fits
        assert model.t_ == fits * first.t_
    # A best score from before stops nothing: patience begins anew.
    ours.set_params(n_iter_no_change=1, tol=10, max_iter=50)
    assert ours.fit(X, Y).n_iter_ == ours.fit(X, Y).n_iter_ == 3


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_another_shape_is_an_error_that_names_both(method):
    """`warm_start` or `partial_fit` with another network shape"""
    model, _ = both("MLPRegressor", warm_start=True)
    model.fit(X, Y).set_params(hidden_layer_sizes=7)
    with pytest.raises(ValueError, match=r"\(10, 4, 1\).*\(10, 7, 1\)"):
        getattr(model, method)(X, Y)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_a_minibatch_of_weight_zero_is_skipped(solver):
    """a minibatch whose sample weights are all zero"""
    ours, theirs = both("MLPRegressor", solver=solver, batch_size=10, shuffle=False)
    weight = np.repeat([1.0, 0.0, 1.0], 20)
    kept = weight > 0
    expected, _ = both("MLPRegressor", solver=solver, batch_size=10, shuffle=False)
    expected.fit(X[kept], Y[kept])
    ours.fit(X, Y, sample_weight=weight)
    np.testing.assert_array_equal(ours.theta_, expected.theta_)
    np.testing.assert_array_equal(ours.loss_curve_, expected.loss_curve_)
    with pytest.raises(ZeroDivisionError):
        theirs.fit(X, Y, sample_weight=weight)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("kind", KINDS)
def test_impossible_weights(kind, solver):
    """sample weights that are all zero, or some negative"""
    ours, theirs = both(kind, solver=solver)
    negative = np.where(np.arange(len(X)) == 3, -0.5, 1.0)
    for weight in np.zeros(len(X)), negative:
        with pytest.raises(ValueError, match="sample_weight"):
            ours.fit(X, target(kind), sample_weight=weight)
    theirs.fit(X, target(kind), sample_weight=negative)


@pytest.mark.parametrize("loss", ["log_loss", "binary_log_loss"])
def test_a_class_of_one_member_stays_in_the_training_part(loss):
    """a class of one member, with `early_stopping`"""
    y = np.where(np.arange(len(X)) == 5, "rare", "usual")
    ours, theirs = both("MLPClassifier", early_stopping=True, validation_fraction=0.5)
    with pytest.warns(UserWarning, match="single member"):
        ours.set_params(loss=loss).fit(X, y)
    with pytest.raises(ValueError, match="least populated class"):
        theirs.fit(X, y)
    for seed in range(20):
        with pytest.warns(UserWarning, match="single member"):
            train, held_out = split(len(y), 0.5, np.random.RandomState(seed), 1 * (y == "rare"))
        assert 5 in train
        assert sorted([*train, *held_out]) == list(range(len(y)))


def test_an_impossible_stratified_split_becomes_a_plain_one():
    """a stratified split that is impossible"""
    # Three of four rows are held out: the one that is left cannot hold two classes.
    ours, theirs = both("MLPClassifier", early_stopping=True, validation_fraction=0.7)
    with pytest.warns(UserWarning, match="cannot be stratified"):
        ours.fit(X[:4], [0, 0, 1, 1])
    assert len(ours.validation_scores_) == 5
    with pytest.raises(ValueError, match="train_size = 1"):
        theirs.fit(X[:4], [0, 0, 1, 1])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_divergence_ends_training_at_once():
    """divergence"""
    ours, theirs = both(
        "MLPRegressor", solver="sgd", activation="identity", learning_rate_init=10.0, max_iter=3000
    )
    with pytest.raises(ValueError, match=r"non-finite.*epoch \d\d?:.*learning_rate_init"):
        ours.fit(X, Y)
    with pytest.raises(ValueError, match="non-finite"):
        theirs.fit(X, Y)
    ours.set_params(early_stopping=True)
    with pytest.warns(ConvergenceWarning, match="diverged in epoch"):
        ours.fit(X, Y)
    assert ours.n_iter_ < 100
    assert np.isnan(ours.validation_scores_[-1])
    assert np.isfinite(ours.theta_).all()


CALLS = []


class Interrupt(Activation):
    """The identity, until Ctrl-C is pressed in call number `last`."""

    last: int = 12

    def forward(self, z, out):
        CALLS.append(z.shape)
        if len(CALLS) == self.last:
            raise KeyboardInterrupt
        np.copyto(out, z)
        return out

    def backward(self, grad, a, z, out):
        np.copyto(out, grad)
        return out


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("kind", KINDS)
def test_ctrl_c_is_raised_again_after_publishing(kind, solver):
    """Ctrl-C"""
    CALLS.clear()
    params = {"solver": solver, "max_iter": 30, "tol": 0}
    ours, _ = both(kind, activation=Interrupt(), **params)
    with pytest.raises(KeyboardInterrupt):
        ours.fit(X, target(kind))
    assert 0 < ours.n_iter_ < 12
    assert len(ours.loss_curve_) == ours.n_iter_
    first, _ = both(kind, activation="identity", **params | {"max_iter": ours.n_iter_})
    np.testing.assert_allclose(ours.theta_, first.fit(X, target(kind)).theta_, rtol=1e-9)
    assert ours.predict(X).shape == Y.shape


def test_ctrl_c_stops_a_grid_search():
    CALLS.clear()
    ours, theirs = both("MLPRegressor")
    ours.set_params(activation=Interrupt())
    with pytest.raises(KeyboardInterrupt):
        GridSearchCV(ours, {"alpha": [0, 1]}, cv=2).fit(X, Y)
    interrupted = {"relu": mock.Mock(side_effect=KeyboardInterrupt)}
    with (
        mock.patch.dict(_multilayer_perceptron.ACTIVATIONS, interrupted),
        pytest.warns(UserWarning, match="interrupted by user"),
    ):
        theirs.fit(X, Y)


def test_random_state_instance_only_gives_a_seed():
    """`random_state` as a RandomState, or None"""
    positions = []
    for max_iter in 1, 5:
        rngs = [np.random.RandomState(0), np.random.RandomState(0)]
        for model, rng in zip(both("MLPRegressor", max_iter=max_iter), rngs, strict=True):
            model.set_params(random_state=rng).fit(X, Y)
        positions.append([rng.get_state()[2] for rng in rngs])
    assert positions[0][0] == positions[1][0]
    assert positions[0][1] != positions[1][1]


def test_float32_stays_float32_with_float64_targets():
    """float32 X with float64 y"""
    results = [[], []]
    for y in Y, Y.astype(np.float32):
        targets = y.astype(np.float32).astype(y.dtype)
        for result, model in zip(results, both("MLPRegressor"), strict=True):
            result.append(model.fit(X.astype(np.float32), targets).coefs_[0])
    assert results[0][0].dtype == np.float32
    assert np.array_equal(*results[0])
    assert not np.array_equal(*results[1])


def test_lbfgs_keeps_float32():
    """float32 X with `solver="lbfgs"`"""
    models = both("MLPRegressor", solver="lbfgs")
    dtypes = [model.fit(X.astype(np.float32), Y).coefs_[0].dtype for model in models]
    assert dtypes == [np.float32, np.float64]


def test_the_model_gives_the_precision():
    """float64 X for a float32 model"""
    models = both("MLPRegressor")
    dtypes = [model.fit(X.astype(np.float32), Y).predict(X).dtype for model in models]
    assert dtypes == [np.float32, np.float64]


@pytest.mark.parametrize("kind", KINDS)
def test_early_stopping_with_lbfgs_warns(kind):
    """`early_stopping` with `solver="lbfgs"`"""
    ours, theirs = both(kind, solver="lbfgs", early_stopping=True)
    with pytest.warns(UserWarning, match="early_stopping is ignored"):
        ours.fit(X, target(kind))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        theirs.fit(X, target(kind))


def test_lbfgs_has_a_loss_curve():
    """`loss_curve_` with `solver="lbfgs"`"""
    ours, theirs = (model.fit(X, Y) for model in both("MLPRegressor", solver="lbfgs"))
    assert len(ours.loss_curve_) == ours.n_iter_ == 5
    assert ours.loss_curve_ == sorted(ours.loss_curve_, reverse=True)
    assert ours.loss_curve_[-1] == ours.loss_
    assert not hasattr(theirs, "loss_curve_")


def test_weights_are_views():
    """`coefs_`, `intercepts_`"""
    ours, _ = both("MLPRegressor")
    ours.fit(X, Y)
    for name in "coefs_", "intercepts_":
        arrays = getattr(ours, name)
        assert isinstance(arrays, tuple)
        assert all(np.shares_memory(array, ours.theta_) for array in arrays)
        with pytest.raises(TypeError):
            arrays[0] = arrays[0]
        setattr(ours, name, [np.full_like(array, 0.5) for array in arrays])
    assert set(ours.theta_) == {0.5}


def test_loss_is_that_of_the_kept_weights():
    """`loss_` with `early_stopping`"""
    ours, theirs = both("MLPClassifier", early_stopping=True, max_iter=30)
    for model in ours, theirs:
        model.fit(*load_iris(return_X_y=True))
    best = ours.best_n_iter_ - 1
    assert ours.validation_scores_.index(ours.best_validation_score_) == best
    assert ours.loss_ == ours.loss_curve_[best]
    assert theirs.loss_ == theirs.loss_curve_[-1]


@pytest.mark.parametrize("kind", KINDS)
def test_short_chunks_do_not_warn(kind):
    """`batch_size` above the number of rows, in `partial_fit`"""
    more = {"classes": ["high", "low"]} if kind == "MLPClassifier" else {}
    ours, theirs = both(kind, solver="sgd", batch_size=10_000)
    ours.partial_fit(X, target(kind), **more)
    with pytest.warns(UserWarning, match="batch_size"):
        theirs.partial_fit(X, target(kind), **more)


def test_predictions_that_overflow():
    """predictions that overflow"""
    ours, theirs = both("MLPRegressor", loss="poisson")
    for model in ours, theirs:
        model.fit(X, np.abs(Y))
    far = np.vstack([1e12 * X, -1e12 * X])
    with pytest.raises(ValueError, match="X of MLPRegressor"):
        ours.predict(far)
    with np.errstate(over="ignore"):
        assert not np.isfinite(theirs.predict(far)).all()


@pytest.mark.parametrize(("load", "shape"), [(load_breast_cancer, ()), (load_iris, (3,))])
def test_decision_function(load, shape):
    """`decision_function`"""
    data, y = load(return_X_y=True)
    ours, theirs = both("MLPClassifier")
    scores = ours.fit(scale(data), y).decision_function(scale(data))
    assert scores.shape == (len(data), *shape)
    assert not hasattr(theirs, "decision_function")


@pytest.mark.parametrize("kind", KINDS)
def test_a_failed_fit_changes_nothing(kind):
    """a failed `fit`"""
    ours, theirs = both(kind, solver="sgd")
    before = []
    for model in ours, theirs:
        before.append(model.fit(X, target(kind)).n_features_in_)
        model.set_params(early_stopping=True, validation_fraction=0.01)  # a single row
        with pytest.raises(ValueError, match=r"validation set is too small|test_size = 1"):
            model.fit(X[:, :3], target(kind))
    assert ours.n_features_in_ == before[0]
    assert theirs.n_features_in_ != before[1]
    ours.predict(X)


def test_tables_go_by_names_of_any_type():
    """columns whose names are not strings"""
    frame = pd.DataFrame(X[:, :2], columns=[2021, 2022])
    swapped = frame[[2022, 2021]]
    tabular = TabularMLPClassifier("fast", n_ensemble=2, random_state=0).fit(frame, LABELS)
    np.testing.assert_array_equal(tabular.predict_proba(swapped), tabular.predict_proba(frame))
    for model in both("MLPClassifier"):
        model.fit(frame, LABELS)
        assert not np.allclose(model.predict_proba(swapped), model.predict_proba(frame))


@pytest.mark.parametrize(("dtype", "kept"), [("Int64", "i"), ("Int8", "i"), ("boolean", "b")])
def test_nullable_labels_keep_their_type(dtype, kept):
    """nullable integers and booleans of pandas as class labels"""
    ours, theirs = both("MLPClassifier")
    y = pd.Series(Y > 0).astype(dtype)
    assert ours.fit(X, y).classes_.dtype.kind == ours.predict(X).dtype.kind == kept
    assert theirs.fit(X, y).classes_.dtype.kind == "f"


@pytest.mark.parametrize(("low", "high"), [(-1, 1), (-1.0, 1.0), (0, 2), (1, 2)])
def test_label_matrices_hold_0_and_1(low, high):
    """a matrix of labels with other values than 0 and 1"""
    labels = np.column_stack([Y > 0, Y > 1])
    ours, theirs = both("MLPClassifier")
    y = np.where(labels, high, low)
    with pytest.raises(ValueError, match=r"^y must hold 0/1 indicators.*\(in MLPClassifier\)$"):
        ours.fit(X, y)
    _, of_nonzero = both("MLPClassifier")
    theirs.fit(X, y)
    of_nonzero.fit(X, y != 0)
    np.testing.assert_array_equal(theirs.predict_proba(X), of_nonzero.predict_proba(X))
    ours.fit(X, (y == high).astype(int))


def test_objects_may_be_class_labels():
    """class labels as an array of Python objects"""
    ours, theirs = both("MLPClassifier")
    y = np.array([int(value) for value in Y > 0], dtype=object)
    assert ours.fit(X, y).classes_.tolist() == [0, 1]
    with pytest.raises(ValueError, match="Unknown label type"):
        theirs.fit(X, y)


def test_class_labels_of_two_types():
    """a list of strings and numbers as class labels"""
    ours, theirs = both("MLPClassifier")
    y = ["a" if value > 0 else 1 for value in Y]
    with pytest.raises(ValueError, match="class labels of one type"):
        ours.fit(X, y)
    assert theirs.fit(X, y).classes_.tolist() == ["1", "a"]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_weights_whose_sum_overflows(kind):
    """sample weights whose sum is not finite"""
    ours, theirs = (model.fit(X, target(kind)) for model in both(kind))
    weight = np.full(len(X), 1e308)
    for method in ours.fit, ours.score:
        with pytest.raises(ValueError, match=f"sample_weight of {kind} must have a sum"):
            method(X, target(kind), sample_weight=weight)
    assert not np.isfinite(theirs.score(X, target(kind), sample_weight=weight))
    with pytest.raises(ValueError, match="non-finite parameter weights"):
        theirs.fit(X, target(kind), sample_weight=weight)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_numbers(kind):
    """sample weights that are strings"""
    ours, theirs = both(kind)
    weight = ["1"] * len(X)
    with pytest.raises(ValueError, match=rf"^sample_weight must be a number .*\(in {kind}\)$"):
        ours.fit(X, target(kind), sample_weight=weight)
    theirs.fit(X, target(kind), sample_weight=weight)


@pytest.mark.parametrize("kind", KINDS)
def test_settings_of_numpy_have_no_effect(kind):
    """`np.seterr(all="raise")`"""
    ours, theirs = both(kind, activation="logistic", alpha=1e-320)
    usual = deepcopy(ours).fit(1000 * X, target(kind))
    with np.errstate(all="raise"):
        ours.fit(1000 * X, target(kind))
        with pytest.raises(FloatingPointError):
            theirs.fit(1000 * X, target(kind))
    np.testing.assert_array_equal(ours.theta_, usual.theta_)
