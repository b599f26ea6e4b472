"""Doctests of modules that need what is not installed are left out."""

from importlib.util import find_spec

NEEDS = {
    "numba": ["sknn_scratch/core/compiled.py"],
    "skl2onnx": [
        "sknn_scratch/onnx.py",
        "sknn_scratch/interop/_onnx.py",
        "sknn_scratch/interop/_onnx_forms.py",
    ],
    "onnxruntime": ["sknn_scratch/interop/_onnx.py", "sknn_scratch/interop/_onnx_feed.py"],
    "skops": ["sknn_scratch/interop/_skops.py"],
    "dask": ["sknn_scratch/interop/_distributed.py"],
}

collect_ignore = [
    path for module, paths in NEEDS.items() if find_spec(module) is None for path in paths
]
