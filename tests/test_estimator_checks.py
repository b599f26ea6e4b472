"""scikit-learn's rules for estimators: no check skipped, none failing, none expected to fail."""

import inspect
import os
import re
import subprocess
import sys

import pytest
from sklearn import neural_network
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_inplace_ensure_writeable,
    check_param_validation,
    parametrize_with_checks,
)

from sknn_scratch import MLPClassifier, MLPRegressor

ESTIMATORS = [MLPClassifier, MLPRegressor]
SETTINGS = [
    {},
    {"solver": "sgd"},
    {"solver": "lbfgs"},
    {"hidden_layer_sizes": (20, 10), "activation": ("relu", "tanh")},
]
CONFIGURATIONS = [cls(**settings) for cls in ESTIMATORS for settings in SETTINGS] + [
    MLPClassifier(loss="binary_log_loss")
]
DEFAULTS = [f"{cls.__name__}()" for cls in ESTIMATORS]
# Documented as required of all estimators, though check_estimator leaves them out.
MORE_CHECKS = [
    check_dataframe_column_names_consistency,
    check_inplace_ensure_writeable,
    check_param_validation,
]
# Prints a line for each check that did not pass, then the number of those that did.
SCRIPT = """
import warnings
warnings.simplefilter("ignore")
from sklearn.utils.estimator_checks import check_estimator
from sknn_scratch import MLPClassifier, MLPRegressor
results = check_estimator({estimator!r}, on_skip=None, on_fail=None)
for result in results:
    if result["status"] != "passed":
        print(result["status"], result["check_name"], repr(result["exception"]))
print(sum(result["status"] == "passed" for result in results), "passed")
"""


# A process of each takes seconds; the same checks run for all of them below.
@pytest.mark.parametrize(
    "estimator",
    [
        pytest.param(one, id=str(one), marks=[pytest.mark.slow] * (str(one) not in DEFAULTS))
        for one in CONFIGURATIONS
    ],
)
def test_check_estimator(estimator):
    # scipy reads the variable when it is imported, hence a process of its own.
    environment = os.environ | {"SCIPY_ARRAY_API": "1"}
    command = [sys.executable, "-c", SCRIPT.format(estimator=estimator)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    passed = re.fullmatch(r"(\d+) passed\n", run.stdout)
    assert passed, run.stdout
    assert int(passed[1]) >= 60


# The same, slower and without the array API, with a traceback for each check that fails.
@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@parametrize_with_checks(CONFIGURATIONS)
def test_each_check(estimator, check):
    check(estimator)


@pytest.mark.parametrize("check", MORE_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("estimator", CONFIGURATIONS, ids=str)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_checks_beside_check_estimator(estimator, check):
    check(type(estimator).__name__, estimator)


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_signature_is_scikit_learns_and_more(cls):
    theirs = inspect.signature(getattr(neural_network, cls.__name__)).parameters
    ours = inspect.signature(cls).parameters
    assert list(ours)[: len(theirs)] == list(theirs)
    assert [p.replace(annotation=p.empty) for p in ours.values()][: len(theirs)] == list(
        theirs.values()
    )
    assert {p.kind for p in list(ours.values())[len(theirs) :]} == {inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_every_parameter_is_documented_in_order(cls):
    section = inspect.getdoc(cls).split("Parameters\n----------\n")[1].split("\n\n\n")[0]
    section = re.split(r"\n[A-Z][a-z]+\n-{4,}\n", section)[0]
    documented = [
        name for names in re.findall(r"^([\w, ]+) :", section, re.M) for name in names.split(", ")
    ]
    assert documented == list(inspect.signature(cls).parameters)
