"""Defects of scikit-learn's MLP that its users reported: absent here, or kept and written down.

Each test runs against both libraries. It passes here; where scikit-learn still has the defect,
it is expected to fail there, and that it does is part of the test.
"""

import _thread
import io
import os
import pickle
import threading
import tracemalloc
import warnings
from contextlib import redirect_stdout
from copy import deepcopy
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import scipy.optimize
import sklearn
import threadpoolctl
from sklearn import neural_network
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import scale

import sknn_scratch
from sknn_scratch.fitting import _publish
from sknn_scratch.training import lbfgs

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
DOC = Path(__file__).parent.parent / "docs" / "differences.md"

X, Y = load_diabetes(return_X_y=True)
X, Y = scale(X)[:80], scale(Y)[:80]
CLASSES = np.array(["low", "middle", "high"])[np.digitize(Y, [-0.6, 0.4])]

#: What each test is about: number -> title.
TESTED: dict[int, str] = {}
#: What stays as it is in scikit-learn, or is decided otherwise: number -> rows of differences.md.
KEPT = {
    2: ["the L2 penalty is divided by the sum of the minibatch's sample weights"],
    6: ["`early_stopping` needs at least two rows to hold out"],
    8: ["`warm_start`"],
    10: ["training stops after *more than* `n_iter_no_change` epochs without improvement"],
    11: ["`tol` is absolute"],
    12: [
        "the L2 penalty is divided by the sum of the minibatch's sample weights",
        "`loss_curve_` averages batches by their number of rows, not by their sample weights",
    ],
}


def defect(number, title, gone_there=False):
    """Run a test here, and against scikit-learn, where it fails unless the defect is gone."""
    TESTED[number] = title
    marks = [pytest.mark.skipif(not sklearn.__version__.startswith("1.9."), reason="known of 1.9")]
    if not gone_there:
        marks.append(pytest.mark.xfail(strict=True, reason=f"{number}: {title}"))
    libraries = [
        pytest.param(sknn_scratch, id="here"),
        pytest.param(neural_network, id="scikit-learn", marks=marks),
    ]
    return pytest.mark.parametrize("lib", libraries)


def small(cls, **params):
    defaults = {"hidden_layer_sizes": 5, "max_iter": 5, "random_state": 0}
    return cls(**defaults | params)


def test_every_defect_is_tested_or_kept():
    assert TESTED.keys() | KEPT.keys() == set(range(1, 21))
    rows = [line.removeprefix("| ") for line in DOC.read_text(encoding="utf-8").splitlines()]
    for start in (start for starts in KEPT.values() for start in starts):
        assert any(row.startswith(start) for row in rows), start


@defect(1, "several outputs: value and gradient of the objective differ")
def test_value_and_gradient_agree(lib):
    seen = []

    def spy(function, x0, *args, **kwargs):
        seen.append((lambda x: function(x, *kwargs.get("args", ())), x0.copy()))
        return minimize(function, x0, *args, **kwargs)

    minimize = scipy.optimize.minimize
    model = small(lib.MLPRegressor, solver="lbfgs", activation="tanh", max_iter=1)
    with (
        mock.patch.object(scipy.optimize, "minimize", spy),
        mock.patch.object(lbfgs, "minimize", spy),
    ):
        model.fit(X, np.column_stack([Y, -Y, Y**2]))
    objective, x = seen[0]
    gradient = objective(x)[1].copy()
    along = np.random.default_rng(0).normal(size=x.size)
    slope = (objective(x + 1e-6 * along)[0] - objective(x - 1e-6 * along)[0]) / 2e-6
    assert gradient @ along == pytest.approx(slope, rel=1e-5)


DIVERGING = {"solver": "sgd", "activation": "identity", "learning_rate_init": 10.0}


@defect(3, "after divergence the remaining epochs run")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_divergence_ends_training(lib):
    model = small(lib.MLPRegressor, **DIVERGING, max_iter=300, verbose=True)
    with redirect_stdout(io.StringIO()) as printed, pytest.raises(ValueError, match="non-finite"):
        model.fit(X, Y)
    assert printed.getvalue().count("Iteration") < 150


@defect(3, "divergence with early_stopping is silent")
def test_divergence_is_told(lib):
    model = small(lib.MLPRegressor, **DIVERGING, max_iter=300, early_stopping=True)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model.fit(X, Y)
    assert any("diverged" in str(warning.message) for warning in told)


@defect(4, "early stopping cannot look at the loss")
def test_scores_need_not_be_coarse(lib):
    model = small(lib.MLPClassifier, early_stopping=True, max_iter=30)
    if "scoring" in model.get_params():
        model.set_params(scoring="loss")
    scores = model.fit(X, CLASSES).validation_scores_
    assert len(set(scores)) == len(scores)


@defect(5, "early stopping with names of classes, or of features", gone_there=True)
@pytest.mark.parametrize("y", [CLASSES, CLASSES.astype(object), pd.Series(CLASSES)])
def test_names_with_early_stopping(lib, y):
    frame = pd.DataFrame(X).add_prefix("x")
    model = small(lib.MLPClassifier, early_stopping=True).fit(frame, y)
    assert set(model.predict(frame)) <= set(CLASSES)


@defect(6, "a class of one member fails in the early-stopping split")
@pytest.mark.filterwarnings("ignore:.*single member")
def test_a_class_of_one_member(lib):
    y = np.where(np.arange(len(X)) == 7, "rare", "usual")
    model = small(lib.MLPClassifier, early_stopping=True).fit(X, y)
    assert list(model.classes_) == ["rare", "usual"]


@defect(6, "early stopping of few rows fails, and takes no validation data instead")
def test_few_rows_to_stop_early(lib):
    model = small(lib.MLPRegressor, early_stopping=True)
    with pytest.raises(ValueError, match=r"test_size|validation set is too small"):
        model.fit(X[:9], Y[:9])
    model.fit(X[:9], Y[:9], X_val=X[9:], y_val=Y[9:])
    assert len(model.validation_scores_) == model.n_iter_


@defect(7, "every call of partial_fit has the same order of rows")
def test_partial_fit_draws_a_new_order(lib):
    """The same weights, trained on by two calls, end in two places."""
    model = small(lib.MLPRegressor, solver="sgd", momentum=0.0, batch_size=1).partial_fit(X, Y)
    start = [W.copy() for W in model.coefs_], [b.copy() for b in model.intercepts_]
    ends = []
    for _ in range(2):
        model.coefs_, model.intercepts_ = deepcopy(start)
        ends.append(model.partial_fit(X, Y).coefs_[0].copy())
    assert not np.array_equal(*ends)


@defect(7, "n_iter_ is 1 after any number of calls of partial_fit")
def test_partial_fit_counts(lib):
    model = small(lib.MLPRegressor)
    assert [model.partial_fit(X, Y).n_iter_ for _ in range(3)] == [1, 2, 3]


@defect(8, "learning_rate_init set between calls of partial_fit is ignored")
def test_what_is_set_acts(lib):
    model = small(lib.MLPRegressor).partial_fit(X, Y)
    before = model.coefs_[0].copy()
    model.set_params(learning_rate_init=1e-15).partial_fit(X, Y)
    np.testing.assert_allclose(model.coefs_[0], before, atol=1e-12)


@defect(9, "warm_start keeps the best score, and with it the patience, of the fit before")
def test_warm_start_forgets_the_best_score(lib):
    model = small(lib.MLPRegressor, warm_start=True, early_stopping=True, max_iter=150)
    model.set_params(learning_rate_init=0.01).fit(X, Y)
    assert model.best_validation_score_ > 0.5
    model.set_params(max_iter=3).fit(X, -Y)  # whose scores cannot be as good
    assert model.best_validation_score_ < 0


@defect(9, "warm_start ignores other layers, or fails with a cryptic error")
@pytest.mark.parametrize("sizes", [(7,), (5, 5), ()])
def test_warm_start_with_other_layers(lib, sizes):
    model = small(lib.MLPRegressor, warm_start=True).fit(X, Y)
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        model.set_params(hidden_layer_sizes=sizes).fit(X, Y)


@defect(12, "a minibatch of weight zero is a division by zero")
def test_a_minibatch_of_weight_zero(lib):
    weight = np.r_[np.ones(79), 0.0]
    small(lib.MLPRegressor, batch_size=79, shuffle=False).fit(X, Y, sample_weight=weight)


@defect(13, "a pickle holds four times the weights")
def test_size_of_a_pickle(lib):
    model = small(lib.MLPRegressor, hidden_layer_sizes=(200, 200), max_iter=2).fit(X, Y)
    weights = sum(a.nbytes for a in [*model.coefs_, *model.intercepts_])
    assert len(pickle.dumps(model)) < 3.1 * weights


@defect(13, "loss_curve_ grows for ever with partial_fit")
def test_length_of_the_curve(lib):
    model = small(lib.MLPRegressor)
    with mock.patch.object(_publish, "CURVE_LENGTH", 20):  # 10,000 calls take too long for a test
        for _ in range(25):
            model.partial_fit(X, Y)
    assert len(model.loss_curve_) == 20


@defect(14, "float32 X with float64 y computes in float64")
def test_float32_stays_float32(lib):
    single = Y.astype(np.float32)
    one, other = (
        small(lib.MLPRegressor).fit(X.astype(np.float32), y).coefs_[0]
        for y in (single, single.astype(np.float64))
    )
    assert one.dtype == other.dtype == np.float32
    np.testing.assert_array_equal(one, other)


@defect(15, "predict holds all activations of all rows")
def test_memory_of_predict(lib):
    model = small(lib.MLPRegressor, hidden_layer_sizes=1000, max_iter=1).fit(X, Y)
    many = np.tile(X, (100, 1))  # 64 MB in the hidden layer
    tracemalloc.start()
    model.predict(many)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**25


@defect(16, "predict_log_proba is -inf")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_log_probabilities_are_finite(lib):
    model = small(lib.MLPClassifier, learning_rate_init=0.1, max_iter=50).fit(X, CLASSES)
    assert np.isfinite(model.predict_log_proba(1e6 * X)).all()


@defect(16, "no decision_function")
def test_decision_function(lib):
    model = small(lib.MLPClassifier).fit(X, CLASSES)
    scores = model.decision_function(X)
    np.testing.assert_array_equal(model.classes_[scores.argmax(axis=1)], model.predict(X))


@defect(17, "loss_ is not that of the weights kept")
def test_loss_is_that_of_the_kept_weights(lib):
    params = {"early_stopping": True, "learning_rate_init": 0.3, "max_iter": 100}
    model = small(lib.MLPRegressor, **params).fit(X, Y)
    best = int(np.argmax(model.validation_scores_))
    assert best < len(model.loss_curve_) - 1
    assert model.loss_ == model.loss_curve_[best]


@defect(17, "nothing tells which epoch's weights are kept")
def test_best_epoch(lib):
    model = small(lib.MLPRegressor, early_stopping=True).fit(X, Y)
    assert model.best_n_iter_ == np.argmax(model.validation_scores_) + 1


@defect(18, "Ctrl-C is swallowed")
@pytest.mark.filterwarnings("ignore:Training interrupted by user")
def test_ctrl_c(lib):
    model = small(lib.MLPRegressor, max_iter=10**6, n_iter_no_change=10**6)
    timer = threading.Timer(0.4, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y)
    assert model.n_iter_ > 1


@defect(18, "what verbose prints can only be read by people")
def test_epochs_as_data(lib):
    model = small(lib.MLPRegressor, early_stopping=True).fit(X, Y)
    table = pd.DataFrame(model.history_)
    assert table["epoch"].tolist() == [1, 2, 3, 4, 5]
    assert table["validation_score"].tolist() == model.validation_scores_
    assert (table["seconds"] > 0).all()


@defect(19, "flat predictions of unscaled data come without advice")
@pytest.mark.parametrize(
    ("factors", "offset", "advice"),
    [(10.0 ** np.arange(-5, 5), 0.0, "StandardScaler"), (1.0, 1e4, "TransformedTargetRegressor")],
)
def test_unscaled_data(lib, factors, offset, advice):
    model = small(lib.MLPRegressor, activation="logistic", max_iter=20)
    with pytest.warns(ConvergenceWarning, match=advice):
        model.fit(X * factors, offset + offset * Y)


def threads(model, X, y):
    """A scorer that tells how many threads a product of matrices takes where it is called."""
    model.predict(X)
    return max([pool["num_threads"] for pool in threadpoolctl.threadpool_info()], default=1)


@pytest.mark.slow
@defect(20, "a search in several processes crashes, or takes too many threads", gone_there=True)
def test_search_in_two_processes(lib):
    search = GridSearchCV(small(lib.MLPRegressor), {"alpha": [0.1, 1.0]}, cv=2, n_jobs=2)
    search.set_params(scoring={"r2": "r2", "threads": threads}, refit="r2").fit(X, Y)
    alone = GridSearchCV(small(lib.MLPRegressor), {"alpha": [0.1, 1.0]}, cv=2).fit(X, Y)
    np.testing.assert_array_equal(
        search.cv_results_["mean_test_r2"], alone.cv_results_["mean_test_score"]
    )
    assert 2 * search.cv_results_["mean_test_threads"].max() <= max(2, os.cpu_count())
