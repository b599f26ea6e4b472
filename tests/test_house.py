"""The house rules that a machine can keep: who imports whom, how long a function is, docstrings."""

import ast
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = "sknn_scratch"
ROOT = Path(__file__).parents[1] / PACKAGE
FILES = sorted(ROOT.rglob("*.py"))


def module_name(file: Path) -> str:
    """Return the dotted name inside the package; its own __init__.py is ""."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(file) for file in FILES}
each_file = pytest.mark.parametrize("file", FILES, ids=lambda f: f.relative_to(ROOT).as_posix())


def test_there_are_files():
    assert {"", "contracts", "registry"} <= MODULES


# ------------------------------------------------------------------------------------- layering
class Rule(NamedTuple):
    """What a folder or a module may import beside itself, numpy and the standard library."""

    inside: str = ""
    outside: str = ""


ANY = "*"
LAYERS = "_floats _warning _sample_weights _tables contracts registry core components training "
LAYERS += "preprocessing inspection"

# The longest matching name decides; "core" stands for all inside it as well.
RULES = {
    "": Rule(f"{LAYERS} config fitting estimators", "sklearn"),
    "config": Rule("core.linalg core.compiled"),
    "contracts": Rule(),
    "registry": Rule("contracts"),
    "core": Rule("contracts"),
    "core.linalg": Rule("contracts", "scipy"),
    "core.compiled": Rule("core.linalg", "numba"),
    "core.probe": Rule("_floats contracts core"),
    "components": Rule("_floats contracts core.linalg registry", "scipy"),
    "training": Rule("_floats contracts core", "scipy"),
    "_warning": Rule(),
    "_floats": Rule(),
    "_sample_weights": Rule("_floats", "sklearn"),
    "_tables": Rule("", "scipy narwhals"),
    "preprocessing": Rule(
        "_floats _warning _sample_weights _tables", "sklearn scipy joblib narwhals"
    ),
    "preprocessing._plain_state": Rule("training.form"),
    "preprocessing._plain_values": Rule("training.form", "pandas"),
    "fitting": Rule(f"{LAYERS} config", "sklearn scipy"),
    "fitting._blas_limits": Rule("core", "threadpoolctl"),
    "fitting._ensemble": Rule(f"{LAYERS} config", "joblib"),
    "estimators": Rule(f"{LAYERS} fitting", "sklearn scipy"),
    "inspection": Rule("_floats contracts core", "matplotlib"),
    "testing": Rule("_floats contracts core registry", "pytest"),
    "interop": Rule(f"{LAYERS} fitting estimators", ANY),
    "distributed": Rule("interop"),
    "onnx": Rule("interop"),
}


def covers(name: str, module: str) -> bool:
    """Tell whether ``module`` is ``name`` or inside it."""
    return module == name or module.startswith(name + ".")


def imports(tree: ast.AST, module: str, is_package: bool) -> Iterator[tuple[int, str]]:
    """Yield (line, absolute name) of every import, those inside functions included."""
    parents = [PACKAGE, *module.split(".")] if module else [PACKAGE]
    if not is_package:
        parents = parents[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = parents[: len(parents) - node.level + 1] if node.level else []
            origin = ".".join([*above, *filter(None, [node.module])])
            yield from ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            names = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
            yield from ((node.lineno, str(name)) for name in names[:1])


def allowed(target: str, module: str) -> bool:
    """Tell whether ``module`` may import ``target``, an absolute name."""
    layer = max((name for name in RULES if covers(name, module)), key=len, default=None)
    assert layer is not None, f"{module} is in no folder that the import table knows"
    rule = RULES[layer]
    top, _, inner = target.partition(".")
    if top != PACKAGE:
        known = {"numpy", *rule.outside.split(), *sys.stdlib_module_names}
        return top in known or rule.outside == ANY
    own_folder = module.partition(".")[0]
    friends = filter(None, [own_folder, *rule.inside.split()])
    return inner == "__version__" or any(covers(friend, inner) for friend in friends)


def violations(source: str, module: str, is_package: bool = False) -> list[str]:
    """Return one line for each import in ``source`` that the table does not allow."""
    return [
        f"{PACKAGE}.{module}, line {line}: imports {target}"
        for line, target in imports(ast.parse(source), module, is_package)
        if not allowed(target, module)
    ]


@each_file
def test_layering(file):
    source = file.read_text(encoding="utf-8")
    assert not violations(source, module_name(file), file.name == "__init__.py")


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("core.network", "from sknn_scratch.components import losses"),
        ("core.network", "from ..components.losses import LogLoss"),
        ("core.network", "from .. import components"),
        ("core.network", "import sknn_scratch.components as c"),
        ("core.network", "import sknn_scratch"),
        ("core.network", "from sknn_scratch import *"),
        ("core.network", "from .. import MLPClassifier"),
        ("core.network", "import scipy.sparse"),
        ("core.network", "def f():\n    import sklearn"),
        ("core.network", "if TYPE_CHECKING:\n    from sklearn.base import BaseEstimator"),
        ("core.network", "components = importlib.import_module('sknn_scratch.components')"),
        ("training.minibatch", "from ..components import Adam"),
        ("training.minibatch", "import joblib"),
        ("components.losses", "from ..core.network import Network"),
        ("components.losses", "from ..core import network"),
        ("components.losses", "from ..training.state import TrainingState"),
        ("contracts", "import scipy"),
        ("contracts", "from .registry import register"),
        ("registry", "from .components import activations"),
        ("inspection.displays", "from ..estimators import MLPClassifier"),
        ("testing.checks", "from ..components import Relu"),
        ("estimators._base", "import matplotlib"),
        ("estimators._base", "from ..interop import onnx"),
        ("preprocessing.tabular", "from ..estimators import MLPClassifier"),
    ],
)
def test_layering_finds(module, source):
    assert len(violations(source, module)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("contracts", "import numpy as np\nfrom numpy.typing import NDArray\nimport abc"),
        ("core.network", "from .linalg import matmul_into\nfrom . import layers"),
        ("core.network", "from ..contracts import Activation\nfrom .. import contracts"),
        ("core.linalg", "from scipy import sparse"),
        ("components.losses", "from ..core.linalg import ema\nfrom scipy.special import expit"),
        ("components.losses", "from ..core import linalg"),
        ("training.lbfgs", "from ..core.objective import Objective\nimport scipy.optimize"),
        ("training.checkpoint", "from .. import __version__"),
        ("estimators._base", "from ..training import minibatch\nfrom sklearn.base import clone"),
        ("inspection.displays", "def f():\n    import matplotlib.pyplot as plt"),
        ("interop.onnx", "import onnx\nfrom ..estimators import MLPClassifier"),
    ],
)
def test_layering_accepts(module, source):
    assert violations(source, module) == []


def test_layering_reads_packages():
    assert not violations("from .estimators import MLPClassifier", "", is_package=True)
    assert not violations("from .losses import LogLoss", "components", is_package=True)
    assert violations("from ..estimators import X", "components", is_package=True)


def test_layering_knows_every_folder():
    with pytest.raises(AssertionError, match="in no folder"):
        violations("import numpy", "cellar")


# ---------------------------------------------------------------------------- estimators
def private_names(source: str, module: str) -> list[str]:
    """Return the imports of private names of estimators in a module of another room."""
    if covers("estimators", module):
        return []
    private = f"{PACKAGE}.estimators."
    return [
        target
        for _, target in imports(ast.parse(source), module, is_package=False)
        if target.startswith(private) and "._" in target
    ]


@each_file
def test_only_estimators_know_their_private_names(file):
    assert not private_names(file.read_text(encoding="utf-8"), module_name(file))


def test_private_names_are_found():
    bad = "from sknn_scratch.estimators._base import BaseMLP"
    assert private_names(bad, "interop._skops")
    assert private_names("from ..estimators._tabular import BaseTabularMLP", "interop._onnx")
    assert private_names("def f():\n    import sknn_scratch.estimators._base", "inspection._trace")
    assert not private_names(bad, "estimators._classifier")
    assert not private_names("from ..estimators import MLPClassifier", "interop._skops")


#: Rooms in which an estimator is of a known type.
TYPED = ("core", "training", "fitting", "components")


def untyped_estimators(source: str) -> list[str]:
    """Return the functions with a parameter ``estimator: Any``."""
    return [
        name
        for name, function, _ in functions(ast.parse(source))
        for a in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
        if a.arg == "estimator" and (a.annotation is None or ast.unparse(a.annotation) == "Any")
    ]


@each_file
def test_estimators_have_a_type(file):
    if module_name(file).partition(".")[0] in TYPED:
        assert not untyped_estimators(file.read_text(encoding="utf-8"))


def test_untyped_estimators_are_found():
    found = "def f(estimator: Any): ...\nasync def g(*, estimator): ...\ndef h(estimator: Own): ..."
    assert untyped_estimators(found) == ["f", "g"]


# ---------------------------------------------------------------------------- size of functions
Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(node: ast.AST, owner: str = "") -> Iterator[tuple[str, Function, bool]]:
    """Yield (name, node, is a method) of every function, inner ones included."""
    for child in ast.iter_child_nodes(node):
        is_function = isinstance(child, Function)
        named = is_function or isinstance(child, ast.ClassDef)
        name = f"{owner}.{child.name}".lstrip(".") if named else owner
        if is_function:
            yield name, child, isinstance(node, ast.ClassDef)
        yield from functions(child, name)


def length(function: Function) -> int:
    """Return the lines of the body without the docstring; 0 if there is nothing else."""
    body = function.body[ast.get_docstring(function) is not None :]
    if not body:
        return 0
    first = min([body[0], *getattr(body[0], "decorator_list", [])], key=lambda n: n.lineno)
    return body[-1].end_lineno - first.lineno + 1


def n_parameters(function: Function, is_method: bool) -> int:
    """Return the number of parameters, self and cls not counted."""
    a = function.args
    named = [*a.posonlyargs, *a.args, *a.kwonlyargs]
    is_static = any(ast.unparse(d) == "staticmethod" for d in function.decorator_list)
    return len(named) + bool(a.vararg) + bool(a.kwarg) - (is_method and not is_static)


def has_free_signature(file: Path, function: Function, is_method: bool) -> bool:
    """Tell whether scikit-learn dictates the parameters: public methods of the estimators."""
    public = function.name == "__init__" or not function.name.startswith("_")
    return is_method and public and module_name(file).startswith("estimators")


ALL_FUNCTIONS = [
    (f"{file.relative_to(ROOT).as_posix()}: {name}", file, function, is_method)
    for file in FILES
    for name, function, is_method in functions(ast.parse(file.read_text(encoding="utf-8")))
]


def test_function_length():
    # Abstract methods, all docstring, are left out: they would only flatter the median. So is an
    # estimator's __init__, one assignment for each parameter.
    lengths = {
        name: length(function)
        for name, file, function, _ in ALL_FUNCTIONS
        if length(function)
        and not (function.name == "__init__" and module_name(file).startswith("estimators"))
    }
    longest = sorted(lengths.items(), key=lambda item: -item[1])
    long = [f"{lines} lines: {name}" for name, lines in longest if lines > 20]
    report = "\n".join(long)
    assert longest[0][1] <= 40, f"no function may exceed 40 lines\n{report}"
    assert len(long) <= 0.1 * len(lengths), f"nine in ten may have at most 20 lines\n{report}"
    assert statistics.median(lengths.values()) <= 8


def test_number_of_parameters():
    too_many = [
        f"{n_parameters(function, is_method)} parameters: {name}"
        for name, file, function, is_method in ALL_FUNCTIONS
        if n_parameters(function, is_method) > 6
        and not has_free_signature(file, function, is_method)
    ]
    assert not too_many


def test_the_measures():
    source = '''
class A:
    @staticmethod
    def f(a, b, *c, d=1, **e):
        """Docstring."""

        @decorator
        def inner():
            pass

        return inner

    def g(self, /):
        """Docstring only."""

async def h(): return 1
'''
    measured = {n: (length(f), n_parameters(f, m)) for n, f, m in functions(ast.parse(source))}
    assert measured == {"A.f": (5, 5), "A.f.inner": (1, 0), "A.g": (0, 0), "h": (1, 0)}


# ----------------------------------------------------------------------------------- docstrings
@each_file
def test_module_docstring(file):
    assert ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
