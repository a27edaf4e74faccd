"""What makes a cell itself: digests of its sources, and the key under which its run is found again."""

from __future__ import annotations

import hashlib
import json
import re
import time
from importlib.metadata import version
from pathlib import Path

from ttt.model_files import files_of
from ttt.rows import DataFiles
from ttt.spec import Cell, Model, SpecError

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
        raise SpecError(f"{error}{_how_to_make(Path(file).absolute())}") from None


def model_source(model: Model) -> str:
    """What the model is loaded from, by content: a digest of the local files (`ttt.model_files`), or the hub's commit.

    Without the hub's answer (off line) the commit in the local cache counts. Raises SpecError if there is neither, or
    if something would be loaded from elsewhere.
    """
    if model.path:
        folder = Path(model.path).expanduser()
        if not folder.exists():
            raise SpecError(f"model.path: no folder {model.path}{_how_to_make(folder)}")
        return folder_source(folder, model.gguf_file)
    return f"hub:{model.hub}@{_commit(model)}"


def _commit(model: Model) -> str:
    from huggingface_hub import HfApi, constants, try_to_load_from_cache
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    assert model.hub is not None
    try:
        return str(HfApi().model_info(model.hub, revision=model.revision).sha)
    except RepositoryNotFoundError as error:
        raise SpecError(
            f"model.hub: the hub has no model {model.hub!r} that you may read (revision {model.revision})"
        ) from error
    except HFValidationError as error:
        raise SpecError(f"model.hub: {model.hub!r} is no hub id (org/name); a folder is given by model.path") from error
    except (HfHubHTTPError, OfflineModeIsEnabled, OSError) as error:
        cached = try_to_load_from_cache(model.hub, "config.json", revision=model.revision)
        if isinstance(cached, str):
            return Path(cached).parent.name
        raise SpecError(
            f"model '{model.name}': the hub at {constants.ENDPOINT} does not answer and {model.hub} is not in "
            "the local cache; give a local folder with model.path="
        ) from error


def folder_source(folder: Path, gguf_file: str | None = None) -> str:
    """The source of a model in a folder: `files:` and the SHA-256 over the names and contents of its files."""
    named = {name: file_digest(file) for name, file in files_of(folder, gguf_file).items()}
    return "files:" + hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()


def file_digest(file: Path) -> str:
    """SHA-256 of a file's content. Large weights are read once a process, unless something has touched them."""
    file = file.expanduser().resolve()
    if not file.is_file():
        raise SpecError(f"no file {file}{_how_to_make(file)}")
    try:
        stat = file.stat()
        # Sizes and times of writing are easily the same (`cp -p`, archives); the time of change nobody can set.
        stamp = (str(file), stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
        if stamp in _digests:
            return _digests[stamp]
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise SpecError(f"{file} cannot be read: {error.strerror or error}") from error
    if time.time_ns() - stat.st_ctime_ns > NS_UNTIL_SETTLED:
        _digests[stamp] = digest
    return digest


NS_UNTIL_SETTLED = 2_000_000_000
"""A file changed within the resolution of its times would keep its stamp: one that was just written is not believed."""
_digests: dict[tuple[str, int, int, int, int, int], str] = {}


def _how_to_make(path: Path) -> str:
    """What a message about a missing file of the lab adds; those files are made by a command, not downloaded."""
    found = re.search(r"/lab/s(\d+)/([^/]+)$", path.as_posix())
    if not found:
        return ""
    models = f" models=[{found[2]}]" if found[2].startswith("lab-") else ""
    return f"; make it first: python -m ttt.pretrain lab.seed={found[1]}{models}"
