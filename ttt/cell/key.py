"""The key under which a cell's run is found again, and digests of what compared cells must have in common."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttt.files.hashing import how_to_make, json_digest
from ttt.files.rows import DataFiles
from ttt.spec import Adjustment, Bench, Cell, Model, SpecError
from ttt.tasks.commits import commits_of_bench, commits_of_task_data

if TYPE_CHECKING:
    from ttt.tasks.task_data import Example  # which imports datasets, a second for every look-up

KEY_FORMAT = 5
"""Raised when the engine comes to compute something else from the same request."""
CONTENTS = "contents.json"
"""Among a cell's artifacts: the digests of what its bench and task data read (`content_digests`)."""
OF_BUDGET = ("name", "epochs", "examples", "evaluate_at")
"""Fields of an adjustment that are no part of its recipe: how it is called, how far it goes, and where it is scored."""
OF_TASK_DATA = ("task_data", "task_data_seed", "leak")
"""Fields of a bench that matter to what is trained on alone."""
OF_PAPER = ("paper_score",)
"""Fields of a bench that say how others took a score from the same results."""


def recipe_digest(adjustment: Adjustment) -> str:
    """Twenty hexadecimal digits over everything of an adjustment but its name and its budget.

    The rule by which the learning rate follows the model's size is part of it, and the rate of one model is not.
    """
    if adjustment.method == "none":
        return json_digest("none")
    unused = () if adjustment.method == "lora" else ("lora",)
    return json_digest(adjustment.model_dump(mode="json", exclude={*OF_BUDGET, *unused}))


def bench_digest(bench: Bench, files: DataFiles | None) -> str:
    """Twenty hexadecimal digits over the whole definition of the test, the content of its local files, and the commits
    of the hub's data sets that it reads.

    `files` keeps what was looked up, for whoever reads the data later; without it the files' names count instead, and
    no commits, as for results that others measured: what their data were is not known.
    """
    definition = bench.model_dump(mode="json", exclude={*OF_TASK_DATA, *OF_PAPER, "revisions"})
    definition["files"] = {split: _digest(files, file, f"bench.files.{split}") for split, file in bench.files.items()}
    commits = commits_of_bench(bench, files) if files else []
    return json_digest([definition, version("lm_eval"), *([commits] if commits else [])])


def task_data_digest(bench: Bench, files: DataFiles | None) -> str:
    """Twenty hexadecimal digits over what the bench's task data are made of, and their content; `files` as above."""
    datasets = []
    for dataset, commit in zip(bench.task_data, commits_of_task_data(bench, files), strict=True):
        named = [dataset.files] if isinstance(dataset.files, str) else dataset.files or ()
        contents = [_digest(files, file, f"bench.task_data '{dataset.name}'") for file in named]
        definition = dataset.model_dump(mode="json", exclude={"name", "part_of", "revision"}) | {"files": contents}
        datasets.append(definition | ({"commit": commit} if commit else {}))
    # Leaks that are removed and those that stop the run leave the same examples.
    return json_digest([datasets, bench.task_data_seed, bench.leak == "report"])


def content_digests(bench: Bench, files: DataFiles) -> dict[str, dict[str, str]]:
    """What the digests of the test (`bench`) and of its `task_data` cover beside their definitions, each by its name.

    Local files by their field, with their digests; data sets of the hub with their commits; lm-eval with its version.
    """
    test = {f"bench.files.{split}": _digest(files, file, f"bench.files.{split}") for split, file in bench.files.items()}
    test |= {f"{hub} of the hub": commit for hub, commit in commits_of_bench(bench, files)}
    trained: dict[str, str] = {}
    commits = commits_of_task_data(bench, files)
    for i, (dataset, commit) in enumerate(zip(bench.task_data, commits, strict=True)):
        named = [dataset.files] if isinstance(dataset.files, str) else dataset.files or ()
        for j, file in enumerate(named):
            field = f"bench.task_data.{i}.files" + (f".{j}" if len(named) > 1 else "")
            trained[field] = _digest(files, file, field)
        if commit:
            trained[f"bench.task_data.{i}.hub"] = commit
    return {"bench": test | {"lm-eval": version("lm_eval")}, "task_data": trained}


def cell_key(cell: Cell, source: str, precision: str, files: DataFiles, train_tokens: int) -> str:
    """Twenty hexadecimal digits over all that can change the cell's scores.

    The model's source (`model_source`), the bench, the adjustment, the seed, the precision, and the version of lm-eval,
    whose prompts and metrics a named task means. Paths do not count, only what is in the files. What dropout draws goes
    by micro-batches, of adapters and of models that have some, so that their size counts where something is trained.
    """
    model, adjustment = cell.model, cell.adjustment
    content: dict[str, Any] = {
        "format": KEY_FORMAT,
        "source": source,
        "model": [model.name, model.dtype, *_by_remote_code(model)],
        "bench": bench_digest(cell.bench, files),
        "adjustment": adjustment.model_dump(mode="json", exclude={"evaluate_at"}),  # `read_back` asks for these scores
        "seed": cell.seed,
        "precision": precision,
    }
    if adjustment.method != "none":
        content["task_data"] = task_data_digest(cell.bench, files)
        content["learning_rate"] = adjustment.rate(model)
        content["lora_targets"] = model.lora_targets
        content["train_tokens"] = train_tokens
    return json_digest(content)


def adjusted_key(cell: Cell, source: str, precision: str, examples: Sequence[Example], train_tokens: int) -> str:
    """The key of the adjusted model that cells share: twenty hexadecimal digits over all that decides its weights.

    `examples` are those that are trained on, leaks taken out, in their order. Prompts are tokenised as the bench's are:
    by the chat template or without, and where answers are generated, as generation begins from them. The bench itself
    does not count, nor do paths, names and where scores are taken on the way.
    """
    model, adjustment, bench = cell.model, cell.adjustment, cell.bench
    text = hashlib.sha256()
    for example in examples:
        text.update(json.dumps([example.prompt, example.answer]).encode())
    return json_digest(
        {
            "format": KEY_FORMAT,
            "source": [
                source,
                model.dtype,
                model.lora_targets if adjustment.method == "lora" else None,
                *_by_remote_code(model),
            ],
            "examples": [text.hexdigest(), bench.chat_template, bench.format == "generate"],
            "recipe": recipe_digest(adjustment),
            "learning_rate": adjustment.rate(model),
            "budget": adjustment.n_examples(len(examples)),
            "seed": cell.seed,
            "precision": precision,
            "train_tokens": train_tokens,
        }
    )


def _by_remote_code(model: Model) -> list[str]:
    """A model that transformers knows too may compute something else by the code that came with it."""
    return ["remote code"] if model.trust_remote_code else []


def _digest(files: DataFiles | None, file: str, field: str) -> str:
    if files is None:
        return Path(file).name
    try:
        return files.digest(file, field)
    except SpecError as error:
        raise SpecError(f"{error}{how_to_make(Path(file).absolute())}") from None
