"""Names of components: where they come from, what they travel with, and what goes wrong."""

import os
import pickle
import re
import subprocess
import sys
import textwrap

import joblib
import numpy as np
import pytest

from sknn_scratch import MLPClassifier, MLPRegressor, register, registry
from sknn_scratch.components import SGD, Adam, Relu, SquaredError, Tanh
from sknn_scratch.contracts import Activation, Optimizer
from sknn_scratch.registry import GROUPS, KINDS, lookup, names

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X = np.random.default_rng(0).normal(size=(40, 3))
Y = (X[:, 0] > 0).astype(int)
SMALL = {"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0}


def forget():
    """Bring the registry to the state of a process that has seen the built-ins only."""
    for kind, known in registry._classes.items():
        for name, cls in list(known.items()):
            if not cls.__module__.startswith("sknn_scratch."):
                del registry._classes[kind][name]
    registry._addresses.clear()
    registry._in_main.clear()
    registry._entry_points.cache_clear()


@pytest.fixture(autouse=True)
def fresh():
    """Give every test its own registry, and leave none of its names behind."""
    classes = {kind: dict(known) for kind, known in registry._classes.items()}
    addresses, in_main = registry._addresses.copy(), registry._in_main.copy()
    loaded = set(sys.modules)
    forget()
    yield
    forget()
    for kind, known in classes.items():
        registry._classes[kind].clear()
        registry._classes[kind].update(known)
    registry._addresses.update(addresses)
    registry._in_main.update(in_main)
    for name in set(sys.modules) - loaded:
        if name.startswith("plugin_"):
            del sys.modules[name]


# --------------------------------------------------------------------------------- in one process
class Half(Tanh):
    pass


class Third(Tanh):
    pass


def test_kinds_and_groups():
    assert list(KINDS) == [
        "activation",
        "loss",
        "link",
        "optimizer",
        "transform",
        "schedule",
        "initializer",
        "callback",
    ]
    assert list(GROUPS.values()) == [
        "sknn_scratch.activations",
        "sknn_scratch.losses",
        "sknn_scratch.links",
        "sknn_scratch.optimizers",
        "sknn_scratch.transforms",
        "sknn_scratch.schedules",
        "sknn_scratch.initializers",
        "sknn_scratch.callbacks",
    ]


def test_decorator_returns_the_class_and_names_it():
    assert register.activation("half")(Half) is Half
    assert lookup("activation", "half") is Half
    assert "half" in names("activation")
    assert "half" not in names("loss")


def test_a_registered_name_is_one_for_estimators():
    register.activation("half")(Half)
    by_name = MLPClassifier(**SMALL, activation="half").fit(X, Y)
    by_instance = MLPClassifier(**SMALL, activation=Half()).fit(X, Y)
    np.testing.assert_array_equal(by_name.theta_, by_instance.theta_)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_registered(kind):
    class Mine(lookup(kind, names(kind)[0])):
        pass

    getattr(register, kind)("mine")(Mine)
    assert lookup(kind, "mine") is Mine
    assert "mine" in names(kind)


def test_names_are_sorted():
    register.activation("a_first")(Half)
    assert names("activation") == sorted(names("activation"))
    assert names("activation")[0] == "a_first"


def test_one_class_may_have_two_names():
    register.activation("half")(Half)
    register.activation("semi")(Half)
    assert lookup("activation", "half") is lookup("activation", "semi")


def test_one_name_may_stand_for_two_kinds():
    register.activation("mine")(Half)
    register.optimizer("mine")(SGD)
    assert lookup("activation", "mine") is Half
    assert lookup("optimizer", "mine") is SGD


def define_again():
    class Swish(Tanh):
        pass

    return Swish


def test_the_same_module_and_name_replaces():
    one, other = define_again(), define_again()
    register.activation("swish")(one)
    register.activation("swish")(other)
    assert lookup("activation", "swish") is other


@pytest.mark.parametrize("name", ["half", "relu"])
def test_any_other_duplicate_is_an_error(name):
    register.activation("half")(Half)
    before = lookup("activation", name)
    owner = re.escape(f"{before.__module__}:{before.__qualname__}")
    message = f"The activation '{name}' is already {owner}; choose another name for .*Third"
    with pytest.raises(ValueError, match=message):
        register.activation(name)(Third)
    assert lookup("activation", name) is before


@pytest.mark.parametrize("wrong", [Adam, SquaredError, int, Relu(), "relu", None], ids=str)
def test_the_wrong_kind_of_class(wrong):
    message = "cannot be registered as activation 'mine': it must be a subclass of .*Activation"
    with pytest.raises(TypeError, match=message):
        register.activation("mine")(wrong)
    assert "mine" not in names("activation")


@pytest.mark.parametrize("name", [Half, 3, None], ids=repr)
def test_the_name_must_not_be_forgotten(name):
    with pytest.raises(TypeError, match=r"write @register\.activation\('name'\)"):
        register.activation(name)


def test_lbfgs_is_no_name_for_a_component():
    with pytest.raises(ValueError, match="'lbfgs' is built in; choose another name"):
        register.optimizer("lbfgs")(SGD)
    with pytest.raises(LookupError, match=r"^(?!.*@register).*no optimizer 'lbfgs'"):
        lookup("optimizer", "lbfgs")


def test_no_such_kind():
    with pytest.raises(AttributeError, match=r"no components of kind 'layer': \['activation'"):
        register.layer  # noqa: B018


@pytest.mark.parametrize(
    ("kind", "name", "meant"),
    [
        ("activation", "rellu", "relu"),
        ("activation", "ReLU", "relu"),
        ("optimizer", "adamW", "adamw"),
        ("loss", "squarederror", "squared_error"),
        ("schedule", "cosin", "cosine"),
        ("initializer", "he-normal", "he_normal"),
        ("callback", "print", "print_progress"),
    ],
)
def test_unknown_names_get_a_suggestion(kind, name, meant):
    with pytest.raises(LookupError) as error:
        lookup(kind, name)
    message = str(error.value)
    assert message.startswith(f"There is no {kind} {name!r}. Did you mean {meant!r}? Known names: ")
    assert message.endswith(
        f"decorate its class with @register.{kind}({name!r}), or pass an instance."
    )
    assert all(repr(known) in message for known in names(kind))


def test_no_suggestion_where_nothing_is_near():
    with pytest.raises(LookupError, match=r"There is no activation 'xyzzy'\. Known names: 'elu', "):
        lookup("activation", "xyzzy")


def test_estimators_suggest_what_was_registered():
    register.activation("half")(Half)
    message = (
        r"The 'activation' parameter of MLPClassifier must be .*'half'.*Got 'halve' instead\. "
        r"Did you mean 'half'\? .*@register\.activation\('halve'\)"
    )
    with pytest.raises(ValueError, match=message):
        MLPClassifier(activation="halve").fit(X, Y)


# ----------------------------------------------------------------------------------- entry points
MODULE = """
import numpy as np
from sknn_scratch.contracts import Activation
from sknn_scratch.components import SGD

class Mine(Activation):
    def forward(self, z, out):
        return np.tanh(z, out=out)

    def backward(self, grad, a, z, out):
        return np.multiply(grad, 1 - a * a, out=out)

class Slow(SGD):
    momentum: float = 0.5
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return a function that installs a distribution: its module, and its entry points."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(distribution, entry_points, source=MODULE):
        module = f"plugin_{distribution}"
        (tmp_path / f"{module}.py").write_text(textwrap.dedent(source))
        info = tmp_path / f"{distribution}-1.0.dist-info"
        info.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
        (info / "METADATA").write_text(metadata)
        groups = [
            f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
            for group, points in entry_points.items()
        ]
        (info / "entry_points.txt").write_text("\n".join(groups))
        registry._entry_points.cache_clear()
        return module

    return install


def test_entry_points_are_listed_without_import(install):
    module = install("listed", {"sknn_scratch.activations": {"mine": "plugin_listed:Mine"}})
    assert "mine" in names("activation")
    assert lookup("activation", "relu") is Relu
    assert lookup("optimizer", "adam") is Adam
    MLPClassifier(**SMALL).fit(X, Y)
    assert module not in sys.modules


def test_entry_points_are_loaded_on_first_use(install):
    points = {
        "sknn_scratch.activations": {"mine": "plugin_used:Mine"},
        "sknn_scratch.optimizers": {"slow": "plugin_used:Slow"},
    }
    module = install("used", points)
    classifier = MLPClassifier(**SMALL, activation="mine", solver="slow").fit(X, Y)
    mine, slow = sys.modules[module].Mine, sys.modules[module].Slow
    assert lookup("activation", "mine") is mine
    by_instance = MLPClassifier(**SMALL, activation=mine(), solver=slow()).fit(X, Y)
    np.testing.assert_array_equal(classifier.theta_, by_instance.theta_)


def test_a_module_may_register_what_its_entry_point_names(install):
    source = MODULE.replace("class Mine", "@register.activation('mine')\nclass Mine")
    source = "from sknn_scratch import register\n" + source
    module = install("both", {"sknn_scratch.activations": {"mine": "plugin_both:Mine"}}, source)
    assert lookup("activation", "mine") is sys.modules[module].Mine


def test_entry_points_of_other_groups_are_no_names(install):
    install("other", {"console_scripts": {"mine": "plugin_other:Mine"}})
    assert "mine" not in names("activation")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_module_of_mine", "ModuleNotFoundError: No module named 'no_such_module"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def (", "SyntaxError: "),
        ("Other = 1", "AttributeError: "),
    ],
)
def test_a_failing_import_is_reported_with_its_distribution(install, source, reason):
    install("failing", {"sknn_scratch.activations": {"mine": "plugin_failing:Mine"}}, source)
    message = (
        "The activation 'mine' of distribution 'failing' cannot be loaded from "
        "'plugin_failing:Mine': " + re.escape(reason)
    )
    for _ in range(2):
        with pytest.raises(ImportError, match=message):
            lookup("activation", "mine")
    with pytest.raises(ImportError, match=message):
        MLPClassifier(**SMALL, activation="mine").fit(X, Y)
    assert {"mine", "relu"} <= set(names("activation"))
    MLPClassifier(**SMALL, activation="tanh").fit(X, Y)
    with pytest.raises(LookupError, match="Did you mean 'relu'"):
        lookup("activation", "rellu")


@pytest.mark.parametrize("what", ["Slow", "np"])
def test_an_entry_point_of_the_wrong_kind_is_reported_with_its_distribution(install, what):
    install("wrong", {"sknn_scratch.activations": {"mine": f"plugin_wrong:{what}"}})
    with pytest.raises(TypeError, match=r"(?=.*must be a subclass of .*Activation)(?=.*'wrong')"):
        lookup("activation", "mine")


def test_two_distributions_with_one_name_are_an_error_on_use_only(install):
    install("one", {"sknn_scratch.activations": {"mine": "plugin_one:Mine"}})
    points = {"mine": "plugin_two:Mine", "second": "plugin_two:Mine"}
    install("two", {"sknn_scratch.activations": points})
    assert names("activation").count("mine") == 1
    assert lookup("activation", "second") is sys.modules["plugin_two"].Mine
    MLPClassifier(**SMALL).fit(X, Y)
    message = "'mine' is provided by distribution 'one' and distribution 'two': uninstall one"
    with pytest.raises(ValueError, match=message):
        lookup("activation", "mine")
    with pytest.raises(ValueError, match=message):
        MLPClassifier(**SMALL, activation="mine").fit(X, Y)


def test_a_distribution_found_twice_is_one(install, tmp_path, monkeypatch):
    install("twice", {"sknn_scratch.activations": {"mine": "plugin_twice:Mine"}})
    monkeypatch.syspath_prepend(tmp_path / ".." / tmp_path.name)
    registry._entry_points.cache_clear()
    assert issubclass(lookup("activation", "mine"), Activation)


def test_built_ins_are_never_replaced_by_an_entry_point(install):
    module = install("thief", {"sknn_scratch.activations": {"relu": "plugin_thief:Mine"}})
    assert lookup("activation", "relu") is Relu
    assert module not in sys.modules


def test_entry_points_are_looked_up_once(install, monkeypatch):
    install("once", {"sknn_scratch.activations": {"mine": "plugin_once:Mine"}})
    lookup("activation", "mine")
    monkeypatch.setattr(registry, "entry_points", None)
    assert "mine" in names("activation")
    assert lookup("activation", "mine").__name__ == "Mine"


# --------------------------------------------------------------- what travels with an estimator
@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Register an activation in an importable module; return the module's name."""
    source = f"from sknn_scratch import register\n{MODULE}\nregister.activation('mine')(Mine)\n"
    (tmp_path / "plugin_module.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    import plugin_module

    return plugin_module.__name__


@pytest.mark.parametrize("is_fitted", [False, True])
def test_an_estimator_brings_its_modules_along(plugin, is_fitted):
    classifier = MLPClassifier(**SMALL, activation="mine")
    desired = MLPClassifier(**SMALL, activation="mine").fit(X, Y).theta_
    if is_fitted:
        classifier.fit(X, Y)
    stored = pickle.dumps(classifier)
    forget()
    del sys.modules[plugin]
    loaded = pickle.loads(stored)
    assert loaded.get_params()["activation"] == "mine"
    np.testing.assert_array_equal(loaded.fit(X, Y).theta_, desired)


def test_a_fitted_one_predicts_without_the_registry(plugin):
    classifier = MLPClassifier(**SMALL, activation="mine").fit(X, Y)
    stored = pickle.dumps(classifier)
    forget()
    loaded = pickle.loads(stored)
    assert "mine" not in names("activation")
    np.testing.assert_array_equal(loaded.predict(X), classifier.predict(X))
    assert "mine" not in names("activation")


def test_what_was_brought_along_travels_on(plugin):
    stored = pickle.dumps(MLPClassifier(**SMALL, activation="mine"))
    for _ in range(2):
        forget()
        sys.modules.pop(plugin, None)
        stored = pickle.dumps(pickle.loads(stored))
    forget()
    pickle.loads(stored).fit(X, Y)


def test_a_missing_module_gets_in_nobodys_way(plugin, tmp_path):
    stored = pickle.dumps(MLPClassifier(**SMALL, activation="mine"))
    forget()
    del sys.modules[plugin]
    (tmp_path / f"{plugin}.py").unlink()
    loaded = pickle.loads(stored)
    loaded.set_params(activation="relu").fit(X, Y)
    with pytest.raises(LookupError, match="Did you mean 'relu'"):
        lookup("activation", "rellu")
    for _ in range(2):
        with pytest.raises((LookupError, ImportError), match=plugin):
            lookup("activation", "mine")


def test_one_failing_module_does_not_hide_another(plugin, tmp_path):
    for k in range(4):  # the order in which modules are tried must not matter
        source = f"from sknn_scratch import register\n{MODULE}\nregister.activation('m{k}')(Mine)\n"
        (tmp_path / f"plugin_broken_{k}.py").write_text(source)
        __import__(f"plugin_broken_{k}")
    stored = pickle.dumps(MLPClassifier(**SMALL, activation="mine"))
    forget()
    for name in [plugin, *(f"plugin_broken_{k}" for k in range(4))]:
        del sys.modules[name]
    for k in range(4):
        (tmp_path / f"plugin_broken_{k}.py").unlink()
    pickle.loads(stored).fit(X, Y)


def test_a_class_of_a_module_may_be_registered_elsewhere(tmp_path, monkeypatch):
    (tmp_path / "plugin_plain.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    import plugin_plain

    register.activation("plain")(plugin_plain.Mine)
    stored = pickle.dumps(MLPClassifier(**SMALL, activation="plain"))
    forget()
    del sys.modules["plugin_plain"]
    pickle.loads(stored).fit(X, Y)


def run_script(path, source, *arguments, succeeds=True):
    """Run a script in a process of its own, in which the folder of ``path`` can be imported."""
    path.write_text(textwrap.dedent(source))
    paths = [str(path.parent), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [sys.executable, str(path), *map(str, arguments)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (result.returncode == 0) == succeeds, result.stderr
    return result


SEARCH = """
import sys
import warnings

import joblib
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV

from sknn_scratch import MLPClassifier, register

warnings.simplefilter("ignore")

def search(activations):
    X, y = load_iris(return_X_y=True)
    grid = {"activation": activations}
    estimator = MLPClassifier((4,), max_iter=3, random_state=0)
    return GridSearchCV(estimator, grid, n_jobs=2, cv=2, error_score="raise").fit(X, y)
"""
MAIN = MODULE + "\nregister.activation('mine')(Mine)\n"


@pytest.mark.slow
def test_search_over_names_of_a_module_and_fit_again_elsewhere(tmp_path):
    (tmp_path / "plugin_search.py").write_text(
        f"from sknn_scratch import register\n{MODULE}\nregister.activation('mine')(Mine)\n"
    )
    script = """
    import plugin_search
    found = search(["relu", "mine"])
    assert len(found.cv_results_["params"]) == 2
    best = found.best_estimator_.set_params(activation="mine").fit(*load_iris(return_X_y=True))
    joblib.dump((best, found), sys.argv[1])
    print(best.loss_)
    """
    stored = tmp_path / "stored.joblib"
    search = run_script(tmp_path / "search.py", SEARCH + textwrap.dedent(script), stored)
    script = """
    best, found = joblib.load(sys.argv[1])
    assert "plugin_search" in sys.modules  # the class of the fitted activation lives there
    best.set_params(max_iter=3).fit(*load_iris(return_X_y=True))
    print(best.loss_)
    """
    again = run_script(tmp_path / "again.py", SEARCH + textwrap.dedent(script), stored)
    assert again.stdout == search.stdout


@pytest.mark.slow
def test_an_unfitted_one_is_fitted_in_a_process_that_never_saw_the_name(plugin, tmp_path):
    joblib.dump(MLPClassifier(**SMALL, activation=("mine",)), tmp_path / "stored.joblib")
    script = """
    import sys
    import warnings

    import joblib
    import numpy as np

    warnings.simplefilter("ignore")
    loaded = joblib.load(sys.argv[1])
    assert "plugin_module" not in sys.modules
    print(loaded.fit(np.eye(3), [0, 1, 0]).activation)
    """
    result = run_script(tmp_path / "load.py", script, tmp_path / "stored.joblib")
    assert result.stdout == "('mine',)\n"


@pytest.mark.slow
def test_a_name_of_main_fails_in_the_worker_with_one_sentence(tmp_path):
    script = SEARCH + MAIN + "\nif __name__ == '__main__':\n    search(['relu', 'mine'])\n"
    error = run_script(tmp_path / "script.py", script, succeeds=False).stderr
    assert error.splitlines()[-1].endswith(
        "'mine' was registered in the __main__ module of another process, which cannot be imported "
        "here: pass an instance, or move the class to a module."
    )


@pytest.mark.slow
def test_an_instance_of_main_works_in_workers(tmp_path):
    script = """
    if __name__ == "__main__":
        found = search(["relu", Mine()])
        here = MLPClassifier((4,), max_iter=3, random_state=0, activation=Mine())
        here.fit(*load_iris(return_X_y=True))
        print(len(found.cv_results_["params"]), type(found.best_estimator_.activation).__name__)
    """
    script = SEARCH + MAIN + textwrap.dedent(script)
    result = run_script(tmp_path / "script.py", script)
    assert re.fullmatch(r"2 (str|Mine)\n", result.stdout)


def test_the_regressor_too(plugin):
    stored = pickle.dumps(MLPRegressor(**SMALL, activation=["mine"]))
    forget()
    del sys.modules[plugin]
    pickle.loads(stored).fit(X, X[:, 0])
    assert issubclass(lookup("optimizer", "adam"), Optimizer)
