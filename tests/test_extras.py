"""Without an extra: what needs it says so, and nothing else misses it."""

import os
import pickle
import subprocess
import sys

import pytest

import sknn_scratch
from sknn_scratch.interop._extras import require

EXTRAS = {"skops", "skl2onnx", "onnx", "onnxruntime", "dask", "distributed", "dask_ml", "pyarrow"}


def test_what_a_missing_extra_gets():
    message = r"to_onnx requires no_such_module.*pip install 'sknn-scratch\[onnx\]'"
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


@pytest.mark.slow
def test_no_extra_is_imported_before_it_is_needed():
    modules = "sknn_scratch, sknn_scratch.interop, sknn_scratch.distributed"
    script = f"import sys, {modules}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    # pandas, which scikit-learn looks for, may bring pyarrow.
    assert not (EXTRAS - {"pyarrow"}) & set(run.stdout.split())


# ---------------------------------------------------------------------- what an import brings along
def printed(script):
    """Return what a fresh process prints that asks for no engine."""
    plain = {name: value for name, value in os.environ.items() if name != "SKNN_SCRATCH_ENGINE"}
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=plain
    )
    return run.stdout.split()


@pytest.mark.slow
def test_an_import_brings_nothing_that_scikit_learns_does_not():
    script = (
        "import sys; from sklearn.neural_network import MLPClassifier; before = {*sys.modules}\n"
        "import sknn_scratch; print(*{*sys.modules} - before)"
    )
    more = printed(script)
    assert {name.partition(".")[0] for name in more} == {"sknn_scratch"}
    assert not [name for name in more if "tabular" in name or "preprocessing" in name]
    assert not {"sknn_scratch.training.members", "sknn_scratch.core.stack"} & {*more}


@pytest.mark.slow
@pytest.mark.parametrize("module", ["sknn_scratch", "sknn_scratch.estimators"])
@pytest.mark.parametrize(
    "script",
    [
        "from {0} import *; print(TabularMLPClassifier.__name__, TabularMLPRegressor.__name__)",
        "import {0} as m; print(m.TabularMLPClassifier.__name__, m.TabularMLPRegressor.__name__)",
        "import {0} as m; print(*[name for name in dir(m) if name.startswith('Tab')])",
    ],
)
def test_what_is_imported_late_is_there(module, script):
    assert printed(script.format(module)) == ["TabularMLPClassifier", "TabularMLPRegressor"]


@pytest.mark.slow
def test_a_stored_estimator_for_tables_loads_in_a_fresh_process():
    from sknn_scratch import TabularMLPRegressor

    stored = pickle.dumps(TabularMLPRegressor(effort="fast"))
    script = f"import sknn_scratch, pickle; print(pickle.loads({stored!r}).effort)"
    assert printed(script) == ["fast"]


@pytest.mark.parametrize("module", [sknn_scratch, sknn_scratch.estimators])
def test_names_that_do_not_exist(module):
    with pytest.raises(AttributeError, match=f"module '{module.__name__}' has no attribute 'Tab'"):
        module.Tab  # noqa: B018
    assert {*module.__all__} <= {*dir(module)}
