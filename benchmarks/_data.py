"""What is trained on: drawn data, scikit-learn's, and files of one's own.

The folder of ``--data`` holds a MANIFEST.json with a list "datasets" (name, task, file) and the
parquet files that it names, the column "target" being y; reading them needs the extra [bench].
An mnist.npz beside it has x_train, y_train, x_test and y_test, in bytes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, scale


class Split(NamedTuple):
    """Rows to train on and rows to test."""

    X: Any
    y: Any
    X_test: Any
    y_test: Any


def drawn(n: int, n_features: int, n_classes: int, dtype: str) -> tuple[Any, Any]:
    """Return noise and classes: a step costs the same whatever there is to be learned."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, n_features), dtype=np.dtype(dtype).type)
    return X, rng.integers(n_classes, size=n)


def drawn_csr(n: int, n_features: int, n_classes: int, dtype: str, density: float) -> Any:
    """Return the same with most of X left out."""
    rng = np.random.default_rng(0)
    X = sparse.random(n, n_features, density, format="csr", rng=rng, dtype=dtype)
    return sparse.csr_matrix(X), rng.integers(n_classes, size=n)


def manifest(folder: Path) -> list[dict[str, Any]]:
    """Return the entries of the data sets in a folder."""
    return json.loads((folder / "MANIFEST.json").read_text(encoding="utf-8"))["datasets"]


def frame(folder: Path, entry: dict[str, Any]) -> tuple[Any, Any]:
    """Return X as a frame, and y."""
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError("reading parquet needs pandas: pip install '.[bench]'") from error
    X = pd.read_parquet(folder / entry["file"])
    return X, X.pop("target").to_numpy()


def encoder() -> Any:
    """Return a transformer to scaled numbers and one column for each category."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    return make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")),
        remainder=OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    )


def california(folder: Path) -> Split:
    """Return house prices, all columns scaled, a fifth of the rows for testing."""
    entry = next(e for e in manifest(folder) if e["name"] == "california_housing")
    X, y = frame(folder, entry)
    X_train, X_test, y_train, y_test = train_test_split(
        X, scale(y.astype(float)), test_size=0.2, random_state=0
    )
    encode = encoder().fit(X_train)
    return Split(encode.transform(X_train), y_train, encode.transform(X_test), y_test)


def mnist(folder: Path) -> Split:
    """Return handwritten digits, pixels from 0 to 1 in float32."""
    with np.load(folder / "mnist.npz") as file:
        X, X_test = (
            (file[part].reshape(len(file[part]), -1) / 255).astype(np.float32)
            for part in ("x_train", "x_test")
        )
        return Split(X, file["y_train"], X_test, file["y_test"])
