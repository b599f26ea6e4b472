"""The campaign: it finds what is wrong, finds nothing else, and draws whatever there is."""

import contextlib
import dataclasses
import json
import re
import subprocess
import sys
import time
from importlib import import_module
from numbers import Real
from pathlib import Path

import numpy as np
import pytest
from sklearn.utils._param_validation import Interval, make_constraint

import campaign.__main__ as command
import sknn_scratch
from campaign import PARTS, _docs, _draw, replay
from campaign._digest import digest
from campaign._draw import COMPONENTS, ESTIMATORS, draw_params, drawn_component, placed, required
from campaign._findings import Finding, Ledger, store, stored, summary, totals
from campaign._run import play
from campaign._tables import draw_weight, draw_X, draw_y
from campaign._watch import Case, Hang, limited
from sknn_scratch import MLPClassifier, MLPRegressor, components, registry
from sknn_scratch.contracts import Component
from sknn_scratch.fitting import _settings, _solve, _validation
from sknn_scratch.fitting._params import check_params

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def on_numpy(monkeypatch):
    """Compiled code raises no RuntimeWarning, and to compile takes longer than a call may."""
    monkeypatch.setenv("SKNN_SCRATCH_ENGINE", "numpy")
    with sknn_scratch.config_context(engine="numpy"):
        yield


def played(part, seeds, until_found=False):
    """Play cases; return the ledger."""
    ledger = Ledger(part)
    for seed in seeds:
        play(import_module(f"campaign.{part}"), seed, ledger)
        ledger.cases += 1
        if until_found and ledger.findings:
            break
    return ledger


def shown(ledger):
    return "\n".join(str(each[0]) for each in ledger.findings.values())


# ------------------------------------------------------------------------------- what it finds
@pytest.mark.parametrize(("part", "n"), [("calls", 40), ("machine", 4), ("plugins", 30)])
def test_nothing_is_found(part, n):
    ledger = played(part, range(900, 900 + n))
    assert not ledger.findings, shown(ledger)
    assert ledger.outcomes.total() >= n


@pytest.mark.slow
@pytest.mark.parametrize(("part", "n"), [("kills", 1), ("files", 40), ("threads", 3)])
def test_nothing_is_found_by_slow_parts(part, n):
    ledger = played(part, range(n))
    assert not ledger.findings, shown(ledger)


def without_field_names(self, condition, field, must):
    if not condition:
        raise ValueError(f"The 'size' parameter must be {must}.")


def keeps_all(estimator):
    """Take the place of what gives an estimator back on errors."""
    return contextlib.nullcontext()


#: What a change may break: (module, name, replacement, part that is to see it).
FAULTS = {
    "a size check removed": (_validation, "check_consistent_length", lambda *_: None, "machine"),
    "an errstate removed": (_solve, "quiet_floats", contextlib.nullcontext, "calls"),
    "a check of parameters removed": (_settings, "check_params", lambda estimator: None, "calls"),
    "a parameter renamed in a message": (Component, "require", without_field_names, "calls"),
    "an estimator changed by an error": (_solve, "unchanged_on_error", keeps_all, "machine"),
    "an error without a note": (_solve._blame, "add_notes", lambda *_, **__: None, "plugins"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_planted_faults_are_found(name, monkeypatch, capsys):
    where, attribute, replacement, part = FAULTS[name]
    monkeypatch.setattr(where, attribute, replacement)
    ledger = played(part, range(300), until_found=True)
    assert ledger.findings
    # The lines that a finding prints show it again.
    finding = next(iter(ledger.findings.values()))[0]
    assert f"    >>> replay({part!r}, {finding.seed})" in str(finding)
    capsys.readouterr()
    exec(finding.script(), {})
    assert f"{part}: {finding.kind}: " in capsys.readouterr().out


def test_histories_are_compared_by_their_rows():
    """A failed call may leave rows in the list that histories share, outside of their range."""
    model = MLPRegressor(hidden_layer_sizes=3, tol=10.0, n_iter_no_change=1).fit(
        [[0.0], [1.0]], [0.0, 1.0]
    )
    before = digest(vars(model))
    model._state.history.copy().append({"epoch": 99, "loss": 0.0})
    assert digest(vars(model)) == before
    model._state.history.append({"epoch": 99, "loss": 0.0})
    assert digest(vars(model)) != before


def test_oracles_of_a_call():
    def case():
        return Case(0, Ledger("calls"))

    def kinds(watched):
        return {each[0].kind for each in watched.ledger.findings.values()}

    def fails(error):
        def function():
            raise error

        return function

    messages = {
        "exception type": ZeroDivisionError("X"),
        "message names nothing": ValueError("this is wrong"),
        "bare message": ValueError("X: operands could not be broadcast together"),
    }
    for kind, error in messages.items():
        watched = case()
        watched.call("fit", fails(error))
        assert kinds(watched) == {kind}
    clear = [ValueError("X has 3 features. Got 2"), FileNotFoundError(2, "No such file", "/a")]
    for error in clear:
        watched = case()
        assert not watched.call("fit", fails(error)).ok
        assert kinds(watched) == set()

    watched, data, mlp = case(), np.zeros(3), MLPRegressor()
    watched.call("fit", lambda: data.fill(1), inputs=(data,))
    watched.call("fit", lambda: np.seterr(over="raise"))
    watched.call("fit", lambda: setattr(mlp, "a", 1) or fails(ValueError("X"))(), mlp)
    watched.call("fit", lambda: np.float64(1e308) * np.array([10.0]))
    expected = {"changed its input", "changed the process", "changed after an error", "warning"}
    assert kinds(watched) == expected


def test_hangs_end():
    with pytest.raises(Hang), limited(0.05):
        time.sleep(20)


def test_digests():
    assert digest({"a": np.arange(3)}) == digest({"a": np.arange(3)})
    different = [
        np.arange(3),
        np.arange(3.0),
        [0, 1, 2],
        (0, 1, 2),
        {0, 1},
        np.arange(4),
        "a",
        None,
    ]
    assert len({digest(value) for value in different}) == len(different)
    mlp = MLPRegressor(max_iter=2, random_state=0).fit(np.eye(3), [1, 2, 3])
    before = digest(vars(mlp))
    mlp.predict(np.eye(3))
    assert digest(vars(mlp)) == before
    mlp.theta_[0] += 1e-9
    assert digest(vars(mlp)) != before


# ------------------------------------------------------------------------------- what it draws
def test_every_estimator_and_component():
    public = {getattr(sknn_scratch, name) for name in sknn_scratch.__all__}
    fits = {one for one in public if isinstance(one, type) and hasattr(one, "predict")}
    assert set(ESTIMATORS) == fits
    assert {cls.__name__ for cls in COMPONENTS} == set(components.__all__)
    assert set(registry.KINDS) == {
        kind for kind, base in registry.KINDS.items() for c in COMPONENTS if issubclass(c, base)
    }


@pytest.mark.parametrize("cls", COMPONENTS, ids=lambda cls: cls.__name__)
def test_components_are_drawn_with_other_fields(cls):
    rng = np.random.default_rng(0)
    drawn = [drawn_component(rng, cls) for _ in range(60)]
    assert all(type(one) is cls for one in drawn)
    for each in dataclasses.fields(cls):
        if each.default is not dataclasses.MISSING and not isinstance(each.default, str):
            values = {repr(getattr(one, each.name)) for one in drawn}
            assert len(values) > 1, each.name
    estimator = MLPRegressor if "regression" in getattr(cls, "tasks", ["regression"]) else None
    estimator = estimator or MLPClassifier
    check_params(estimator(**placed(cls(**required(cls)))))


@pytest.mark.parametrize("cls", ESTIMATORS, ids=lambda cls: cls.__name__)
def test_every_parameter_is_drawn(cls):
    rng, seen = np.random.default_rng(0), {}
    for _ in range(150):
        for name, value in draw_params(rng, cls, p=0.5, p_odd=0.1).items():
            seen.setdefault(name, set()).add(f"{type(value).__name__} {value!r}"[:40])
    assert seen.keys() == cls().get_params(deep=False).keys()
    few = {name for name, values in seen.items() if len(values) < 3}
    assert few <= {"n_jobs", "verbose", "effort"}


@pytest.mark.parametrize("cls", ESTIMATORS, ids=lambda cls: cls.__name__)
def test_legal_values_are_legal(cls):
    """What constraints allow is drawn from them, and not from a list of names."""
    rng = np.random.default_rng(0)
    for name, constraints in cls._parameter_constraints.items():
        for constraint in constraints:
            if isinstance(constraint, Interval):
                for _ in range(20):
                    value = _draw.legal(rng, name, constraint)
                    assert make_constraint(constraint).is_satisfied_by(value), (name, value)


def test_a_new_estimator_is_drawn_by_its_constraints():
    class New(MLPRegressor):
        _parameter_constraints = MLPRegressor._parameter_constraints | {
            "strength": [Interval(Real, 2, 5, closed="both"), None]
        }

        def __init__(self, strength=2.0):
            super().__init__()
            self.strength = strength

    rng = np.random.default_rng(0)
    values = [draw_params(rng, New, p=1.0, p_odd=0.0).get("strength") for _ in range(50)]
    assert None in values
    assert {2.0, 5.0} <= set(values)
    assert all(value is None or 2 <= value <= 5 for value in values)


def test_drawing_follows_from_the_seed():
    def drawn():
        rng = np.random.default_rng(5)
        return [
            digest(
                [draw_X(rng, 0.1).value, draw_y(rng, True, 9, 0.1).value, draw_weight(rng, 9, 0)]
            )
            for _ in range(40)
        ]

    assert drawn() == drawn()
    assert len(set(drawn())) > 30


# -------------------------------------------------------------------------- runs and their page
def ledger_with(part, n_findings):
    ledger = Ledger(part, cases=1200)
    ledger.count("returned", 7)
    for k in range(n_findings):
        ledger.found(Finding(part, k, f"kind {'ab'[k % 2]}", "text", ("fit",)))
    return ledger


def test_store_and_summary(tmp_path):
    assert stored(tmp_path) == []
    store(ledger_with("calls", 3), 5, 1800.0, tmp_path)
    store(ledger_with("calls", 0), 6, 1800.0, tmp_path)
    store(ledger_with("files", 0), 5, 60.0, tmp_path)
    runs = stored(tmp_path)
    assert [run["seed"] for run in runs] == [5, 6, 5]
    assert [each["times"] for each in runs[0]["findings"]] == [2, 1]
    calls, files = totals(runs)
    assert calls[:5] == ("calls", 2400, 1.0, (5, 6), 2)
    assert files[:5] == ("files", 1200, 60 / 3600, (5,), 0)
    assert re.search(r"calls +2,400 +1\.00 +2 ", summary(runs))


def test_page(tmp_path, monkeypatch):
    store(ledger_with("calls", 1), 5, 1800.0, tmp_path)
    text = _docs.PAGE.read_text()
    new = _docs.filled(text, stored(tmp_path))
    assert "| calls | 1,200 | 0.50 | 5 | 1 | " in new
    assert f"sknn_scratch {sknn_scratch.__version__}" in new
    assert _docs.filled(new, stored()) == text
    page = tmp_path / "reliability.md"
    page.write_text(text)
    monkeypatch.setattr(_docs, "PAGE", page)
    _docs.write(stored(tmp_path))
    assert page.read_text() == new


def test_page_has_the_figures_of_stored_runs():
    text = _docs.PAGE.read_text()
    assert _docs.filled(text, stored()) == text
    assert _docs.BLOCK.search(text)
    for part in PARTS:
        assert f"`{part}`" in text


# --------------------------------------------------------------------------- the command line
@pytest.fixture
def runs(monkeypatch):
    """Take the place of runs: each asks for the number of findings of its part."""
    made, findings = [], {"machine": 2}

    def run(part, seed, seconds, cases, tell):
        made.append((part, seed, seconds, cases))
        return ledger_with(part, findings.get(part, 0))

    monkeypatch.setattr(command, "run", run)
    return made


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["calls"], 0),
        (["machine"], 1),
        (["calls", "machine"], 1),
        (["machine", "--report-only"], 0),
        (["machine", "--seed", "today", "--report-only"], 0),
        ([], 1),
        (["summary"], 0),
    ],
)
def test_exit_codes(argv, code, runs, capsys):
    assert command.main(argv) == code
    if argv == ["summary"]:
        assert not runs
    else:
        assert [run[0] for run in runs] == ([a for a in argv if a in PARTS] or list(PARTS))


def test_minutes(runs):
    command.main(["calls", "--minutes", "0.5", "--seed", "3"])
    assert runs == [("calls", 3, 30.0, command.CASES_PER_DAY)]
    runs.clear()
    command.main(["--in-all", "7"])
    assert [run[2] for run in runs] == [60 * 7 / len(PARTS)] * len(PARTS)


def test_unknown_parts(capsys):
    with pytest.raises(SystemExit) as caught:
        command.main(["nonsense"])
    assert caught.value.code == 2
    assert "there is no part nonsense" in capsys.readouterr().err


@pytest.mark.slow
def test_as_a_module():
    argv = [sys.executable, "-m", "campaign", "plugins", "--cases", "2", "--seed", "900"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 cases in" in done.stdout
    assert done.stdout.endswith("no findings\n")


def test_replay_finds_nothing_in_a_sound_case(capsys):
    assert not replay("plugins", 900).findings
    assert json.dumps(replay("plugins", 900).outcomes)
