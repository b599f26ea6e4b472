"""A server that predicts: an ONNX graph, or a file of joblib, behind FastAPI.

    MODEL=examples/serve/model.onnx uvicorn --app-dir examples/serve app:app

With an ONNX graph the process needs neither scikit-learn nor sknn_scratch. A file of joblib runs
the code that its writer chose: load only your own.
"""

import os
from pathlib import Path

import numpy as np
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel


class Rows(BaseModel):
    """What a client asks about."""

    rows: list[list[float]]


class Answer(BaseModel):
    """Labels, and the probabilities of all classes."""

    labels: list[int]
    probabilities: list[list[float]]


def onnx_model(path):
    """Return the number of features, and a function from rows to labels and probabilities."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # requests are small: threads would only wait on each other
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
async def predict(question: Rows) -> Answer:
    # Not in a separate thread: passing the request to it takes longer than predicting some rows.
    if not question.rows or any(len(row) != N_FEATURES for row in question.rows):
        raise HTTPException(422, f"rows must be lists of {N_FEATURES} numbers, one at least")
    X = np.array(question.rows, dtype=np.float32)
    if not np.isfinite(X).all():
        raise HTTPException(422, "rows must hold finite numbers in the range of float32")
    labels, probabilities = PREDICT(X)
    return Answer(labels=labels.tolist(), probabilities=probabilities.tolist())
