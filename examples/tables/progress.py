"""Watch a grid search over a tabular estimator: its folds, its members and their epochs.

    python examples/tables/progress.py

scikit-learn's callback ``ProgressBar`` shows one bar for the search, one for each fit of a fold,
and one for each member of the ensemble, which moves with its epochs. Requires rich.
"""

from sklearn.callback import ProgressBar
from sklearn.datasets import load_diabetes
from sklearn.model_selection import GridSearchCV

from sknn_scratch import TabularMLPRegressor

table, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
table["sex"] = table["sex"].map({1: "female", 2: "male"})

model = TabularMLPRegressor("fast", n_ensemble=2, random_state=0)
search = GridSearchCV(model, {"dropout": [0.0, 0.1]}, cv=3)
search.set_callbacks(ProgressBar()).fit(table, y)

print(f"best parameters: {search.best_params_}, R² in cross-validation: {search.best_score_:.2f}")
