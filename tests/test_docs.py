"""The pages for users say what is so: their examples run, and the README's tables are complete."""

import ast
import doctest
import re
import runpy
import sys
from functools import cache
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


#: Parameter that takes the names of each kind.
PARAMETERS = {
    "activation": "activation",
    "loss": "loss",
    "optimizer": "solver",
    "schedule": "learning_rate",
    "initializer": "initializer",
}


def names_of(kind):
    """Return the names that the parameter of a kind takes."""
    more = ["lbfgs"] if kind == "optimizer" else []  # a solver of its own, no component
    return {*built_in(kind), *more}


@pytest.mark.parametrize(("kind", "parameter"), PARAMETERS.items())
def test_readme_lists_every_name(kind, parameter):
    names = ", ".join(f"`{name}`" for name in sorted(names_of(kind)))
    assert f"| `{parameter}` | {names} |" in README.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(
    ("kind", "page"),
    [
        ("activation", "estimators"),
        ("optimizer", "estimators"),
        ("loss", "losses"),
        ("schedule", "schedules"),
    ],
)
def test_the_user_guide_lists_every_name(kind, page):
    text = (ROOT / "docs" / "user_guide" / f"{page}.md").read_text(encoding="utf-8")
    assert names_in_table(text, PARAMETERS[kind]) == names_of(kind)


def names_in_table(text, parameter):
    """Return the names in the column of a parameter, where `Tweedie(power=1.5)` is "tweedie"."""
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        rows = [line.split("|") for line in table.splitlines()]
        heads = [cell.strip(" `") for cell in rows[0]]
        if parameter in heads:
            cells = " ".join(row[heads.index(parameter)] for row in rows[2:])
            return {name.lower() for name in re.findall(r'`"?(\w+)', cells)}
    raise AssertionError(f"no table has the column {parameter}")


def test_names_in_a_table():
    table = '| target | `loss` |\n|---|---|\n| a | `huber` |\n| b | `Tweedie(power=1.5)`, `"c"` |\n'
    assert names_in_table(f"| solver |\n|---|\n\n{table}", "loss") == {"huber", "tweedie", "c"}


@pytest.mark.parametrize(("kind", "parameter"), PARAMETERS.items())
def test_docstrings_list_every_name(kind, parameter):
    both = [
        set(re.findall(r"'(\w+)'", described(cls, parameter)))
        for cls in (sknn_scratch.MLPClassifier, sknn_scratch.MLPRegressor)
    ]
    # A loss is one for classes or one for numbers.
    listed = [both[0] | both[1]] if kind == "loss" else both
    assert not [names_of(kind) - names for names in listed if names_of(kind) - names]


def described(cls, parameter):
    """Return the text of a parameter in the docstring of its class."""
    text = re.search(rf"^    {parameter} : .*\n((?:     .*\n|\n)+)", cls.__doc__, re.MULTILINE)
    return text[1]


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


# ------------------------------------------------------------------ paths and names in the pages
#: Pages about the code, where each path and name in backticks must exist.
ABOUT_CODE = [f"docs/{n}.md" for n in ("carry_on", "design", "equations", "how_it_is_built")]
#: Names of numpy, scikit-learn and other tools.
ELSEWHERE = {"RandomState", "errstate", "take", "dot", "float", "set_output"}
FOLDERS = ("", "sknn_scratch", "docs")


@cache
def names_in_code():
    """Return the names that the code defines or imports, as "f", "Class.method" and "module.f"."""
    found = set()
    for folder in ("sknn_scratch", "tests", "campaign", "benchmarks", "docs"):
        for file in ROOT.glob(f"{folder}/**/*.py"):
            tree = ast.parse(file.read_text(encoding="utf-8"))
            own = set(defined(tree))
            found |= own | {f"{file.stem}.{name}" for name in own} | {file.stem}
            classes = (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
            found |= {f"{cls.name}.{name}" for cls in classes for name in defined(cls)}
    return found


def defined(tree):
    """Yield the names that a module or class binds, at any depth."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.arg(arg=name) | ast.alias(name=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name
            case ast.Constant(value=str(name)) if re.fullmatch(r"_[a-z]\w+|[a-z]\w*_", name):
                yield name  # an attribute, set by its name


def is_path(text):
    ends = (".py", ".md", ".toml")
    return re.fullmatch(r"[\w./*-]+", text) and ("/" in text or text.endswith(ends))


def path_exists(text):
    """Tell whether a path exists, which may end with the name of something in the file."""
    folder, _, last = text.rpartition("/")
    file, _, name = last.partition(".")
    if (
        folder
        and name.isidentifier()
        and name not in ("py", "md", "rst", "jsonl", "json", "csv", "toml")
    ):
        return path_exists(f"{folder}/{file}.py") and f"{file}.{name}" in names_in_code()
    places = [ROOT / place for place in FOLDERS]
    return any(any(place.glob(text.rstrip("/"))) for place in places) or (
        not folder and any((ROOT / "sknn_scratch").rglob(text))
    )


def name_exists(text):
    """Tell whether the code has a name, or names with such a beginning if it is one of tests."""
    name, known = text.partition("(")[0], names_in_code()
    first, _, last = name.rpartition(".")
    if first in ("np", "scipy.special", "sknn_scratch") or last in ELSEWHERE:
        return True
    if last.startswith("test_"):
        return any(one.startswith(last) for one in known)
    is_own = first and not first.islower()  # a class; others are values or modules
    return (name if is_own else last) in known


def missing(text):
    """Return the paths and names in backticks that do not exist."""
    text = re.sub(r"^( *)```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)
    quoted = set(re.findall(r"`([^`\n]+)`", text))
    paths = {one for one in quoted if is_path(one)}
    names = {one for one in quoted - paths if re.fullmatch(r"[A-Za-z_][\w.]*(\(.*\))?", one)}
    return sorted(
        [one for one in paths if not path_exists(one)]
        + [one for one in names if not name_exists(one)]
    )


@pytest.mark.parametrize("page", ABOUT_CODE)
def test_paths_and_names_exist(page):
    assert not missing((ROOT / page).read_text(encoding="utf-8"))


def test_files_in_the_picture_of_the_flow_exist():
    pytest.importorskip("matplotlib")
    boxes = runpy.run_path(str(ROOT / "docs" / "draw_flow.py"))["BOXES"]
    assert not [file for *_, file, room in boxes if not path_exists(f"{room}/{Path(file).name}")]


def test_wrong_paths_and_names_are_found():
    good = (
        "`core/layers.py`, `Network.dense`, `lbfgs.py`, `training/snapshot.restore`, `np.dot`, `W`"
    )
    wrong = ["AllRowsLoop", "Network.stack", "core/stack.py", "members.py", "training/snapshot.fit"]
    assert missing(good) == []
    assert set(missing(good + "".join(f" `{one}`" for one in wrong))) == set(wrong)
