"""The built-in components, with no privilege over a plug-in's: import them from here."""

from sknn_scratch.components.activations import Identity, Logistic, Relu, Tanh
from sknn_scratch.components.callbacks import PrintProgress
from sknn_scratch.components.initializers import GlorotUniform
from sknn_scratch.components.losses import BinaryLogLoss, LogLoss, Poisson, SquaredError
from sknn_scratch.components.optimizers import SGD, Adam
from sknn_scratch.components.schedules import Adaptive, Constant, InvScaling

__all__ = [
    "SGD",
    "Adam",
    "Adaptive",
    "BinaryLogLoss",
    "Constant",
    "GlorotUniform",
    "Identity",
    "InvScaling",
    "LogLoss",
    "Logistic",
    "Poisson",
    "PrintProgress",
    "Relu",
    "SquaredError",
    "Tanh",
]
