"""Models on whole tables: error, log-loss, AUC or nRMSE, and time, for the same splits.

    python -m benchmarks.tabular --data DIR --models fast balanced best sklearn_mlp --seeds 3
        [--sets NAME ...] [--task classification] [--split public] [--results FILE]
        [--ablate balanced] [--plot FILE]

DIR holds a MANIFEST.json with a list "datasets" (name, task, file, split) and the parquet files
that it names, the column "target" being y; reading them needs the extra [bench].

A model is one of the names below, a variant of it with parameters changed as in
``balanced:n_bins=0,input_scaling=False``, or any class as in ``package.module:Class``, which is
then fitted to the frames as they are.  ``--ablate MODEL`` adds one variant for each ingredient of
the recipe.  For each table and seed there is one split: a quarter of the rows, at least, to test
on, at most 6,000 to train on and 10,000 to test on, stratified by class.  Results are appended to
``--results`` (a file of JSON lines), and what is in there already is not measured again.

Columns of the table: the shifted geometric mean over tables (shift 0.01) of the mean over seeds,
of the classification error, the log-loss, 1 - AUC (one against the rest), and nRMSE = √(1 - R²);
the geometric mean of the seconds that ``fit`` took, as measured and, where ``sklearn_mlp`` was run
too, scaled to a machine on which that takes REFERENCE_SECONDS.  All on one thread.
"""

from __future__ import annotations

import argparse
import importlib
import json
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.compose import (
    TransformedTargetRegressor,
    make_column_selector,
    make_column_transformer,
)
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss, r2_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from sknn_scratch import TabularMLPClassifier, TabularMLPRegressor, components

MOST_TRAIN, MOST_TEST, TEST = 6_000, 10_000, 0.25
SHIFT = 0.01
#: Geometric means of scikit-learn's MLP on the machine that times are scaled to.
REFERENCE_SECONDS = {"classification": 1.21, "regression": 0.66}
METRICS = {"classification": ("error", "log_loss", "auc_loss"), "regression": ("nrmse",)}
#: Each ingredient of the recipe, and the parameters that leave it out or change it.
COMMON_ABLATIONS = {
    "one member": "n_ensemble=1",
    "no numeric encoding": "n_bins=0",
    "no learned feature scales": "input_scaling=False",
    "four cosine cycles": "learning_rate='coslog4'",
    "no early stopping": "patience=inf",
    "relu": "activation='relu'",
}
ABLATIONS = {
    "classification": COMMON_ABLATIONS
    | {
        "weight averaging": "ema_decay=0.98",
        "no temperature": "calibrate=False",
        "label smoothing": "loss=LogLoss(label_smoothing=0.1)",
    },
    "regression": COMMON_ABLATIONS
    | {
        "all outputs linear": "link='identity'",
        "all outputs exponential": "link='log'",
        "32 bins": "n_bins=32",
    },
}
Row = dict[str, Any]


# --- Models: (task) -> estimator.


def _encoded(model: Any, one_hot: bool = False) -> Any:
    """Put a model behind what it needs: imputed, scaled and one-hot, or codes for a forest."""
    categories = make_column_selector(dtype_include=["category", object, "string"])
    coding = (
        OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        if one_hot
        else OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    )
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    columns = make_column_transformer(
        (coding, categories), (numbers, make_column_selector(dtype_include="number"))
    )
    return make_pipeline(columns, model)


def _one_hot(model: Any) -> Any:
    return _encoded(model, one_hot=True)


def _scaled_y(model: Any) -> Any:
    return TransformedTargetRegressor(model, transformer=StandardScaler())


def _pair(classifier: Any, regressor: Any, wrap: Callable[[Any], Any] = lambda m: m) -> Any:
    return {"classification": wrap(classifier), "regression": wrap(regressor)}


def _ours(effort: str) -> Any:
    return _pair(TabularMLPClassifier(effort), TabularMLPRegressor(effort))


OURS = ("fast", "balanced", "best")
MODELS: dict[str, Any] = {effort: _ours(effort) for effort in OURS} | {
    "sklearn_mlp": _pair(MLPClassifier(), _scaled_y(MLPRegressor()), _one_hot),
    "sklearn_mlp_early": _pair(
        MLPClassifier(early_stopping=True), _scaled_y(MLPRegressor(early_stopping=True)), _one_hot
    ),
    "hist_gradient_boosting": _pair(
        HistGradientBoostingClassifier(categorical_features="from_dtype"),
        HistGradientBoostingRegressor(categorical_features="from_dtype"),
    ),
    "random_forest": _pair(RandomForestClassifier(), RandomForestRegressor(), _encoded),
    "linear": _pair(LogisticRegression(max_iter=1000), Ridge(), _one_hot),
}


def make_model(name: str, task: str) -> Any:
    """Return the estimator that a name on the command line stands for; None if it is not for it."""
    base, _, changes = name.partition(":")
    if base in MODELS:
        model = clone(MODELS[base][task])
        return _changed(model, changes) if changes else model
    module, _, cls = name.rpartition(":")
    model = getattr(importlib.import_module(module), cls)()
    return model if is_classifier(model) == (task == "classification") else None


def _changed(model: Any, changes: str) -> Any:
    """Return the model with parameters as in "n_bins=0,loss=LogLoss()"."""
    names = vars(components) | {"inf": np.inf}
    return model.set_params(**eval(f"dict({changes})", names))


# --- Measuring.


def read(folder: Path, args: argparse.Namespace) -> Iterable[tuple[str, str, Any, Any]]:
    """Yield (name, task, X, y) of the tables that were asked for."""
    import pandas as pd  # of the extra [bench], with pyarrow

    entries = json.loads((folder / "MANIFEST.json").read_text(encoding="utf-8"))["datasets"]
    for entry in entries:
        if args.sets and entry["name"] not in args.sets:
            continue
        if args.task in (None, entry["task"]) and args.split in (None, entry.get("split")):
            X = pd.read_parquet(folder / entry["file"])
            y = X.pop("target")
            yield entry["name"], entry["task"], X, y.astype(object if _is_class(entry) else float)


def _is_class(entry: Row) -> bool:
    return bool(entry["task"] == "classification")


def split(X: Any, y: Any, task: str, seed: int) -> Any:
    """Return X_train, X_test, y_train, y_test."""
    n_train = min(MOST_TRAIN, len(X) - int(np.ceil(TEST * len(X))))
    return train_test_split(
        X,
        y,
        train_size=n_train,
        test_size=min(MOST_TEST, len(X) - n_train),
        random_state=seed,
        stratify=y if task == "classification" else None,
    )


def measure(model: Any, parts: Any, task: str) -> Row:
    """Fit and score."""
    X_train, X_test, y_train, y_test = parts
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X_train, y_train)
        fitted = time.perf_counter()
        scores = SCORES[task](model, X_test, y_test)
    return scores | {
        "fit_seconds": fitted - start,
        "predict_seconds": time.perf_counter() - fitted,
    }


def _class_scores(model: Any, X: Any, y: Any) -> Row:
    proba = model.predict_proba(X)
    y = np.asarray(y)
    scores = proba[:, 1] if proba.shape[1] == 2 else proba
    auc = roc_auc_score(y, scores, multi_class="ovr", labels=model.classes_)
    return {
        "error": float(np.mean(model.predict(X) != y)),
        "log_loss": float(log_loss(y, proba, labels=model.classes_)),
        "auc_loss": float(1.0 - auc),
    }


def _number_scores(model: Any, X: Any, y: Any) -> Row:
    return {"nrmse": float(np.sqrt(1.0 - r2_score(y, model.predict(X))))}


SCORES = {"classification": _class_scores, "regression": _number_scores}


def run(args: argparse.Namespace) -> list[Row]:
    """Measure what is not in the file of results yet; return all of it, of these seeds."""
    file = Path(args.results) if args.results else None
    lines = file.read_text(encoding="utf-8").splitlines() if file and file.exists() else []
    rows = [json.loads(line) for line in lines]
    done = {(row["model"], row["data"], row["seed"]) for row in rows}
    for name, task, X, y in read(Path(args.data), args):
        for seed in range(args.seeds):
            parts = split(X, y, task, seed)
            for model_name in wanted(args.models, args.ablate, task):
                model = make_model(model_name, task)
                if model is None or (model_name, name, seed) in done:
                    continue
                _set_seed(model, seed)
                row = {"model": model_name, "data": name, "task": task, "seed": seed}
                rows.append(row | measure(model, parts, task))
                if file:
                    with file.open("a", encoding="utf-8") as out:
                        out.write(json.dumps(rows[-1]) + "\n")
    return [row for row in rows if row["seed"] < args.seeds]


def wanted(models: Sequence[str], ablate: str | None, task: str) -> list[str]:
    """Return the models to measure, variants for ``--ablate`` included."""
    variants = ABLATIONS[task].values() if ablate else []
    return [*models, *(f"{ablate}:{changes}" for changes in variants)]


def _set_seed(model: Any, seed: int) -> None:
    names = [name for name in model.get_params() if name.split("__")[-1] == "random_state"]
    model.set_params(**dict.fromkeys(names, seed))


# --- Reporting.


def means(rows: list[Row], model: str, task: str, metric: str) -> dict[str, float]:
    """Return the mean over seeds for each table."""
    found: dict[str, list[float]] = {}
    for row in rows:
        if row["model"] == model and row["task"] == task:
            found.setdefault(row["data"], []).append(row[metric])
    return {data: float(np.mean(values)) for data, values in found.items()}


def shifted_geometric_mean(values: Iterable[float], shift: float = SHIFT) -> float:
    """Return exp(mean log(value + shift)) - shift."""
    return float(np.exp(np.mean(np.log(np.array(list(values)) + shift))) - shift)


def report(rows: list[Row], models: Sequence[str], ablate: str | None = None) -> str:
    """Return the tables of aggregates and, of models named one by one, of win rates.

    Of variants no time is shown: as a rule they are measured at different times.
    """
    parts = []
    for task, metrics in METRICS.items():
        present = [m for m in wanted(models, ablate, task) if means(rows, m, task, metrics[0])]
        if present:
            parts.append(_aggregates(rows, present, task, with_times=not ablate))
        if present and not ablate:
            parts.append(_win_rates(rows, present, task))
    return "\n\n".join(parts)


def _aggregates(rows: list[Row], models: list[str], task: str, with_times: bool) -> str:
    metrics = METRICS[task]
    width = max(24, *(len(model) for model in models if ":" not in model))
    heads = [*metrics, *(("seconds", "scaled", "predict") if with_times else ())]
    n = len(means(rows, models[0], task, metrics[0]))
    lines = [f"{task}, {n} tables".ljust(width) + "".join(f"{head:>10}" for head in heads)]
    scale = _time_scale(rows, models, task)
    ablations = {changes: name for name, changes in ABLATIONS[task].items()}
    for model in models:
        values = [shifted_geometric_mean(means(rows, model, task, m).values()) for m in metrics]
        cells = "".join(f"{value:10.4f}" for value in values)
        label = ablations.get(model.partition(":")[2], model)
        times = _times(rows, model, task, scale) if with_times else ""
        lines.append(f"{label:{width}}{cells}{times}")
    return "\n".join(lines)


def _times(rows: list[Row], model: str, task: str, scale: float) -> str:
    """Return the cells of seconds."""
    fit, predict = (
        shifted_geometric_mean(means(rows, model, task, m).values(), 0.0)
        for m in ("fit_seconds", "predict_seconds")
    )
    return f"{fit:10.2f}{fit * scale:10.2f}{predict:10.3f}"


def _time_scale(rows: list[Row], models: list[str], task: str) -> float:
    if "sklearn_mlp" not in models:
        return float("nan")
    own = means(rows, "sklearn_mlp", task, "fit_seconds").values()
    return REFERENCE_SECONDS[task] / shifted_geometric_mean(own, 0.0)


def _win_rates(rows: list[Row], models: list[str], task: str) -> str:
    """Return how often a row's model beats a column's, over tables and seeds."""
    metric = METRICS[task][-1 if task == "regression" else 1]
    scores = {
        model: {
            (r["data"], r["seed"]): r[metric]
            for r in rows
            if r["model"] == model and r["task"] == task
        }
        for model in models
    }
    width = 2 + max(len(model) for model in models)  # the number of each stands in front
    lines = [f"win rates by {metric}".ljust(width) + "".join(f"{k:>7}" for k in range(len(models)))]
    for k, model in enumerate(models):
        cells = "".join(f"{_rate(scores[model], scores[other]):7.2f}" for other in models)
        lines.append(f"{f'{k} {model}':{width}}{cells}")
    return "\n".join(lines)


def _rate(mine: dict[Any, float], other: dict[Any, float]) -> float:
    common = mine.keys() & other.keys()
    wins = [(mine[key] < other[key]) + 0.5 * (mine[key] == other[key]) for key in common]
    return float(np.mean(wins)) if wins else float("nan")


def per_table(rows: list[Row], models: list[str]) -> str:
    """Return a line for each data set and metric: the mean over seeds of each model."""
    lines = []
    for task, metric in [(task, metric) for task, all_of in METRICS.items() for metric in all_of]:
        columns = {model: means(rows, model, task, metric) for model in models}
        for name in sorted({name for column in columns.values() for name in column}):
            cells = "".join(f"{columns[m].get(name, np.nan):10.4f}" for m in models)
            lines.append(f"{metric:9} {name:20}{cells}")
    return "\n".join(lines)


def plot(rows: list[Row], models: list[str], file: str) -> None:
    """Draw error or nRMSE of each model, a group of dots for each table."""
    import matplotlib.pyplot as plt  # of the extra [plot]

    figure, axes = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    for axis, (task, metric) in zip(
        axes, (("classification", "log_loss"), ("regression", "nrmse")), strict=True
    ):
        for model in models:
            values = means(rows, model, task, metric)
            axis.plot(list(values), list(values.values()), "o", label=model, alpha=0.7)
        axis.set(title=f"{task}: {metric}", yscale="log")
        axis.tick_params(axis="x", rotation=30)
    axes[0].legend()
    figure.savefig(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--models", nargs="+", default=["balanced", "sklearn_mlp"])
    parser.add_argument("--ablate", metavar="MODEL")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sets", nargs="+")
    parser.add_argument("--task", choices=list(METRICS))
    parser.add_argument("--split")
    parser.add_argument("--results", metavar="FILE")
    parser.add_argument("--plot", metavar="FILE")
    parser.add_argument("--per-table", action="store_true")
    args = parser.parse_args()
    with threadpool_limits(1):
        rows = run(args)
    print(report(rows, args.models, args.ablate))
    if args.per_table:
        print(per_table(rows, args.models))
    if args.plot:
        plot(rows, args.models, args.plot)


if __name__ == "__main__":
    main()
