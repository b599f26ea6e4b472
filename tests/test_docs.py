"""The pages for users say what is so: their examples run, and the README's tables are complete."""

import doctest
import re
import runpy
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import sknn_scratch
from sknn_scratch import components, registry

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted(ROOT.glob("docs/**/*.md"))]
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
#: Pages whose examples need extras.
NEEDS = {
    "production_skops.md": ["skops"],
    "production_onnx.md": ["skl2onnx", "onnxruntime"],
    "production_disk.md": ["pyarrow"],
    "production_dask.md": ["dask", "distributed"],
}
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())


def python_blocks(text):
    """Yield (line, text) of each block of Python; lines count from 0."""
    for block in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield text.count("\n", 0, block.start(1)), block[1]


def examples(page):
    """Return the examples of a page as one doctest, with the page's line numbers."""
    parser, text = doctest.DocTestParser(), page.read_text(encoding="utf-8")
    found = []
    for line, block in python_blocks(text):
        for example in parser.get_examples(block):
            example.lineno += line
            found.append(example)
    return doctest.DocTest(found, {}, page.name, str(page), 0, text)


@pytest.fixture
def reader(monkeypatch):
    """A fresh ``__main__`` to type a page's examples into; names registered there are forgotten."""
    known = {kind: dict(classes) for kind, classes in registry._classes.items()}
    monkeypatch.setattr(registry, "_classes", known)
    main = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    return main


@each_page
def test_examples(page, reader):
    for module in NEEDS.get(page.name, []):
        pytest.importorskip(module)
    test = examples(page)
    test.globs = vars(reader)
    report = []
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    result = runner.run(test, out=report.append, clear_globs=False)
    assert result.failed == 0, "".join(report)


@each_page
def test_all_python_is_examples(page):
    for line, block in python_blocks(page.read_text(encoding="utf-8")):
        assert block.startswith(">>> "), f"line {line + 1}: write it as an example, with >>>"


# ------------------------------------------------------------------------ tables of the README
def built_in(kind):
    """Return the names of a kind that come with the package, plug-ins left out."""
    classes = registry._classes[kind]
    return [n for n, cls in classes.items() if cls.__module__.startswith("sknn_scratch.")]


@pytest.mark.parametrize(
    ("kind", "parameter", "more"),
    [
        ("activation", "activation", []),
        ("loss", "loss", []),
        ("optimizer", "solver", ["lbfgs"]),  # a solver of its own, no component
        ("schedule", "learning_rate", []),
        ("initializer", "initializer", []),
    ],
)
def test_readme_lists_every_name(kind, parameter, more):
    names = ", ".join(f"`{name}`" for name in sorted([*built_in(kind), *more]))
    assert f"| `{parameter}` | {names} |" in README.read_text(encoding="utf-8").splitlines()


# ------------------------------------------------------------------ usage in the API reference
def usages():
    """Return every line of code that the API reference shows to select a component."""
    path = ROOT / "docs" / "component_usage.py"
    usage = runpy.run_path(str(path))["usage"]
    classes = [cls for cls in vars(components).values() if isinstance(cls, type)]
    return [line for cls in classes for line in usage(cls)]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("line", usages())
def test_usage_of_components(line):
    estimator = eval(line, {**vars(sknn_scratch), **vars(components)})
    X, y = np.arange(12.0).reshape(6, 2) / 12, [1, 2, 1, 2, 1, 2]  # positive, as gamma requires
    estimator.set_params(max_iter=2, n_iter_no_change=2, random_state=0)
    assert estimator.fit(X, y).n_iter_ == 2


def test_every_registered_component_has_a_usage():
    shown = "\n".join(usages())
    by_instance = {"callback", "link", "transform"}  # estimators take no names of these
    for kind in registry.KINDS.keys() - by_instance:
        for name in built_in(kind):
            assert f'="{name}")' in shown
