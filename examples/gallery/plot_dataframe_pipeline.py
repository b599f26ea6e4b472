"""
Fit counts from a DataFrame with a pipeline
===========================================

Use a ``ColumnTransformer`` when you want to choose the encoding of each column yourself. This one
encodes numeric and categorical columns and fills missing values, and the network gets the result.
The target is a count, so the loss is ``"poisson"``, whose predictions are never negative.
``TabularMLPRegressor`` needs no such pipeline, see :doc:`plot_tabular`.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sknn_scratch import MLPRegressor

# %%
# Synthetic data: bicycle rentals per hour. A tenth of the temperatures is missing.
rng = np.random.default_rng(0)
n = 4000
table = pd.DataFrame(
    {
        "hour": rng.integers(0, 24, n),
        "day": rng.choice(["working day", "weekend"], n, p=[5 / 7, 2 / 7]),
        "weather": rng.choice(["sun", "clouds", "rain"], n, p=[0.4, 0.4, 0.2]),
        "temperature": rng.normal(15, 8, n),
    }
)
peaks = 90 * np.exp(-(((table.hour - 8) / 1.3) ** 2)) + 110 * np.exp(
    -(((table.hour - 17) / 2) ** 2)
)
noon = 120 * np.exp(-(((table.hour - 14) / 4) ** 2))
mean = np.where(table.day == "weekend", noon, peaks) + 4
mean *= table.weather.map({"sun": 1.0, "clouds": 0.8, "rain": 0.35}) * np.exp(
    0.03 * (table.temperature - 15)
)
rentals = rng.poisson(mean)
table.loc[rng.random(n) < 0.1, "temperature"] = np.nan
table.head()

# %%
columns = make_column_transformer(
    (OneHotEncoder(), ["hour", "day", "weather"]),
    (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), ["temperature"]),
)
model = make_pipeline(
    columns,
    MLPRegressor(
        hidden_layer_sizes=(64,),
        loss="poisson",
        solver="adamw",
        learning_rate_init=0.005,
        early_stopping=True,
        max_iter=100,
        random_state=0,
    ),
)
X_train, X_test, y_train, y_test = train_test_split(table, rentals, random_state=0)
model.fit(X_train, y_train)
round(model.score(X_test, y_test), 3)

# %%
# Observed and predicted rentals of the test rows, averaged by hour.
results = X_test.assign(observed=y_test, predicted=model.predict(X_test))
by_hour = results.groupby(["day", "hour"])[["observed", "predicted"]].mean()
figure, axes = plt.subplots(1, 2, figsize=(6.4, 4.5), sharey=True, layout="constrained")
for ax, day in zip(axes, ["working day", "weekend"], strict=True):
    hours = by_hour.loc[day]
    ax.bar(hours.index, hours.observed, color="0.75", label="observed")
    ax.plot(hours.index, hours.predicted, "o-", color="tab:red", markersize=4, label="predicted")
    ax.set(title=day, xlabel="hour", xticks=range(0, 24, 6))
axes[0].set_ylabel("rentals per hour")
axes[0].legend(frameon=False, loc="upper left")
figure.suptitle("The pipeline learns the rush hours", fontweight="bold")
plt.show()
