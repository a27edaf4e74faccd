"""The card of a cell: what was done to which model, and what came of it, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping

from ttt.cell.result import CellResult
from ttt.files.rows import DataFiles
from ttt.formatting import with_error
from ttt.spec import Bench, Cell, Model
from ttt.tasks.commits import commits_of_bench, commits_of_task_data

TYPES = {"32": "float32", "bf16": "bfloat16"}


def card(cell: Cell, result: CellResult, source: str, precision: str, files: DataFiles) -> str:
    """The text; `files` knows the commits of the hub's data sets that the cell reads."""
    model, bench, adjustment = cell.model, cell.bench, cell.adjustment
    number, _, generator = precision.partition(", ")
    lines = [
        f"# {cell.label} on {bench.name}",
        "",
        f"{model.name} ({model.family}, {model.kind}, {model.n_params:,} parameters, {_pretraining(model)}), "
        f"loaded from `{source}`, in {TYPES[number]}{', generating with vLLM' if generator else ''}.",
        "",
        f"| {bench.metric} | score ± standard error |",
        "|---|---|",
        f"| base | {with_error(result.base['score'], result.base['stderr'])} |",
    ]
    if adjustment.method != "none":
        budget = f"{adjustment.examples:,} examples" if adjustment.examples else f"{adjustment.epochs:g} epochs"
        lines += [
            f"| adjusted | {with_error(result.adjusted['score'], result.adjusted['stderr'])} |",
            f"| gain | {with_error(result.gain['score'], result.gain['stderr'])} ({paired(result.gain, bench)}) |",
            "",
            f"Adjusted ({adjustment.method}) on {', '.join(d.name for d in bench.task_data)}: {budget}, "
            f"learning rate {adjustment.rate(model):g}, {adjustment.batch_size} examples a step, seed {cell.seed}.",
        ]
    shots = " or ".join(map(str, result.num_fewshot))
    lines += [
        "",
        f"{result.n_items:,} items, {shots} shots, chance {bench.chance:g}; version {bench.version} of the bench.",
        "",
        f"Weights: base `{result.digest_base[:16]}`, adjusted `{result.digest_adjusted[:16]}` (SHA-256).",
    ]
    data = [f"`{hub}` at commit `{commit}`" for hub, commit in commits_of_bench(bench, files)]
    if adjustment.method != "none":
        commits = commits_of_task_data(bench, files)
        sources = zip(bench.task_data, commits, strict=True)
        data += [f"task data `{source.hub}` at commit `{commit}`" for source, commit in sources if commit]
    if data:
        lines += ["", f"Data of the hub: {'; '.join(data)}."]
    if result.warnings:
        lines += ["", "Warnings:", "", *(f"- {warning}" for warning in result.warnings)]
    return "\n".join(lines) + "\n"


def _pretraining(model: Model) -> str:
    """What is known of a model's pretraining."""
    size = f"{model.n_tokens:,} tokens of pretraining, {model.compute:.3g} FLOPs" if model.n_tokens else ""
    return ", ".join(filter(None, [size, model.trained])) or "pretraining unknown"


def paired(gain: Mapping[str, float | None], bench: Bench) -> str:
    """What the gain's error is, or why there is none."""
    if gain["stderr"] is not None:
        return "paired over the items"
    return f"no paired error: {bench.metric} is not a mean over two items or more"
