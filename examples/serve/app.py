"""Serve predictions of an ONNX graph or a joblib file with FastAPI.

    MODEL=examples/serve/model.onnx uvicorn --app-dir examples/serve app:app

With an ONNX graph the process needs neither scikit-learn nor sknn_scratch. Loading a
joblib file can execute arbitrary code: load only your own.
"""

import os
from pathlib import Path

import numpy as np
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel


class Rows(BaseModel):
    """Request: rows of features."""

    rows: list[list[float]]


class Predictions(BaseModel):
    """Response: labels, and the probabilities of all classes."""

    labels: list[int]
    probabilities: list[list[float]]


def onnx_model(path):
    """Return the number of features, and a function from rows to labels and probabilities."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # requests are small: threads would wait for each other
    session = onnxruntime.InferenceSession(path, options)
    given, *others = session.get_inputs()
    if others:
        raise ValueError(f"{path} has an input for each column; this server takes rows of numbers")
    return given.shape[1], lambda X: session.run(None, {given.name: X})


def joblib_model(path):
    """Do the same with a pipeline."""
    import joblib

    pipeline = joblib.load(path)

    def predict(X):
        probabilities = pipeline.predict_proba(X)
        return pipeline.classes_[probabilities.argmax(axis=1)], probabilities

    return pipeline.n_features_in_, predict


LOADERS = {".onnx": onnx_model, ".joblib": joblib_model}
MODEL = Path(os.environ.get("MODEL", Path(__file__).parent / "model.onnx"))
if MODEL.suffix not in LOADERS:
    raise ValueError(f"MODEL must be a file that ends in {' or '.join(LOADERS)}, not {MODEL}")
N_FEATURES, PREDICT = LOADERS[MODEL.suffix](MODEL)

app = FastAPI()


@app.post("/predict")
async def predict(body: Rows) -> Predictions:
    # Not in a separate thread: starting it takes longer than predicting a few rows.
    if not body.rows or any(len(row) != N_FEATURES for row in body.rows):
        raise HTTPException(422, f"rows must be lists of {N_FEATURES} numbers, one at least")
    X = np.array(body.rows, dtype=np.float32)
    if not np.isfinite(X).all():
        raise HTTPException(422, "rows must hold finite numbers in the range of float32")
    labels, probabilities = PREDICT(X)
    return Predictions(labels=labels.tolist(), probabilities=probabilities.tolist())
