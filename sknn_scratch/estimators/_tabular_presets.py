"""What ``effort`` stands for: a set of ordinary parameters for each task."""

from __future__ import annotations

from typing import Any

Preset = dict[str, Any]

_CLASSIFICATION: dict[str, Preset] = {
    "fast": {
        "n_ensemble": 4,
        "hidden_layer_sizes": (64, 64),
        "max_iter": 20,
        "learning_rate_init": 0.04,
    },
    "balanced": {
        "n_ensemble": 8,
        "hidden_layer_sizes": (96, 96),
        "max_iter": 32,
        "learning_rate_init": 0.035,
    },
    "best": {
        "n_ensemble": 16,
        "hidden_layer_sizes": (128, 128),
        "max_iter": 32,
        "learning_rate_init": 0.03,
    },
}
_REGRESSION: dict[str, Preset] = {
    "fast": {
        "n_ensemble": 4,
        "hidden_layer_sizes": (64, 64),
        "max_iter": 12,
        "learning_rate_init": 0.035,
    },
    "balanced": {
        "n_ensemble": 8,
        "hidden_layer_sizes": (96, 96),
        "max_iter": 16,
        "learning_rate_init": 0.035,
    },
    "best": {
        "n_ensemble": 16,
        "hidden_layer_sizes": (128, 128),
        "max_iter": 24,
        "learning_rate_init": 0.035,
    },
}
_ALL = {
    "classification": ({"activation": "silu", "n_bins": 8}, _CLASSIFICATION),
    "regression": ({"activation": "silu", "n_bins": 16}, _REGRESSION),
}
#: Epochs are added until a fit of few rows has this many steps.
MIN_STEPS = 400


def preset(task: str, effort: str) -> Preset:
    """Return the parameters that ``effort`` stands for."""
    common, efforts = _ALL[task]
    return common | efforts[effort]


def epochs(given: int | None, usual: int, n_batches: int) -> int:
    """Return the number of epochs: the one given, or the usual one and enough steps."""
    return usual_epochs(usual, n_batches) if given is None else int(given)


def usual_epochs(usual: int, n_batches: int) -> int:
    """Return as many epochs as make MIN_STEPS steps, and no fewer than usual."""
    return max(usual, -(-MIN_STEPS // n_batches))


def auto_batch_size(n: int) -> int:
    """Return rows per step: 64 for small data, up to 512, and batches of nearly one size."""
    wanted = next(
        (size for limit, size in ((1024, 64), (8192, 128), (30_000, 256)) if n <= limit), 512
    )
    return -(-n // max(1, round(n / wanted)))
