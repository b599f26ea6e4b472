"""
A pipeline from a DataFrame
===========================

Numbers, categories and missing values in one table: a ``ColumnTransformer`` turns them into
columns of numbers by name, and the network gets those. The target is a count, so the loss is
``"poisson"``, which never predicts less than zero.
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
# Rentals of bicycles, hour by hour, from a made-up town. Some thermometers were broken.
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
# Test rows, averaged by hour: what was seen, and what the pipeline predicts.
seen = X_test.assign(seen=y_test, predicted=model.predict(X_test))
by_hour = seen.groupby(["day", "hour"])[["seen", "predicted"]].mean()
figure, axes = plt.subplots(1, 2, figsize=(9, 4), sharey=True, layout="constrained")
for ax, day in zip(axes, ["working day", "weekend"], strict=True):
    hours = by_hour.loc[day]
    ax.bar(hours.index, hours.seen, color="0.8", label="seen")
    ax.plot(hours.index, hours.predicted, "o-", color="tab:red", label="predicted")
    ax.set(title=day, xlabel="hour", xticks=range(0, 24, 4))
axes[0].set_ylabel("rentals in an hour")
axes[0].legend(frameon=False)
figure.suptitle("The network has found the rush hours of working days alone", fontweight="bold")
plt.show()
