"""How a pretrained model of the lab is written to MLflow: one run a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ttt.lab.ladder import BATCH, LabModel
from ttt.lab.store import LabStore
from ttt.tracking import Tracker

if TYPE_CHECKING:
    from ttt.lab.pretraining import Pretrained

N_POINTS = 200
"""Points of the loss curve at most: MLflow takes a row a point."""


def record(tracker: Tracker, suite: str, store: LabStore, model: LabModel, made: Pretrained) -> str:
    """Log a model's facts, loss curve and a sample of its text to `<suite>/pretrain`; returns the run's id."""
    experiment, key = f"{suite}/pretrain", store.key(model)
    tags = {
        "ttt.kind": "pretrain",
        "ttt.suite": suite,
        "ttt.model": model.name,
        "ttt.family": model.family,
        "ttt.seed": str(store.seed),
    }
    recipe = model.recipe
    with tracker.run(experiment, model.name, tags, key=key) as run:
        for step in _thinned(len(made.losses)):
            run.metrics({"train/loss": made.losses[step - 1]}, step)
        run.metrics({"loss": made.losses[-1], "seconds": made.seconds}, len(made.losses))
        run.flush(
            {
                "model": model.name,
                "family": model.family,
                "n_params": model.size.n_params,
                "n_tokens": model.size.n_tokens,
                "compute": f"{model.compute:.4g}",
                "dose": model.dose,
                "replicate": model.replicate,
                "seed": store.seed,
                "width": model.size.width,
                "steps": model.size.n_steps,
                "batch_size": BATCH,
                "learning_rate": recipe.learning_rate,
                "digest": made.digest,
            }
        )
        run.text(made.sample, "sample.txt")
    return run.run_id


def _thinned(n: int) -> list[int]:
    """Steps from 1 to n, evenly spaced, the last among them."""
    return sorted({max(1, round(n * (i + 1) / N_POINTS)) for i in range(N_POINTS)})
