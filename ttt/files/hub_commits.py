"""Commits of the Hugging Face hub: what a name and a revision mean now, or off line, what they last meant here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from ttt.spec import SpecError

CARD = "README.md"
COMMIT = re.compile(r"[0-9a-f]{40}")


def dataset_commit(name: str, revision: str, field: str) -> str:
    """The commit of the hub's data set `name` that a branch, a tag or a commit is.

    Where the hub does not answer (off line), the commit that the local cache has for it counts. Raises SpecError that
    begins with `field` if the hub has no such data set or revision, or if neither the hub nor the cache knows it.
    """
    from huggingface_hub import HfApi, constants, hf_hub_download  # after it is known whether the hub answers
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HFValidationError,
        LocalEntryNotFoundError,
        RemoteEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        try:
            # One question, and the library's own cache remembers the answer for when the hub does not give one.
            return Path(hf_hub_download(name, CARD, repo_type="dataset", revision=revision)).parent.name
        except RemoteEntryNotFoundError:  # a data set without a card
            return str(HfApi().dataset_info(name, revision=revision).sha)
    except RevisionNotFoundError:
        raise SpecError(f"{field}: the hub's data set {name!r} has no revision {revision!r}") from None
    except RepositoryNotFoundError:
        raise SpecError(f"{field}: the hub has no data set {name!r} that you may read") from None
    except HFValidationError as error:
        raise SpecError(f"{field}: {name!r} is no hub id (org/name)") from error
    except (LocalEntryNotFoundError, EntryNotFoundError, OSError) as error:
        commit = cached_commit("dataset", name, revision)
        if commit is None:
            raise SpecError(
                f"{field}: the hub at {constants.ENDPOINT} does not answer, and the local cache has nothing of its "
                f"data set {name!r} (revision {revision!r})"
            ) from error
        return commit


def cached_commit(kind: Literal["model", "dataset"], name: str, revision: str) -> str | None:
    """The commit that the hub's local cache has for a revision, by the cache's documented layout; None if none."""
    from huggingface_hub import constants

    repository = Path(constants.HF_HUB_CACHE, f"{kind}s--{name.replace('/', '--')}")
    if COMMIT.fullmatch(revision):
        return revision if (repository / "snapshots" / revision).is_dir() else None
    try:
        return (repository / "refs" / revision).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return None
