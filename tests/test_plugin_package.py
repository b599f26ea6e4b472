"""Plug-ins in earnest: distributions installed beside the package, used in processes of their own.

Nothing is fetched: ``examples/plugin_package`` is built and put into a folder of its own, which
``PYTHONPATH`` shows to this interpreter. Distributions that are wrong are written by hand.
"""

import doctest
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "examples" / "plugin_package"


def python(*arguments, path=(), cwd=None):
    """Run this interpreter with folders on its path; return what it prints."""
    shown = [*map(str, path), *filter(None, [os.environ.get("PYTHONPATH")])]
    settings = {"PYTHONPATH": os.pathsep.join(shown), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env=os.environ | settings,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


PREAMBLE = """
import sys, warnings
import joblib, numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sknn_scratch import MLPRegressor, register
from sknn_scratch.registry import names

warnings.simplefilter("error")
warnings.simplefilter("ignore", ConvergenceWarning)
X = np.random.default_rng(0).uniform(-3, 3, (90, 1))
y = np.sin(3 * X[:, 0])

def make(**params):
    return MLPRegressor(hidden_layer_sizes=8, max_iter=5, random_state=0, **params)

def search(grid, n_jobs=2):
    found = GridSearchCV(make(), grid, cv=2, n_jobs=n_jobs, error_score="raise").fit(X, y)
    assert np.isfinite(found.cv_results_["mean_test_score"]).all()
    return found

def error(kind, function, *arguments, **params):
    try:
        function(*arguments, **params)
    except kind as error:
        return str(error)
    raise SystemExit(f"no {kind.__name__}")
"""


@pytest.fixture
def script(tmp_path):
    """Run a script as a user would, in an empty folder."""

    def run(code, *path):
        file = tmp_path / "script.py"
        file.write_text(PREAMBLE + textwrap.dedent(code), encoding="utf-8")
        return python(file.name, path=path, cwd=tmp_path)

    return run


# ------------------------------------------------------------------------ the example, installed
@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder that the example is installed into."""
    pytest.importorskip("hatchling", reason="the example is built with hatchling")
    folder = tmp_path_factory.mktemp("installed")
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    python("-m", "pip", "install", *offline, "--target", folder, SOURCE)
    return folder


def test_names_are_listed_without_an_import(installed, script):
    script(
        """
        assert "snake" in names("activation")
        assert "log_cosh" in names("loss")
        assert "sign_sgd" in names("optimizer")
        assert "'snake'?" in error(ValueError, make(activation="snakes").fit, X, y)
        make(activation="tanh").fit(X, y)
        assert "sknn_scratch_example" not in sys.modules
        make(activation="snake").fit(X, y)
        assert "sknn_scratch_example" in sys.modules
        """,
        installed,
    )


def test_grid_search_over_names_in_two_processes(installed, script):
    script(
        """
        grid = {
            "activation": ["relu", "snake"],
            "loss": ["squared_error", "log_cosh"],
            "solver": ["adam", "sign_sgd"],
        }
        two, one = search(grid), search(grid, n_jobs=1)
        scores = two.cv_results_["mean_test_score"]
        np.testing.assert_array_equal(scores, one.cv_results_["mean_test_score"])
        assert len(set(scores)) == 8
        """,
        installed,
    )


def test_read_by_a_process_that_has_not_imported_it(installed, script):
    script("joblib.dump(make(activation='snake', loss='log_cosh').fit(X, y), 'model')", installed)
    script(
        """
        model = joblib.load("model")
        again = make(activation="snake", loss="log_cosh").fit(X, y)
        np.testing.assert_array_equal(model.predict(X), again.predict(X))
        np.testing.assert_array_equal(model.fit(X, y).predict(X), again.predict(X))
        """,
        installed,
    )


def test_its_own_tests_pass(installed, tmp_path):
    arguments = ["-p", "no:cacheprovider", "-q", SOURCE / "tests"]
    report = python("-m", "pytest", *arguments, path=[installed], cwd=tmp_path)
    assert " passed" in report
    assert "skipped" not in report


def test_it_is_installed_without_its_tests(installed):
    assert {path.name for path in installed.glob("*.py")} == {"sknn_scratch_example.py"}
    assert not (installed / "tests").exists()


# ------------------------------------------------------------------------- distributions gone bad
SCALED = """
import numpy as np
from sknn_scratch.contracts import Activation

class Scaled(Activation):
    factor: float = {factor}
    def forward(self, z, out):
        return np.multiply(z, self.factor, out=out)
    def backward(self, grad, a, z, out):
        return np.multiply(grad, self.factor, out=out)
"""


def distribution(folder, name, entry_points, module=""):
    """Write an installed distribution by hand: one module, and entry points to activations."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    lines = [f"{key} = {value}" for key, value in entry_points.items()]
    points = "\n".join(["[sknn_scratch.activations]", *lines])
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(points + "\n")
    (folder / f"{name.replace('-', '_')}.py").write_text(module)
    return folder


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("broken_plugin:Broken", "ZeroDivisionError: division by zero"),
        ("absent_module:Broken", "ModuleNotFoundError: No module named 'absent_module'"),
        ("json:Broken", "AttributeError: module 'json' has no attribute 'Broken'"),
    ],
    ids=["raises", "no module", "no class"],
)
def test_a_broken_plug_in_is_named_and_disturbs_nothing(value, reason, script, tmp_path):
    points = {"broken": value, "relu": value, "fine": "fine_plugin:Scaled"}
    folder = distribution(tmp_path / "a", "broken-plugin", points, "1 / 0")
    (folder / "fine_plugin.py").write_text(SCALED.format(factor=0.5))
    script(
        f"""
        assert {{"broken", "fine", "relu"}} <= set(names("activation"))
        assert names("activation").count("relu") == 1
        for _ in range(2):
            message = error(ImportError, make(activation="broken").fit, X, y)
            for part in ("distribution 'broken-plugin'", "'broken'", {value!r}, {reason!r}):
                assert part in message, message
            make(activation="relu").fit(X, y)
            make(activation="fine").fit(X, y)
        assert "'broken'" in error(ValueError, make(activation="brokn").fit, X, y)
        """,
        folder,
    )


def test_two_distributions_with_one_name(script, tmp_path):
    folders = [
        distribution(tmp_path / name, name, {"scaled": f"{name.replace('-', '_')}:Scaled"}, module)
        for name, module in (
            ("first-plugin", SCALED.format(factor=0.5)),
            ("second-plugin", SCALED.format(factor=2.0)),
        )
    ]
    script(
        """
        assert names("activation").count("scaled") == 1
        make(activation="relu").fit(X, y)
        assert "scaled" in error(ValueError, make(activation="scald").fit, X, y)
        message = error(ValueError, make(activation="scaled").fit, X, y)
        assert "distribution 'first-plugin' and distribution 'second-plugin'" in message, message

        from second_plugin import Scaled
        make(activation=Scaled()).fit(X, y)
        """,
        *folders,
    )
    script("make(activation='scaled').fit(X, y)", folders[0])


# ------------------------------------------------------------- the README's class, not installed
def readme_class():
    """The source of the activation in the README."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    examples = doctest.DocTestParser().get_examples(text)
    (source,) = [e.source for e in examples if e.source.startswith("class Snake")]
    assert len(source.splitlines()) <= 12
    return "import numpy as np\nfrom sknn_scratch.contracts import Activation\n" + source


def test_an_instance_of_main_in_two_processes(script):
    script(readme_class() + "search({'activation': ['relu', Snake(), Snake(beta=3.0)]})")


def test_a_name_of_main_in_two_processes(script):
    script(
        readme_class()
        + textwrap.dedent(
            """
            register.activation("mine")(Snake)
            make(activation="mine").fit(X, y)
            message = error(ValueError, search, {"activation": ["relu", "mine"]})
            assert "pass an instance, or move the class to a module" in message, message
            """
        )
    )


def test_a_name_of_a_module_in_other_processes(script, tmp_path):
    module = readme_class().replace("class S", '@register.activation("mine")\nclass S')
    (tmp_path / "mine.py").write_text("from sknn_scratch import register\n" + module)
    script(
        """
        import mine
        search({"activation": ["relu", "mine"]})
        joblib.dump(make(activation="mine").fit(X, y), "model")
        joblib.dump(make(activation="mine"), "unfitted")
        """
    )
    script(
        """
        assert "mine" not in sys.modules
        again = joblib.load("unfitted").fit(X, y).predict(X)
        np.testing.assert_array_equal(joblib.load("model").predict(X), again)
        """
    )
