"""
Tune parameters with a grid search
==================================

``GridSearchCV`` tunes every parameter of the estimators, also inside a pipeline.
``SearchCurveDisplay`` plots its results and shows whether the grid was wide enough: the best value
should not be at an end. Each line is one value of the other parameter, the band is the standard
deviation over the folds, and the star marks the best combination.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknn_scratch import MLPClassifier
from sknn_scratch.inspection import SearchCurveDisplay

X, y = load_breast_cancer(return_X_y=True)
pipe = make_pipeline(
    StandardScaler(), MLPClassifier((16,), solver="lbfgs", max_iter=5000, random_state=0)
)
grid = {
    "mlpclassifier__alpha": [0.01, 0.1, 1.0, 10.0, 100.0, 300.0],
    "mlpclassifier__activation": ["relu", "tanh"],
}
folds = StratifiedKFold(4, shuffle=True, random_state=0)
search = GridSearchCV(pipe, grid, cv=folds, scoring="neg_log_loss").fit(X, y)
search.best_params_

# %%
figure, ax = plt.subplots(figsize=(6.4, 4.5), layout="constrained")
SearchCurveDisplay.from_cv_results(search, "mlpclassifier__alpha", ax=ax)
ax.set_ylabel("mean test score (−log loss)")
ax.set_title("The best penalty is neither weak nor strong", fontweight="bold")
plt.show()
