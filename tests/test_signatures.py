"""Signatures as help() shows them: types, not strings of types."""

import importlib
import inspect

import pytest

ROOMS = ["sknn_scratch", *(f"sknn_scratch.{name}" for name in (
    "onnx", "distributed", "inspection", "preprocessing", "testing", "registry", "config"
))]  # fmt: skip


def public_functions():
    """Yield (name, function) of all public functions, and methods of public classes."""
    for room in ROOMS:
        if room.endswith((".onnx", ".distributed")):
            pytest.importorskip({"onnx": "skl2onnx", "distributed": "dask"}[room.split(".")[1]])
        module = importlib.import_module(room)
        for name in getattr(module, "__all__", dir(module)):
            found = getattr(module, name)
            if name.startswith("_") or not getattr(found, "__module__", "").startswith("sknn"):
                continue
            if inspect.isfunction(found):
                yield f"{room}.{name}", found
            elif inspect.isclass(found):
                for method, function in inspect.getmembers(found, inspect.isfunction):
                    yield f"{room}.{name}.{method}", function


def test_help_shows_types_without_quotes():
    named = dict(public_functions())
    assert {
        "sknn_scratch.onnx.to_onnx",
        "sknn_scratch.distributed.fit",
        "sknn_scratch.inspection.trace",
        "sknn_scratch.MLPClassifier.fit",
        "sknn_scratch.TabularMLPRegressor.predict",
        "sknn_scratch.inspection.LossCurveDisplay.plot",
    } <= named.keys()
    # The contracts of components refer to each other before they are defined.
    ours = {
        name: function
        for name, function in named.items()
        if function.__module__.startswith("sknn_scratch.")
        and not function.__name__.startswith("_")
        and function.__module__ != "sknn_scratch.contracts"
    }
    quoted = [
        name
        for name, function in ours.items()
        if any(isinstance(kind, str) for kind in function.__annotations__.values())
    ]
    assert not quoted
