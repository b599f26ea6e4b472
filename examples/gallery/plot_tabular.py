"""
Fit a mixed-type table without preprocessing
============================================

``TabularMLPRegressor`` takes a DataFrame with numeric, categorical, boolean and datetime columns
and missing values. The price of a parcel, the target here, rises in steps with its weight. The
estimator learns the steps. Its error is lower than that of a pipeline that encodes, scales and
imputes the columns for an ``MLPRegressor``.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from sknn_scratch import MLPRegressor, TabularMLPRegressor

# %%
# Synthetic prices of parcels, with a surcharge in November and December.
rng = np.random.default_rng(0)
n = 3000
table = pd.DataFrame(
    {
        "weight": rng.gamma(2.0, 1.5, n).round(2),
        "distance": rng.uniform(1, 1500, n).round(),
        "service": rng.choice(["economy", "standard", "express"], n, p=[0.3, 0.5, 0.2]),
        "fragile": rng.choice([True, False], n, p=[0.15, 0.85]),
        "sent": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 730, n), "D"),
    }
)


def tariff(table):
    """Return the prices of parcels, without noise."""
    price = np.array([5.0, 8.0, 12.0, 18.0])[np.digitize(table.weight, [1, 2, 5])]
    price *= table.service.map({"economy": 0.8, "standard": 1.0, "express": 1.7})
    price += 0.004 * table.distance + 3.0 * table.fragile
    return price + 3.0 * (table.sent.dt.month >= 11)


price = tariff(table) + rng.normal(0, 0.5, n)
table.loc[rng.random(n) < 0.1, "distance"] = np.nan
table.loc[rng.random(n) < 0.02, "service"] = None
table.head()

# %%
# The pipeline chooses an encoding for each column. ``TabularMLPRegressor`` chooses by dtype.
date = FunctionTransformer(lambda column: column.apply(lambda sent: sent.dt.day_of_year))
columns = make_column_transformer(
    (OneHotEncoder(), ["service", "fragile"]),
    (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), ["weight", "distance"]),
    (make_pipeline(date, StandardScaler()), ["sent"]),
)
network = MLPRegressor(hidden_layer_sizes=(96, 96), max_iter=1000, random_state=0)
models = {
    "pipeline with MLPRegressor": make_pipeline(columns, network),
    "TabularMLPRegressor": TabularMLPRegressor(random_state=0),
}
X_train, X_test, y_train, y_test = train_test_split(table, price, random_state=0)
errors = {
    name: mean_absolute_error(y_test, model.fit(X_train, y_train).predict(X_test))
    for name, model in models.items()
}

# %%
# Predict the price of one parcel at different weights. The legend shows the mean absolute error
# (MAE) on the test rows, which cover all services, distances and dates.
weights = np.linspace(0.1, 8, 800)
parcel = {"distance": 500.0, "service": "standard", "fragile": False}
parcels = pd.DataFrame([parcel] * len(weights)).assign(
    weight=weights, sent=pd.Timestamp("2025-06-02")
)
figure, ax = plt.subplots(figsize=(6.4, 4.5), layout="constrained")
ax.plot(weights, tariff(parcels), color="0.75", linewidth=9, label="true price")
for (name, model), color in zip(models.items(), ["tab:blue", "tab:red"], strict=True):
    label = f"{name}: MAE {errors[name]:.2f}"
    ax.plot(weights, model.predict(parcels), color=color, linewidth=2.5, label=label)
ax.set(xlabel="weight in kg", ylabel="price", ylim=(None, 26))
ax.set_title("TabularMLPRegressor learns the price steps", fontweight="bold")
ax.legend(frameon=False, loc="upper left")
plt.show()
