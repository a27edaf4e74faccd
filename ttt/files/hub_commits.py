"""Commits of the Hugging Face hub: what a name and a revision mean now, or off line, what they last meant here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from ttt.spec import SpecError

Kind = Literal["model", "dataset"]
PROBES: dict[Kind, str] = {"model": "config.json", "dataset": "README.md"}
"""The file that is asked for to learn a commit: small, and read in any case."""
COMMIT = re.compile(r"[0-9a-f]{40}")


def dataset_commit(name: str, revision: str, field: str) -> str:
    """The commit of the hub's data set `name` that a branch, a tag or a commit is.

    Where the hub does not answer (off line), the commit that the local cache has for it counts. Raises SpecError that
    begins with `field` if the hub has no such data set or revision, or if neither the hub nor the cache knows it.
    """
    from huggingface_hub import constants  # after it is known whether the hub answers
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        return asked_commit("dataset", name, revision)
    except RevisionNotFoundError:
        raise SpecError(f"{field}: the hub's data set {name!r} has no revision {revision!r}") from None
    except RepositoryNotFoundError:
        raise SpecError(f"{field}: the hub has no data set {name!r} that you may read") from None
    except HFValidationError as error:
        raise SpecError(f"{field}: {name!r} is no hub id (org/name)") from error
    except OSError as error:
        commit = cached_commit("dataset", name, revision)
        if commit is None:
            raise SpecError(
                f"{field}: the hub at {constants.ENDPOINT} does not answer, and the local cache has nothing of its "
                f"data set {name!r} (revision {revision!r})"
            ) from error
        return commit


def asked_commit(kind: Kind, name: str, revision: str) -> str:
    """The commit by the hub's word, or the cache's where the hub does not answer. Raises the hub library's errors."""
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.errors import RemoteEntryNotFoundError

    try:
        # One question, and the library's cache keeps the answer for when the hub gives none: it keeps no commit of a
        # branch whose files are only ever downloaded by their commit.
        return Path(hf_hub_download(name, PROBES[kind], repo_type=kind, revision=revision)).parent.name
    except RemoteEntryNotFoundError:  # a repository without that file
        return str(HfApi().repo_info(name, repo_type=kind, revision=revision).sha)


def cached_commit(kind: Kind, name: str, revision: str) -> str | None:
    """The commit that the hub's local cache has for a revision, by the cache's documented layout; None if none."""
    from huggingface_hub import constants

    repository = Path(constants.HF_HUB_CACHE, f"{kind}s--{name.replace('/', '--')}")
    if COMMIT.fullmatch(revision):
        return revision if (repository / "snapshots" / revision).is_dir() else None
    try:
        return (repository / "refs" / revision).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return None
