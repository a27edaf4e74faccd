"""What a model is loaded from, by content: the digest of its local files, or the hub's commit."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from ttt.files.hashing import file_digest, how_to_make
from ttt.files.hub_commits import asked_commit, cached_commit
from ttt.files.model_files import files_of
from ttt.spec import Model, SpecError


def model_source(model: Model) -> str:
    """What the model is loaded from, by content: a digest of its local files, or the hub's commit.

    Without the hub's answer (off line) the commit in the local cache counts. Raises SpecError if there is neither, or
    if something would be loaded from elsewhere.
    """
    if model.path:
        folder = Path(model.path).expanduser()
        if not folder.exists():
            raise SpecError(f"model.path: no folder {model.path}{how_to_make(folder)}")
        return folder_source(folder, model.gguf_file)
    return f"hub:{model.hub}@{_commit(model)}"


def _commit(model: Model) -> str:
    from huggingface_hub import constants
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    assert model.hub is not None
    try:
        return asked_commit("model", model.hub, model.revision)
    except RepositoryNotFoundError as error:
        raise SpecError(
            f"model.hub: the hub has no model {model.hub!r} that you may read (revision {model.revision})"
        ) from error
    except HFValidationError as error:
        raise SpecError(f"model.hub: {model.hub!r} is no hub id (org/name); a folder is given by model.path") from error
    except (HfHubHTTPError, OfflineModeIsEnabled, OSError) as error:
        if commit := cached_commit("model", model.hub, model.revision):
            return commit
        raise SpecError(
            f"model '{model.name}': the hub at {constants.ENDPOINT} does not answer and {model.hub} is not in "
            "the local cache; give a local folder with model.path="
        ) from error


def folder_source(folder: Path, gguf_file: str | None = None) -> str:
    """The source of a model in a folder: `files:` and the SHA-256 over the names and contents of its files."""
    named = {name: file_digest(file) for name, file in files_of(folder, gguf_file).items()}
    return "files:" + hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()
