"""The benchmarks: who takes turns, what is stored, what tables, plots and report make of it."""

import ast
import gc
import json
import platform
import statistics
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import pytest
from test_house import functions, length, n_parameters

import sknn_scratch
from benchmarks import __main__ as command
from benchmarks import (
    _data,
    _docs,
    _frame,
    _peers,
    _plots,
    _report,
    _summary,
    _tables,
    anatomy,
    features,
    footprint,
    growth,
    predict,
    step,
    tabular,
    verbs,
)
from benchmarks._frame import COMPILED, OURS, SKLEARN, SKORCH, TORCH, Settings

FILES = sorted(Path(command.__file__).parent.glob("*.py"))


# --------------------------------------------------------------------------------------- the frame
def test_everybody_takes_turns():
    turns = []

    def case(name):
        return lambda repeat: turns.append(f"{name}{repeat}") or float(len(turns))

    seconds = _frame.interleave({"a": case("a"), "b": case("b")}, repeats=3)
    assert turns == ["a0", "b0", "a0", "b0", "b1", "a1", "a2", "b2"]
    assert seconds == {"a": [3.0, 6.0, 7.0], "b": [4.0, 5.0, 8.0]}


def test_the_collector_waits_while_the_clock_runs():
    seen = []
    assert _frame.clock(lambda: seen.append(gc.isenabled())) >= 0
    with pytest.raises(ZeroDivisionError):
        _frame.clock(lambda: 1 / 0)
    assert seen == [False]
    assert gc.isenabled()


def test_ratios_are_those_of_each_repetition():
    row = {"seconds": {OURS: [1.0, 2.0, 4.0], SKLEARN: [3.0, 4.0, 4.0]}}
    assert _frame.ratios(row, SKLEARN, OURS) == [1.5, 2.0, 2.5]
    assert _frame.ratios(row, TORCH, OURS) is None
    assert _frame.summarised(row)["medians"] == {OURS: 2.0, SKLEARN: 4.0}
    assert _frame.summarised(row)["ratios"] == {OURS: {SKLEARN: [1.5, 2.0, 2.5]}}


def test_quartiles_of_a_single_repetition():
    assert _frame.quartiles([2.0]) == [2.0, 2.0, 2.0]


def test_peak_memory():
    assert 8e6 < _frame.peak_memory(lambda: np.ones(10**6).sum()) < 8.1e6


def test_what_is_stored_can_be_read_again(tmp_path):
    rows = [{"case": "a", "seconds": {OURS: [1 / 3]}}, {"case": "b"}]
    found = _frame.result("step", Settings(data=tmp_path), rows)
    path = _frame.write(found, tmp_path)
    assert _frame.read("step", tmp_path) == _frame.rounded(found)
    assert _frame.read("fits", tmp_path) is None
    assert sum('"case"' in line for line in path.read_text().splitlines()) == len(rows)
    assert str(tmp_path) not in path.read_text()


def test_the_environment_names_no_machine():
    text = json.dumps(_frame.environment())
    assert platform.node() not in text
    assert str(Path.home()) not in text
    assert "scikit-learn" in text


# ----------------------------------------------------------------------------------------- engines
@pytest.fixture
def without_numba(monkeypatch):
    def config_context(engine):
        if engine == "compiled":
            raise ImportError("no numba")
        return nullcontext()

    monkeypatch.setattr(sknn_scratch, "config_context", config_context)


@pytest.fixture
def entered(monkeypatch):
    """The engines that were asked for."""
    names = []

    @contextmanager
    def config_context(engine):
        names.append(engine)
        yield

    monkeypatch.setattr(sknn_scratch, "config_context", config_context, raising=False)
    return names


def test_numpy_is_always_there(without_numba):
    assert command.engines(None) == ("numpy",)
    with pytest.raises(ImportError, match="no numba"):
        command.engines("compiled")
    with pytest.raises(SystemExit, match="no compiled engine"):
        command.engines("both")


def test_an_engine_is_entered_outside_of_the_clock(entered):
    cases = _frame.for_engines(Settings(engines=("numpy", "compiled")), lambda repeat: 1.0)
    assert _frame.interleave(cases, 1, warm_up=False) == {OURS: [1.0], COMPILED: [1.0]}
    assert entered == ["numpy", "compiled"]


# ------------------------------------------------------------------------------------ the command
def test_unknown_names(capsys):
    with pytest.raises(SystemExit):
        command.main(["steps"])
    assert "there is no steps" in capsys.readouterr().err


def test_a_quick_run_is_stored_only_on_request(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(_frame, "FOLDER", tmp_path / "kept")
    monkeypatch.setattr(step, "measure", lambda settings: iter(synthetic("step")["rows"]))
    command.main(["step", "--quick", "--engine", "numpy"])
    assert not (tmp_path / "kept").exists()
    command.main(["step", "--quick", "--engine", "numpy", "--results", str(tmp_path)])
    assert _frame.is_quick(tmp_path)
    assert "vs PyTorch" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="quick"):
        command.main(["tables", "--results", str(tmp_path)])


# ------------------------------------------------------------------------------- synthetic results
EVERYBODY = {OURS: 1.0, COMPILED: 0.5, SKLEARN: 30.0, TORCH: 40.0, SKORCH: 90.0}
FULL = Settings(threads=(1, 2))


def seconds(who=EVERYBODY, factor=1.0):
    return {name: [factor * value * jitter for jitter in (1.0, 1.1, 0.9)] for name, value in who}


def of(*names, factor=1.0):
    return seconds([(name, EVERYBODY[name]) for name in names], factor)


def fit_rows(*cases):
    three = of(OURS, COMPILED, SKLEARN)
    epochs = {OURS: [5, 6], COMPILED: [5, 6], SKLEARN: [6, 7]}
    return [
        {"case": case, "seconds": three, "epochs": epochs, "threads": threads}
        for case in cases
        for threads in (1, 2)
    ]


def rows_of(name):
    """Return rows as a benchmark measures them, in which ours is far ahead."""
    three, memory = (OURS, COMPILED, SKLEARN), {OURS: 1e6, SKLEARN: 1e8}
    if name == "step":
        return [row | {"seconds": seconds(EVERYBODY.items())} for row in step.plan(FULL)]
    if name == "predict":
        plan = (row for row, _ in predict.plan(FULL))
        return [row | {"seconds": of(*three), "memory": memory} for row in plan]
    if name == "growth":
        sizes = growth.sizes(FULL)
        return [
            {"case": s.grows, "at": s.at, "seconds": of(*three, factor=s.at), "memory": memory}
            for s in sizes
        ]
    if name == "footprint":
        sizes = {who: {"numpy": 57_000_000, "scipy": 114_000_000} for who in (OURS, SKLEARN)}
        return [{"case": "import", "seconds": of(OURS, SKLEARN), "bytes": sizes}]
    if name == "features":
        both = {OURS: [1.0, 1.1], features.FEATURED: [1.2, 1.3]}
        return [{"case": "dropout", "shape": s, "seconds": both} for s in features.SHAPES]
    if name == "anatomy":
        parts = dict.fromkeys(anatomy.PARTS, 1.0)
        return [{"case": "10-32-3", "dtype": "float32", "engine": OURS, "parts": parts}]
    if name == "verbs":
        both = {verbs.CHOSEN: [1.0, 1.1], verbs.INSTEAD: [30.0, 33.0]}
        words = {"case": "bias", "instead": "ufunc", "shape": "200 x 100", "dtype": "float32"}
        return [words | {"seconds": both}]
    if name == "search":
        return [{"case": "24", "n_jobs": n, "seconds": of(*three)} for n in (1, 2)]
    return fit_rows("digits", "iris", "diabetes")


def synthetic(name):
    return _frame.result(name, FULL, rows_of(name))


TIMED = ["step", "fits", "lbfgs", "predict", "search", "growth", "footprint", "features"]
STORED = [*TIMED, "anatomy", "verbs"]


def write_tables(folder):
    """Store a table of each task: ours loses by error and wins by all else."""
    losses = {"error": 0.2, "log_loss": 0.3, "auc_loss": 0.1, "nrmse": 0.4}
    with (folder / "tabular.jsonl").open("w", encoding="utf-8") as out:
        for task, metrics in tabular.METRICS.items():
            for model in _docs.REPORTS["tabular"].models:
                sign = 1 if model in tabular.OURS else -1
                scores = {m: losses[m] - sign * (0.1 if m != "error" else -0.1) for m in metrics}
                row = {"model": model, "data": task, "task": task, "seed": 0, **scores}
                row |= {"fit_seconds": 2.0, "predict_seconds": 0.1}
                out.write(json.dumps(row) + "\n")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    for name in STORED:
        _frame.write(synthetic(name), folder)
    write_tables(folder)
    return folder


# ------------------------------------------------------------------------------------------ tables
def test_table():
    table = _tables.Table(["case", "n"], [["a", "1.00"], ["bc", "10.00"]])
    assert table.text() == "case      n\na      1.00\nbc    10.00"
    assert table.markdown() == "| case | n |\n| --- | --: |\n| a | 1.00 |\n| bc | 10.00 |"


@pytest.mark.parametrize(
    ("value", "words"), [(2.5, "2.5 s"), (0.0123, "12.3 ms"), (35.6e-6, "35.6 µs")]
)
def test_times_have_units(value, words):
    assert _tables.seconds_as_words(value) == words


@pytest.mark.parametrize("page", _docs.PAGES, ids=lambda page: page.name)
def test_pages(page, results, tmp_path):
    text = page.read_text(encoding="utf-8")
    names = [match[2] for match in _docs.BLOCK.finditer(text)]
    assert names
    assert {*names} <= {*_docs.BLOCKS, *_docs.REPORTS, *_docs.SHORT, "report"}
    assert _docs.filled(text, page, tmp_path) == text
    new = _docs.filled(text, page, results)
    assert "Not measured yet" not in new
    if any(name.startswith("step") for name in names):
        assert "30.00 (30.00 - 30.00)" in new
    assert _docs.filled(new, page, results) == new


@pytest.mark.parametrize("page", _docs.PAGES, ids=lambda page: page.name)
def test_pages_show_what_was_measured(page):
    """No figure is typed by hand: `python -m benchmarks tables` writes them."""
    text = page.read_text(encoding="utf-8")
    assert _docs.filled(text, page, _frame.FOLDER) == text
    for match in _docs.BLOCK.finditer(text):
        for picture in _docs.PICTURE.findall(match[0]):
            assert (page.parent / picture).exists()


def test_a_summary_shows_what_is_stored(results, tmp_path):
    page = _docs.ROOT / "README.md"
    assert _summary.table(_summary.SUMMARY, page, tmp_path) is None
    found = {
        line[0]: line[1:]
        for lines in (_summary.SUMMARY, _summary.LIMITS)
        for line in _summary.table(lines, page, results).rows
    }
    fits = "`fit`, default parameters: diabetes, iris, digits"
    assert found[fits] == [
        "30.00, 30.00, 30.00× as fast as scikit-learn",
        "[benchmarks](docs/benchmarks.md#whole-fits)",
    ]
    wins = next(found[what] for what in found if "train-test splits (1," in what)
    assert wins == [
        "by log-loss 1; by error 0, with 0 ties",
        "[tables](docs/tabular.md)",
    ]
    assert any(
        "30.00× as fast as scikit-learn, 40.00× as fast as PyTorch" in result
        for result, _ in found.values()
    )


# ------------------------------------------------------------------------------------------ report
def test_report_with_everything_reached(results):
    verdicts = {line[0]: line[-1] for line in _report.table(results).rows}
    late = {name for name, verdict in verdicts.items() if verdict != "reached"}
    assert late == set()


def test_report_with_nothing_reached(tmp_path):
    for name in TIMED:
        found = synthetic(name)
        for row in found["rows"]:
            for mine in OURS, COMPILED:
                if mine in row["seconds"]:
                    row["seconds"][mine] = [
                        value * (1 + 200 * row.get("at", 1)) for value in row["seconds"][mine]
                    ]
            row["memory"] = {OURS: 1e3 * row.get("at", 1), SKLEARN: 1.0}
        _frame.write(found, tmp_path)
    assert {line[-1] for line in _report.table(tmp_path).rows} == {"MISSED"}


def test_report_without_results(tmp_path, capsys):
    _report.show(tmp_path)
    assert "0 of " in capsys.readouterr().out
    assert {line[-1] for line in _report.table(tmp_path).rows} == {"not measured"}


def test_exponent():
    rows = [
        {"case": "rows", "at": n, "seconds": {OURS: [n**1.5, 2 * n**1.5]}} for n in (10**4, 10**6)
    ]
    np.testing.assert_allclose(growth.exponent(rows, "rows", OURS), [1.5] * 3)
    assert growth.exponent(rows, "rows", SKLEARN) is None


# ------------------------------------------------------------------------------------------- parts
@pytest.mark.parametrize("sparse", [False, True])
def test_bare_products_are_those_of_a_step(sparse):
    data = _data.drawn_csr(40, 5, 3, "float32", 0.5) if sparse else _data.drawn(40, 5, 3, "float32")
    work = _peers.Work(*data, (4, 6), 20, 1, "adam", "relu")
    assert len(_peers.products(work)) == 8  # three layers forward and back, but not to X
    with _frame.one_run(1):
        assert _peers.bare(work)(0) > 0
        assert _peers.ours(work)(0) > 0


def test_the_same_model_takes_part_on_both_sides():
    work = _peers.Work(*_data.drawn(40, 5, 3, "float64"), (4,), 20, 2, "sgd", "tanh")
    ours, theirs = (make(work).args[0] for make in (_peers.ours, _peers.scikit_learn))
    with _frame.one_run(1):
        for model in ours, theirs:
            _peers.fit(model, work, 0)
    np.testing.assert_allclose(ours.coefs_[0], theirs.coefs_[0])


def test_torch_trains_the_same_model():
    torch = pytest.importorskip("torch")
    work = _peers.Work(*_data.drawn(40, 5, 3, "float32"), (4,), 20, 1, "sgd", "tanh")
    make, params = _peers.optimizer(work)
    net = _peers.module(work)
    assert [tuple(p.shape) for p in net.parameters()] == [(4, 5), (4,), (3, 4), (3,)]
    assert isinstance(make(net.parameters(), **params), torch.optim.SGD)


def test_sizes_count_what_is_needed():
    assert {"numpy", "scipy", "joblib"} <= {*footprint.closure(["scikit-learn"])}
    assert footprint.bytes_of("numpy") > 10 * footprint.own_bytes() > 0


@pytest.mark.slow
def test_imports_are_timed_with_bytecode(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert footprint.seconds_to_import("sknn_scratch.contracts", 0, bytecode=str(tmp_path)) > 0
    assert [*tmp_path.rglob("contracts.*.pyc")]


# ------------------------------------------------------------------------------------------- house
def test_functions_are_short():
    found = [
        (f"{file.name}: {name}", length(function), n_parameters(function, is_method))
        for file in FILES
        for name, function, is_method in functions(ast.parse(file.read_text(encoding="utf-8")))
        if length(function)
    ]
    lengths = [lines for _, lines, _ in found]
    assert not [name for name, lines, parameters in found if lines > 40 or parameters > 6]
    assert statistics.median(lengths) <= 8
    assert np.mean(np.array(lengths) <= 20) >= 0.9


@pytest.mark.parametrize("name", command.BENCHMARKS)
def test_a_benchmark_says_how_to_run_it(name):
    source = (Path(command.__file__).parent / f"{name}.py").read_text(encoding="utf-8")
    assert f"python -m benchmarks {name}" in ast.get_docstring(ast.parse(source))


# ---------------------------------------------------------------------------- slow: all of it, tiny
@pytest.fixture
def folder_of_data(tmp_path):
    """A folder as --data wants it, with very little in it."""
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=400), "b": pd.Categorical(["x", "y"] * 200)})
    kinds = {"california_housing": "regression", "moons": "classification"}
    for name, task in kinds.items():
        y = frame["a"] if task == "regression" else (frame["a"] > 0).astype(str)
        frame.assign(target=y).to_parquet(tmp_path / f"{name}.parquet")
    entries = [{"name": n, "task": t, "file": f"{n}.parquet"} for n, t in kinds.items()]
    (tmp_path / "MANIFEST.json").write_text(json.dumps({"datasets": entries}))
    images, y = rng.integers(256, size=(300, 28, 28)).astype(np.uint8), np.arange(300) % 10
    images[:, 0, :10] = 255 * np.eye(10)[y]
    np.savez(tmp_path / "mnist.npz", x_train=images, y_train=y, x_test=images, y_test=y)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("name", command.BENCHMARKS)
def test_every_benchmark_runs(name, folder_of_data, tmp_path, monkeypatch):
    pytest.importorskip({"distributed": "dask", "serve": "fastapi"}.get(name, "skorch"))
    monkeypatch.setattr(command, "QUICK", 0.01)
    where = ["--data", str(folder_of_data), "--results", str(tmp_path)]
    command.main([name, "--quick", "--repeats", "1", "--threads", "both", *where])
    stored = _frame.read(name, tmp_path)
    assert stored["rows"]
    assert json.loads(json.dumps(stored)) == stored


@pytest.mark.slow
def test_every_plot_is_drawn(results, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in first, second:
        _plots.draw(results, folder)
    for name in _plots.PLOTS:
        svg = (first / f"{name}.svg").read_text(encoding="utf-8")
        assert svg.endswith("</svg>\n")
        assert svg == (second / f"{name}.svg").read_text(encoding="utf-8")
    _plots.draw(tmp_path, tmp_path)
    assert "step is not drawn" in capsys.readouterr().out
