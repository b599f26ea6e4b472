"""Callbacks: what looks on while a network trains."""

from __future__ import annotations

from sknn_scratch.contracts import Callback, Run, State
from sknn_scratch.registry import register


@register.callback("print_progress")
class PrintProgress(Callback):
    """Print the loss of each epoch, and the validation score where there is one."""

    def on_epoch_end(self, memory: State, run: Run) -> None:
        print(f"Iteration {run.epoch}, loss = {run.loss:.8f}")
        if run.validation_score is not None:
            print(f"Validation score: {run.validation_score:.6f}")
