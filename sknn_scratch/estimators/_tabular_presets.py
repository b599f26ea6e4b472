"""Presets of ``effort``: values of parameters for each task."""

from __future__ import annotations

from typing import Any

Preset = dict[str, Any]

_CLASSIFICATION: dict[str, Preset] = {
    "fast": {
        "n_ensemble": 4,
        "hidden_layer_sizes": (64, 64),
        "max_iter": 20,
        "min_steps": 400,
        "learning_rate_init": 0.04,
    },
    "balanced": {
        "n_ensemble": 8,
        "hidden_layer_sizes": (96, 96),
        "max_iter": 32,
        "min_steps": 400,
        "learning_rate_init": 0.035,
    },
    "best": {
        "n_ensemble": 24,
        "hidden_layer_sizes": (96, 96),
        "max_iter": 32,
        "min_steps": 400,
        "learning_rate_init": 0.035,
    },
}
_REGRESSION: dict[str, Preset] = {
    "fast": {
        "n_ensemble": 4,
        "hidden_layer_sizes": (64, 64),
        "max_iter": 12,
        "min_steps": 400,
        "learning_rate_init": 0.035,
    },
    "balanced": {
        "n_ensemble": 8,
        "hidden_layer_sizes": (96, 96),
        "max_iter": 16,
        "min_steps": 400,
        "learning_rate_init": 0.035,
    },
    "best": {
        "n_ensemble": 16,
        "hidden_layer_sizes": (128, 128),
        "max_iter": 24,
        "min_steps": 800,
        "learning_rate_init": 0.035,
        "n_bins": 32,
    },
}
_ALL = {
    "classification": ({"activation": "silu", "n_bins": 8, "ema_decay": 0.0}, _CLASSIFICATION),
    "regression": ({"activation": "silu", "n_bins": 16, "ema_decay": 0.0}, _REGRESSION),
}


def preset(task: str, effort: str) -> Preset:
    """Return the preset of ``effort`` for a task.

    Parameters
    ----------
    task : {'classification', 'regression'}
        Task of the estimator.
    effort : {'fast', 'balanced', 'best'}
        Name of the preset.

    Returns
    -------
    params : dict
        Values of parameters that are None. ``max_iter`` may be increased on small data.
    """
    if task not in _ALL or effort not in _ALL[task][1]:
        raise ValueError(
            "The arguments of preset must be 'classification' or 'regression', and 'fast', "
            f"'balanced' or 'best'. Got {task!r} and {effort!r} instead."
        )
    common, efforts = _ALL[task]
    return common | efforts[effort]
