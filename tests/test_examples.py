"""The examples for tables: each runs as its first lines say, and a missing package has a remedy."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

TABLES = Path(__file__).parents[1] / "examples" / "tables"


def output_of(script, *args):
    command = [sys.executable, "-W", "error::UserWarning", TABLES / script, *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_progress_through_a_search():
    pytest.importorskip("rich")
    text = output_of("progress.py")
    assert text.count("- member #1") == 7, "two parameters, three folds, and the last fit"
    assert "best parameters: {'dropout'" in text


@pytest.mark.slow
def test_pruning_with_optuna():
    pytest.importorskip("optuna")
    text = output_of("prune.py", "--trials", 8)
    n_pruned = int(re.search(r"^(\d+) of 8 trials were pruned", text, re.MULTILINE)[1])
    assert 0 < n_pruned < 8
    assert re.search(r"^R² on test data: 0\.\d\d$", text, re.MULTILINE)


def test_what_a_reader_without_optuna_gets(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(SystemExit, match="pip install optuna"):
        runpy.run_path(str(TABLES / "prune.py"))
