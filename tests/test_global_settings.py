"""Settings of the process that are somebody else's: results, warnings and the settings are the same.

A table: each setting, times each estimator, times all of its methods. Results must equal those
without the setting bit for bit, no warning may come (all are errors here), and the setting must
be afterwards as it was found.
"""

import contextlib
import decimal
import functools
import locale
import os
import pickle
import random
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from sknn_scratch import MLPClassifier, MLPRegressor, TabularMLPClassifier, TabularMLPRegressor
from sknn_scratch.components import Adam, Checkpoint, CSVLog
from sknn_scratch.inspection import LossCurveDisplay, WeightsDisplay, trace
from sknn_scratch.preprocessing import TabularPreprocessor

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
            own = {**locale.localeconv(), "decimal_point": ",", "thousands_sep": "."}
            patch.setattr(locale, "localeconv", lambda: own)
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
    "threads of joblib": Setting(lambda: joblib.parallel_config("threading", n_jobs=2), int),
    "one thread of BLAS": Setting(lambda: threadpool_limits(1), int),
    "two threads of BLAS": Setting(lambda: threadpool_limits(2), int),
}


@each_subject
@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_settings_change_nothing(setting, name, usual, tmp_path):
    wanted = usual(name)
    with setting.change():
        before = setting.read()
        got = SUBJECTS[name](tmp_path)
        assert setting.read() == before
    assert_same(got, wanted)
