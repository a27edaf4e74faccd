"""What runs and registered versions are found, filtered and sorted by: tags and params, by the contract's names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ttt.cell.key import bench_digest, recipe_digest, task_data_digest
from ttt.files.rows import DataFiles
from ttt.spec import Cell, Model


def cell_tags(cell: Cell, key: str, files: DataFiles | None) -> dict[str, str]:
    """What a cell is found, filtered and checked by; `files` knows the digests of the bench's local files."""
    trains = cell.adjustment.method != "none"  # the task data of others need not be there
    return {
        "ttt.kind": "cell",
        "ttt.key": key,
        "ttt.suite": cell.suite,
        "ttt.model": cell.model.name,
        "ttt.family": cell.model.family,
        "ttt.bench": cell.bench.name,
        "ttt.bench_version": str(cell.bench.version),
        "ttt.bench_digest": bench_digest(cell.bench, files),
        **({"ttt.task_data_digest": task_data_digest(cell.bench, files)} if trains else {}),
        "ttt.recipe": recipe_digest(cell.adjustment),
        "ttt.adjustment": cell.adjustment.name,
        "ttt.seed": str(cell.seed),
        "ttt.saturated": "unknown",
    }


def adjusting_tags(cell: Cell, key: str) -> dict[str, str]:
    """Of the run of an adjusted model, which belongs to no bench."""
    return {
        "ttt.kind": "adjusting",
        "ttt.key": key,
        "ttt.suite": cell.suite,
        "ttt.model": cell.model.name,
        "ttt.family": cell.model.family,
        "ttt.adjustment": cell.adjustment.name,
        "ttt.recipe": recipe_digest(cell.adjustment),
        "ttt.task_data": cell.task_data_name,
        "ttt.seed": str(cell.seed),
    }


def cell_params(cell: Cell, source: str, precision: str, shots: Sequence[int] = ()) -> dict[str, Any]:
    """The few that people filter and sort by; the whole request is the artifact `config.json`.

    `shots` are those that the tasks were given, where that is known; a task may be defined without.
    """
    bench, adjustment = cell.bench, cell.adjustment
    params: dict[str, Any] = {
        **model_params(cell.model, source),
        "bench": bench.name,
        "bench_version": bench.version,
        "format": bench.format,
        "metric": bench.metric,
        "num_fewshot": ", ".join(map(str, shots or [bench.num_fewshot])),
        "limit": bench.limit,
        "adjustment": adjustment.name,
        "method": adjustment.method,
        "seed": cell.seed,
        "precision": precision,
    }
    return params | (adjustment_params(cell) if adjustment.method != "none" else {})


def adjusting_params(cell: Cell, source: str, precision: str) -> dict[str, Any]:
    """Of the run of an adjusted model: the facts of the model, and the whole recipe."""
    recipe = cell.adjustment.model_dump(mode="json", exclude={"name", "examples", "epochs", "evaluate_at"})
    return (
        model_params(cell.model, source)
        | adjustment_params(cell)
        | {
            "adjustment": cell.adjustment.name,
            "seed": cell.seed,
            "precision": precision,
            **{f"recipe/{field}": value for field, value in recipe.items()},
        }
    )


def model_params(model: Model, source: str) -> dict[str, Any]:
    """A model's facts; what is not known of it is left out."""
    facts = {
        "model": model.name,
        "family": model.family,
        "kind": model.kind,
        "n_params": model.n_params,
        "n_tokens": model.n_tokens,
        "compute": f"{model.compute:.4g}" if model.compute else None,
        "trained": model.trained,
        "languages": ",".join(model.languages),
        "facts": json.dumps(dict(model.facts), sort_keys=True, default=str),
        "source": source,
    }
    return {name: value for name, value in facts.items() if value is not None}


def adjustment_params(cell: Cell) -> dict[str, Any]:
    adjustment = cell.adjustment
    return {
        "budget": f"{adjustment.examples} examples" if adjustment.examples else f"{adjustment.epochs:g} epochs",
        "learning_rate": adjustment.rate(cell.model),
        "batch_size": adjustment.batch_size,
        "max_tokens": adjustment.max_tokens,
        "task_data": ", ".join(dataset.name for dataset in cell.bench.task_data),
        "leak": cell.bench.leak,
        **({"lora_targets": ", ".join(cell.model.lora_targets or ("default",))} if adjustment.method == "lora" else {}),
    }
