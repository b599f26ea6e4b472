"""Tour in one minute: pipelines, a grid search, saving a model, comparison with scikit-learn.

Run it with ``python examples/quickstart.py``. It uses data sets of scikit-learn, prints the
results, and saves the loss curves as ``quickstart.png`` in the current folder.
"""

# %% Imports
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import joblib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogLocator
from sklearn import neural_network
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sknn_scratch import MLPClassifier, MLPRegressor

plt.switch_backend("Agg")  # draw to files: no display is needed
started = perf_counter()

# %% Classification: the digits 0 to 9 on 8 x 8 pixels, in a pipeline
X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)

classifier = make_pipeline(
    MinMaxScaler(),
    MLPClassifier(
        hidden_layer_sizes=(64,), learning_rate_init=0.005, early_stopping=True, random_state=0
    ),
)
classifier.fit(X_train, y_train)

print("Classification (digits)")
print(f"  accuracy on test data     {classifier.score(X_test, y_test):.3f}")
print(f"  epochs                    {classifier[-1].n_iter_}")

# %% Regression: disease progression after one year; features and target are scaled
X_diabetes, y_diabetes = load_diabetes(return_X_y=True)
X_fit, X_new, y_fit, y_new = train_test_split(X_diabetes, y_diabetes, random_state=0)

regressor = TransformedTargetRegressor(
    make_pipeline(
        StandardScaler(),
        MLPRegressor(hidden_layer_sizes=(16,), solver="lbfgs", alpha=30.0, random_state=0),
    ),
    transformer=StandardScaler(),
)
regressor.fit(X_fit, y_fit)

print("\nRegression (diabetes)")
print(f"  R2 on test data           {regressor.score(X_new, y_new):.3f}")

# %% Grid search over parameters of the last step of the pipeline
grid = {
    "mlpclassifier__hidden_layer_sizes": [(64,), (64, 64)],
    "mlpclassifier__activation": ["relu", "silu"],
    "mlpclassifier__dropout": [0.0, 0.2],
}
search = GridSearchCV(classifier, grid, cv=3).fit(X_train, y_train)

print("\nGrid search (digits), best first")
print("  accuracy   hidden layers   activation   dropout")
results = search.cv_results_
for k in np.argsort(results["rank_test_score"], kind="stable"):
    accuracy, tried = results["mean_test_score"][k], results["params"][k]
    sizes, activation, dropout = (tried[name] for name in grid)
    is_first = all(classifier.get_params()[name] == value for name, value in tried.items())
    note = "       the model above" if is_first else ""
    print(f"  {accuracy:<11.3f}{sizes!s:<16}{activation:<13}{dropout}{note}")
print(f"  accuracy of the best on test data: {search.score(X_test, y_test):.3f}")

# %% Save the best model, load it in another process, and compare the predictions
reader = "import joblib, sys; model, X, out = sys.argv[1:]; "
reader += "joblib.dump(joblib.load(model).predict_proba(joblib.load(X)), out)"

with tempfile.TemporaryDirectory() as folder:
    files = [Path(folder) / name for name in ("model.joblib", "X.joblib", "probabilities.joblib")]
    joblib.dump(search.best_estimator_, files[0])
    joblib.dump(X_test, files[1])
    subprocess.run([sys.executable, "-c", reader, *files], check=True)
    loaded = joblib.load(files[2])
    size = files[0].stat().st_size

same = np.array_equal(loaded, search.predict_proba(X_test))
print("\nSaved and loaded in another process")
print(f"  size of the file          {size / 1024:.0f} KiB")
print(f"  same probabilities        {'yes' if same else 'NO'}")


# %% Compare with scikit-learn: the same seed gives the same weights (two classes: with the loss
# binary_log_loss)
def fit_timed(model, X, y):
    """Fit a model; return it and the seconds of the fit."""
    start = perf_counter()
    model.fit(X, y)
    return model, perf_counter() - start


def largest_difference(ours, theirs):
    """Return the largest difference between the weights, relative to the largest weight."""
    pairs = zip(ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True)
    return max(np.abs(a - b).max() / np.abs(b).max() for a, b in pairs)


X_cancer, y_cancer = load_breast_cancer(return_X_y=True)
scale = StandardScaler().fit_transform
common = {"hidden_layer_sizes": (64,), "max_iter": 1000, "random_state": 0}

# For two classes scikit-learn has one logistic output: loss="binary_log_loss" here. The default,
# "log_loss", has two softmax outputs and therefore other weights.
cases = {
    "digits": (X / 16, y, MLPClassifier(**common), neural_network.MLPClassifier(**common)),
    "breast cancer": (
        scale(X_cancer),
        y_cancer,
        MLPClassifier(**common, loss="binary_log_loss"),
        neural_network.MLPClassifier(**common),
    ),
    "diabetes": (
        scale(X_diabetes),
        scale(y_diabetes[:, None]).ravel(),
        MLPRegressor(**common, alpha=10.0),
        neural_network.MLPRegressor(**common, alpha=10.0),
    ),
}

print("\nCompared with scikit-learn (same data, same random_state; scores on test data)")
print("  data             score   theirs   seconds   theirs   weights differ by")
fitted = {}
for name, (X_case, y_case, ours, theirs) in cases.items():
    X_fit, X_new, y_fit, y_new = train_test_split(X_case, y_case, random_state=0)
    ours, seconds = fit_timed(ours, X_fit, y_fit)
    theirs, their_seconds = fit_timed(theirs, X_fit, y_fit)
    fitted[name] = ours, theirs
    print(
        f"  {name:<15}{ours.score(X_new, y_new):>7.3f}{theirs.score(X_new, y_new):>9.3f}"
        f"{seconds:>10.2f}{their_seconds:>9.2f}{largest_difference(ours, theirs):>20.0e}"
    )
print("  Two classes (breast cancer): loss='binary_log_loss' is scikit-learn's model, with one")
print("  logistic output. The default, 'log_loss', has two softmax outputs and other weights.")

# %% Loss curves: sknn_scratch as lines, scikit-learn as dots
figure, panels = plt.subplots(1, len(fitted), figsize=(12, 4), layout="constrained")
for panel, (name, (ours, theirs)) in zip(panels, fitted.items(), strict=True):
    epochs = np.arange(1, ours.n_iter_ + 1)
    every = slice(None, None, max(1, theirs.n_iter_ // 20))
    panel.plot(epochs, ours.loss_curve_, color="tab:blue", linewidth=2, label="sknn_scratch")
    panel.plot(
        np.arange(1, theirs.n_iter_ + 1)[every],
        theirs.loss_curve_[every],
        "o",
        color="tab:orange",
        markersize=5,
        label="scikit-learn",
    )
    panel.set(title=f"{name}, loss={ours.loss!r}", xlabel="epoch", yscale="log")
    panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    panel.yaxis.set_major_formatter("{x:g}")
    panel.yaxis.set_minor_formatter("")
    panel.grid(alpha=0.3)
    panel.spines[["top", "right"]].set_visible(False)
panels[0].set_ylabel("training loss")
panels[0].legend(frameon=False)
figure.suptitle("Same seed, same model: loss curves of sknn_scratch and scikit-learn")
figure.savefig("quickstart.png", dpi=150)

print(f"\nThe loss curves are in quickstart.png. Done in {perf_counter() - started:.0f} s.")
