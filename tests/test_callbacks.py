"""Callbacks that come with the package, in a fit."""

import csv

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_iris
from sklearn.preprocessing import scale

from sknn_scratch import MLPClassifier
from sknn_scratch.components import Checkpoint, CSVLog, RangeTest, StopOnRise

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = scale(load_iris().data), load_iris().target


def test_range_test_ends_where_the_loss_turns_up():
    est = MLPClassifier(
        solver="sgd",
        learning_rate=RangeTest(1e-4),
        learning_rate_init=100.0,
        max_iter=60,
        n_iter_no_change=np.inf,
        callbacks=[StopOnRise(2.0)],
        random_state=0,
    ).fit(X, Y)
    rates, losses = ([row[key] for row in est.history_] for key in ("learning_rate", "loss"))
    assert 5 < est.n_iter_ < 60
    assert rates == sorted(rates)
    assert losses[-1] > 2.0 * min(losses[:-1])
    assert all(loss <= 2.0 * min(losses[:k]) for k, loss in enumerate(losses[1:-1], start=1))


def test_csv_log_has_the_rows_of_the_history(tmp_path):
    path = tmp_path / "log.csv"
    est = MLPClassifier(
        max_iter=4, early_stopping=True, callbacks=[CSVLog(str(path))], random_state=0
    )
    est.fit(X, Y)
    with open(path, encoding="utf-8") as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    assert rows == est.history_


def test_a_score_that_cannot_be_computed_says_what_to_do():
    images, digits = load_digits(return_X_y=True)
    few = digits < 9
    est = MLPClassifier(max_iter=2, early_stopping=True, scoring="neg_log_loss", random_state=0)
    with pytest.raises(ValueError, match=r"'neg_log_loss' failed on the validation .* a class"):
        est.fit(images, digits, X_val=images[few], y_val=digits[few])


def test_a_checkpoint_past_max_iter_is_refused(tmp_path):
    path = str(tmp_path / "run.npz")
    est = MLPClassifier(max_iter=5, callbacks=[Checkpoint(path)], random_state=0).fit(X, Y)
    with pytest.raises(ValueError, match="epoch 5, past max_iter=3"):
        MLPClassifier(max_iter=3, random_state=0).resume(path, X, Y)
    assert MLPClassifier(max_iter=5, random_state=0).resume(path, X, Y).n_iter_ == est.n_iter_
