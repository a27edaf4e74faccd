"""The key under which a cell's run is found again."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

from ttt.files.digests import how_to_make
from ttt.files.rows import DataFiles
from ttt.spec import Cell, SpecError

KEY_FORMAT = 4
"""Raised when the engine comes to compute something else from the same request."""


def cell_key(cell: Cell, source: str, precision: str, files: DataFiles) -> str:
    """Twenty hexadecimal digits over all that can change the cell's scores.

    The model's source (`model_source`), the bench with the content of its local files (whatever their paths), the
    adjustment, the seed, the precision, and the version of lm-eval, whose prompts and metrics a named task means.
    `files` keeps the digests, for whoever reads the files later.
    """
    bench = cell.bench.model_dump()
    bench["files"] = {split: _digest(files, file, f"bench.files.{split}") for split, file in cell.bench.files.items()}
    base = cell.adjustment.method == "none"
    if base:
        for field in ("task_data", "task_data_seed"):
            del bench[field]
    if base or bench["leak"] != "report":  # the others train on the same examples, or not at all
        del bench["leak"]
    if not base:
        for dataset, dumped in zip(cell.bench.task_data, bench["task_data"], strict=True):
            named = [dataset.files] if isinstance(dataset.files, str) else dataset.files or ()
            dumped["files"] = [_digest(files, file, f"bench.task_data '{dataset.name}'") for file in named]
    model = cell.model
    content = {
        "format": KEY_FORMAT,
        "source": source,
        "model": [model.name, model.dtype, None if base else list(model.lora_targets or ())],
        "bench": bench,
        "adjustment": cell.adjustment.model_dump(),
        "learning_rate": None if base else cell.adjustment.rate(model),
        "seed": cell.seed,
        "precision": precision,
        "lm_eval": version("lm_eval"),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:20]


def _digest(files: DataFiles, file: str, field: str) -> str:
    try:
        return files.digest(file, field)
    except SpecError as error:
        raise SpecError(f"{error}{how_to_make(Path(file).absolute())}") from None
