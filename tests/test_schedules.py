"""Every learning-rate schedule: pure, finite, not negative, and what its formula says."""

import math
import pickle
from math import inf, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from sknn_scratch import MLPRegressor
from sknn_scratch.components import (
    Adaptive,
    Constant,
    Cosine,
    CosLog4,
    Exponential,
    InvScaling,
    LinearWarmup,
    OneCycle,
    RangeTest,
    Step,
)
from sknn_scratch.contracts import Progress, Schedule
from sknn_scratch.registry import lookup, names

BY_NAME = {name: lookup("schedule", name)() for name in names("schedule")}
OTHERS = [
    Step(every=1, factor=0.9),
    Step(every=np.int64(3), factor=0),
    Exponential(0.0),
    Exponential(1),
    Cosine(restarts=3, minimum=0.1),
    OneCycle(peak_at=0.9, start=0.0, end=1.0),
    LinearWarmup(warmup=0.0),
    LinearWarmup(warmup=5e-324),
    LinearWarmup(warmup=1.0 - 2**-53),
    LinearWarmup(LinearWarmup(Cosine(2)), warmup=0.5),
    *(LinearWarmup(schedule) for schedule in BY_NAME.values()),
]
each = pytest.mark.parametrize("schedule", [*BY_NAME.values(), *OTHERS], ids=repr)
progresses = st.builds(
    Progress,
    epoch=st.integers(0, 10**6),
    step=st.integers(0, 10**9),
    samples=st.integers(0, 10**12),
    fraction=st.floats(0, 1),
    stalls=st.integers(0, 10**4),
)


def at(fraction=0.0, epoch=0, samples=0, stalls=0):
    return Progress(epoch, 7, samples, fraction, stalls)


# ------------------------------------------------------------------------- what all must keep
@each
@given(progress=progresses)
def test_pure_finite_and_not_negative(schedule, progress):
    factor = schedule(progress)
    assert type(factor) is float
    assert 0.0 <= factor <= 1.0
    assert schedule(progress) == factor
    assert pickle.loads(pickle.dumps(schedule))(progress) == factor


@each
@given(progress=progresses, step=st.integers(0, 10**9), fraction=st.floats(0, 1))
def test_per_step(schedule, progress, step, fraction):
    """Those that are asked once per epoch do not look at what changes within one."""
    if not schedule.per_step:
        assert schedule(progress._replace(step=step, fraction=fraction)) == schedule(progress)


@each
def test_is_a_value(schedule):
    assert clone(schedule) is schedule
    assert schedule.evolve() == schedule
    assert eval(repr(schedule), {**globals(), "np": np}) == schedule
    assert hash(schedule.evolve()) == hash(schedule)


# --------------------------------------------------------------------------- what each one says
@pytest.mark.parametrize(
    ("schedule", "progress", "factor"),
    [
        (Step(), at(epoch=9), 1.0),
        (Step(), at(epoch=10), 0.1),
        (Step(every=3, factor=0.5), at(epoch=8), 0.25),
        (Step(every=3, factor=0.0), at(epoch=2), 1.0),
        (Step(every=3, factor=0.0), at(epoch=3), 0.0),
        (Exponential(), at(epoch=0), 1.0),
        (Exponential(), at(epoch=2), 0.95**2),
        (Exponential(0.5), at(epoch=10**6), 0.0),
        (Cosine(), at(0.0), 1.0),
        (Cosine(), at(0.5), 0.5),
        (Cosine(), at(1.0), 0.0),
        (Cosine(minimum=0.2), at(0.5), 0.6),
        (Cosine(minimum=0.2), at(1.0), 0.2),
        (Cosine(restarts=1), at(0.25), 0.5),
        (Cosine(restarts=1), at(0.5), 1.0),
        (Cosine(restarts=1), at(1.0), 0.0),
        (Cosine(restarts=3, minimum=0.1), at(0.75), 1.0),
        (Cosine(restarts=3, minimum=0.1), at(1.0), 0.1),
        (OneCycle(), at(0.0), 0.04),
        (OneCycle(), at(0.15), 0.52),
        (OneCycle(), at(0.3), 1.0),
        (OneCycle(), at(0.65), (1 + 1e-4) / 2),
        (OneCycle(), at(1.0), 1e-4),
        (OneCycle(peak_at=0.5, start=0.5, end=0.0), at(1.0), 0.0),
        (CosLog4(), at(0.0), 0.0),
        (CosLog4(), at(1 / 30), 0.5 - 0.5 * math.cos(2 * math.pi * math.log2(1.5))),
        (CosLog4(), at(1 / 15), 0.0),
        (CosLog4(), at(3 / 15), 0.0),
        (CosLog4(), at(7 / 15), 0.0),
        (CosLog4(), at(1.0), 0.0),
        *((CosLog4(), at((2 ** (k + 0.5) - 1) / 15), 1.0) for k in range(4)),
    ],
)
def test_values(schedule, progress, factor):
    assert schedule(progress) == pytest.approx(factor, rel=1e-12, abs=1e-15)


def test_cosine_jumps_back_at_restarts_only():
    t = np.linspace(0, 1, 1000)
    factors = np.array([Cosine(restarts=4)(at(x)) for x in t])
    jumps = np.flatnonzero(np.diff(factors) > 0)
    assert_allclose(t[jumps], [0.2, 0.4, 0.6, 0.8], atol=2e-3)
    assert np.diff(factors)[jumps].min() > 0.99


@given(st.lists(st.floats(0, 1), min_size=2), st.floats(0.01, 0.99))
def test_one_cycle_has_one_peak(fractions, peak_at):
    fractions = sorted([*fractions, peak_at])
    factors = [OneCycle(peak_at)(at(t)) for t in fractions]
    top = fractions.index(peak_at)
    assert factors[top] == 1.0
    # Rounding may turn two neighbours around.
    assert np.all(np.diff(factors[: top + 1]) >= -1e-15)
    assert np.all(np.diff(factors[top:]) <= 1e-15)


# -------------------------------------------------------------------------------------- warm-up
@given(progress=progresses, warmup=st.floats(0, 1, exclude_max=True))
def test_warmup_is_a_straight_line(progress, warmup):
    t = progress.fraction
    factor = LinearWarmup(warmup=warmup)(progress)
    assert factor == (t / warmup if t < warmup else 1.0)


@pytest.mark.parametrize("inner", BY_NAME.values(), ids=BY_NAME)
@given(progress=progresses, warmup=st.floats(0, 0.99))
def test_warmup_stands_in_front_of_any_other(inner, progress, warmup):
    outer, t = LinearWarmup(inner, warmup), progress.fraction
    first = inner(progress._replace(fraction=0.0))
    if t < warmup:
        assert outer(progress) == pytest.approx(first * t / warmup, rel=1e-14)
    else:
        rest = (t - warmup) / (1 - warmup)
        assert outer(progress) == inner(progress._replace(fraction=rest))
    assert outer(progress._replace(fraction=warmup)) == first
    last = progress._replace(fraction=1.0)
    assert outer(last) == inner(last)


def test_warmup_of_nothing_changes_nothing():
    for inner in BY_NAME.values():
        for t in np.linspace(0, 1, 21):
            assert LinearWarmup(inner, 0.0)(at(t, epoch=3)) == inner(at(t, epoch=3))


def test_warmup_passes_all_else_on():
    now = at(0.5, epoch=4, samples=99, stalls=2)
    assert LinearWarmup(Adaptive())(now) == Adaptive()(now)
    assert LinearWarmup(InvScaling())(now) == InvScaling()(now)
    assert LinearWarmup(Exponential())(now) == Exponential()(now)


# ------------------------------------------------------------------------------- PyTorch's own
def torch_factors(scheduler, n, **params):
    """Return the factor before each of n steps."""
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = getattr(torch.optim.lr_scheduler, scheduler)(optimizer, **params)
    factors = []
    for _ in range(n):
        factors.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return factors


N = 60
# ours, the name of PyTorch's and its parameters; N steps are all of training
TWINS = [
    (Step(every=7, factor=0.3), "StepLR", {"step_size": 7, "gamma": 0.3}),
    (Exponential(0.9), "ExponentialLR", {"gamma": 0.9}),
    (Cosine(minimum=0.1), "CosineAnnealingLR", {"T_max": N, "eta_min": 0.1}),
    (Cosine(restarts=2), "CosineAnnealingWarmRestarts", {"T_0": N // 3}),
    (
        # PyTorch's peak is at the step before the one that its percentage names.
        OneCycle(peak_at=(0.3 * N - 1) / N),
        "OneCycleLR",
        {
            "max_lr": 1.0,
            "total_steps": N + 1,
            "pct_start": 0.3 * N / (N + 1),
            "div_factor": 25,
            "final_div_factor": 400,
            "cycle_momentum": False,
        },
    ),
    (LinearWarmup(warmup=0.25), "LinearLR", {"start_factor": 1e-9, "total_iters": N // 4}),
]


@pytest.mark.parametrize(("ours", "name", "params"), TWINS, ids=[t[1] for t in TWINS])
def test_pytorch(ours, name, params):
    factors = torch_factors(name, N, **params)
    assert_allclose([ours(at(k / N, epoch=k)) for k in range(N)], factors, atol=1e-8)


# --------------------------------------------------------------------------------- in estimators
rng = np.random.default_rng(0)
X, y = rng.normal(size=(40, 3)), rng.normal(size=40)
SMALL = {"hidden_layer_sizes": (3,), "max_iter": 4, "random_state": 0, "batch_size": 10}
quietly = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


class Constantly(Schedule):
    """A number, and a note of what it was asked."""

    asked = []  # noqa: RUF012

    def __call__(self, progress):
        self.asked.append(progress)
        return 0.5


@quietly
@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("name", BY_NAME)
def test_by_name(name, solver):
    by_name = MLPRegressor(learning_rate=name, solver=solver, **SMALL).fit(X, y)
    if name in ("invscaling", "adaptive") and solver == "adam":
        return  # scikit-learn's own two are ignored there
    instance = MLPRegressor(learning_rate=BY_NAME[name], solver=solver, **SMALL).fit(X, y)
    assert_array_equal(by_name.coefs_[0], instance.coefs_[0])


@quietly
def test_warmup_in_training():
    Constantly.asked.clear()
    MLPRegressor(learning_rate=LinearWarmup(Constantly(), warmup=0.5), **SMALL).fit(X, y)
    # The last question is about the end: whether it is one to warn of.
    assert Constantly.asked.pop() == Progress(4, 16, 160, fraction=1.0, stalls=0)
    asked = {progress.step: progress.fraction for progress in Constantly.asked}
    assert list(asked) == list(range(16))
    assert_allclose(list(asked.values()), np.maximum(np.arange(16) / 16 - 0.5, 0) / 0.5)


def test_a_factor_of_0_leaves_the_weights():
    first, second = (
        MLPRegressor(learning_rate="coslog4", learning_rate_init=rate, **SMALL).partial_fit(
            X[:10], y[:10]
        )
        for rate in (1.0, 1e-3)
    )
    assert_array_equal(first.coefs_[0], second.coefs_[0])


def test_nested_parameters():
    estimator = MLPRegressor(learning_rate=LinearWarmup(Exponential()))
    params = estimator.get_params()
    assert params["learning_rate__warmup"] == 0.05
    assert params["learning_rate__schedule__decay"] == 0.95
    estimator.set_params(learning_rate__warmup=0.1, learning_rate__schedule__decay=0.5)
    assert estimator.learning_rate == LinearWarmup(Exponential(0.5), 0.1)
    estimator.set_params(learning_rate__schedule=Cosine(), learning_rate__schedule__restarts=2)
    assert estimator.learning_rate == LinearWarmup(Cosine(2), 0.1)


@quietly
def test_grid_search():
    grid = {"learning_rate__warmup": [0.0, 0.5], "learning_rate__schedule__decay": [0.5, 0.9]}
    estimator = MLPRegressor(learning_rate=LinearWarmup(Exponential()), **SMALL)
    search = GridSearchCV(estimator, grid, cv=2, error_score="raise").fit(X, y)
    assert len(set(search.cv_results_["mean_test_score"])) == 4
    best = search.best_estimator_.learning_rate
    assert best.warmup == search.best_params_["learning_rate__warmup"]
    assert best.schedule.decay == search.best_params_["learning_rate__schedule__decay"]


# ------------------------------------------------------------------------------------ bad values
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Step(every=0), "'every' parameter of Step must be an integer >= 1. Got 0"),
        (lambda: Step(every=2.0), "must be an integer >= 1. Got 2.0"),
        (lambda: Step(every=True), "must be an integer"),
        (lambda: Step(factor=1.1), r"'factor' parameter of Step must be a number in \[0, 1\]"),
        (lambda: Exponential(nan), r"'decay' .* must be a number in \[0, 1\]"),
        (lambda: Exponential("fast"), "Got 'fast' instead"),
        (lambda: Cosine(restarts=-1), "'restarts' .* must be an integer >= 0. Got -1"),
        (lambda: Cosine(minimum=inf), "'minimum' parameter of Cosine must be a number"),
        (lambda: OneCycle(peak_at=0), r"'peak_at' .* must be a number in \(0, 1\)"),
        (lambda: OneCycle(start=-1), "'start' parameter of OneCycle"),
        (lambda: OneCycle(end=2), "'end' parameter of OneCycle"),
        (lambda: LinearWarmup(warmup=1.0), r"'warmup' .* must be a number in \[0, 1\)"),
        (lambda: LinearWarmup("cosine"), r"must be an instance of Schedule, such as Cosine\(\)"),
        (lambda: LinearWarmup(Constant), "'schedule' parameter of LinearWarmup must be"),
    ],
)
def test_bad_values(make, message):
    with pytest.raises(ValueError, match=message):
        make()


class Line(Schedule):
    """What a plug-in may bring: a straight line, down to ``end``."""

    end: float = 0.0

    def __call__(self, progress):
        return 1.0 - (1.0 - self.end) * progress.fraction


class SlowStart(Schedule):
    def __call__(self, progress):
        return min(1.0, progress.step / 3)


class Harmonic(Schedule):
    """Defined from the first epoch's end only, as at the end of every fit."""

    def __call__(self, progress):
        return 1 / progress.epoch if progress.fraction > 0.2 else 1.0


COME_TO_REST = [
    "cosine",
    "one_cycle",
    "coslog4",
    Cosine(restarts=2),
    Cosine(minimum=0.01),
    LinearWarmup(Cosine()),
    Line(),
]
GO_ON = [
    "constant",
    "invscaling",
    "adaptive",
    "step",
    "exponential",
    "linear_warmup",
    InvScaling(power_t=5.0),
    Adaptive(),
    Exponential(0.0),
    Step(every=1, factor=0.0),
    Cosine(minimum=0.1),
    RangeTest(1e-5),
    Line(0.02),
    SlowStart(),
    Harmonic(),
]


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("schedule", COME_TO_REST, ids=str)
def test_no_warning_where_a_schedule_leads_to_the_end(schedule, solver):
    fitted = MLPRegressor(learning_rate=schedule, solver=solver, **SMALL).fit(X, y)
    assert fitted.n_iter_ == 4
    fitted.set_params(early_stopping=True, n_iter_no_change=9).fit(X, y)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("schedule", GO_ON, ids=str)
def test_a_warning_where_more_epochs_might_help(schedule, solver):
    model = MLPRegressor(learning_rate=schedule, solver=solver, **SMALL)
    with pytest.warns(ConvergenceWarning, match="Maximum iterations"):
        model.fit(X, y)


def test_lbfgs_has_no_schedule():
    with pytest.warns(ConvergenceWarning, match="lbfgs failed to converge"):
        MLPRegressor(solver="lbfgs", learning_rate="cosine", **SMALL).fit(X, y)


# ---------------------------------------------------------------------------------- far numbers
@pytest.mark.parametrize(
    ("schedule", "now", "factor"),
    [
        (InvScaling(200.0), at(samples=10**6), 0.0),
        (InvScaling(10**7), at(samples=10**6), 0.0),
        (InvScaling(10**300), at(samples=1), 0.0),
        (InvScaling(10**7), at(samples=0), 1.0),
        (InvScaling(np.int64(3)), at(samples=9), 1e-3),
        (InvScaling(1), at(samples=10**400 // 10**390), 1 / (10**10 + 1)),
        (Step(every=2**63 - 1, factor=0), at(epoch=10**6), 1.0),
        (Exponential(1e-300), at(epoch=10**6), 0.0),
        (RangeTest(1e-300, 1e300), at(0.5), 1.0),
        (RangeTest(1e-300, 1e300), at(1.0), 1e300),
        (RangeTest(1, 10**300), at(0.0), 1.0),
        (LinearWarmup(InvScaling(400.0)), at(0.5, samples=10**3), 0.0),
        (Cosine(restarts=10**6), at(1.0), 0.0),
    ],
    ids=repr,
)
def test_far_numbers(schedule, now, factor):
    assert_allclose(schedule(now), factor, rtol=1e-12)
    assert type(schedule(now)) is float


@pytest.mark.parametrize("power_t", [200.0, 10**7, np.int64(400), 10**300])
def test_a_fit_with_a_rate_that_falls_to_nothing(power_t):
    X = np.arange(40.0)[:, None] / 40
    est = MLPRegressor(solver="sgd", learning_rate="invscaling", power_t=power_t, max_iter=5, tol=0)
    with pytest.warns(ConvergenceWarning):
        est.fit(X, X[:, 0])
    rates = [row["learning_rate"] for row in est.history_]
    assert rates == [est.learning_rate_init, 0.0, 0.0, 0.0, 0.0]
