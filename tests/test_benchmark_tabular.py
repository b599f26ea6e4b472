"""The benchmark of whole tables: its splits, its averages, and going on where it stopped."""

import json
import sys

import numpy as np
import pytest

pytest.importorskip("pyarrow")
pd = pytest.importorskip("pandas")
tabular = pytest.importorskip("benchmarks.tabular")


@pytest.fixture
def folder(tmp_path):
    """Return a folder with one small table for each task."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"size": rng.normal(size=60), "word": rng.choice(["a", "b", "c"], 60)})
    targets = {"classification": np.where(X["size"] > 0, "yes", "no"), "regression": X["size"]}
    entries = []
    for task, target in targets.items():
        X.assign(target=target).to_parquet(tmp_path / f"{task}.parquet")
        entries.append({"name": f"a {task}", "task": task, "file": f"{task}.parquet"})
    (tmp_path / "MANIFEST.json").write_text(json.dumps({"datasets": entries}))
    return tmp_path


def call(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["tabular", *map(str, arguments)])
    tabular.main()


def test_a_run_and_its_continuation(folder, monkeypatch, capsys):
    results = folder / "results"
    model = "fast:max_iter=2,min_steps=0"
    usual = ["--data", folder, "--seeds", 1, "--results", results, "--models", model]
    call(monkeypatch, *usual, "linear", "--per-table")
    rows = [json.loads(line) for line in results.read_text().splitlines()]
    assert {(row["model"], row["task"]) for row in rows} == {
        (name, task) for name in (model, "linear") for task in tabular.METRICS
    }
    printed = capsys.readouterr().out
    assert "classification, 1 tables" in printed
    assert "win rates by nrmse" in printed
    call(monkeypatch, *usual, "linear", "--sets", "a regression")
    assert len(results.read_text().splitlines()) == len(rows)


def test_ablations_are_parameters():
    for task, changes in tabular.ABLATIONS.items():
        for change in changes.values():
            assert tabular.make_model(f"balanced:{change}", task) is not None


def test_splits():
    X, y = pd.DataFrame({"a": np.arange(30_000)}), pd.Series(np.arange(30_000) % 3)
    X_train, X_test, y_train, _ = tabular.split(X, y, "classification", 0)
    assert (len(X_train), len(X_test)) == (6000, 10_000)
    assert np.ptp(np.bincount(y_train)) == 0
    assert len(tabular.split(X[:303], y[:303], "regression", 0)[1]) == 76


def test_averages():
    assert tabular.shifted_geometric_mean([0.09, 0.09]) == pytest.approx(0.09)
    assert tabular.shifted_geometric_mean([0.0, 0.99], 0.01) == pytest.approx(0.09)
