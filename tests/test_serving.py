"""The server example: the same answers from both files, and what bad requests get."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_digits

pytest.importorskip("fastapi")
pytest.importorskip("aiohttp")
pytest.importorskip("onnxruntime")
pytest.importorskip("skl2onnx")

FOLDER = Path(__file__).parents[1] / "examples" / "serve"
X = load_digits().data[:20]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("serve")
    subprocess.run([sys.executable, FOLDER / "train.py", folder], check=True, capture_output=True)
    return folder


@pytest.fixture(params=["model.onnx", "model.joblib"])
def app(request, files, monkeypatch):
    monkeypatch.setenv("MODEL", str(files / request.param))
    spec = importlib.util.spec_from_file_location("served_app", FOLDER / "app.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "served_app", module)
    spec.loader.exec_module(module)
    return module


def answer(app, rows):
    import asyncio

    return asyncio.run(app.predict(app.Rows(rows=rows)))


def test_it_answers_as_the_pipeline_does(app, files):
    pipeline = joblib.load(files / "model.joblib")
    found = answer(app, X.tolist())
    assert found.labels == pipeline.predict(X).tolist()
    expected = pipeline.predict_proba(X.astype(np.float32))
    assert np.abs(np.array(found.probabilities) - expected).max() < 1e-5


@pytest.mark.parametrize("rows", [[], [[1.0]], [[float("nan")] * 64], [[1e300] * 64]])
def test_what_bad_requests_get(app, rows):
    from fastapi import HTTPException

    with np.errstate(over="ignore"), pytest.raises(HTTPException) as raised:
        answer(app, rows)
    assert raised.value.status_code == 422


@pytest.mark.slow
def test_the_benchmark_in_small():
    from benchmarks import serve
    from benchmarks._frame import Settings

    rows = list(serve.measure(Settings(scale=0.05)))
    assert len(rows) == 6
    assert all(row["rate"] > 0 for row in rows)
    assert "requests/s" in serve.table(rows).text()
