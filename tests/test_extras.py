"""Without an extra: what needs it says so, and nothing else misses it."""

import subprocess
import sys

import pytest

from sknn_scratch.interop._extras import require

EXTRAS = {"skops", "skl2onnx", "onnx", "onnxruntime", "dask", "distributed", "dask_ml", "pyarrow"}


def test_what_a_missing_extra_gets():
    message = r"to_onnx needs no_such_module.*pip install 'sknn-scratch\[onnx\]'"
    with pytest.raises(ImportError, match=message):
        require("no_such_module", "onnx", "to_onnx")


def test_the_door_to_onnx(monkeypatch):
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    monkeypatch.delitem(sys.modules, "sknn_scratch.onnx", raising=False)
    with pytest.raises(ImportError, match=r"pip install 'sknn-scratch\[onnx\]'"):
        import sknn_scratch.onnx  # noqa: F401


def test_the_door_to_dask(monkeypatch):
    from sknn_scratch import MLPClassifier, distributed

    monkeypatch.setitem(sys.modules, "dask", None)
    with pytest.raises(ImportError, match=r"pip install 'sknn-scratch\[distributed\]'"):
        distributed.fit(MLPClassifier(), [[0.0]], [0])


def test_load_skops(monkeypatch):
    from sknn_scratch.interop import load_skops

    monkeypatch.setitem(sys.modules, "skops.io", None)
    with pytest.raises(ImportError, match=r"pip install 'sknn-scratch\[skops\]'"):
        load_skops("model.skops")


def test_no_extra_is_imported_before_it_is_needed():
    modules = "sknn_scratch, sknn_scratch.interop, sknn_scratch.distributed"
    script = f"import sys, {modules}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    # pandas, which scikit-learn looks for, may bring pyarrow.
    assert not (EXTRAS - {"pyarrow"}) & set(run.stdout.split())
