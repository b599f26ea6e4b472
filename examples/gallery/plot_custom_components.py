"""
Write a custom activation and a custom loss
===========================================

Write your own component when the data need something special. Each one here takes a dozen lines.
The activation ``Snake`` is periodic, so the network can extrapolate a wave. The loss ``Cauchy``
grows slowly, so outliers hardly matter. A network with ``relu`` and squared error is pulled up by
the outliers and does not extrapolate.
"""

import matplotlib.pyplot as plt
import numpy as np

from sknn_scratch import MLPRegressor
from sknn_scratch.contracts import Activation, Loss
from sknn_scratch.testing import check_component


class Snake(Activation):
    """z + sin²(βz) / β."""

    beta: float = 1.0
    needs_input = True

    def forward(self, z, out):
        return np.add(z, np.sin(self.beta * z) ** 2 / self.beta, out=out)

    def backward(self, grad, a, z, out):
        return np.multiply(grad, 1 + np.sin(2 * self.beta * z), out=out)


class Cauchy(Loss):
    """½ log(1 + (raw - y)²), which grows slowly for large errors."""

    tasks = ("regression",)

    def value_and_grad(self, y, raw, weight, out):
        residual = raw - y
        value = 0.5 * np.log1p(residual**2)
        np.divide(residual, 1 + residual**2, out=out)
        if weight is not None:
            value *= weight[:, None]
            out *= weight[:, None]
        return float(value.sum())


# %%
# Check derivatives, dtypes, memory layout, pickling and more; a failed check raises an error.
check_component(Snake(beta=2.0))
check_component(Cauchy())

# %%
# The data are a rising wave; every tenth point is an outlier.
rng = np.random.default_rng(0)
x = rng.uniform(-6, 6, 300)
y = 0.3 * x + np.sin(2 * x) + rng.normal(0, 0.1, 300)
y[::10] += rng.uniform(3, 6, 30)

standard = MLPRegressor(hidden_layer_sizes=(32,), solver="lbfgs", max_iter=2000, random_state=0)
custom = MLPRegressor(
    hidden_layer_sizes=(32,),
    activation=Snake(beta=2.0),
    loss=Cauchy(),
    solver="lbfgs",
    max_iter=2000,
    random_state=0,
)

# %%
x_all = np.linspace(-12, 12, 600)
figure, ax = plt.subplots(figsize=(6.4, 4.5), layout="constrained")
ax.axvspan(-6, 6, color="0.94", zorder=0)
ax.plot(x, y, ".", color="0.5", label="data")
ax.plot(x_all, 0.3 * x_all + np.sin(2 * x_all), color="0.7", linewidth=6, label="true function")
for name, model, color in [
    ("relu, squared error", standard, "tab:blue"),
    ("Snake, Cauchy", custom, "tab:red"),
]:
    ax.plot(
        x_all,
        model.fit(x[:, None], y).predict(x_all[:, None]),
        color=color,
        linewidth=2.5,
        label=name,
    )
ax.set(xlabel="x", ylabel="y", ylim=(-6, 14))
ax.set_title("Custom components: robust and periodic", fontweight="bold")
ax.legend(frameon=False, ncols=2, loc="upper left")
plt.show()
