"""Checkpoints of training that survive a kill: written beside and renamed, known by their digest, the last two kept.

A checkpoint is a folder of torch.distributed.checkpoint: each process writes the shards that it has, and another number
of processes, with or without shards, reads what it needs of them. The digest is over the content and the place
(`_owner`): another training's checkpoint is none of this one.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import warnings
from pathlib import Path
from typing import Any

import torch.distributed.checkpoint as dcp

from ttt.engine import distributed

log = logging.getLogger(__name__)
# One process alone is no fault.
warnings.filterwarnings("ignore", message=".*torch.distributed is disabled, unavailable or uninitialized.*")

N_KEPT = 2
"""The one before is what a broken last one falls back to."""
NAME = re.compile(r"step-(\d{8})\.([0-9a-f]{16})\.ckpt")
FACTS = "facts.json"


def save(folder: Path, step: int, tensors: dict[str, Any], facts: dict[str, Any], sharded: bool) -> None:
    """Write a checkpoint of tensors (a tree of dicts) and facts (JSON's types); there in full, or not at all.

    Collective with `sharded`: each process writes its own shards. Otherwise rank zero alone writes.
    Raises OSError on a full disk.
    """
    if not sharded and distributed.rank():
        return
    part = folder / "saving.part"
    if not distributed.rank():
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
    if sharded:
        distributed.barrier()
    dcp.save(tensors, checkpoint_id=part, no_dist=not sharded)
    if distributed.rank():
        return
    with (part / FACTS).open("w", encoding="utf-8") as file:
        json.dump(facts, file)
        file.flush()
        os.fsync(file.fileno())
    part.rename(folder / f"step-{step:08d}.{_digest(part)}.ckpt")
    for old in _saved(folder)[N_KEPT:]:
        _remove(old)


def load(checkpoint: Path, tensors: dict[str, Any], sharded: bool) -> dict[str, Any]:
    """Fill the tensors in place, shards with what belongs to them; returns the facts. Collective with `sharded`."""
    dcp.load(tensors, checkpoint_id=checkpoint, no_dist=not sharded)
    facts: dict[str, Any] = json.loads((checkpoint / FACTS).read_bytes())
    return facts


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint of a folder whose content is what was written; broken ones are named and removed."""
    for checkpoint in _saved(folder):
        name = NAME.fullmatch(checkpoint.name)
        assert name is not None
        if _digest(checkpoint) == name[2]:
            return checkpoint
        others = len(_saved(folder)) - 1
        rest = "the one before it is tried" if others else "training starts anew"
        log.warning(f"checkpoint {checkpoint} is broken, or another training's; {rest}")
        _remove(checkpoint)
    return None


def step_of(checkpoint: Path) -> int:
    """Steps taken when the checkpoint was written."""
    name = NAME.fullmatch(checkpoint.name)
    assert name is not None, checkpoint
    return int(name[1])


def _saved(folder: Path) -> list[Path]:
    """Newest first."""
    paths = [path for path in folder.glob("step-*.ckpt") if NAME.fullmatch(path.name)]
    return sorted(paths, key=lambda path: (path.name.split(".")[0], path.stat().st_mtime_ns), reverse=True)


def _remove(checkpoint: Path) -> None:
    """Renamed first: a kill in the midst of it leaves nothing that looks like a checkpoint."""
    if not checkpoint.is_dir():
        checkpoint.unlink()
        return
    leaving = checkpoint.with_suffix(".removed")
    shutil.rmtree(leaving, ignore_errors=True)
    checkpoint.rename(leaving)
    shutil.rmtree(leaving)


def _digest(checkpoint: Path) -> str:
    """Over the names and contents of its files, and whose it is."""
    sha = hashlib.sha256(_owner(checkpoint.parent).encode())
    for file in sorted(checkpoint.iterdir()) if checkpoint.is_dir() else ():
        with file.open("rb") as content:
            sha.update(f"{file.name} {hashlib.file_digest(content, 'sha256').hexdigest()}\n".encode())
    return sha.hexdigest()[:16]


def _owner(folder: Path) -> str:
    """Whose the checkpoints of a folder are: the key of what is trained is in its path, wherever the store is."""
    return "/".join(folder.absolute().parts[-3:])
