"""
Grid search and its curves
==========================

scikit-learn's ``GridSearchCV`` reaches every parameter. ``SearchCurveDisplay`` draws what it found:
a line for each combination of the other parameters, a band for the spread over folds, a star for
the best.
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
figure, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
SearchCurveDisplay.from_cv_results(search, "mlpclassifier__alpha", ax=ax)
ax.set_ylabel("mean test score (negated log loss)")
ax.set_title("Both too little and too much penalty cost", fontweight="bold")
plt.show()
