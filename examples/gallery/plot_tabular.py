"""
A mixed table without preparation
=================================

What a parcel costs depends on its weight by steps, on the way it is sent, on the distance, which is
not always known, and on the season. ``TabularMLPRegressor`` takes that table without any
preparation. It finds the steps, which the usual pipeline in front of an ``MLPRegressor`` smooths
over.
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
# A made-up tariff, with a surcharge before the end of the year.
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
    """Return what parcels cost by the rules."""
    price = np.array([5.0, 8.0, 12.0, 18.0])[np.digitize(table.weight, [1, 2, 5])]
    price *= table.service.map({"economy": 0.8, "standard": 1.0, "express": 1.7})
    price += 0.004 * table.distance + 3.0 * table.fragile
    return price + 3.0 * (table.sent.dt.month >= 11)


price = tariff(table) + rng.normal(0, 0.5, n)
table.loc[rng.random(n) < 0.1, "distance"] = np.nan
table.loc[rng.random(n) < 0.02, "service"] = None
table.head()

# %%
# The usual way names what is to be done with each column; the other does not. With ``n_bins=0`` it
# goes without its piecewise-linear encoding of numbers, and has no steps either.
date = FunctionTransformer(lambda column: column.apply(lambda sent: sent.dt.day_of_year))
columns = make_column_transformer(
    (OneHotEncoder(), ["service", "fragile"]),
    (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), ["weight", "distance"]),
    (make_pipeline(date, StandardScaler()), ["sent"]),
)
network = MLPRegressor(hidden_layer_sizes=(96, 96), max_iter=1000, random_state=0)
models = {
    "StandardScaler, OneHotEncoder,\nMLPRegressor": make_pipeline(columns, network),
    "TabularMLPRegressor(n_bins=0)": TabularMLPRegressor(n_bins=0, random_state=0),
    "TabularMLPRegressor()": TabularMLPRegressor(random_state=0),
}
X_train, X_test, y_train, y_test = train_test_split(table, price, random_state=0)
errors = {
    name: mean_absolute_error(y_test, model.fit(X_train, y_train).predict(X_test))
    for name, model in models.items()
}

# %%
# One parcel with other weights, and the mean absolute error for parcels that no model has seen.
weights = np.linspace(0.1, 8, 800)
parcel = {"distance": 500.0, "service": "standard", "fragile": False}
parcels = pd.DataFrame([parcel] * len(weights)).assign(
    weight=weights, sent=pd.Timestamp("2025-06-02")
)
colors = ["tab:blue", "tab:cyan", "tab:red"]
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.4), width_ratios=[2, 1], layout="tight")
left.plot(weights, tariff(parcels), color="0.75", linewidth=7, label="the tariff")
for (name, model), color in zip(models.items(), colors, strict=True):
    left.plot(weights, model.predict(parcels), color=color, linewidth=2, label=name)
left.set(xlabel="weight in kg", ylabel="price")
left.legend(frameon=False)
bars = right.bar(range(len(errors)), errors.values(), color=colors)
right.bar_label(bars, fmt="%.2f")
right.set(xticks=[], ylabel="mean absolute error")
figure.suptitle("The tabular network takes the steps, the others slide", fontweight="bold")
plt.show()
