"""Tune a tabular estimator with Optuna, which ends fits early that do worse than others.

    python examples/tables/prune.py --trials 20

A callback reports the validation score of each epoch of each member. Optuna compares it with the
scores of earlier trials after as many epochs. Requires optuna.
"""

import argparse

from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split

from sknn_scratch import TabularMLPRegressor
from sknn_scratch.contracts import Callback

try:
    import optuna
except ImportError as error:
    raise SystemExit("This example requires Optuna: run `pip install optuna`.") from error

MEMBERS, EPOCHS = 4, 40


class Pruning(Callback):
    """Report scores to a trial of Optuna, and end the fit if the trial should be pruned."""

    trial: object

    def on_epoch_end(self, memory, run):
        score = run.history[-1].get("validation_score")
        if score is None:  # members are not scored in each epoch
            return
        self.trial.report(score, run.member * EPOCHS + run.epoch)
        if self.trial.should_prune():
            # run.stop would end only this member.
            raise optuna.TrialPruned


def model_for(trial):
    return TabularMLPRegressor(
        n_ensemble=MEMBERS,
        max_iter=EPOCHS,
        min_steps=0,
        hidden_layer_sizes=(trial.suggest_int("units", 8, 96, log=True),) * 2,
        learning_rate_init=trial.suggest_float("learning_rate_init", 1e-5, 1e-1, log=True),
        dropout=trial.suggest_float("dropout", 0.0, 0.3),
        # Members with the same loss have scores in the same units.
        link="identity",
        callbacks=[Pruning(trial)],
        random_state=0,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=20)
    n_trials = parser.parse_args().trials
    table, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    table["sex"] = table["sex"].map({1: "female", 2: "male"})
    X, X_test, y, y_test = train_test_split(table, y, random_state=0)
    X_train, X_val, y_train, y_val = train_test_split(X, y, random_state=0)

    def objective(trial):
        model = model_for(trial).fit(X_train, y_train, X_val=X_val, y_val=y_val)
        return model.score(X_val, y_val)

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=0)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=3)
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
    study.optimize(objective, n_trials=n_trials)

    n_pruned = sum(trial.state == optuna.trial.TrialState.PRUNED for trial in study.trials)
    print(f"{n_pruned} of {n_trials} trials were pruned")
    print(f"best trial: R² {study.best_value:.2f} on validation data, with {study.best_params}")
    best = model_for(study.best_trial).set_params(callbacks=None)
    print(f"R² on test data: {best.fit(X, y).score(X_test, y_test):.2f}")


if __name__ == "__main__":
    main()
