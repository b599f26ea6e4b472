"""Work that depends on the task at hand: no call takes longer because others went before it."""

import copy
import csv
import pickle
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy.sparse import csr_array

from sknn_scratch import MLPClassifier, MLPRegressor
from sknn_scratch.components import CSVLog, PrintProgress, StopOnRise
from sknn_scratch.contracts import Callback
from sknn_scratch.fitting import _publish
from sknn_scratch.training.history import History

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X = np.random.default_rng(0).normal(size=(30, 3))
TARGETS = {MLPRegressor: X[:, 0], MLPClassifier: (X[:, 0] > 0).astype(int)}
VALIDATION = {"X_val": X[:10], "y_val": TARGETS[MLPRegressor][:10]}


class Last(Callback):
    """Reads what callbacks usually read."""

    def on_epoch_end(self, memory, run):
        memory["last"] = [run.loss, len(run.history), len(run.history[-20:])]


def small(cls=MLPRegressor, **params):
    return cls(hidden_layer_sizes=3, random_state=0, **params)


def with_history(model, n):
    """The same fitted estimator, after ``n`` more epochs, as far as it remembers."""
    state = model.get_state()
    rows = state["state"]["history"]
    state["state"]["history"] = [dict(rows[-1]) for _ in range(n)] + rows
    return model.set_state(state)


def work(action):
    """Calls of functions, and bytes at the peak, of an action."""
    calls = []
    sys.setprofile(lambda frame, event, arg: calls.append(event) if "call" in event else None)
    try:
        action()
    finally:
        sys.setprofile(None)
    tracemalloc.start()
    action()
    action()  # the first call fills caches
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    action()
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    return len(calls), peak


#: (class, parameters, arguments after X and y)
STREAMS = {
    "adam": (MLPRegressor, {}, {}),
    "classes": (MLPClassifier, {}, {}),
    "sgd": (MLPRegressor, {"solver": "sgd", "learning_rate": "adaptive"}, {}),
    "average": (MLPRegressor, {"ema_decay": 0.9, "dropout": 0.5}, {}),
    "float32": (MLPRegressor, {"dtype": "float32"}, {}),
    "scores": (MLPRegressor, {}, VALIDATION),
    "early stopping": (MLPRegressor, {"early_stopping": True}, VALIDATION),
    "sparse": (MLPRegressor, {}, {}),
    "weights": (MLPRegressor, {}, {"sample_weight": np.ones(30)}),
    "printing": (MLPRegressor, {"callbacks": [PrintProgress()]}, {}),
    "own callback": (MLPRegressor, {"callbacks": [Last(), StopOnRise()]}, {}),
}


@pytest.mark.parametrize("stream", STREAMS)
def test_a_call_of_partial_fit_does_not_grow_with_the_history(stream):
    cls, params, more = STREAMS[stream]
    data = csr_array(X) if stream == "sparse" else X, TARGETS[cls]
    first = {"classes": [0, 1]} if cls is MLPClassifier else {}
    start = small(cls, **params).partial_fit(*data, **first, **more)
    few, many = (with_history(copy.deepcopy(start), n) for n in (9, 5000))
    for model in few, many:
        for _ in range(3):  # the list of rows grows ahead of its use
            model.partial_fit(*data, **more)
    calls, peak = work(lambda: few.partial_fit(*data, **more))
    more_calls, higher = work(lambda: many.partial_fit(*data, **more))
    assert abs(more_calls - calls) < 50  # caches of numpy or Python may cause a few
    assert higher < peak + 8000  # a list of 5000 rows has 40 kB


@pytest.mark.parametrize("cls", TARGETS)
def test_a_warm_start_does_not_grow_with_the_fits(cls):
    model = small(cls, warm_start=True, max_iter=2)
    counts = []
    for _ in range(12):
        counts.append(work(lambda: model.fit(X, TARGETS[cls]))[0])
    assert abs(counts[-1] - counts[1]) < 50
    assert len(model.history_) == 2


def test_a_log_is_continued_and_not_written_again(tmp_path):
    path = tmp_path / "log.csv"
    model = small(callbacks=[CSVLog(path)])
    for _ in range(3):
        model.partial_fit(X, X[:, 0])
    before = path.read_bytes()
    marked = before.replace(b"epoch,", b"Epoch,")  # would be lost if the file were written again
    path.write_bytes(marked)
    model.partial_fit(X, X[:, 0])
    assert path.read_bytes().startswith(marked)
    path.write_bytes(before)
    model.partial_fit(X, X[:, 0])  # the file lacks an epoch
    with open(path, encoding="utf-8") as file:
        assert [int(row["epoch"]) for row in csv.DictReader(file)] == [1, 2, 3, 4, 5]
    small(callbacks=[CSVLog(path)]).partial_fit(X, X[:, 0])
    assert len(path.read_text(encoding="utf-8").splitlines()) == 2


@pytest.mark.parametrize("content", ["", "x", "1,0.5\n", "\n" * 9, "epoch,loss\n1,0.5,,,,,\n"])
def test_another_file_is_not_continued(tmp_path, content):
    path = tmp_path / "log.csv"
    model = small(callbacks=[CSVLog(path)]).partial_fit(X, X[:, 0])
    path.write_text(content, encoding="utf-8")
    model.partial_fit(X, X[:, 0])
    with open(path, encoding="utf-8") as file:
        assert [float(row["loss"]) for row in csv.DictReader(file)] == model.loss_curve_


# ------------------------------------------------------------------------------- the attributes
NAMES = [
    "history_",
    "loss_curve_",
    "best_loss_",
    "validation_scores_",
    "validation_loss_curve_",
    "best_validation_score_",
]


def test_attributes_of_the_history():
    model = small()
    assert not any(hasattr(model, name) for name in NAMES)
    for _ in range(4):
        model.partial_fit(X, X[:, 0], **VALIDATION)
    rows = model.history_
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    assert model.loss_curve_ == [row["loss"] for row in rows]
    assert model.best_loss_ == min(model.loss_curve_)
    assert model.loss_ == model.loss_curve_[-1]
    assert model.validation_scores_ == [row["validation_score"] for row in rows]
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert model.validation_loss_curve_ == [row["validation_loss"] for row in rows]
    assert all(type(getattr(model, name)) is list for name in NAMES if "best" not in name)


@pytest.mark.parametrize("name", ["history_", "loss_curve_", "validation_scores_"])
def test_a_list_remains_as_it_was_read(name):
    model = small().partial_fit(X, X[:, 0], **VALIDATION)
    first = getattr(model, name)
    before = list(first)
    model.partial_fit(X, X[:, 0], **VALIDATION)
    assert first == before
    first.clear()
    assert len(getattr(model, name)) == 2


def test_a_shallow_copy_has_a_history_of_its_own():
    model = small().partial_fit(X, X[:, 0])
    twin = copy.copy(model)
    for _ in range(2):
        model.partial_fit(X, X[:, 0])
    twin.partial_fit(X, -X[:, 0])
    model.partial_fit(X, X[:, 0])
    assert [row["epoch"] for row in model.history_] == [1, 2, 3, 4]
    assert [row["epoch"] for row in twin.history_] == [1, 2]
    assert twin.history_[0] == model.history_[0]
    assert twin.history_[1] != model.history_[1]


def test_a_failed_call_leaves_no_row():
    model = small(solver="sgd", batch_size=5).partial_fit(X, X[:, 0])
    before = model.history_, pickle.dumps(model)
    for _ in range(3):
        with pytest.raises(ValueError, match="non-finite"):
            model.set_params(learning_rate_init=1e300).partial_fit(X, X[:, 0])
    model.set_params(learning_rate_init=0.001)
    assert (model.history_, pickle.dumps(model)) == before
    assert len(model.partial_fit(X, X[:, 0]).history_) == 2


def test_the_last_calls_are_kept(monkeypatch):
    monkeypatch.setattr(_publish, "CURVE_LENGTH", 5)
    model = small()
    for call in range(1, 40):
        model.partial_fit(X, X[:, 0])
        assert [row["epoch"] for row in model.history_] == [*range(max(1, call - 4), call + 1)]
    assert len(pickle.dumps(model)) < len(pickle.dumps(small().partial_fit(X, X[:, 0]))) + 1000


# ----------------------------------------------------------------------------------- the history
def test_histories_behave_like_lists():
    """Appends, copies and cuts in any order, compared with lists."""
    draw = np.random.default_rng(0)
    pairs = [(History(), [])]
    for step in range(3000):
        history, rows = pairs[draw.integers(len(pairs))]
        match draw.integers(6):
            case 0 if len(pairs) < 40:
                pairs.append((history.copy(), list(rows)))
            case 1 if step % 7 == 0:
                n = int(draw.integers(1, 8))
                history.keep(n)
                del rows[:-n]
            case 2 if len(pairs) < 40:
                pairs.append((pickle.loads(pickle.dumps(history)), list(rows)))
            case _:
                row = {"epoch": step}
                history.append(row)
                rows.append(row)
        assert list(history) == rows
        assert history[-3:] == rows[-3:]
        assert len(history) == len(rows)
    for history, rows in pairs:
        assert list(history) == list(reversed([*reversed(history)])) == rows
        assert history.curve("epoch") == [row["epoch"] for row in rows]
    with pytest.raises(IndexError):
        History()[-1]


def test_copies_in_threads():
    start = History({"epoch": k} for k in range(5))

    def lengthen(thread):
        history = start.copy()
        for k in range(300):
            history.append({"epoch": k, "thread": thread})
        return history

    with ThreadPoolExecutor(8) as pool:
        ends = list(pool.map(lengthen, range(8)))
    assert len(start) == 5
    for thread, history in enumerate(ends):
        assert len(history) == 305
        assert {row["thread"] for row in history[5:]} == {thread}


def test_a_pickle_has_only_its_own_rows():
    history = History([{"epoch": 1}])
    twin = history.copy()
    for k in range(1000):
        twin.append({"epoch": k})
    assert len(pickle.dumps(history)) < 300
