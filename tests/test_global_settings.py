"""Settings that are somebody else's: numpy's, scikit-learn's, pandas' and the process's own.

A table: each setting, times each estimator, times all of its methods. Results must equal those
without the setting bit for bit, no warning may come (all are errors here), and the setting must
be afterwards as it was found.
"""

import contextlib
import copy
import decimal
import functools
import hashlib
import locale
import os
import pickle
import random
import re
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import clone, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, check_cv
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from threadpoolctl import threadpool_limits

from sknn_scratch import (
    MLPClassifier,
    MLPRegressor,
    TabularMLPClassifier,
    TabularMLPRegressor,
    config_context,
)
from sknn_scratch.components import Adam, Checkpoint, CSVLog
from sknn_scratch.inspection import LossCurveDisplay, WeightsDisplay, trace
from sknn_scratch.preprocessing import TabularPreprocessor
from sknn_scratch.registry import KINDS, lookup, names
from sknn_scratch.testing import check_component

N = 60
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 4))
X[:3] *= 1e-160  # whose squares, and whose products with small weights, underflow
LABELS = np.where(X[:, 0] > 0, "yes", "no")
NUMBERS = X[:, 0] + np.sin(X[:, 1])
WEIGHTS = RNG.uniform(0.5, 1.5, N)
TINY = 1e-200 * X[:, 1]
#: Far from what is fitted: exponentials underflow, sums do not overflow.
FAR = np.concatenate([X[:5], 1e3 * X[5:10], 1e-300 * X[10:15]])


def table() -> pd.DataFrame:
    """Return a table, made anew: pandas' settings decide what its columns are."""
    return pd.DataFrame(
        {
            "size": np.where(np.arange(N) % 7 == 0, np.nan, X[:, 0]),
            "small": TINY,
            "kind": ["a", "b", None] * (N // 3),
            "when": pd.date_range("2020-01-01", periods=N, freq="7h"),
            "price": [decimal.Decimal(f"{k / 7:.4f}") for k in range(N)],
            "is": np.arange(N) % 2 == 0,
        }
    )


def far(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[:8].assign(size=1e3 * rows["size"][:8], small=1e3 * rows["small"][:8])


# ----------------------------------------------------------------------------------- subjects
Results = dict[str, Any]


def plain_params(**more: Any) -> dict[str, Any]:
    # A schedule that is planned to end at max_iter, of which there is no warning.
    return {
        "hidden_layer_sizes": (8,),
        "learning_rate": "cosine",
        "learning_rate_init": 0.02,
        "max_iter": 6,
        "batch_size": 20,
        "random_state": 0,
    } | more


def predictions(model: Any, rows: Any) -> Results:
    names = ("predict", "predict_proba", "predict_log_proba", "decision_function")
    return {name: getattr(model, name)(rows) for name in names if hasattr(model, name)}


def of_plain(kind: type, y: Any, folder: Any) -> Results:
    """Return what all methods of a plain estimator give."""
    odd = {"solver": Adam(beta_1=np.float64(0.8)), "alpha": np.float64(0.1)}
    model = kind(**plain_params(early_stopping=True, **odd))
    model.set_params(
        callbacks=[Checkpoint(f"{folder}/{{fingerprint}}.npz"), CSVLog(f"{folder}/log")]
    )
    given = {"sample_weight": WEIGHTS, "X_val": X[:20], "y_val": y[:20]}
    got = {"fit": model.fit(X, y, **given).theta_, "score": model.score(X, y, WEIGHTS)}
    (path,) = folder.glob("*.npz")
    got |= {
        "fingerprint": path.name,
        "resume": clone(model).resume(str(path), X, y, **given).theta_,
    }
    # All but the seconds, which come last.
    got["log"] = [line.rpartition(",")[0] for line in (folder / "log").read_text().splitlines()]
    path.unlink()
    got |= predictions(model, FAR) | copies(model, FAR) | looks(model, y)
    got["set_state"] = clone(model).set_state(model.get_state()).predict(X)
    more = {"classes": np.unique(y)} if y is LABELS else {}
    model = kind(**plain_params(learning_rate="constant")).partial_fit(X, y, WEIGHTS, **more)
    got["partial_fit"] = model.partial_fit(X, y).theta_
    got["to_sklearn"] = model.to_sklearn().predict(FAR)
    got["from_sklearn"] = predictions(kind.from_sklearn(model.to_sklearn()), FAR)
    got["lbfgs"] = kind(**plain_params(solver="lbfgs", tol=0.1, max_iter=99)).fit(X, y).theta_
    model.coefs_ = [np.full(W.shape, 1e-300) for W in model.coefs_]
    return got | {"tiny weights": predictions(model, FAR)}


def copies(model: Any, rows: Any) -> Results:
    """Return what a copy of any kind predicts."""
    assert repr(model).startswith(type(model).__name__)
    assert clone(model).get_params().keys() == model.get_params().keys()
    return {"pickle": predictions(pickle.loads(pickle.dumps(model)), rows)}


def looks(model: Any, y: Any) -> Results:
    """Return what there is to see of a network."""
    seen = trace(model, X[:5], y[:5], WEIGHTS[:5])
    parts = [(layer.z, layer.delta, layer.dJ_dW) for layer in seen.layers]
    return {"trace": parts, "J": seen.J, "texts": [str(model.summary()), repr(seen)]}


def of_tabular(kind: type, y: Any, folder: Any) -> Results:
    """Return what all methods of a tabular estimator give."""
    model = kind("fast", n_ensemble=2, max_iter=2, min_steps=0, random_state=0)
    rows = table()
    model.fit(rows, y, WEIGHTS)
    got = predictions(model, far(rows)) | copies(model, rows)
    got |= {"score": model.score(rows, y, WEIGHTS), "kinds": model.preprocessor_.kinds_}
    got["weights"] = [member.theta_ for member in model.estimators_]
    return got | predictions(clone(model).fit(X, y, X_val=X[:20], y_val=y[:20]), X)


def of_preprocessor(folder: Any) -> Results:
    """Return what all methods of the preprocessor give."""
    rows = table()
    made = TabularPreprocessor().fit(rows, sample_weight=WEIGHTS)
    arrays = {
        "fit_transform": clone(made).fit_transform(rows, sample_weight=WEIGHTS),
        "transform": made.transform(far(rows)),
        "pickle": pickle.loads(pickle.dumps(made)).transform(rows),
    }
    got = {name: np.asarray(a) for name, a in arrays.items()}
    return got | {"names": made.get_feature_names_out(), "kinds": made.kinds_}


SUBJECTS: dict[str, Callable[[Any], Results]] = {
    "MLPClassifier": functools.partial(of_plain, MLPClassifier, LABELS),
    "MLPRegressor": functools.partial(of_plain, MLPRegressor, NUMBERS),
    "TabularMLPClassifier": functools.partial(of_tabular, TabularMLPClassifier, LABELS),
    "TabularMLPRegressor": functools.partial(of_tabular, TabularMLPRegressor, NUMBERS),
    "TabularPreprocessor": of_preprocessor,
}
each_subject = pytest.mark.parametrize("name", SUBJECTS)


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    """What a subject gives without any setting."""
    return functools.cache(lambda name: SUBJECTS[name](tmp_path_factory.mktemp("usual")))


def assert_same(got: Any, wanted: Any, place: str = "") -> None:
    """Compare nested results bit for bit."""
    assert type(got) is type(wanted), place
    if isinstance(wanted, dict):
        assert got.keys() == wanted.keys(), place
        for key in wanted:
            assert_same(got[key], wanted[key], f"{place} {key}")
    elif isinstance(wanted, list | tuple):
        assert len(got) == len(wanted), place
        for pair in zip(got, wanted, strict=True):
            assert_same(*pair, place)
    else:
        np.testing.assert_array_equal(got, wanted, err_msg=place)


# ----------------------------------------------------------------------------------- settings
class Setting(NamedTuple):
    """A change of something that is one for the process or the thread."""

    change: Callable[[], contextlib.AbstractContextManager[Any]]
    read: Callable[[], Any]


def of_sklearn(**values: Any) -> Setting:
    return Setting(lambda: sklearn.config_context(**values), sklearn.get_config)


def of_floats(**values: Any) -> Setting:
    return Setting(lambda: np.errstate(**values), np.geterr)


def of_prints(**values: Any) -> Setting:
    return Setting(lambda: np.printoptions(**values), np.get_printoptions)


def of_pandas(*pairs: Any) -> Setting:
    return Setting(
        lambda: pandas_option(*pairs), lambda: [pd.get_option(name) for name in pairs[::2]]
    )


@contextlib.contextmanager
def pandas_option(*pairs: Any) -> Iterator[None]:
    """Set options, of which one is deprecated: pandas warns whoever sets or reads it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*future.infer_string")
        with pd.option_context(*pairs):
            yield


def forbidden(*args: Any) -> None:
    raise AssertionError(f"called with {args}")


@contextlib.contextmanager
def decimal_places(n: int) -> Iterator[None]:
    with decimal.localcontext() as context:
        context.prec = n
        yield


@contextlib.contextmanager
def decimal_comma() -> Iterator[None]:
    """A locale with a decimal comma; where there is none, what Python would read of one."""
    before = locale.setlocale(locale.LC_ALL)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "fr_FR"):
            with contextlib.suppress(locale.Error):
                locale.setlocale(locale.LC_ALL, name)
                break
        else:
            own = locale.localeconv() | {"decimal_point": ",", "thousands_sep": "."}
            patch.setattr(locale, "localeconv", own.copy)
        try:
            yield
        finally:
            locale.setlocale(locale.LC_ALL, before)


@contextlib.contextmanager
def time_zone(name: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", name)
        time.tzset()
        yield
    time.tzset()


@contextlib.contextmanager
def other_seeds() -> Iterator[None]:
    """Global random streams that nobody may draw from who was given a seed."""
    stream = check_random_state(None)
    before = random.getstate(), stream.get_state()
    random.seed(1)
    stream.seed(1)
    yield
    random.setstate(before[0])
    stream.set_state(before[1])


SETTINGS: dict[str, Setting] = {
    "pandas comes out": of_sklearn(transform_output="pandas"),
    "polars comes out": of_sklearn(transform_output="polars"),
    "metadata routing": of_sklearn(enable_metadata_routing=True),
    "assume_finite": of_sklearn(assume_finite=True),
    "no parameter validation": of_sklearn(skip_parameter_validation=True),
    "no working memory": of_sklearn(working_memory=1),
    "all parameters shown": of_sklearn(print_changed_only=False),
    "text shown": of_sklearn(display="text"),
    "floats raise": of_floats(all="raise"),
    "floats warn": of_floats(all="warn"),
    "floats print": of_floats(all="print"),
    "floats call": Setting(lambda: np.errstate(all="call", call=forbidden), np.geterrcall),
    "floats raise underflow": of_floats(under="raise"),
    "one digit": of_prints(precision=1, floatmode="fixed"),
    "arrays cut short": of_prints(threshold=1, edgeitems=1, linewidth=20),
    "old prints": of_prints(legacy="1.13"),
    "odd prints": of_prints(sign="+", suppress=True, nanstr="NA", infstr="INF"),
    "own prints": of_prints(formatter={"all": lambda value: "?"}),
    "pandas infers no strings": of_pandas("future.infer_string", False),
    "pandas infers strings": of_pandas("future.infer_string", True),
    "strings of Python": of_pandas("mode.string_storage", "python"),
    "strings of arrow": of_pandas("mode.string_storage", "pyarrow"),
    "pandas shows little": of_pandas("display.precision", 1, "display.max_rows", 1),
    "no numexpr": of_pandas("compute.use_numexpr", False, "compute.use_bottleneck", False),
    "polars shows little": Setting(
        lambda: pl.Config(tbl_rows=1, fmt_str_lengths=1), pl.Config.state
    ),
    "two decimal places": Setting(lambda: decimal_places(2), decimal.getcontext),
    "decimal comma": Setting(decimal_comma, lambda: locale.localeconv()["decimal_point"]),
    "time in India": Setting(lambda: time_zone("Asia/Kolkata"), lambda: time.tzname),
    "time in Chatham": Setting(lambda: time_zone("Pacific/Chatham"), lambda: time.tzname),
    "another seed": Setting(
        other_seeds, lambda: [random.getstate(), *check_random_state(None).get_state()]
    ),
    "processes of joblib": Setting(lambda: joblib.parallel_config("loky", n_jobs=2), int),
    "threads of joblib": Setting(lambda: joblib.parallel_config("threading", n_jobs=2), int),
    "one thread of BLAS": Setting(lambda: threadpool_limits(1), int),
    "two threads of BLAS": Setting(lambda: threadpool_limits(2), int),
}

#: Those that stand for others of their kind; the others are as many seconds again.
COMMON = {
    *("pandas comes out", "polars comes out", "metadata routing", "assume_finite"),
    *("no parameter validation", "floats raise", "floats warn", "old prints", "decimal comma"),
    *("pandas infers strings", "time in Chatham", "another seed", "processes of joblib"),
}
EACH_SETTING = [
    pytest.param(setting, id=name, marks=[pytest.mark.slow] * (name not in COMMON))
    for name, setting in SETTINGS.items()
]


@each_subject
@pytest.mark.parametrize("setting", EACH_SETTING)
def test_settings_change_nothing(setting, name, usual, tmp_path):
    wanted = usual(name)
    with setting.change():
        before = setting.read()
        got = SUBJECTS[name](tmp_path)
        assert_same(setting.read(), before)
    assert_same(got, wanted)


# ------------------------------------------------------------------------- threads, processes
@each_subject
def test_threads_of_different_settings(name, usual, tmp_path_factory):
    """Each thread has settings of its own, and none reaches another one."""
    kinds = ["floats raise", "floats warn", "pandas comes out", "one digit"]

    def under(kind: str) -> Results:
        with SETTINGS[kind].change():
            return SUBJECTS[name](tmp_path_factory.mktemp("thread"))

    wanted = usual(name)
    with ThreadPoolExecutor(len(kinds)) as pool:
        for got in pool.map(under, kinds):
            assert_same(got, wanted)


@pytest.mark.parametrize("kind", ["floats raise", "floats warn"])
@each_subject
def test_compiled_engine(name, kind, tmp_path_factory):
    pytest.importorskip("numba")
    with config_context(engine="compiled"):
        wanted = SUBJECTS[name](tmp_path_factory.mktemp("compiled"))
        with SETTINGS[kind].change():
            assert_same(SUBJECTS[name](tmp_path_factory.mktemp("compiled")), wanted)


def digest() -> str:
    """Return a code of what all subjects give."""
    code = hashlib.blake2b(digest_size=8)
    for name, subject in SUBJECTS.items():
        with tempfile.TemporaryDirectory() as folder:
            code.update(repr((name, lists(subject(Path(folder))))).encode())
    return code.hexdigest()


def lists(value: Any) -> Any:
    """Return nested results without arrays, of which repr shows all."""
    if isinstance(value, dict):
        return {key: lists(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [lists(part) for part in value]
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


@pytest.mark.parametrize(
    ("flags", "variables"),
    [
        pytest.param(["-O"], {"PYTHONHASHSEED": "1"}, marks=pytest.mark.slow),
        pytest.param([], {"PYTHONHASHSEED": "2"}, marks=pytest.mark.slow),
        pytest.param(["-OO"], {"TZ": "Asia/Tokyo"}, marks=pytest.mark.slow),
        pytest.param(["-b"], {"LC_ALL": "C", "PYTHONUTF8": "0"}, marks=pytest.mark.slow),
        pytest.param(["-X", "dev"], {"OMP_NUM_THREADS": "2"}, marks=pytest.mark.slow),
    ],
    ids=lambda value: "".join(value),
)
def test_flags_and_variables_of_the_process(flags, variables):
    """Other hashes of strings, no asserts, no docstrings, another time, another encoding."""
    command = [sys.executable, *flags, __file__]
    where = {"cwd": Path(__file__).parents[1], "env": os.environ | variables}
    result = subprocess.run(command, **where, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == digest()


# ---------------------------------------------------------------------- scikit-learn's settings
MODELS = {
    "MLPClassifier": (MLPClassifier(**plain_params()), LABELS),
    "MLPRegressor": (MLPRegressor(**plain_params()), NUMBERS),
    "TabularMLPClassifier": (
        TabularMLPClassifier("fast", n_ensemble=2, max_iter=2, min_steps=0, random_state=0),
        LABELS,
    ),
    "TabularMLPRegressor": (
        TabularMLPRegressor("fast", n_ensemble=2, max_iter=2, min_steps=0, random_state=0),
        NUMBERS,
    ),
}
each_model = pytest.mark.parametrize(("model", "y"), MODELS.values(), ids=MODELS)


@each_model
def test_metadata_is_routed(model, y):
    """Pipelines and searches hand weights and validation data on, as one does by hand."""
    given = {"sample_weight": WEIGHTS, "X_val": X[:20], "y_val": y[:20]}
    scale = StandardScaler().fit(X)
    by_hand = clone(model).fit(scale.transform(X), y, WEIGHTS, X_val=X[:20], y_val=y[:20])
    with sklearn.config_context(enable_metadata_routing=True):
        asks = clone(model).set_fit_request(**dict.fromkeys(given, True))
        asks.set_score_request(sample_weight=True)
        steps = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), asks)
        np.testing.assert_array_equal(
            steps.fit(X, y, **given).predict(X), by_hand.predict(scale.transform(X))
        )
        search = GridSearchCV(asks, {"max_iter": [1, 2]}, cv=2)
        search.fit(X, y, sample_weight=WEIGHTS)
    by_hand = [
        clone(model)
        .set_params(**search.best_params_)
        .fit(X[train], y[train], WEIGHTS[train])
        .score(X[test], y[test], WEIGHTS[test])
        for train, test in check_cv(2, y, classifier=is_classifier(model)).split(X, y)
    ]
    assert search.best_score_ == np.mean(by_hand)


@pytest.mark.parametrize("scoring", ["neg_log_loss", "accuracy", None, "loss"])
def test_routing_leaves_early_stopping_alone(scoring):
    model = MLPClassifier(**plain_params(early_stopping=True, scoring=scoring))
    wanted = clone(model).fit(X, LABELS, WEIGHTS)
    with sklearn.config_context(enable_metadata_routing=True):
        got = clone(model).fit(X, LABELS, WEIGHTS)
        asks = clone(model).set_score_request(sample_weight=True).fit(X, LABELS, WEIGHTS)
    assert got.validation_scores_ == asks.validation_scores_ == wanted.validation_scores_


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@each_model
def test_assume_finite_and_wrong(model, y, bad):
    """Who says that all is finite, and is wrong, gets an error or finite predictions."""
    fitted, rows, Z = clone(model).fit(X, y), X[:5].copy(), X.copy()
    rows[0, 0] = Z[0, 0] = bad
    with sklearn.config_context(assume_finite=True):
        for attempt in (lambda: fitted.predict(rows), lambda: clone(model).fit(Z, y).predict(Z)):
            message = ""
            try:
                predicted = attempt()
            except ValueError as error:
                message = str(error)
            assert re.search(r"\bX\b", message) or not is_wrong(predicted)


def is_wrong(predicted: Any) -> bool:
    return predicted.dtype.kind == "f" and not np.isfinite(predicted).all()


def test_no_parameter_validation_and_wrong():
    """Who skips the checks of parameters is not helped, but loses nothing."""
    model = MLPClassifier(**plain_params()).fit(X, LABELS)
    theta = model.theta_
    skips = sklearn.config_context(skip_parameter_validation=True)
    with skips, pytest.raises((TypeError, ValueError, AttributeError)):
        model.set_params(solver=3).fit(X, LABELS)
    assert model.theta_ is theta


# ------------------------------------------------------------------------- warnings as errors
def measured(n: int) -> Any:
    return pd.DataFrame({"size": [f"{k / 3:.2f}" for k in range(n)]})


#: An estimator, what is called, and the warning that comes.
WARNING: dict[str, tuple[Any, Callable[[Any], Any], type[Warning]]] = {
    "max_iter": (
        MLPClassifier(max_iter=2, random_state=0),
        lambda model: model.fit(X, LABELS),
        ConvergenceWarning,
    ),
    "max_iter of lbfgs": (
        MLPRegressor(solver="lbfgs", max_iter=2, random_state=0),
        lambda model: model.fit(X, NUMBERS),
        ConvergenceWarning,
    ),
    "batch_size": (
        MLPRegressor(**plain_params(batch_size=1000)),
        lambda model: model.fit(X, NUMBERS),
        UserWarning,
    ),
    "early_stopping with lbfgs": (
        MLPRegressor(**plain_params(solver="lbfgs", early_stopping=True, tol=0.1, max_iter=99)),
        lambda model: model.fit(X, NUMBERS),
        UserWarning,
    ),
    "a class of one row": (
        MLPClassifier(**plain_params(early_stopping=True, batch_size=2)),
        lambda model: model.fit(X, np.arange(N) == 3),
        UserWarning,
    ),
    "names of columns": (
        MLPRegressor(**plain_params()).fit(pd.DataFrame(X, columns=list("abcd")), NUMBERS),
        lambda model: model.predict(X),
        UserWarning,
    ),
    "numbers as strings": (
        MODELS["TabularMLPRegressor"][0],
        lambda model: model.fit(measured(N), NUMBERS),
        UserWarning,
    ),
    "numbers as strings, alone": (
        TabularPreprocessor(),
        lambda made: made.fit(measured(N)),
        UserWarning,
    ),
}


@pytest.mark.parametrize(("model", "call", "category"), WARNING.values(), ids=WARNING)
def test_warnings_as_errors_lose_nothing(model, call, category):
    """A warning that is an error leaves all as it was, or all as it is without the error."""
    before = copy.deepcopy(model)
    with pytest.warns(category):
        call(warned := copy.deepcopy(model))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(category):
            call(model)
    left = pickle.dumps(lists(own_arrays(model)))
    assert left in [pickle.dumps(lists(own_arrays(each))) for each in (before, warned)]


def own_arrays(model: Any) -> dict[str, Any]:
    """Return what tells two states of a model apart."""
    if hasattr(model, "estimators_"):
        return {"members": [own_arrays(member) for member in model.estimators_]}
    names = ("theta_", "n_iter_", "kinds_", "n_features_out_", "n_features_in_")
    return {name: getattr(model, name, None) for name in names}


# ------------------------------------------------------------------------ what is beside models
@pytest.mark.parametrize("kind", ["floats raise", "floats warn"])
@pytest.mark.parametrize("group", KINDS)
def test_contract_checks(group, kind):
    """Checks of components find the same, however numpy is told to treat overflow."""
    with SETTINGS[kind].change():
        for name in names(group):
            check_component(lookup(group, name)())


QUIET = ["floats raise", "floats warn", "pandas comes out", "metadata routing", "own prints"]
each_of_some = pytest.mark.parametrize("kind", QUIET)


@each_of_some
def test_displays(kind):
    pytest.importorskip("matplotlib").use("Agg")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    model = MLPClassifier(**plain_params(early_stopping=True)).fit(X, LABELS)
    model.coefs_ = [1e-300 * W for W in model.coefs_]
    made = [LossCurveDisplay, WeightsDisplay]

    def drawn() -> list[Any]:
        curves, weights = (display.from_estimator(model) for display in made)
        lines = [line.get_ydata() for line in curves.ax_.lines]
        return [lines, weights.images, weights.images_[0].get_clim()]

    try:
        wanted = drawn()
        with SETTINGS[kind].change():
            assert_same(drawn(), wanted)
    finally:
        pyplot.close("all")


@each_of_some
@pytest.mark.parametrize("name", MODELS)
def test_onnx(name, kind):
    pytest.importorskip("skl2onnx")
    from sknn_scratch.onnx import to_onnx

    model, y = MODELS[name]
    rows = table().drop(columns=["price", "is"]) if name.startswith("Tabular") else X
    model = clone(model).fit(rows, y)
    wanted = to_onnx(model, rows[:5]).SerializeToString()
    with SETTINGS[kind].change():
        assert to_onnx(model, rows[:5]).SerializeToString() == wanted


@each_of_some
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_distributed(name, scheduler, kind):
    dask = pytest.importorskip("dask")
    da = pytest.importorskip("dask.array")
    pytest.importorskip("distributed")
    from sknn_scratch import distributed

    model, y = MODELS[name]
    Z, y, w = (da.from_array(a, chunks=(20, *a.shape[1:])) for a in (X, y, WEIGHTS))

    def fitted() -> list[Any]:
        options = {"classes": np.unique(LABELS)} if name == "MLPClassifier" else {}
        steps = distributed.fit(clone(model), Z, y, w, **options)
        local = distributed.fit(clone(model), Z, y, w, average_every=1, **options)
        lbfgs = clone(model).set_params(solver="lbfgs", tol=0.1, max_iter=99)
        lbfgs = distributed.fit(lbfgs, Z, y, w, **options)
        return [each.theta_ for each in (steps, local, lbfgs)]

    with dask.config.set(scheduler=scheduler):
        wanted = fitted()
        with SETTINGS[kind].change():
            assert_same(fitted(), wanted)


if __name__ == "__main__":
    print(digest())
